package dataset

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// errNotIterable is AWS's cause for a file whose items are neither an array's
// elements nor an object's members.
var errNotIterable = errors.New("Attempting to map over non-iterable node.")

// readJSON reads the array or object at the pointer, element by element, so
// that a limit ends the reading of a large file.
func (f Format) readJSON(r io.Reader, each func(Item) bool) error {
	steps, err := pointerSteps(f.Pointer)
	if err != nil {
		return err
	}
	d := json.NewDecoder(r)
	for _, step := range steps {
		if err := descend(d, step, f.Pointer); err != nil {
			return err
		}
	}
	more, err := readElements(d, each)
	if err != nil || !more || len(steps) > 0 {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the file is not one JSON document: there is more text at byte %d", d.InputOffset())
	}
	return nil
}

func notJSON(err error) error { return fmt.Errorf("the file is not JSON: %w", err) }

// readElements reads the array or object that comes next; more is false when
// each wanted no more of it.
func readElements(d *json.Decoder, each func(Item) bool) (more bool, err error) {
	opening, err := d.Token()
	if err != nil {
		return false, notJSON(err)
	}
	object := opening == json.Delim('{')
	if !object && opening != json.Delim('[') {
		return false, errNotIterable
	}
	for d.More() {
		var item Item
		if object {
			name, err := d.Token()
			if err != nil {
				return false, notJSON(err)
			}
			key := name.(string)
			item.Key = &key
		}
		if err := d.Decode(&item.Value); err != nil {
			return false, notJSON(err)
		}
		if item.Key != nil {
			item.Value = member(*item.Key, item.Value)
		}
		if !each(item) {
			return false, nil
		}
	}
	if _, err := d.Token(); err != nil {
		return false, notJSON(err)
	}
	return true, nil
}

// member is the item that a member of an object makes.
func member(key string, value json.RawMessage) json.RawMessage {
	b := append([]byte(`{"Key":`), quoted(key)...)
	b = append(b, `,"Value":`...)
	return append(append(b, value...), '}')
}

func quoted(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// ValidPointer says what is wrong with a JSON pointer, nil when it is one.
func ValidPointer(pointer string) error {
	_, err := pointerSteps(pointer)
	return err
}

func pointerSteps(pointer string) ([]string, error) {
	if pointer == "" {
		return nil, nil
	}
	if pointer[0] != '/' {
		return nil, fmt.Errorf("%q is not a JSON pointer: it must begin with /", pointer)
	}
	steps := strings.Split(pointer[1:], "/")
	for i, s := range steps {
		if plain := strings.NewReplacer("~0", "", "~1", "").Replace(s); strings.Contains(plain, "~") {
			return nil, fmt.Errorf("%q is not a JSON pointer: ~ must be written ~0", pointer)
		}
		steps[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(s)
	}
	return steps, nil
}

// descend moves into the member or element that a step names.
func descend(d *json.Decoder, step, pointer string) error {
	opening, err := d.Token()
	if err != nil {
		return notJSON(err)
	}
	for i := 0; d.More(); i++ {
		found := opening == json.Delim('[') && step == strconv.Itoa(i)
		if opening == json.Delim('{') {
			name, err := d.Token()
			if err != nil {
				return notJSON(err)
			}
			found = name == step
		}
		if found {
			return nil
		}
		var skipped json.RawMessage
		if err := d.Decode(&skipped); err != nil {
			return notJSON(err)
		}
	}
	return fmt.Errorf("the ItemsPointer %q leads nowhere in the file: there is no %q", pointer, step)
}

// readLines reads JSON Lines; empty lines are no items.
func readLines(r *bufio.Reader, each func(Item) bool) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, MaxLine)
	number := 0
	for lines.Scan() {
		number++
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		if !json.Valid(line) {
			var v any
			return fmt.Errorf("line %d is not JSON: %w", number, json.Unmarshal(line, &v))
		}
		if !each(Item{Value: bytes.Clone(line)}) {
			return nil
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("line %d cannot be read: %w", number+1, err)
	}
	return nil
}
