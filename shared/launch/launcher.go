package launch

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/rows"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// fileCheckpoints is what the last attempt left, under the run's prefix.
const fileCheckpoints = "checkpoint/files.tar.gz"

// Store keeps a run's files; *jobstore.Run is one. Errors are faults.
type Store interface {
	Get(ctx context.Context, name string) ([]byte, error)
	Put(ctx context.Context, name string, data []byte) error
	Create(ctx context.Context, name string, data []byte) error // of the same bytes, or Conflict
}

// Launcher trains by a program of somebody's own.
type Launcher struct {
	Program Program
	Store   Store
	Dir     string // where folders are made; "" is the system's place
	CPUs    int
	Attempt int // from 1
	Now     func() time.Time
	Out     io.Writer
}

// Train runs the program on a plan's rows and writes the run's files, the model
// last. The error's kind says whether another attempt can help; one that was
// interrupted leaves its checkpoints for it.
func (l *Launcher) Train(ctx context.Context, plan contract.Plan, config *trainconfig.Config, set *rows.Set, schema *model.Schema) error {
	if len(l.Program.Argv) == 0 {
		return fault.New(fault.Internal, "train", "no program is named")
	}
	root, err := os.MkdirTemp(l.Dir, "train-*")
	if err != nil {
		return fault.New(fault.Internal, "prepare the trainer's folder", "%w", err)
	}
	defer os.RemoveAll(root)
	folder := Folder(root)
	if err := folder.Prepare(NewJob(plan, config, set, schema, l.Attempt, l.CPUs), set); err != nil {
		return err
	}
	if err := l.restore(ctx, folder); err != nil {
		return err
	}
	ended, err := l.Program.Run(ctx, folder, l.Now)
	if err != nil {
		return err
	}
	if err := ended.Err(); err != nil {
		if fault.KindOf(err).Retryable() {
			l.keep(ctx, folder)
		}
		return err
	}
	result, err := folder.Collect(schema)
	if err != nil {
		return err
	}
	return l.write(ctx, result)
}

// restore brings back what an earlier attempt left.
func (l *Launcher) restore(ctx context.Context, f Folder) error {
	archive, err := l.Store.Get(ctx, fileCheckpoints)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := model.UnpackFolder(archive, f.Checkpoints()); err != nil {
		return err
	}
	fmt.Fprintf(l.Out, "attempt %d has the checkpoints of an earlier one (%d bytes packed)\n", l.Attempt, len(archive))
	return nil
}

// keep writes the checkpoints for the next attempt, also when ctx is done: that
// is when they are worth most. One that cannot be kept costs time, not the run.
func (l *Launcher) keep(ctx context.Context, f Folder) {
	archive, err := model.PackFolder(f.Checkpoints())
	if err == nil {
		err = l.Store.Put(context.WithoutCancel(ctx), fileCheckpoints, archive)
	}
	if err != nil {
		fmt.Fprintf(l.Out, "the checkpoints are not kept: %v\n", err)
	}
}

func (l *Launcher) write(ctx context.Context, r *Result) error {
	if r.Environment == nil {
		r.Environment = []byte("{}\n")
	}
	if err := l.Store.Put(ctx, contract.FileMetrics, r.Metrics); err != nil {
		return err
	}
	if err := l.Store.Put(ctx, contract.FileEnvironment, r.Environment); err != nil {
		return err
	}
	if err := l.Store.Create(ctx, contract.FileModel, r.Archive); err != nil {
		return err
	}
	fmt.Fprintf(l.Out, "wrote %s, %d bytes\n", contract.FileModel, len(r.Archive))
	return nil
}
