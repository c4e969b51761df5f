// Package e2e holds the tests of the whole: the real sluice command, the real
// synthesized stack and the real binaries, in processes of their own, with kills,
// races and bad input. There is nothing here to import.
package e2e
