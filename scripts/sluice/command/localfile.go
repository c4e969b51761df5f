package command

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/sluice-ml/sluice/shared/fault"
)

// openFile opens a file that the command line names and gives its size in bytes.
// The error is a fault: NotFound where nothing is, Denied where it may not be read,
// Invalid where a folder is.
func openFile(path string) (*os.File, int64, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, fileFault("read", path, err)
	}
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = fault.New(fault.Invalid, "read "+path, "it is a folder").WithHint("name a file in it")
	} else if err != nil {
		err = fileFault("read", path, err)
	}
	if err != nil {
		file.Close()
		return nil, 0, err
	}
	return file, info.Size(), nil
}

// readFile is the content of a file that the command line names; its errors are
// openFile's.
func readFile(path string) ([]byte, error) {
	file, _, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	body, err := io.ReadAll(file)
	if err != nil {
		return nil, fileFault("read", path, err)
	}
	return body, nil
}

// fileFault is what the system says of a path, as a fault that names the path once.
func fileFault(doing, path string, err error) error {
	op := doing + " " + path
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.NotFound, op, "there is no such file").WithHint("paths are taken from the folder that the command is run in")
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Denied, op, "this user may not").WithHint("see its owner and mode with: ls -l %s", path)
	}
	if of, ok := errors.AsType[*fs.PathError](err); ok {
		err = of.Err
	}
	return fault.Wrap(fault.Unavailable, op, err)
}
