package assembly

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// maxUnzipped bounds what one asset may unpack to: Lambda's own limit is
// 250 MiB.
const maxUnzipped = 2 << 30

// unzip unpacks the archive into cache/<hash of the archive>, once. The folder
// appears whole or not at all.
func unzip(archive, cache string) (string, error) {
	sum, err := hashFile(archive)
	if err != nil {
		return "", err
	}
	final := filepath.Join(cache, sum)
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("unpack asset %s: %w", archive, err)
	}
	partial, err := os.MkdirTemp(cache, "partial-")
	if err != nil {
		return "", fmt.Errorf("unpack asset %s: %w", archive, err)
	}
	defer os.RemoveAll(partial)
	if err := extract(archive, partial); err != nil {
		return "", fmt.Errorf("unpack asset %s: %w", archive, err)
	}
	if err := os.Rename(partial, final); err != nil {
		if _, there := os.Stat(final); there == nil {
			return final, nil // somebody else was first
		}
		return "", fmt.Errorf("unpack asset %s: %w", archive, err)
	}
	return final, nil
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("asset: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("asset %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func extract(archive, dir string) error {
	reader, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer reader.Close()
	var left int64 = maxUnzipped
	for _, file := range reader.File {
		if !filepath.IsLocal(file.Name) {
			return fmt.Errorf("entry %q leads out of the archive", file.Name)
		}
		written, err := extractFile(file, filepath.Join(dir, file.Name), left)
		if err != nil {
			return fmt.Errorf("entry %q: %w", file.Name, err)
		}
		left -= written
	}
	return nil
}

func extractFile(file *zip.File, path string, limit int64) (int64, error) {
	if file.FileInfo().IsDir() {
		return 0, os.MkdirAll(path, 0o755)
	}
	if !file.Mode().IsRegular() {
		return 0, fmt.Errorf("is not a plain file")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return 0, err
	}
	in, err := file.Open()
	if err != nil {
		return 0, err
	}
	defer in.Close()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, file.Mode().Perm()|0o600)
	if err != nil {
		return 0, err
	}
	written, err := io.Copy(out, io.LimitReader(in, limit+1))
	if closing := out.Close(); err == nil {
		err = closing
	}
	if err == nil && written > limit {
		err = fmt.Errorf("the archive unpacks to more than %d bytes", int64(maxUnzipped))
	}
	return written, err
}
