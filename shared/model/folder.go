package model

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
)

// MaxFiles and MaxBytes bound an archive of a model that brings its own image.
const (
	MaxFiles = 10_000
	MaxBytes = 4 << 30
)

// SchemaOf reads the schema of any model.tar.gz, whoever serves it. The error is
// of kind Invalid, and NotFound when there is no schema.json.
func SchemaOf(archive []byte) (*Schema, error) {
	files, err := read(archive)
	if err != nil {
		return nil, fault.New(fault.Invalid, "read model.tar.gz", "%w", err)
	}
	described, ok := files[FileSchema]
	if !ok {
		return nil, fault.New(fault.NotFound, "read model.tar.gz", "it has no %s", FileSchema)
	}
	return ParseSchema(described)
}

// PackFolder makes a .tar.gz of a folder's files, in the order of their names and
// without their times: the same bytes for the same files. It refuses links and
// everything else that is neither a file nor a folder; the error is of kind
// Invalid and names it.
func PackFolder(folder string) ([]byte, error) {
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	files, size := 0, int64(0)
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		files++
		if size += info.Size(); files > MaxFiles || size > MaxBytes {
			return fmt.Errorf("it has more than %d files or %d bytes", MaxFiles, int64(MaxBytes))
		}
		return packFile(archive, folder, path, info)
	})
	if err = errors.Join(err, archive.Close(), zipped.Close()); err != nil {
		return nil, fault.New(fault.Invalid, "pack "+filepath.Base(folder), "%w", err)
	}
	return out.Bytes(), nil
}

func packFile(archive *tar.Writer, folder, path string, info fs.FileInfo) error {
	name, err := filepath.Rel(folder, path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is a %v: only files and folders can be kept", name, info.Mode().Type())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	err = archive.WriteHeader(&tar.Header{Name: filepath.ToSlash(name), Mode: 0o644 | int64(info.Mode()&0o111),
		Size: int64(len(data)), ModTime: time.Unix(0, 0), Format: tar.FormatPAX})
	if err == nil {
		_, err = archive.Write(data)
	}
	return err
}

// UnpackFolder writes every file of a .tar.gz into a folder. A link, a device and
// a name that leads outside are of kind Invalid; nothing outside is touched.
func UnpackFolder(archive []byte, folder string) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return fault.New(fault.Internal, "unpack the archive", "%w", err)
	}
	defer root.Close()
	if err := extractInto(root, archive); err != nil {
		return fault.New(fault.Invalid, "unpack the archive", "%w", err)
	}
	return nil
}

func extractInto(root *os.Root, archive []byte) error {
	unzipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return err
	}
	entries, left := tar.NewReader(unzipped), int64(MaxBytes)
	for files := 0; ; files++ {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if left -= header.Size; files >= MaxFiles || left < 0 {
			return fmt.Errorf("it has more than %d files or %d bytes", MaxFiles, int64(MaxBytes))
		}
		if err := extractFile(root, header, entries); err != nil {
			return fmt.Errorf("entry %q: %w", header.Name, err)
		}
	}
}

func extractFile(root *os.Root, header *tar.Header, body io.Reader) error {
	name := filepath.Clean(header.Name)
	if !filepath.IsLocal(name) {
		return errors.New("its name leads outside the folder")
	}
	switch header.Typeflag {
	case tar.TypeXGlobalHeader:
		return nil
	case tar.TypeDir:
		return root.MkdirAll(name, 0o755)
	case tar.TypeReg:
	default:
		return fmt.Errorf("type %q: only files and folders are allowed", header.Typeflag)
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644|os.FileMode(header.Mode)&0o111)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	return errors.Join(err, f.Close())
}
