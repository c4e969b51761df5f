package states

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/asl"
)

// The journal, under Options.Dir:
//
//	machines/<name>.json                        a state machine
//	definitions/<sha256>.json                   a definition, by its digest
//	executions/<machine>/<name>/start.json      what started the execution
//	executions/<machine>/<name>/events.jsonl    its history, one event a line
//	executions/<machine>/<name>/checkpoints.jsonl where it resumes: the lines, merged
//	executions/<machine>/<name>/redrive.json    where a redrive takes up, once it failed
//	executions/<machine>/<name>/tokens.json     the client tokens of its redrives
//
// The two .jsonl files are appended to, a line by one write, so a kill can
// only tear the last line, which is then no line. When the execution resumes
// its history is cut back to the checkpoint. Every other file is replaced as a
// whole. The last event says how the execution stands.
type journal struct{ dir string }

// started is start.json.
type started struct {
	Name       string    `json:"name"`
	Machine    string    `json:"machine"`
	RoleARN    string    `json:"roleArn"`
	Input      string    `json:"input"`
	Start      time.Time `json:"start"`
	Definition string    `json:"definition"` // its digest: the machine may change meanwhile
	// StartedBy names the task attempt that started a child execution.
	StartedBy string `json:"startedBy,omitempty"`
}

// fileName makes any name a safe file name, reversibly.
func fileName(name string) string {
	escaped := url.PathEscape(name)
	if strings.HasPrefix(escaped, ".") {
		escaped = "%2E" + escaped[1:]
	}
	return escaped
}

func (j journal) machinePath(name string) string {
	return filepath.Join(j.dir, "machines", fileName(name)+".json")
}

func (j journal) executionDir(machine, name string) string {
	return filepath.Join(j.dir, "executions", fileName(machine), fileName(name))
}

// writeFile replaces a file as a whole.
func writeFile(path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return replaceFile(path, text)
}

func replaceFile(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	next := path + ".next"
	if err := os.WriteFile(next, text, 0o644); err != nil {
		return err
	}
	return os.Rename(next, path)
}

