package states

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/sluice-ml/sluice/infra/local/asl"
	"github.com/sluice-ml/sluice/infra/local/asl/dataset"
)

// A map run's journal, under its execution's folder:
//
//	map-runs/<digest>/run.json       what it is, its limits and its status
//	map-runs/<digest>/items.jsonl    its dataset, an item a line
//	map-runs/<digest>/journal.jsonl  its child executions
//
// A line of the journal is the child's number, what the line is about, and
// JSON: "12 event {…}". All children share the file, so what stands in it is
// always a prefix of what happened. A child that takes up again at its
// checkpoint repeats event ids: the later event counts, and cuts off what
// followed the earlier one.
const journalFile = "journal.jsonl"

const itemsFile = "items.jsonl"

// The kinds of lines.
const (
	lineStart = "start" // asl.MapChild
	lineEvent = "event" // asl.Event
	lineSave  = "save"  // asl.Checkpoint
	lineEnd   = "end"   // asl.ChildEnd
)

// write appends a line by one write.
func (m *mapRun) write(child int, kind string, v any) {
	text, err := encodeLine(v)
	if err == nil {
		line := strconv.AppendInt(make([]byte, 0, len(text)+20), int64(child), 10)
		line = append(append(append(append(line, ' '), kind...), ' '), text...)
		err = m.file.write(line)
	}
	m.check(err)
}

func encodeLine(v any) ([]byte, error) {
	if e, ok := v.(asl.Event); ok {
		return e.MarshalJSON() // json.Marshal would check and copy it once more
	}
	return json.Marshal(v)
}

// journalLine is a line taken apart.
type journalLine struct {
	child int
	kind  string
	text  []byte
}

// eachLine gives the whole lines of a journal in order, and how many bytes
// they fill. Lines that only is false for are passed over.
func eachLine(dir string, only func(child int, kind string) bool, each func(journalLine) error) (size int64, err error) {
	file, err := os.Open(filepath.Join(dir, journalFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer file.Close()
	lines := bufio.NewReaderSize(file, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return size, nil // what is torn is no line
		}
		if err != nil {
			return size, err
		}
		number, rest, _ := bytes.Cut(line, []byte(" "))
		kind, text, ok := bytes.Cut(rest, []byte(" "))
		child, bad := strconv.Atoi(string(number))
		if !ok || bad != nil {
			return size, fmt.Errorf("%s: byte %d begins no line of a map run's journal", file.Name(), size)
		}
		if only(child, string(kind)) {
			if err := each(journalLine{child, string(kind), text}); err != nil {
				return size, fmt.Errorf("%s: the line at byte %d: %w", file.Name(), size, err)
			}
		}
		size += int64(len(line))
	}
}

// readChildren reads the child executions of a map run as the engine resumes
// them, and how many bytes of the journal are whole lines.
func readChildren(dir string) (children []asl.MapChild, size int64, err error) {
	size, err = eachLine(dir, func(_ int, kind string) bool { return kind != lineEvent }, func(l journalLine) error {
		if l.kind == lineStart {
			c := asl.MapChild{Index: len(children)}
			if err := json.Unmarshal(l.text, &c); err != nil {
				return err
			}
			children = append(children, c)
		}
		if l.child < 0 || l.child >= len(children) {
			return fmt.Errorf("there is no child execution %d", l.child)
		}
		c := &children[l.child]
		switch l.kind {
		case lineSave:
			var next asl.Checkpoint
			if err := json.Unmarshal(l.text, &next); err != nil {
				return err
			}
			if c.Checkpoint == nil {
				c.Checkpoint = &asl.Checkpoint{}
			}
			c.Checkpoint.Merge(next)
			c.End = nil
			return nil
		case lineEnd:
			c.End = &asl.ChildEnd{}
			return json.Unmarshal(l.text, c.End)
		}
		return nil
	})
	return children, size, err
}

// readChild reads one child execution with its history.
func readChild(dir string, index int) (c asl.MapChild, events []asl.Event, err error) {
	c.Index = index
	_, err = eachLine(dir, func(child int, _ string) bool { return child == index }, func(l journalLine) error {
		switch l.kind {
		case lineStart:
			return json.Unmarshal(l.text, &c)
		case lineEnd:
			c.End = &asl.ChildEnd{}
			return json.Unmarshal(l.text, c.End)
		case lineSave:
			c.End = nil
		case lineEvent:
			var e asl.Event
			if err := json.Unmarshal(l.text, &e); err != nil {
				return err
			}
			if e.ID < 1 || e.ID > int64(len(events))+1 {
				return fmt.Errorf("event %d follows event %d", e.ID, len(events))
			}
			events = append(events[:e.ID-1], e)
			if e.ID == 1 {
				c.End = nil
			}
		}
		return nil
	})
	return c, events, err
}

func writeItems(dir string, items []dataset.Item) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for _, item := range items {
		if err := e.Encode(item); err != nil {
			return err
		}
	}
	return replaceFile(filepath.Join(dir, itemsFile), b.Bytes())
}

func readItems(dir string) ([]dataset.Item, error) {
	file, err := os.Open(filepath.Join(dir, itemsFile))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	d := json.NewDecoder(bufio.NewReaderSize(file, 1<<20))
	out := []dataset.Item{}
	for {
		var item dataset.Item
		err := d.Decode(&item)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: item %d: %w", file.Name(), len(out), err)
		}
		out = append(out, item)
	}
}
