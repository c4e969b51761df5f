// Package journal keeps a small set of entries in a file such that a kill of
// the process loses none that Put returned for.
//
// The file is a log of JSON lines, each a single write: an entry put under an
// id, or an id removed. A line that a kill cut short is the last one and is
// dropped when the journal is opened; its Put had not returned. The file is not
// synced to the disk: what is promised is to survive the process, not the
// machine.
package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
)

// compactAfter is how many lines more than entries a file may have.
const compactAfter = 4096

// Journal is a durable map from id to T. It is safe for concurrent use.
type Journal[T any] struct {
	mu      sync.Mutex
	path    string
	file    *os.File
	entries map[string]T
	lines   int
}

type line[T any] struct {
	ID      string `json:"id"`
	Entry   *T     `json:"entry,omitempty"`
	Removed bool   `json:"removed,omitempty"`
}

// Open reads the journal at path, or starts it. A line that is damaged, other
// than an unfinished last one, is an error that names it.
func Open[T any](path string) (*Journal[T], error) {
	j := &Journal[T]{path: path, entries: map[string]T{}}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	if err := j.replay(raw); err != nil {
		return nil, fmt.Errorf("open journal %s: %w", path, err)
	}
	return j, j.rewrite()
}

func (j *Journal[T]) replay(raw []byte) error {
	for number := 1; len(raw) > 0; number++ {
		text, rest, whole := bytes.Cut(raw, []byte("\n"))
		if !whole {
			return nil // cut short by a kill
		}
		raw = rest
		var l line[T]
		if err := json.Unmarshal(text, &l); err != nil || (l.Entry == nil && !l.Removed) {
			return fmt.Errorf("line %d is damaged (%w); move the file away to start without it", number, errors.Join(err, errLine))
		}
		if l.Removed {
			delete(j.entries, l.ID)
		} else {
			j.entries[l.ID] = *l.Entry
		}
	}
	return nil
}

var errLine = errors.New("want an entry or a removal")

// rewrite replaces the file by one that has only the live entries.
func (j *Journal[T]) rewrite() error {
	var buffer bytes.Buffer
	for id, entry := range j.entries {
		text, err := json.Marshal(line[T]{ID: id, Entry: &entry})
		if err != nil {
			return fmt.Errorf("compact journal %s: %w", j.path, err)
		}
		buffer.Write(append(text, '\n'))
	}
	temporary := j.path + ".new"
	file, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("compact journal: %w", err)
	}
	if _, err := file.Write(buffer.Bytes()); err != nil {
		_ = file.Close()
		return fmt.Errorf("compact journal: %w", err)
	}
	if err := os.Rename(temporary, j.path); err != nil {
		_ = file.Close()
		return fmt.Errorf("compact journal: %w", err)
	}
	if j.file != nil {
		_ = j.file.Close()
	}
	j.file, j.lines = file, len(j.entries)
	return nil
}

// Put keeps entry under id, in place of what was there.
func (j *Journal[T]) Put(id string, entry T) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.append(line[T]{ID: id, Entry: &entry}); err != nil {
		return err
	}
	j.entries[id] = entry
	return nil
}

// Remove forgets id; one that is not there is not an error.
func (j *Journal[T]) Remove(id string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, ok := j.entries[id]; !ok {
		return nil
	}
	if err := j.append(line[T]{ID: id, Removed: true}); err != nil {
		return err
	}
	delete(j.entries, id)
	if j.lines > len(j.entries)+compactAfter {
		return j.rewrite()
	}
	return nil
}

func (j *Journal[T]) append(l line[T]) error {
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("journal %s: %w", j.path, err)
	}
	if j.file == nil {
		return fmt.Errorf("journal %s: it is closed", j.path)
	}
	if _, err := j.file.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("journal %s: %w", j.path, err)
	}
	j.lines++
	return nil
}

// All gives a copy of the entries.
func (j *Journal[T]) All() map[string]T {
	j.mu.Lock()
	defer j.mu.Unlock()
	return maps.Clone(j.entries)
}

// Get gives the entry under id.
func (j *Journal[T]) Get(id string) (entry T, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	entry, ok = j.entries[id]
	return entry, ok
}

// Len is the number of entries.
func (j *Journal[T]) Len() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.entries)
}

// Close releases the file. A Put after it is an error.
func (j *Journal[T]) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	err := j.file.Close()
	j.file = nil
	return err
}
