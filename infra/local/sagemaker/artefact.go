package sagemaker

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Bounds on an extracted artefact.
const (
	maxArtefactBytes = 16 << 30
	maxArtefactFiles = 100_000
)

// extracting begins the name of a folder that is being filled.
const extracting = ".extract-"

// parseURI splits s3://bucket/key; the key may be empty.
func parseURI(uri string) (bucket, key string, err error) {
	rest, ok := strings.CutPrefix(uri, "s3://")
	bucket, key, _ = strings.Cut(rest, "/")
	if !ok || bucket == "" {
		return "", "", fmt.Errorf("S3 URI %q: want s3://bucket/key", uri)
	}
	return bucket, key, nil
}

// folder is where a model's artefact lies extracted. It is named by the model
// as it was created: a model deleted and made again gets a fresh one.
func (s *Service) folder(m Model) string {
	h := sha256.Sum256(fmt.Appendf(nil, "%s\n%d\n%s", m.ModelName, m.Created.UnixNano(), m.PrimaryContainer.ModelDataURL))
	return filepath.Join(s.config.Dir, "models", m.ModelName+"-"+hex.EncodeToString(h[:8]))
}

// fetch makes the model's folder, once: it appears complete or not at all.
func (s *Service) fetch(ctx context.Context, m Model) (string, error) {
	folder := s.folder(m)
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return "", err
	}
	temporary, err := os.MkdirTemp(filepath.Dir(folder), extracting+"*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temporary)
	if url := m.PrimaryContainer.ModelDataURL; url != "" {
		if err := s.download(ctx, url, temporary); err != nil {
			return "", fmt.Errorf("Failed to download model data for container \"container_1\" from URL: %q. Please ensure that there is an object located at the URL: %w", url, err) //nolint:staticcheck // AWS's words
		}
	}
	if err := os.Chmod(temporary, 0o755); err != nil {
		return "", err
	}
	if err := os.Rename(temporary, folder); err != nil && !errors.Is(err, os.ErrExist) {
		if _, there := os.Stat(folder); there != nil {
			return "", err
		}
	}
	return folder, nil
}

func (s *Service) download(ctx context.Context, url, folder string) error {
	bucket, key, err := parseURI(url)
	if err != nil {
		return err
	}
	body, err := s.config.Objects.Get(ctx, bucket, key)
	if err != nil {
		return err
	}
	defer body.Close()
	return extract(body, folder)
}

// extract unpacks a .tar.gz of plain files and folders. A link, a device, or a
// name that leads outside the folder is an error that names it: an artefact
// never needs them.
func extract(archive io.Reader, folder string) error {
	unzipped, err := gzip.NewReader(archive)
	if err != nil {
		return fmt.Errorf("not a gzip file: %w", err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	left := int64(maxArtefactBytes)
	reader := tar.NewReader(unzipped)
	for files := 0; ; files++ {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("not a tar archive: %w", err)
		}
		if left -= header.Size; files >= maxArtefactFiles || left < 0 {
			return fmt.Errorf("the archive has more than %d files or %d bytes", maxArtefactFiles, int64(maxArtefactBytes))
		}
		if err := extractOne(root, header, reader); err != nil {
			return fmt.Errorf("archive entry %q: %w", header.Name, err)
		}
	}
}

func extractOne(root *os.Root, header *tar.Header, body io.Reader) error {
	name := filepath.Clean(header.Name)
	if !filepath.IsLocal(name) {
		return errors.New("its name leads outside the model's folder")
	}
	switch header.Typeflag {
	case tar.TypeXGlobalHeader:
		return nil
	case tar.TypeDir:
		return root.MkdirAll(name, 0o755)
	case tar.TypeReg:
	default:
		return fmt.Errorf("type %q: only plain files and folders are allowed", header.Typeflag)
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644|os.FileMode(header.Mode)&0o111)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, body, header.Size)
	return errors.Join(err, f.Close())
}

// sweepFolders removes artefacts that no endpoint uses; s.mu is held.
func (s *Service) sweepFolders() {
	used := map[string]bool{}
	for _, r := range s.state.Endpoints {
		for _, d := range []*deployment{r.Current, r.Pending} {
			if d == nil {
				continue
			}
			for _, v := range d.all() {
				used[s.folder(v.Model)] = true
			}
		}
	}
	there, _ := filepath.Glob(filepath.Join(s.config.Dir, "models", "*"))
	for _, folder := range there {
		if !used[folder] && !strings.HasPrefix(filepath.Base(folder), extracting) {
			if err := os.RemoveAll(folder); err != nil {
				s.logf("remove unused artefact %s: %v", folder, err)
			}
		}
	}
}