func readFile(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// keepDefinition stores a definition and gives its digest.
func (j journal) keepDefinition(definition string) (string, error) {
	sum := sha256.Sum256([]byte(definition))
	digest := hex.EncodeToString(sum[:])
	path := filepath.Join(j.dir, "definitions", digest+".json")
	if _, err := os.Stat(path); err == nil {
		return digest, nil
	}
	return digest, replaceFile(path, []byte(definition))
}

func (j journal) definition(digest string) (string, error) {
	text, err := os.ReadFile(filepath.Join(j.dir, "definitions", digest+".json"))
	return string(text), err
}

// machines reads every state machine.
func (j journal) machines() ([]machine, error) {
	paths, err := filepath.Glob(filepath.Join(j.dir, "machines", "*.json"))
	if err != nil {
		return nil, err
	}
	var out []machine
	for _, path := range paths {
		var m machine
		if err := readFile(path, &m); err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// executions reads every execution. A folder whose start.json is not there
// yet belongs to an execution that was never acknowledged; it is no execution.
func (j journal) executions() ([]*execution, error) {
	paths, err := filepath.Glob(filepath.Join(j.dir, "executions", "*", "*", "start.json"))
	if err != nil {
		return nil, err
	}
	var out []*execution
	for _, path := range paths {
		e := &execution{dir: filepath.Dir(path), ended: make(chan struct{})}
		if err := readFile(path, &e.started); err != nil {
			return nil, err
		}
		events, length, err := readEnding(e.dir)
		if err != nil {
			return nil, err
		}
		e.settle(events)
		e.length = length
		if err := e.readRedrive(); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

const eventsFile = "events.jsonl"

// readEvents reads a history and how many bytes of its file it fills. A line
// that is torn, as a kill leaves it, ends the history.
func readEvents(dir string) (events []asl.Event, ends []int64, err error) {
	text, err := os.ReadFile(filepath.Join(dir, eventsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	var offset int64
	for {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		var e asl.Event
		if !whole || json.Unmarshal(line, &e) != nil || e.ID != int64(len(events)+1) {
			return events, ends, nil
		}
		offset += int64(len(line)) + 1
		events, ends = append(events, e), append(ends, offset)
		text = rest
	}
}

// readEnding reads what a start must know of a history: its redrives, its last
// event and its length. A history that is not whole up to its end is read in
// full, as far as it goes.
func readEnding(dir string) (events []asl.Event, length int, err error) {
	text, err := os.ReadFile(filepath.Join(dir, eventsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	whole, ok := bytes.CutSuffix(text, []byte("\n"))
	var last asl.Event
	if !ok || json.Unmarshal(whole[bytes.LastIndexByte(whole, '\n')+1:], &last) != nil || last.ID != int64(bytes.Count(text, []byte("\n"))) {
		events, _, err = readEvents(dir)
		return events, len(events), err
	}
	for line := range bytes.Lines(whole) {
		var e asl.Event
		if bytes.Contains(line, []byte(`"ExecutionRedriven"`)) && json.Unmarshal(line, &e) == nil && e.ID != last.ID {
			events = append(events, e)
		}
	}
	return append(events, last), int(last.ID), nil
}

// histories keeps the history that was read last, because a client reads it
// page by page.
type histories struct {
	mu     sync.Mutex
	dir    string
	size   int64
	events []asl.Event
}

func (h *histories) read(dir string) ([]asl.Event, error) {
	info, err := os.Stat(filepath.Join(dir, eventsFile))
	if err != nil {
		events, _, err := readEvents(dir)
		return events, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dir == dir && h.size == info.Size() {
		return h.events, nil
	}
	events, _, err := readEvents(dir)
	if err == nil {
		h.dir, h.size, h.events = dir, info.Size(), events
	}
	return events, err
}

const checkpointsFile = "checkpoints.jsonl"

// maxCheckpoints is how many bytes the file may grow by before its lines are
// merged into one.
const maxCheckpoints = 4 << 20

// readCheckpoint merges the checkpoints that are whole; nil when there is none.
func readCheckpoint(dir string) (*asl.Checkpoint, error) {
	text, err := os.ReadFile(filepath.Join(dir, checkpointsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var merged *asl.Checkpoint
	for line := range bytes.Lines(text) {
		var c asl.Checkpoint
		if !bytes.HasSuffix(line, []byte("\n")) || json.Unmarshal(line, &c) != nil {
			continue
		}
		if merged == nil {
			merged = &asl.Checkpoint{}
		}
		merged.Merge(c)
	}
	return merged, err
}

// resumable reads the checkpoint and cuts both files back to it. Without a
// checkpoint, or with one that is ahead of the history, there is nothing to
// resume from and the execution starts over.
func resumable(dir string) (*asl.Checkpoint, []asl.Event, error) {
	events, ends, err := readEvents(dir)
	if err != nil {
		return nil, nil, err
	}
	c, err := readCheckpoint(dir)
	if err != nil {
		return nil, nil, err
	}
	if c != nil && (c.LastEvent < 0 || c.LastEvent > int64(len(events))) {
		c = nil
	}
	var keep, size int64
	var line []byte
	if c != nil {
		if keep = c.LastEvent; keep > 0 {
			size = ends[keep-1]
		}
		line = append(encode(c), '\n')
	}
	if err := os.Truncate(filepath.Join(dir, eventsFile), size); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	return c, events[:keep], replaceFile(filepath.Join(dir, checkpointsFile), line)
}

// appender appends lines to a file.
type appender struct {
	path string
	file *os.File
	size int // bytes appended
}

func openAppender(path string) (*appender, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	return &appender{path: path, file: file}, err
}

// write appends one line by one write.
func (a *appender) write(line []byte) error {
	a.size += len(line) + 1
	_, err := a.file.Write(append(line, '\n'))
	return err
}

// restart replaces the file by one of a single line.
func (a *appender) restart(line []byte) error {
	if err := replaceFile(a.path, append(line, '\n')); err != nil {
		return err
	}
	next, err := openAppender(a.path)
	if err != nil {
		return err
	}
	err = a.file.Close()
	*a = *next // which has appended nothing yet
	return err
}
