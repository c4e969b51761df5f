package dataset

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/sluice-ml/sluice/shared/fault"
)

// journalName is the file in a folder that says which files checkouts made
// there.
const journalName = ".sluice-checkout.jsonl"

// CheckoutJournal is the name of the file that says a checkout filled a folder.
const CheckoutJournal = journalName

// line says that a checkout made a file. It holds for as long as size and time
// are still the file's; the last line of a path counts.
type line struct {
	Path    string `json:"path"`
	Version string `json:"version,omitempty"` // "" is no more
	Size    int64  `json:"size"`
	Time    int64  `json:"time"` // of modification, Unix nanoseconds
}

// journal is a folder's, open for appending.
type journal struct {
	root  *os.Root
	mu    sync.Mutex
	lines map[string]line
	file  *os.File
}

func openJournal(root *os.Root) (*journal, error) {
	j := &journal{root: root, lines: map[string]line{}}
	text, err := root.ReadFile(journalName)
	if err != nil && !os.IsNotExist(err) {
		return nil, journalError(err)
	}
	j.parse(text)
	j.file, err = root.OpenFile(journalName, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err == nil && len(text) > 0 && text[len(text)-1] != '\n' {
		_, err = j.file.WriteString("\n") // ends a line that was cut off
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "check out into "+root.Name(), "the folder cannot be written to: %w", err).
			WithHint("name a folder that you may write to, or change its mode")
	}
	return j, nil
}

func journalError(err error) error {
	return fault.Wrap(fault.Invalid, "keep the journal "+journalName, err)
}

// parse reads lines. One that was cut off when its writer died says nothing.
func (j *journal) parse(text []byte) {
	for raw := range bytes.Lines(text) {
		var l line
		if err := json.Unmarshal(raw, &l); err != nil || l.Path == "" {
			continue
		}
		if l.Version == "" {
			delete(j.lines, l.Path)
		} else {
			j.lines[l.Path] = l
		}
	}
}

// made says whether a checkout made the file that is at path now, and of which
// version.
func (j *journal) made(path string, info fs.FileInfo) (made bool, version string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	l, known := j.lines[path]
	return known && l.Size == info.Size() && l.Time == info.ModTime().UnixNano(), l.Version
}

func (j *journal) note(f file, info fs.FileInfo) error {
	l := line{f.path, f.VersionID, info.Size(), info.ModTime().UnixNano()}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.lines[l.Path] == l {
		return nil
	}
	j.lines[l.Path] = l
	return j.append(l)
}

func (j *journal) append(l line) error {
	text, err := json.Marshal(l)
	if err != nil {
		return journalError(err)
	}
	_, err = j.file.Write(append(text, '\n'))
	return journalError(err)
}

// forget drops a path; compact makes it last.
func (j *journal) forget(path string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.lines, path)
}

// compact rewrites the journal with one line a file.
func (j *journal) compact() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	paths := make([]string, 0, len(j.lines))
	for path := range j.lines {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	for _, path := range paths {
		if err := encoder.Encode(j.lines[path]); err != nil {
			return journalError(err)
		}
	}
	if err := j.root.WriteFile(journalName+".new", text.Bytes(), 0o644); err != nil {
		return journalError(err)
	}
	return journalError(j.root.Rename(journalName+".new", journalName))
}

func (j *journal) close() { _ = j.file.Close() }
