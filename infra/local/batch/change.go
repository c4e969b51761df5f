package batch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// change is what the API changed of a resource that the template declares. It
// stays while the template says the same as before, as after a deployment on AWS
// that leaves the resource alone.
type change struct {
	Declared json.RawMessage
	State    string            `json:",omitempty"`
	Priority *int              `json:",omitempty"`
	Order    []orderEntry      `json:",omitempty"`
	Tags     map[string]string // nil: as declared
}

func (s *Service) changeFile(kind, name string) string {
	return filepath.Join(s.options.Dir, kind, name+fileSuffix)
}

// changed reads what was changed of a resource that is declared as given.
func (s *Service) changed(kind, name string, declared json.RawMessage) (change, error) {
	now := change{Declared: declared}
	text, err := os.ReadFile(s.changeFile(kind, name))
	if errors.Is(err, fs.ErrNotExist) {
		return now, nil
	}
	var before change
	if err == nil {
		err = json.Unmarshal(text, &before)
	}
	if err != nil {
		return now, fmt.Errorf("read what was changed of %s: %w", name, err)
	}
	if !equalJSON(before.Declared, declared) {
		return now, nil
	}
	return before, nil
}

// equalJSON compares two texts without their white space.
func equalJSON(a, b json.RawMessage) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}

func (s *Service) keepChange(kind, name string, c change) error {
	file := s.changeFile(kind, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return replace(file, c)
}

// applyChange brings a queue to what the API made of it. Callers hold the mutex.
func (s *Service) applyChange(q *queue) error {
	c := q.change
	if c.State != "" {
		q.enabled = c.State == "ENABLED"
	}
	if c.Priority != nil {
		q.priority = *c.Priority
	}
	if c.Order == nil {
		return nil
	}
	environments, err := s.inOrder(c.Order)
	if err != nil {
		return err
	}
	q.environments = environments
	return nil
}
