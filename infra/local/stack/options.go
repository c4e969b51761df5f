package stack

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"time"
)

// DefaultPort is the front door's port when nobody asks for another.
const DefaultPort = 4566

// The credentials that clients of the local stack sign with. Only S3 checks
// them; they protect nothing.
const (
	AccessKeyID     = "sluice"
	SecretAccessKey = "sluice-local"
)

// Options says what to bring up, and where.
type Options struct {
	Assembly string // the cloud assembly's folder, cdk.out
	Stack    string // which of its stacks, e.g. "Sluice-staging"
	Dir      string // what the stack keeps; made if it is not there
	Port     int    // 0 takes a free port
	// LibraryPath is LD_LIBRARY_PATH of Batch jobs and model servers: the folder
	// of libxgboost. It may be empty.
	LibraryPath string
	Seed        uint64           // of the faults on request
	Now         func() time.Time // nil is time.Now
	Log         *slog.Logger     // nil discards
}

// complete makes paths absolute (S3 changes the working directory) and fills in
// defaults.
func (o *Options) complete() error {
	for _, path := range []*string{&o.Assembly, &o.Dir} {
		if *path == "" {
			return fmt.Errorf("bring up a stack: Options needs Assembly and Dir, got %q and %q", o.Assembly, o.Dir)
		}
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return fmt.Errorf("bring up a stack: %w", err)
		}
		*path = absolute
	}
	if o.LibraryPath != "" {
		absolute, err := filepath.Abs(o.LibraryPath)
		if err != nil {
			return fmt.Errorf("bring up a stack: %w", err)
		}
		o.LibraryPath = absolute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}
