package states

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/asl"
	"github.com/sluice-ml/sluice/infra/local/asl/dataset"
)

// mapRunFile is run.json.
type mapRunFile struct {
	ARN        string        `json:"arn"`
	MachineARN string        `json:"machineArn"` // <machine>/<label>
	Root       string        `json:"root"`       // the outermost execution's ARN
	Execution  string        `json:"execution"`  // the execution whose state this is
	RoleARN    string        `json:"roleArn"`
	Express    bool          `json:"express,omitempty"`
	Batched    bool          `json:"batched,omitempty"`
	Limits     asl.MapLimits `json:"limits"`
	Start      time.Time     `json:"start"`
	Stop       *time.Time    `json:"stop,omitempty"`
	Status     asl.Status    `json:"status"`
	Items      int           `json:"items"` // of the dataset
	Kept       bool          `json:"kept"`  // items.jsonl is whole
}

// mapRun is the map run of one attempt of a distributed Map state. The engine
// writes it, the API reads it.
type mapRun struct {
	dir    string
	now    func() time.Time
	failed func(error) // takes the first error of the journal

	mu sync.Mutex
	mapRunFile
	children []*mapChild // nil until they are read
	read     bool
	file     *appender
	ended    map[int]chan struct{} // who waits for a child
}

// mapChild is what is held of a child execution; the rest is in the journal.
type mapChild struct {
	index       int
	name        string
	items       int
	start, stop time.Time
	status      asl.Status
}

var _ asl.MapRun = (*mapRun)(nil)

const mapRunsDir = "map-runs"

// mapRunRecords is the service's side of asl.MapRuns.
type mapRunRecords struct{ service *Service }

// Open begins a map run in a folder of its execution, or finds the one that
// the same attempt has.
func (r mapRunRecords) Open(start asl.MapRunStart) (asl.MapRun, error) {
	root, err := r.service.find(start.Root)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(start.Execution + "\n" + start.Attempt))
	dir := filepath.Join(root.dir, mapRunsDir, hex.EncodeToString(sum[:12]))
	run := r.service.mapRunAt(dir)
	if run == nil {
		run = &mapRun{dir: dir, read: true, mapRunFile: mapRunFile{ARN: start.ARN, MachineARN: start.MachineARN, Root: start.Root, Execution: start.Execution,
			RoleARN: start.RoleARN, Express: start.Express, Batched: start.Batched, Limits: start.Limits, Start: start.Start.UTC().Truncate(time.Millisecond)}}
	}
	run.mu.Lock()
	defer run.mu.Unlock()
	run.now, run.failed = r.service.options.Clock.Now, root.journalFailed
	run.Status, run.Stop = asl.Running, nil
	if err := run.keep(); err != nil {
		return nil, err
	}
	if run.file, err = openAppender(filepath.Join(dir, journalFile)); err != nil {
		return nil, err
	}
	r.service.addMapRun(run)
	return run, nil
}

// journalFailed keeps the first error of the execution's journal.
func (e *execution) journalFailed(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.writing == nil {
		e.writing = err
	}
}

func (s *Service) addMapRun(run *mapRun) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mapRuns[run.ARN] = run
}

func (s *Service) mapRunAt(dir string) *mapRun {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, run := range s.mapRuns {
		if run.dir == dir {
			return run
		}
	}
	return nil
}

