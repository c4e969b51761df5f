//go:build unix

package dataset

import (
	"errors"
	"os"
	"syscall"

	"github.com/sluice-ml/sluice/shared/fault"
)

// lock keeps a folder from being written by two checkouts at once: together they
// would leave the files of both. It ends with unlock, and with the process.
func lock(root *os.Root) (unlock func(), err error) {
	folder, err := root.Open(".")
	if err != nil {
		return nil, fault.New(fault.Invalid, "lock "+root.Name(), "%w", err)
	}
	err = syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		_ = folder.Close()
		return nil, fault.New(fault.Busy, "check out into "+root.Name(), "another checkout is writing there").
			WithHint("wait for it to end, or name another folder")
	case err != nil: // a file system without locks
		return func() { _ = folder.Close() }, nil
	}
	return func() { _ = folder.Close() }, nil
}
