package lambda

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"
)

// Usage is what a function's invocations have used since the folder of the
// service was made: what AWS would bill, and what it took here.
type Usage struct {
	Function    string
	MemoryMB    int // configured, as of the last invocation
	Invocations int64
	Errors      int64 // function errors of every kind
	Timeouts    int64
	Throttles   int64
	ColdStarts  int64
	Init        time.Duration // of all cold starts together
	Cold        time.Duration // of the invocations that began cold, without Init
	Warm        time.Duration // of the others
	BilledMS    int64
	GBSeconds   float64 // billed seconds times configured memory
	MaxMemoryMB int     // highest peak of resident memory
}

// usage keeps the figures of all functions, and writes them to a file at most
// once a second: a kill may lose the last second's.
type usage struct {
	file  string
	mutex sync.Mutex
	all   map[string]*Usage
	saved time.Time
	dirty bool
}

func openUsage(file string) (*usage, error) {
	u := &usage{file: file, all: map[string]*Usage{}}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return u, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &u.all)
	}
	if err != nil {
		return nil, fmt.Errorf("read the usage of functions: %w", err)
	}
	return u, nil
}

func (u *usage) of(name string) *Usage {
	f, ok := u.all[name]
	if !ok {
		f = &Usage{Function: name}
		u.all[name] = f
	}
	return f
}

func (u *usage) throttled(name string) {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	u.of(name).Throttles++
	u.dirty = true
}

func (u *usage) add(c *config, out outcome) {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	f := u.of(c.name)
	f.MemoryMB = c.memoryMB
	f.Invocations++
	if out.failed {
		f.Errors++
	}
	if out.errorType == "Sandbox.Timedout" {
		f.Timeouts++
	}
	if out.cold {
		f.ColdStarts++
		f.Init += out.init
		f.Cold += out.duration
	} else {
		f.Warm += out.duration
	}
	f.BilledMS += out.billed()
	f.GBSeconds += float64(out.billed()) / 1000 * float64(c.memoryMB) / 1024
	f.MaxMemoryMB = max(f.MaxMemoryMB, out.usedMB)
	u.dirty = true
	if time.Since(u.saved) > time.Second {
		_ = u.write() // tried again with the next one, and by Close
	}
}

func (u *usage) save() error {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	return u.write()
}

// write replaces the file. Callers hold the mutex.
func (u *usage) write() error {
	if !u.dirty {
		return nil
	}
	text, err := json.Marshal(u.all)
	if err != nil {
		return err
	}
	if err := replace(u.file, text); err != nil {
		return fmt.Errorf("write the usage of functions: %w", err)
	}
	u.saved, u.dirty = time.Now(), false
	return nil
}

// replace writes a file so that a kill leaves the old text or the new.
func replace(file string, text []byte) error {
	temporary := file + ".new"
	if err := os.WriteFile(temporary, text, 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, file)
}

// Usage gives the figures of all functions, by name.
func (s *Service) Usage() []Usage {
	s.usage.mutex.Lock()
	defer s.usage.mutex.Unlock()
	out := make([]Usage, 0, len(s.usage.all))
	for _, f := range s.usage.all {
		out = append(out, *f)
	}
	slices.SortFunc(out, func(a, b Usage) int { return cmp.Compare(a.Function, b.Function) })
	return out
}
