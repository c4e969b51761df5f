package upload

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
)

// JournalName is the file in a folder that says which versions its files have.
const JournalName = ".sluice-upload.jsonl"

// line says which version a file is; it holds as long as the file has the size
// and the time of modification. The first line of a journal has the prefix alone.
type line struct {
	Prefix  *string `json:"prefix,omitempty"`
	Path    string  `json:"path,omitempty"`
	Size    int64   `json:"size,omitempty"`
	Time    int64   `json:"time,omitempty"` // of modification, Unix nanoseconds
	Version string  `json:"version,omitempty"`
}

type journal struct {
	name   string
	prefix string
	mu     sync.Mutex
	lines  map[string]line
	file   *os.File // nil: nothing is written
	dirty  bool
}

// openJournal reads a folder's journal. One of another prefix says nothing.
func openJournal(folder, prefix string, readOnly bool) (*journal, error) {
	j := &journal{name: filepath.Join(folder, JournalName), prefix: prefix, lines: map[string]line{}}
	text, err := os.ReadFile(j.name)
	if err != nil && !os.IsNotExist(err) {
		return nil, j.failed(err)
	}
	j.parse(text)
	if readOnly {
		return j, nil
	}
	if len(j.lines) == 0 { // new, or of another prefix
		head, err := json.Marshal(line{Prefix: &prefix})
		if err == nil {
			err = os.WriteFile(j.name, append(head, '\n'), 0o644)
		}
		if err != nil {
			return nil, j.failed(err)
		}
	}
	j.file, err = os.OpenFile(j.name, os.O_APPEND|os.O_WRONLY, 0o644)
	if err == nil && len(j.lines) > 0 && text[len(text)-1] != '\n' {
		_, err = j.file.WriteString("\n") // ends a line that was cut off
	}
	return j, j.failed(err)
}

// parse reads lines. One that was cut off when its writer died says nothing.
func (j *journal) parse(text []byte) {
	mine := false
	for raw := range bytes.Lines(text) {
		var l line
		if json.Unmarshal(raw, &l) != nil {
			continue
		}
		switch {
		case l.Prefix != nil:
			mine = *l.Prefix == j.prefix
		case mine && l.Path != "" && l.Version != "":
			j.lines[l.Path] = l
		}
	}
}

func (j *journal) failed(err error) error {
	return fault.Wrap(fault.Invalid, "keep the journal "+j.name, err)
}

// made gives the version that a file is, if the journal knows it.
func (j *journal) made(f file) (version string, known bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	l, ok := j.lines[f.path]
	return l.Version, ok && l.Size == f.size && l.Time == f.time.UnixNano()
}

// settled is how old a file must be for its time to tell a later change: clocks
// of file systems tick coarsely.
const settled = time.Second

func (j *journal) note(f file, version string, now time.Time) error {
	if j.file == nil || now.Sub(f.time) < settled {
		return nil
	}
	l := line{Path: f.path, Size: f.size, Time: f.time.UnixNano(), Version: version}
	text, err := json.Marshal(l)
	if err != nil {
		return j.failed(err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines[f.path], j.dirty = l, true
	_, err = j.file.Write(append(text, '\n'))
	return j.failed(err)
}

// close ends writing; when all went well and there is something new, the journal
// is left with one line for each of the files.
func (j *journal) close(files []file, compact bool) error {
	if j.file == nil {
		return nil
	}
	if err := j.file.Close(); err != nil || !compact || !j.dirty {
		return j.failed(err)
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	if err := encoder.Encode(line{Prefix: &j.prefix}); err != nil {
		return j.failed(err)
	}
	for _, f := range files {
		if l, ok := j.lines[f.path]; ok {
			if err := encoder.Encode(l); err != nil {
				return j.failed(err)
			}
		}
	}
	if err := os.WriteFile(j.name+".new", text.Bytes(), 0o644); err != nil {
		return j.failed(err)
	}
	return j.failed(os.Rename(j.name+".new", j.name))
}
