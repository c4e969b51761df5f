package logs

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

type getInput struct {
	LogGroupName       string `json:"logGroupName"`
	LogGroupIdentifier string `json:"logGroupIdentifier"`
	LogStreamName      string `json:"logStreamName"`
	StartTime          int64  `json:"startTime"` // inclusive
	EndTime            int64  `json:"endTime"`   // exclusive; 0 is no end
	StartFromHead      bool   `json:"startFromHead"`
	Limit              int    `json:"limit"`
	NextToken          string `json:"nextToken"`
}

type getOutput struct {
	Events            []Event `json:"events"`
	NextForwardToken  string  `json:"nextForwardToken"`
	NextBackwardToken string  `json:"nextBackwardToken"`
}

// apiGet pages through a stream. Tokens are "f/<index>" (events from index on)
// and "b/<index>" (events before index); at an end the same token comes back.
func (s *Service) apiGet(_ context.Context, in getInput) (getOutput, error) {
	events, err := s.read(s.groupOf(in.LogGroupName, in.LogGroupIdentifier), in.LogStreamName)
	if err != nil {
		return getOutput{}, err
	}
	events = slices.DeleteFunc(events, func(e Event) bool { return !within(e, in.StartTime, in.EndTime) })
	limit := cmp.Or(in.Limit, 10000)
	if limit < 1 || limit > 10000 {
		return getOutput{}, wire.Errorf("InvalidParameterException", "limit %d: want 1 to 10000", limit)
	}
	start, end, err := window(in.NextToken, in.StartFromHead, limit, len(events))
	if err != nil {
		return getOutput{}, err
	}
	page := append([]Event{}, events[start:end]...)
	return getOutput{page, "f/" + strconv.Itoa(end), "b/" + strconv.Itoa(start)}, nil
}

func within(e Event, start, end int64) bool {
	return e.Timestamp >= start && (end == 0 || e.Timestamp < end)
}

func window(token string, fromHead bool, limit, n int) (start, end int, err error) {
	if token == "" {
		if fromHead {
			return 0, min(limit, n), nil
		}
		return max(0, n-limit), n, nil
	}
	direction, digits, _ := strings.Cut(token, "/")
	index, err := strconv.Atoi(digits)
	if err != nil || index < 0 || (direction != "f" && direction != "b") {
		return 0, 0, wire.Errorf("InvalidParameterException", "nextToken %q: not a token that GetLogEvents gave", token)
	}
	index = min(index, n)
	if direction == "f" {
		return index, min(index+limit, n), nil
	}
	return max(0, index-limit), index, nil
}

type filterInput struct {
	LogGroupName        string   `json:"logGroupName"`
	LogGroupIdentifier  string   `json:"logGroupIdentifier"`
	LogStreamNames      []string `json:"logStreamNames"`
	LogStreamNamePrefix string   `json:"logStreamNamePrefix"`
	FilterPattern       string   `json:"filterPattern"`
	StartTime           int64    `json:"startTime"` // inclusive
	EndTime             int64    `json:"endTime"`   // inclusive; 0 is no end
	Limit               int      `json:"limit"`
	NextToken           string   `json:"nextToken"`
	Interleaved         bool     `json:"interleaved"` // always so since 2019
}

type filteredEvent struct {
	Event
	LogStreamName string `json:"logStreamName"`
	EventID       string `json:"eventId"`
}

type filterOutput struct {
	Events             []filteredEvent `json:"events"`
	SearchedLogStreams []empty         `json:"searchedLogStreams"`
	NextToken          string          `json:"nextToken,omitempty"`
}

func (s *Service) apiFilter(_ context.Context, in filterInput) (filterOutput, error) {
	name := s.groupOf(in.LogGroupName, in.LogGroupIdentifier)
	filter, err := ParseFilter(in.FilterPattern)
	if err != nil {
		return filterOutput{}, wire.Errorf("InvalidParameterException", "%v", err)
	}
	names, err := s.Streams(name)
	if err != nil {
		return filterOutput{}, err
	}
	matched := []filteredEvent{}
	for _, n := range names {
		if !strings.HasPrefix(n, in.LogStreamNamePrefix) || (len(in.LogStreamNames) > 0 && !slices.Contains(in.LogStreamNames, n)) {
			continue
		}
		events, err := s.Read(name, n)
		if err != nil {
			return filterOutput{}, err
		}
		for i, e := range events {
			if e.Timestamp >= in.StartTime && (in.EndTime == 0 || e.Timestamp <= in.EndTime) && filter.Match(e.Message) {
				matched = append(matched, filteredEvent{e, n, fileName(n) + "-" + strconv.Itoa(i)})
			}
		}
	}
	slices.SortStableFunc(matched, func(a, b filteredEvent) int { return cmp.Compare(a.Timestamp, b.Timestamp) })
	page, next, err := paginate(matched, in.NextToken, cmp.Or(in.Limit, 10000))
	return filterOutput{page, []empty{}, next}, err
}
