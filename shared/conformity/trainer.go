package conformity

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/job"
	"github.com/sluice-ml/sluice/shared/launch"
)

// Trainer checks a trainer.
type Trainer struct {
	Argv    []string
	Env     []string       // beside the contract's
	Params  map[string]any // the job's params; a trainer that needs some gets them here
	Timeout time.Duration  // of one training; 0 is 10 minutes
	Now     func() time.Time
}

// attempt is one training in a folder of its own.
type attempt struct {
	folder launch.Folder
	home   string
	ended  launch.Ended
	err    error // it could not be started
	late   bool
	took   time.Duration
	result *launch.Result
	bad    error // why nothing can be collected
	output tail
}

// wroteMetrics: it had trained to the end when it ended.
func (a *attempt) wroteMetrics() bool {
	_, err := os.Stat(filepath.Join(a.folder.Output(), launch.FileMetrics))
	return err == nil
}

// Check runs a trainer through its contract, in temporary folders. archive is the
// model.tar.gz that it made of the generated data, nil when it made none. The
// error says that the check itself could not be done.
func (t Trainer) Check(ctx context.Context) (r *Report, archive []byte, err error) {
	root, err := os.MkdirTemp("", "contract-*")
	if err != nil {
		return nil, nil, fault.New(fault.Internal, "make a folder for the check", "%w", err)
	}
	defer os.RemoveAll(root)
	c := &trainerCheck{Trainer: t, root: root, book: newBook(trainerItems())}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Minute
	}
	first, err := c.first(ctx)
	if err != nil {
		return nil, nil, err
	}
	if first.result != nil {
		archive = first.result.Archive
		if err := c.more(ctx, first); err != nil {
			return nil, nil, err
		}
	}
	c.skipRest("the training before it failed", trainerItems())
	return c.report(first.output.String()), archive, ctx.Err()
}

// catches is how many trainings may be stopped until one is caught while it trains.
const catches = 12

type trainerCheck struct {
	Trainer
	*book
	root    string
	started int
}

// train makes one attempt; stopAfter, unless 0, asks it to end.
func (c *trainerCheck) train(ctx context.Context, e *example, checkpoints string, stopAfter time.Duration) (*attempt, error) {
	c.started++
	a := &attempt{folder: launch.Folder(filepath.Join(c.root, fmt.Sprint("attempt-", c.started)))}
	a.home = filepath.Join(c.root, fmt.Sprint("home-", c.started))
	if err := os.MkdirAll(a.home, 0o755); err != nil {
		return nil, err
	}
	task := e.job
	if checkpoints != "" {
		task.Attempt = 2
	}
	if err := a.folder.Prepare(task, e.set); err != nil {
		return nil, err
	}
	if checkpoints != "" {
		if err := os.CopyFS(a.folder.Checkpoints(), os.DirFS(checkpoints)); err != nil {
			return nil, err
		}
	}
	limit, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	if stopAfter > 0 {
		limit, cancel = context.WithTimeout(ctx, stopAfter)
		defer cancel()
	}
	temporary := filepath.Join(a.home + "-tmp")
	if err := os.MkdirAll(temporary, 0o755); err != nil {
		return nil, err
	}
	program := launch.Program{Argv: c.Argv, Env: append(slices.Clone(c.Env), "HOME="+a.home, "TMPDIR="+temporary), Out: &a.output}
	begin := c.Now()
	a.ended, a.err = program.Run(limit, a.folder, c.Now)
	a.took = c.Now().Sub(begin)
	a.late = a.ended.Stopped && stopAfter == 0
	if a.err == nil && a.ended.Code == job.Done {
		a.result, a.bad = a.folder.Collect(e.schema)
	}
	return a, ctx.Err()
}

