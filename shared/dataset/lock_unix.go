//go:build unix

package dataset

import (
	"errors"
	"os"
	"syscall"

	"github.com/sluice-ml/sluice/shared/fault"
)

// LockFolder keeps a folder to one checkout or add at once: two checkouts would
// leave the files of both, and two adds would upload all twice. It ends with
// unlock, and with the process; Busy says that another has it.
func LockFolder(root *os.Root, op string) (unlock func(), err error) {
	folder, err := root.Open(".")
	if err != nil {
		return nil, fault.New(fault.Invalid, "lock "+root.Name(), "%w", err)
	}
	err = syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		_ = folder.Close()
		return nil, fault.New(fault.Busy, op, "another checkout or add is at work there").
			WithHint("wait for it to end, or name another folder")
	case err != nil: // a file system without locks
		return func() { _ = folder.Close() }, nil
	}
	return func() { _ = folder.Close() }, nil
}
