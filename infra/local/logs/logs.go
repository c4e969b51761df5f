// Package logs is the local stack's CloudWatch Logs: what functions and jobs
// print, kept as files.
//
// A log group ("/aws/lambda/sluice-staging-admit") holds log streams, one for
// each sandbox or job attempt; a stream holds events: a line of text and the
// time it was written. A stream is one file of JSON lines under its group's
// folder, so that everything survives a kill and can be read with any tool. A
// line torn by a kill is skipped when the stream is read.
package logs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Event is one line of a log stream.
type Event struct {
	Timestamp     int64  `json:"timestamp"`     // milliseconds since 1970: when it was written
	IngestionTime int64  `json:"ingestionTime"` // milliseconds since 1970: when it was stored
	Message       string `json:"message"`
}

// Options says where and for whom logs are kept. All fields but Now are needed.
type Options struct {
	Dir     string // owned by the service
	Region  string
	Account string
	Now     func() time.Time // nil is time.Now
}

// Service keeps log groups. Its methods may be called from many goroutines.
type Service struct {
	options Options
	mutex   sync.Mutex
	open    map[string]*appender // by file path
	clock   int64                // of the last use of an appender, to close the coldest
}

// openStreams bounds how many stream files are held open.
const openStreams = 128

type appender struct {
	file *os.File
	used int64
}

// Open opens the logs kept under o.Dir, which it makes when it is missing.
func Open(o Options) (*Service, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("open the logs: %w", err)
	}
	return &Service{options: o, open: map[string]*appender{}}, nil
}

// Close closes the stream files.
func (s *Service) Close() error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var all []error
	for path, a := range s.open {
		all = append(all, a.file.Close())
		delete(s.open, path)
	}
	return errors.Join(all...)
}

var (
	groupName  = regexp.MustCompile(`^[A-Za-z0-9._/#-]{1,512}$`)
	streamName = regexp.MustCompile(`^[^:*]{1,512}$`)
)

func (s *Service) groupDir(group string) (string, error) {
	if !groupName.MatchString(group) {
		return "", wire.Errorf("InvalidParameterException", "log group name %q: want 1 to 512 letters, digits and ._/#-", group)
	}
	return filepath.Join(s.options.Dir, fileName(group)), nil
}

func (s *Service) streamPath(group, stream string) (string, error) {
	dir, err := s.groupDir(group)
	if err != nil {
		return "", err
	}
	if !streamName.MatchString(stream) {
		return "", wire.Errorf("InvalidParameterException", "log stream name %q: want 1 to 512 characters other than ':' and '*'", stream)
	}
	return filepath.Join(dir, fileName(stream)+streamSuffix), nil
}

const (
	streamSuffix = ".jsonl"
	settingsFile = "group.json" // cannot be a stream: those end in streamSuffix
)

// fileName makes one path element of a name, reversibly.
func fileName(name string) string {
	escaped := url.PathEscape(name)
	if strings.HasPrefix(escaped, ".") {
		escaped = "%2E" + escaped[1:]
	}
	return escaped
}

// Append writes messages to a stream, making the group and the stream when
// they are missing. An empty message is dropped, as CloudWatch refuses it.
func (s *Service) Append(group, stream string, at time.Time, messages ...string) error {
	now := s.options.Now().UnixMilli()
	events := make([]Event, 0, len(messages))
	for _, m := range messages {
		if m != "" {
			events = append(events, Event{Timestamp: at.UnixMilli(), IngestionTime: now, Message: m})
		}
	}
	return s.append(group, stream, events)
}

func (s *Service) append(group, stream string, events []Event) error {
	path, err := s.streamPath(group, stream)
	if err != nil {
		return err
	}
	var text []byte
	for _, e := range events {
		line, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("encode a log event: %w", err)
		}
		text = append(append(text, line...), '\n')
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	a, err := s.appender(path)
	if err != nil {
		return fmt.Errorf("open log stream %s of %s: %w", stream, group, err)
	}
	if _, err := a.file.Write(text); err != nil {
		return fmt.Errorf("write log stream %s of %s: %w", stream, group, err)
	}
	return nil
}

// appender gives the open file of a stream. Callers hold the mutex.
func (s *Service) appender(path string) (*appender, error) {
	s.clock++
	if a, ok := s.open[path]; ok {
		a.used = s.clock
		return a, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	if err := endLine(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	s.closeColdest()
	a := &appender{file: file, used: s.clock}
	s.open[path] = a
	return a, nil
}

// endLine ends a last line that a kill cut short.
func endLine(file *os.File) error {
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := file.ReadAt(last, info.Size()-1); err != nil {
		return err
	}
	if last[0] == '\n' {
		return nil
	}
	_, err = file.Write([]byte{'\n'})
	return err
}

func (s *Service) closeColdest() {
	if len(s.open) < openStreams {
		return
	}
	coldest, used := "", s.clock+1
	for path, a := range s.open {
		if a.used < used {
			coldest, used = path, a.used
		}
	}
	_ = s.open[coldest].file.Close()
	delete(s.open, coldest)
}

// Read gives a stream's events ordered by time; fs.ErrNotExist is in the chain
// of the error when there is no such stream.
func (s *Service) Read(group, stream string) ([]Event, error) {
	path, err := s.streamPath(group, stream)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read log stream %s of %s: %w", stream, group, err)
	}
	return decodeEvents(text), nil
}

// decodeEvents reads JSON lines, skipping those that a kill tore.
func decodeEvents(text []byte) []Event {
	var events []Event
	for line := range strings.Lines(string(text)) {
		var e Event
		if json.Unmarshal([]byte(line), &e) == nil && e.Message != "" {
			events = append(events, e)
		}
	}
	sort.SliceStable(events, func(i, j int) bool { return events[i].Timestamp < events[j].Timestamp })
	return events
}

// Streams gives the names of a group's streams, sorted; a group that does not
// exist is a ResourceNotFoundException.
func (s *Service) Streams(group string) ([]string, error) {
	dir, err := s.groupDir(group)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notFound("log group", group)
	}
	if err != nil {
		return nil, fmt.Errorf("list the streams of log group %s: %w", group, err)
	}
	var names []string
	for _, entry := range entries {
		escaped, ok := strings.CutSuffix(entry.Name(), streamSuffix)
		if name, err := url.PathUnescape(escaped); ok && err == nil {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names, nil
}

func notFound(what, name string) error {
	return wire.Errorf("ResourceNotFoundException", "The specified %s does not exist: %s", what, name)
}
