package logs

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Handler serves the CloudWatch Logs API (AWS JSON 1.1).
func (s *Service) Handler() http.Handler {
	return wire.JSON("CloudWatch Logs", map[string]wire.Operation{
		"CreateLogGroup":     wire.Op(s.apiCreateGroup),
		"CreateLogStream":    wire.Op(s.apiCreateStream),
		"PutLogEvents":       wire.Op(s.apiPut),
		"DescribeLogGroups":  wire.Op(s.apiGroups),
		"DescribeLogStreams": wire.Op(s.apiStreams),
		"GetLogEvents":       wire.Op(s.apiGet),
		"FilterLogEvents":    wire.Op(s.apiFilter),
	})
}

type empty struct{}

type createGroupInput struct {
	LogGroupName string `json:"logGroupName"`
}

func (s *Service) apiCreateGroup(_ context.Context, in createGroupInput) (empty, error) {
	dir, err := s.groupDir(in.LogGroupName)
	if err != nil {
		return empty{}, err
	}
	if _, err := os.Stat(dir); err == nil {
		return empty{}, wire.Errorf("ResourceAlreadyExistsException", "The specified log group already exists: %s", in.LogGroupName)
	}
	return empty{}, s.CreateGroup(in.LogGroupName, 0)
}

type createStreamInput struct {
	LogGroupName  string `json:"logGroupName"`
	LogStreamName string `json:"logStreamName"`
}

func (s *Service) apiCreateStream(_ context.Context, in createStreamInput) (empty, error) {
	streams, err := s.Streams(in.LogGroupName)
	if err != nil {
		return empty{}, err
	}
	if slices.Contains(streams, in.LogStreamName) {
		return empty{}, wire.Errorf("ResourceAlreadyExistsException", "The specified log stream already exists: %s", in.LogStreamName)
	}
	return empty{}, s.append(in.LogGroupName, in.LogStreamName, nil)
}

type putInput struct {
	LogGroupName  string `json:"logGroupName"`
	LogStreamName string `json:"logStreamName"`
	LogEvents     []struct {
		Timestamp int64  `json:"timestamp"`
		Message   string `json:"message"`
	} `json:"logEvents"`
	SequenceToken string `json:"sequenceToken"` // CloudWatch ignores it since 2023
}

type putOutput struct {
	NextSequenceToken string `json:"nextSequenceToken"`
}

func (s *Service) apiPut(_ context.Context, in putInput) (putOutput, error) {
	streams, err := s.Streams(in.LogGroupName)
	if err != nil {
		return putOutput{}, err
	}
	if !slices.Contains(streams, in.LogStreamName) {
		return putOutput{}, notFound("log stream", in.LogStreamName)
	}
	now := s.now().UnixMilli()
	events := make([]Event, len(in.LogEvents))
	for i, e := range in.LogEvents {
		if e.Message == "" {
			return putOutput{}, wire.Errorf("InvalidParameterException", "logEvents[%d].message is empty", i)
		}
		events[i] = Event{Timestamp: e.Timestamp, IngestionTime: now, Message: e.Message}
	}
	return putOutput{NextSequenceToken: strconv.FormatInt(now, 10)}, s.append(in.LogGroupName, in.LogStreamName, events)
}

type groupsInput struct {
	LogGroupNamePrefix string `json:"logGroupNamePrefix"`
	Limit              int    `json:"limit"`
	NextToken          string `json:"nextToken"`
}

type group struct {
	LogGroupName    string `json:"logGroupName"`
	Arn             string `json:"arn"`
	LogGroupArn     string `json:"logGroupArn"`
	CreationTime    int64  `json:"creationTime"`
	RetentionInDays int    `json:"retentionInDays,omitempty"`
}

type groupsOutput struct {
	LogGroups []group `json:"logGroups"`
	NextToken string  `json:"nextToken,omitempty"`
}

func (s *Service) apiGroups(_ context.Context, in groupsInput) (groupsOutput, error) {
	names, err := s.Groups()
	if err != nil {
		return groupsOutput{}, err
	}
	all := []group{}
	for _, name := range names {
		if !strings.HasPrefix(name, in.LogGroupNamePrefix) {
			continue
		}
		dir, err := s.groupDir(name)
		if err != nil {
			continue // a folder that somebody else put here
		}
		kept := readSettings(dir)
		all = append(all, group{name, s.arn(name) + ":*", s.arn(name), kept.CreationTime, kept.RetentionInDays})
	}
	page, next, err := paginate(all, in.NextToken, cmp.Or(in.Limit, 50))
	return groupsOutput{page, next}, err
}