// first is the plain training and what it must leave.
func (c *trainerCheck) first(ctx context.Context) (*attempt, error) {
	e, err := newExample(ctx, false, c.Params)
	if err != nil {
		return nil, err
	}
	a, err := c.train(ctx, e, "", 0)
	if err != nil {
		return nil, err
	}
	switch {
	case a.err != nil:
		c.note("trainer.starts", a.err.Error())
		return a, nil
	case a.late:
		c.note("trainer.starts", fmt.Sprintf("it still trains %d rows after %v", exampleRows, c.Timeout))
		return a, nil
	case !c.note("trainer.starts", unlessDone(a.ended)):
		return a, nil
	}
	c.leaves(a)
	c.untouched(a, e)
	return a, nil
}

func unlessDone(e launch.Ended) string {
	if e.Code == job.Done {
		return ""
	}
	return e.String()
}

// leaves notes what the trainer wrote, by what stands in the way of collecting.
func (c *trainerCheck) leaves(a *attempt) {
	entries, _ := os.ReadDir(a.folder.Model()) // Prepare has made it
	said := ""
	if a.bad != nil {
		said = a.bad.Error()
	}
	metrics, metricsSaid := a.object(launch.FileMetrics)
	switch {
	case len(entries) == 0:
		c.note("trainer.model", "it left no file below "+launch.EnvModel)
	case a.bad != nil && metricsSaid == "" && metrics:
		c.note("trainer.model", said)
	default:
		c.note("trainer.model", "")
	}
	if !metrics {
		metricsSaid = "there is no " + launch.FileMetrics
	}
	c.note("trainer.metrics", metricsSaid)
	environment, said := a.object(launch.FileEnvironment)
	if !environment {
		said = "there is no " + launch.FileEnvironment
	}
	c.note("trainer.environment", said)
}

// object says whether a file of the output is there, and what is wrong with it.
func (a *attempt) object(name string) (there bool, said string) {
	_, err := os.Stat(filepath.Join(a.folder.Output(), name))
	if err != nil {
		return false, ""
	}
	if err := a.folder.CheckObject(name); err != nil {
		return true, err.Error()
	}
	return true, ""
}

// untouched notes inputs that changed and files that are nobody's.
func (c *trainerCheck) untouched(a *attempt, e *example) {
	fresh := launch.Folder(filepath.Join(c.root, "fresh"))
	said := ""
	if err := fresh.Prepare(e.job, e.set); err != nil {
		said = err.Error()
	} else {
		said = differs(filepath.Join(string(fresh), "input"), filepath.Join(string(a.folder), "input"))
	}
	c.note("trainer.inputs", said)
	said = ""
	for _, folder := range []string{string(a.folder), a.home} {
		entries, _ := os.ReadDir(folder)
		for _, entry := range entries {
			if folder == a.home || !slices.Contains([]string{"input", "model", "output", "checkpoints"}, entry.Name()) {
				said = fmt.Sprintf("it wrote %s into its %s folder", entry.Name(), map[bool]string{true: "home", false: "working"}[folder == a.home])
			}
		}
	}
	c.note("trainer.outside", said)
}

// differs names the first file that is not the same in both folders.
func differs(was, is string) string {
	before, after := files(was), files(is)
	for name, data := range before {
		if now, there := after[name]; !there || !bytes.Equal(data, now) {
			return name + " was changed or removed"
		}
	}
	for name := range after {
		if _, there := before[name]; !there {
			return name + " was added"
		}
	}
	return ""
}

// files are a folder's files by their names in it.
func files(folder string) map[string][]byte {
	all := map[string][]byte{}
	_ = filepath.Walk(folder, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			if data, err := os.ReadFile(path); err == nil {
				name, _ := filepath.Rel(folder, path)
				all[name] = data
			}
		}
		return nil // what cannot be read differs
	})
	return all
}

