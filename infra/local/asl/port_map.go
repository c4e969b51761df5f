package asl

import (
	"context"
	"io"
	"time"

	"github.com/sluice-ml/sluice/infra/local/asl/dataset"
)

// Objects is how distributed Map states read datasets and write results. An
// error's text becomes the cause of States.ItemReaderFailed or
// States.ResultWriterFailed.
type Objects interface {
	// List gives every object whose key begins with ref.Key, in the order of
	// keys, until each returns false.
	List(ctx context.Context, ref ObjectRef, each func(ListedObject) bool) error
	// Get opens an object for reading; the caller closes it.
	Get(ctx context.Context, ref ObjectRef) (io.ReadCloser, error)
	// Put writes an object as a whole. Writing it again is harmless.
	Put(ctx context.Context, ref ObjectRef, body []byte) error
}

// ObjectRef names an object. Version is "" for the newest; Owner, if not "",
// is the account that must own the bucket.
type ObjectRef struct{ Bucket, Key, Version, Owner string }

// ListedObject is an object as ListObjectsV2 has it.
type ListedObject struct {
	Key          string
	ETag         string // with its quotes
	LastModified time.Time
	Size         int64 // bytes
	StorageClass string
}

// MapRuns keeps map runs: the child executions of distributed Map states, each
// an execution of its own. Without it they leave no trace and start over
// after a restart.
type MapRuns interface {
	// Open begins a map run, or takes up the one that the same attempt of the
	// same state began before a restart.
	Open(MapRunStart) (MapRun, error)
}

// MapRunStart is what a map run begins with.
type MapRunStart struct {
	ARN        string
	MachineARN string // of its child executions: <machine>/<label>
	Root       string // the outermost execution's ARN
	Execution  string // the ARN of the execution whose state this is
	Attempt    string // names the state's attempt within Execution, the same after a restart
	RoleARN    string
	Express    bool // its children have no history
	Batched    bool // a child may have several items
	Limits     MapLimits
	Start      time.Time
}

// MapLimits are what UpdateMapRun changes.
type MapLimits struct {
	MaxConcurrency    int64    `json:"maxConcurrency"` // 0 is no limit
	ToleratedFailures *int64   `json:"toleratedFailureCount,omitempty"`
	ToleratedPercent  *float64 `json:"toleratedFailurePercentage,omitempty"` // 0 to 100
}

// MapRun records one map run. Its methods are called from the execution's
// loop, one at a time; children are counted from 0.
type MapRun interface {
	// Resume is what the run had come to before a restart.
	Resume() MapResume
	// Keep records the dataset, so that a restart goes on with the same items.
	Keep(items []dataset.Item)
	Started(MapChild)
	Event(child int, e Event)     // not for Express children
	Save(child int, c Checkpoint) // not for Express children
	Ended(child int, end ChildEnd)
	// Finish ends the run: Succeeded, Failed or Aborted.
	Finish(status Status)
	// Suspend leaves the run as it is, to be resumed after a restart.
	Suspend()
}

// MapResume is an interrupted map run. It is the zero value for a new one.
type MapResume struct {
	ARN      string
	Limits   MapLimits
	Kept     bool // Items is the dataset
	Items    []dataset.Item
	Children []MapChild // in order
}

// MapChild is a child execution: what it began with, and what had become of
// it when the run was interrupted.
type MapChild struct {
	Index int       `json:"-"`
	Name  string    `json:"name"`
	ARN   string    `json:"arn,omitempty"`
	From  int       `json:"from"`  // its first item
	Items int       `json:"items"` // how many it has
	Input string    `json:"input"` // JSON
	Start time.Time `json:"start"`

	Checkpoint *Checkpoint `json:"-"` // nil: it starts over
	End        *ChildEnd   `json:"-"` // nil: it had not ended
}

// ChildEnd is how a child execution ended.
type ChildEnd struct {
	Status Status    `json:"status"`
	Output string    `json:"output,omitempty"` // JSON, of Succeeded
	Error  *string   `json:"error,omitempty"`
	Cause  *string   `json:"cause,omitempty"`
	Stop   time.Time `json:"stop"`
	// WithRun: the child was cut short because the whole run ended.
	WithRun bool `json:"withRun,omitempty"`
}

// noMapRuns keeps nothing.
type noMapRuns struct{}

func (noMapRuns) Open(MapRunStart) (MapRun, error) { return noMapRun{}, nil }

type noMapRun struct{}

func (noMapRun) Resume() MapResume    { return MapResume{} }
func (noMapRun) Keep([]dataset.Item)  {}
func (noMapRun) Started(MapChild)     {}
func (noMapRun) Event(int, Event)     {}
func (noMapRun) Save(int, Checkpoint) {}
func (noMapRun) Ended(int, ChildEnd)  {}
func (noMapRun) Finish(Status)        {}
func (noMapRun) Suspend()             {}
