package lambda

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// maxUnpacked is AWS's limit on a package's content, in bytes.
const maxUnpacked = 250 << 20

// code gives the folder with a function's bootstrap; a zip file is unpacked
// once, into a folder named after its content.
func (s *Service) code(bucket, key string) (string, error) {
	found, err := s.options.Code(bucket, key)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(found)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		if found, err = unpack(found, filepath.Join(s.options.Dir, "code")); err != nil {
			return "", err
		}
	}
	if found, err = filepath.Abs(found); err != nil {
		return "", err
	}
	return found, bootstrap(found)
}

// unpack extracts a zip file under parent and gives its folder. A folder that
// is there is complete: it was renamed into place.
func unpack(file, parent string) (string, error) {
	sum, err := digest(file)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(parent, sum)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", err
	}
	temporary, err := os.MkdirTemp(parent, "unpacking-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temporary)
	if err := extract(file, temporary); err != nil {
		return "", fmt.Errorf("unpack %s: %w", filepath.Base(file), err)
	}
	if err := os.Rename(temporary, dir); err != nil {
		if _, missing := os.Stat(dir); missing != nil {
			return "", err
		} // else somebody unpacked the same content first
	}
	return dir, nil
}

func digest(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func extract(file, dir string) error {
	archive, err := zip.OpenReader(file)
	if err != nil {
		return err
	}
	defer archive.Close()
	left := int64(maxUnpacked)
	for _, entry := range archive.File {
		if !filepath.IsLocal(entry.Name) {
			return fmt.Errorf("entry %q leads out of the package", entry.Name)
		}
		path := filepath.Join(dir, entry.Name)
		if entry.FileInfo().IsDir() {
			if err := os.MkdirAll(path, 0o755); err != nil {
				return err
			}
			continue
		}
		if !entry.Mode().IsRegular() {
			return fmt.Errorf("entry %q is not a plain file", entry.Name)
		}
		n, err := extractFile(entry, path, left)
		if err != nil {
			return fmt.Errorf("entry %q: %w", entry.Name, err)
		}
		left -= n
	}
	return nil
}

func extractFile(entry *zip.File, path string, limit int64) (n int64, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return 0, err
	}
	from, err := entry.Open()
	if err != nil {
		return 0, err
	}
	defer from.Close()
	to, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, entry.Mode().Perm()|0o444)
	if err != nil {
		return 0, err
	}
	n, err = io.Copy(to, io.LimitReader(from, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("the package's content is over %d MB", maxUnpacked>>20)
	}
	return n, errors.Join(err, to.Close())
}