// loadMapRuns reads the map runs of an execution; their children are read when
// somebody asks for them.
func (s *Service) loadMapRuns(e *execution) error {
	folders, err := os.ReadDir(filepath.Join(e.dir, mapRunsDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, folder := range folders {
		run := &mapRun{dir: filepath.Join(e.dir, mapRunsDir, folder.Name())}
		err := readFile(filepath.Join(run.dir, "run.json"), &run.mapRunFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was never begun
		}
		if err != nil {
			return err
		}
		s.mapRuns[run.ARN] = run
	}
	return nil
}

func (m *mapRun) keep() error { return writeFile(filepath.Join(m.dir, "run.json"), m.mapRunFile) }

func (m *mapRun) check(err error) {
	if err != nil {
		m.failed(err)
	}
}

// Resume reads what a restart left, and cuts off a line that a kill tore.
func (m *mapRun) Resume() asl.MapResume {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := asl.MapResume{ARN: m.ARN, Limits: m.Limits}
	if m.Kept {
		items, err := readItems(m.dir)
		m.check(err)
		r.Items, r.Kept = items, err == nil
	}
	children, size, err := readChildren(m.dir)
	m.check(err)
	m.check(os.Truncate(filepath.Join(m.dir, journalFile), size))
	m.children, m.read = nil, true
	for i, c := range children {
		if c.ARN == "" {
			children[i].ARN = m.childARN(c.Name)
		}
		m.children = append(m.children, heldChild(c))
	}
	r.Children = children
	return r
}

func heldChild(c asl.MapChild) *mapChild {
	held := &mapChild{index: c.Index, name: c.Name, items: c.Items, start: c.Start, status: asl.Running}
	if c.End != nil && !c.End.WithRun {
		held.status, held.stop = c.End.Status, c.End.Stop
	}
	return held
}

// Keep writes the dataset.
func (m *mapRun) Keep(items []dataset.Item) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := writeItems(m.dir, items); err != nil {
		m.check(err)
		return
	}
	m.Items, m.Kept = len(items), true
	m.check(m.keep())
}

// Started records a new child execution.
func (m *mapRun) Started(c asl.MapChild) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.children = append(m.children, heldChild(c))
	if !m.Express {
		c.ARN = "" // its name tells
	}
	m.write(c.Index, lineStart, c)
}

// Event records an event of a child execution.
func (m *mapRun) Event(child int, e asl.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.write(child, lineEvent, e)
}

// Save records where a child execution resumes.
func (m *mapRun) Save(child int, c asl.Checkpoint) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.write(child, lineSave, c)
}

// Ended records how a child execution ended.
func (m *mapRun) Ended(child int, end asl.ChildEnd) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.children[child]
	c.status, c.stop = end.Status, end.Stop
	m.write(child, lineEnd, end)
	if waiting, ok := m.ended[child]; ok {
		close(waiting)
		delete(m.ended, child)
	}
}

// Finish records how the run ended.
func (m *mapRun) Finish(status asl.Status) {
	m.mu.Lock()
	defer m.mu.Unlock()
	stop := m.now().UTC().Truncate(time.Millisecond)
	m.Status, m.Stop = status, &stop
	m.check(m.keep())
	m.check(m.file.file.Close())
}

// Suspend lets go of the journal.
func (m *mapRun) Suspend() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.check(m.file.file.Close())
}

// held gives the children, which are read from the journal the first time.
func (m *mapRun) held() ([]*mapChild, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.read {
		children, _, err := readChildren(m.dir)
		if err != nil {
			return nil, err
		}
		for _, c := range children {
			h := heldChild(c)
			if c.End != nil {
				h.status, h.stop = c.End.Status, c.End.Stop
			}
			m.children = append(m.children, h)
		}
		m.read = true
	}
	out := make([]*mapChild, len(m.children))
	for i, c := range m.children {
		copied := *c
		out[i] = &copied
	}
	return out, nil
}

// childOf finds the map run and the place of a child execution by its ARN,
// arn:…:execution:<machine>/<label>:<name>.
func (s *Service) childOf(arn string) (*mapRun, int, bool, error) {
	parts := strings.SplitN(arn, ":", 8)
	if len(parts) < 8 || parts[5] != "execution" || !strings.Contains(parts[6], "/") {
		return nil, 0, false, nil
	}
	machine := strings.Join(append(slices.Clone(parts[:5]), "stateMachine", parts[6]), ":")
	for _, run := range s.runs(func(m *mapRun) bool { return m.MachineARN == machine && !m.Express }) {
		children, err := run.held()
		if err != nil {
			return nil, 0, false, err
		}
		for i, c := range children {
			if c.name == parts[7] {
				return run, i, true, nil
			}
		}
	}
	return nil, 0, false, nil
}

// runs gives the map runs that are wanted, newest first.
func (s *Service) runs(want func(*mapRun) bool) []*mapRun {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*mapRun
	for _, run := range s.mapRuns {
		if want(run) {
			out = append(out, run)
		}
	}
	slices.SortFunc(out, func(a, b *mapRun) int {
		if c := b.Start.Compare(a.Start); c != 0 {
			return c
		}
		return strings.Compare(a.ARN, b.ARN)
	})
	return out
}

func (m *mapRun) childARN(name string) string {
	return fmt.Sprintf("%s:%s", strings.Replace(m.MachineARN, ":stateMachine:", ":execution:", 1), name)
}
