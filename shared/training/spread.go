package training

import (
	"runtime"
	"sync"
)

// spread does parts of 0..n at once, as many as there are processors. The error
// is that of the part that begins first.
func spread(n int, part func(from, to int) error) error {
	parts := max(1, min(runtime.GOMAXPROCS(0), n))
	errs := make([]error, parts)
	var wait sync.WaitGroup
	for i := range parts {
		wait.Go(func() { errs[i] = part(i*n/parts, (i+1)*n/parts) })
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
