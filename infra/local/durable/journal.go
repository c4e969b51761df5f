package durable

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"sync"
)

// Bounds limit a journal on disk: when a segment has grown past SegmentBytes a
// new one is begun, and of more than Segments the oldest is deleted.
type Bounds struct {
	SegmentBytes int64
	Segments     int
}

// Journal appends JSON lines. It is safe for concurrent use. Appends are not
// synced one by one: they survive a kill of the process, not a power cut.
type Journal struct {
	mu     sync.Mutex
	folder string
	bounds Bounds
	file   *os.File
	size   int64
	number int
}

// OpenJournal replays every complete line of the folder's segments in order,
// then opens the last one for appending. A torn last line is cut off. An error
// of replay stops and names the segment and the line.
func OpenJournal(folder string, bounds Bounds, replay func(line []byte) error) (*Journal, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	paths, err := segments(folder)
	if err != nil {
		return nil, err
	}
	j := &Journal{folder: folder, bounds: bounds}
	for _, path := range paths {
		if err := replaySegment(path, replay); err != nil {
			return nil, err
		}
	}
	if len(paths) > 0 {
		last := filepath.Base(paths[len(paths)-1])
		if _, err := fmt.Sscanf(last, "%d.jsonl", &j.number); err != nil {
			return nil, fmt.Errorf("open journal %s: segment name %q: %w", folder, last, err)
		}
	}
	return j, j.open()
}

func segments(folder string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.jsonl"))
	sort.Strings(paths)
	return paths, err
}

func replaySegment(path string, replay func([]byte) error) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	complete := bytes.LastIndexByte(data, '\n') + 1
	if complete < len(data) {
		if err := os.Truncate(path, int64(complete)); err != nil {
			return fmt.Errorf("cut the torn last line of %s: %w", path, err)
		}
	}
	number := 0
	for line := range bytes.Lines(data[:complete]) {
		number++
		if err := replay(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
			return fmt.Errorf("%s line %d: %w", path, number, err)
		}
	}
	return nil
}

func (j *Journal) path(number int) string {
	return filepath.Join(j.folder, fmt.Sprintf("%012d.jsonl", number))
}

func (j *Journal) open() error {
	f, err := os.OpenFile(j.path(j.number), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open journal: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	j.file, j.size = f, info.Size()
	return nil
}

// Append writes lines, each ended with a newline here, in one write.
func (j *Journal) Append(lines ...[]byte) error {
	var block bytes.Buffer
	for _, line := range lines {
		block.Write(line)
		block.WriteByte('\n')
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.size >= j.bounds.SegmentBytes {
		if err := j.rotate(); err != nil {
			return err
		}
	}
	n, err := j.file.Write(block.Bytes())
	if err != nil {
		// Half a line must not be glued to the next one.
		return errors.Join(err, j.file.Truncate(j.size))
	}
	j.size += int64(n)
	return nil
}

func (j *Journal) rotate() error {
	if err := j.file.Close(); err != nil {
		return err
	}
	j.number++
	if err := j.open(); err != nil {
		return err
	}
	paths, err := segments(j.folder)
	for i := 0; i < len(paths)-j.bounds.Segments && err == nil; i++ {
		err = os.Remove(paths[i])
	}
	return err
}

// Close ends appending.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.file.Close()
}