// more trains again: for the bytes, with what is wrong, and interrupted.
func (c *trainerCheck) more(ctx context.Context, first *attempt) error {
	e, err := newExample(ctx, false, c.Params)
	if err != nil {
		return err
	}
	again, err := c.train(ctx, e, "", 0)
	if err != nil {
		return err
	}
	c.note("trainer.repeat", sameModel(first, again))
	oneClass, err := newExample(ctx, true, c.Params)
	if err != nil {
		return err
	}
	if err := c.refuses(ctx, "trainer.wrong", oneClass); err != nil {
		return err
	}
	params := map[string]any{"no_such_parameter": 1}
	for name, value := range c.Params {
		params[name] = value
	}
	strange, err := newExample(ctx, false, params)
	if err != nil {
		return err
	}
	if err := c.refuses(ctx, "trainer.parameters", strange); err != nil {
		return err
	}
	return c.interrupted(ctx, e, first)
}

func sameModel(first, again *attempt) string {
	switch {
	case again.result == nil:
		return fmt.Sprintf("the second time it gives no model: %v, %v", again.ended, again.bad)
	case !bytes.Equal(first.result.Archive, again.result.Archive):
		return differs(first.folder.Model(), again.folder.Model())
	}
	return ""
}

func (c *trainerCheck) refuses(ctx context.Context, id string, e *example) error {
	a, err := c.train(ctx, e, "", 0)
	if err != nil {
		return err
	}
	said := ""
	if a.err != nil || a.late || a.ended.Code != job.Wrong {
		said = fmt.Sprintf("%v; want exit code %d", a.ended, job.Wrong)
	}
	c.note(id, said)
	return nil
}

// interrupted stops a training while it trains, and lets another take up what
// that left.
func (c *trainerCheck) interrupted(ctx context.Context, e *example, first *attempt) error {
	caught, stops, checkpoint, err := c.catch(ctx, e, first.took)
	if err != nil {
		return err
	}
	c.note("trainer.stops", stops)
	if caught != nil && len(files(caught.folder.Checkpoints())) == 0 {
		checkpoint = "exit code 75, and nothing is below " + launch.EnvCheckpoints + ": the next attempt begins anew"
	}
	c.note("trainer.checkpoint", checkpoint)
	if caught == nil {
		c.skip("no interrupted training ended with exit code 75", "trainer.resume", "trainer.resume_bytes")
		return nil
	}
	resumed, err := c.train(ctx, e, caught.folder.Checkpoints(), 0)
	if err != nil {
		return err
	}
	if !c.note("trainer.resume", unlessDone(resumed.ended)) {
		c.skip("it does not resume", "trainer.resume_bytes")
		return nil
	}
	c.note("trainer.resume_bytes", sameModel(first, resumed))
	return nil
}

// catch looks for a moment at which the trainer trains: later than one at which it
// still starts, earlier than one at which it is done. Trainings do not all take as
// long as the first one, so bounds that have met are given up and the search begins
// anew. caught is nil when none of its trainings ended with exit code 75.
func (c *trainerCheck) catch(ctx context.Context, e *example, took time.Duration) (caught *attempt, stops, checkpoint string, err error) {
	checkpoint = "it was never caught while it trains: give it more work by --params"
	after, before := time.Duration(0), took
	for range catches {
		stop := max((after+before)*6/10, time.Millisecond)
		a, err := c.train(ctx, e, "", stop)
		switch {
		case err != nil:
			return nil, "", "", err
		case a.ended.Killed:
			return nil, fmt.Sprintf("it still ran %v after SIGTERM", launch.Grace), "it had to be killed", nil
		case a.ended.Code == job.TryAgain:
			return a, "", "", nil
		case a.ended.Code == job.Done:
			before = stop
		default:
			checkpoint = a.ended.String() + "; want exit code 75"
			if a.wroteMetrics() { // it was on its way out, where runtimes put their own signal handlers back
				before = stop
			} else {
				after = stop
			}
		}
		if before-after < took/50 {
			after, before = 0, took
			if a.took > took {
				before = a.took
			}
		}
	}
	return nil, "", checkpoint, nil
}
