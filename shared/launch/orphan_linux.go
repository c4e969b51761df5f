package launch

import (
	"os/exec"
	"syscall"
)

// dieWithParent ends the program when the launcher is killed and cannot stop it
// itself. The signal is tied to the starting thread; Go ends a thread only with a
// goroutine that is locked to it, and none here is.
func dieWithParent(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