type streamsInput struct {
	LogGroupName        string `json:"logGroupName"`
	LogGroupIdentifier  string `json:"logGroupIdentifier"`
	LogStreamNamePrefix string `json:"logStreamNamePrefix"`
	OrderBy             string `json:"orderBy"` // LogStreamName, LastEventTime
	Descending          bool   `json:"descending"`
	Limit               int    `json:"limit"`
	NextToken           string `json:"nextToken"`
}

type stream struct {
	LogStreamName       string `json:"logStreamName"`
	Arn                 string `json:"arn"`
	CreationTime        int64  `json:"creationTime"`
	FirstEventTimestamp int64  `json:"firstEventTimestamp,omitempty"`
	LastEventTimestamp  int64  `json:"lastEventTimestamp,omitempty"`
	LastIngestionTime   int64  `json:"lastIngestionTime,omitempty"`
}

type streamsOutput struct {
	LogStreams []stream `json:"logStreams"`
	NextToken  string   `json:"nextToken,omitempty"`
}

func (s *Service) apiStreams(_ context.Context, in streamsInput) (streamsOutput, error) {
	name := s.groupOf(in.LogGroupName, in.LogGroupIdentifier)
	names, err := s.Streams(name)
	if err != nil {
		return streamsOutput{}, err
	}
	all := []stream{}
	for _, n := range names {
		if strings.HasPrefix(n, in.LogStreamNamePrefix) {
			all = append(all, s.describe(name, n))
		}
	}
	switch in.OrderBy {
	case "", "LogStreamName":
	case "LastEventTime":
		slices.SortStableFunc(all, func(a, b stream) int { return cmp.Compare(a.LastEventTimestamp, b.LastEventTimestamp) })
	default:
		return streamsOutput{}, wire.Errorf("InvalidParameterException", "orderBy %q: want LogStreamName or LastEventTime", in.OrderBy)
	}
	if in.Descending {
		slices.Reverse(all)
	}
	page, next, err := paginate(all, in.NextToken, cmp.Or(in.Limit, 50))
	return streamsOutput{page, next}, err
}

func (s *Service) describe(groupName, name string) stream {
	d := stream{LogStreamName: name, Arn: s.arn(groupName) + ":log-stream:" + name}
	events, err := s.Read(groupName, name)
	if err != nil || len(events) == 0 {
		return d
	}
	last := events[len(events)-1]
	d.CreationTime, d.FirstEventTimestamp = events[0].IngestionTime, events[0].Timestamp
	d.LastEventTimestamp, d.LastIngestionTime = last.Timestamp, last.IngestionTime
	return d
}

// groupOf takes a group by name or by ARN.
func (s *Service) groupOf(name, identifier string) string {
	if name != "" {
		return name
	}
	return strings.TrimSuffix(strings.TrimPrefix(identifier, s.arn("")), ":*")
}

// paginate cuts the page at token, which is the index of its first item.
func paginate[T any](all []T, token string, limit int) (page []T, next string, err error) {
	if limit < 1 || limit > 10000 {
		return nil, "", wire.Errorf("InvalidParameterException", "limit %d: want 1 to 10000", limit)
	}
	start := 0
	if token != "" {
		if start, err = strconv.Atoi(token); err != nil || start < 0 {
			return nil, "", wire.Errorf("InvalidParameterException", "nextToken %q: not a token that this operation gave", token)
		}
	}
	start = min(start, len(all))
	end := min(start+limit, len(all))
	if end < len(all) {
		next = strconv.Itoa(end)
	}
	return all[start:end], next, nil
}

// read gives a stream's events, a missing stream being an AWS error.
func (s *Service) read(groupName, name string) ([]Event, error) {
	if _, err := s.Streams(groupName); err != nil {
		return nil, err
	}
	events, err := s.Read(groupName, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notFound("log stream", name)
	}
	return events, err
}
