package cloudwatch

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/durable"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// historyKept is how long AWS keeps an alarm's history.
const historyKept = 30 * 24 * time.Hour

// maxHistory bounds the items in memory; the oldest go first.
const maxHistory = 10_000

var historyBounds = durable.Bounds{SegmentBytes: 4 << 20, Segments: 4}

// historyItem is one thing that happened to an alarm.
type historyItem struct {
	AlarmName       string    `json:"AlarmName"`
	AlarmType       string    `json:"AlarmType"` // MetricAlarm or CompositeAlarm
	Timestamp       time.Time `json:"Timestamp"`
	HistoryItemType string    `json:"HistoryItemType"` // ConfigurationUpdate, StateUpdate or Action
	HistorySummary  string    `json:"HistorySummary"`
	HistoryData     string    `json:"HistoryData"` // JSON
}

// history keeps what happened to alarms, oldest first. It outlives the alarms.
type history struct {
	mu      sync.Mutex
	items   []historyItem
	journal *durable.Journal
}

func openHistory(folder string, now time.Time) (*history, error) {
	h := &history{}
	journal, err := durable.OpenJournal(folder, historyBounds, func(line []byte) error {
		var item historyItem
		if err := json.Unmarshal(line, &item); err != nil {
			return err
		}
		if now.Sub(item.Timestamp) < historyKept {
			h.items = append(h.items, item)
		}
		return nil
	})
	h.journal = journal
	return h, err
}

// note adds an item. One that cannot be kept on disk is in memory still: history
// is told, and nothing depends on it.
func (s *Service) note(name, kind, summary string, at time.Time, data any) {
	item := historyItem{AlarmName: name, AlarmType: "MetricAlarm", Timestamp: at, HistoryItemType: kind, HistorySummary: summary, HistoryData: string(mustJSON(data))}
	if _, ok := s.composites[name]; ok {
		item.AlarmType = "CompositeAlarm"
	}
	h := s.history
	h.mu.Lock()
	defer h.mu.Unlock()
	h.items = append(h.items, item)
	if len(h.items) > maxHistory {
		h.items = slices.Clone(h.items[len(h.items)-maxHistory:])
	}
	if err := h.journal.Append(mustJSON(item)); err != nil {
		fmt.Fprintf(s.config.Log, "alarm %s: its history could not be kept: %v\n", name, err)
	}
}

// noteConfiguration tells that an alarm was made, changed or deleted.
func (s *Service) noteConfiguration(name, verb string, at time.Time, alarm any) {
	kinds := map[string][2]string{"created": {"Create", "createdAlarm"}, "updated": {"Update", "updatedAlarm"}, "deleted": {"Delete", "deletedAlarm"}}
	s.note(name, "ConfigurationUpdate", fmt.Sprintf("Alarm %q %s", name, verb), at,
		map[string]any{"version": "1.0", "type": kinds[verb][0], kinds[verb][1]: alarm})
}

// noteState tells that an alarm changed its state.
func (s *Service) noteState(c change) {
	s.note(c.name, "StateUpdate", fmt.Sprintf("Alarm updated from %s to %s", c.before.State, c.after.State), c.after.StateUpdated,
		map[string]any{"version": "1.0", "oldState": c.before.historic(), "newState": c.after.historic()})
}

func (s status) historic() map[string]any {
	out := map[string]any{"stateValue": s.State, "stateReason": s.Reason}
	if json.Valid([]byte(s.ReasonData)) {
		out["stateReasonData"] = json.RawMessage(s.ReasonData)
	}
	return out
}

// noteAction tells how an action went.
func (s *Service) noteAction(name string, n notification, failed error) {
	if n.Kind == "event" {
		return
	}
	state, summary := "Succeeded", "Successfully executed action "+n.ARN
	data := map[string]any{"notificationResource": n.ARN, "stateUpdateTimestamp": n.Time.UnixMilli()}
	if failed != nil {
		state, summary = "Failed", "Failed to execute action "+n.ARN
		data["error"] = failed.Error()
	}
	data["actionState"] = state
	s.note(name, "Action", summary, s.config.Now(), data)
}

type describeAlarmHistoryInput struct {
	AlarmName       string    `json:"AlarmName"`
	AlarmTypes      []string  `json:"AlarmTypes"`
	HistoryItemType string    `json:"HistoryItemType"`
	StartDate       time.Time `json:"StartDate"`
	EndDate         time.Time `json:"EndDate"`
	MaxRecords      int       `json:"MaxRecords"`
	NextToken       string    `json:"NextToken"`
	ScanBy          string    `json:"ScanBy"`
}

type describeAlarmHistoryOutput struct {
	AlarmHistoryItems []historyItem `json:"AlarmHistoryItems"`
	NextToken         string        `json:"NextToken,omitempty"`
}

func (in *describeAlarmHistoryInput) check() (types []string, limit, from int, err error) {
	types, limit = in.AlarmTypes, in.MaxRecords
	if limit == 0 {
		limit = 100
	}
	if len(types) == 0 {
		types = []string{"MetricAlarm"}
		if in.AlarmName != "" {
			types = []string{"MetricAlarm", "CompositeAlarm"}
		}
	}
	switch {
	case limit < 1 || limit > 100:
		err = refused("MaxRecords %d: want 1 to 100", limit)
	case !slices.Contains([]string{"", "ConfigurationUpdate", "StateUpdate", "Action"}, in.HistoryItemType):
		err = refused("HistoryItemType %q: want ConfigurationUpdate, StateUpdate or Action", in.HistoryItemType)
	case !slices.Contains([]string{"", "TimestampDescending", "TimestampAscending"}, in.ScanBy):
		err = refused("ScanBy %q: want TimestampDescending or TimestampAscending", in.ScanBy)
	case in.NextToken != "":
		if from, err = strconv.Atoi(in.NextToken); err != nil || from < 0 {
			err = wire.Errorf("InvalidNextToken", "The next token specified is invalid.")
		}
	}
	return types, limit, from, err
}

// describeAlarmHistory gives what happened, the newest first unless told.
func (s *Service) describeAlarmHistory(_ context.Context, in *describeAlarmHistoryInput) (*describeAlarmHistoryOutput, error) {
	types, limit, from, err := in.check()
	if err != nil {
		return nil, err
	}
	found := s.history.find(func(item historyItem) bool {
		return slices.Contains(types, item.AlarmType) && (in.AlarmName == "" || in.AlarmName == item.AlarmName) &&
			(in.HistoryItemType == "" || in.HistoryItemType == item.HistoryItemType) &&
			(in.StartDate.IsZero() || !item.Timestamp.Before(in.StartDate)) && (in.EndDate.IsZero() || !item.Timestamp.After(in.EndDate))
	})
	if in.ScanBy != "TimestampAscending" {
		slices.Reverse(found)
	}
	from = min(from, len(found))
	to := min(from+limit, len(found))
	out := &describeAlarmHistoryOutput{AlarmHistoryItems: found[from:to]}
	if to < len(found) {
		out.NextToken = strconv.Itoa(to)
	}
	return out, nil
}

func (h *history) find(wanted func(historyItem) bool) []historyItem {
	h.mu.Lock()
	defer h.mu.Unlock()
	found := []historyItem{}
	for _, item := range h.items {
		if wanted(item) {
			found = append(found, item)
		}
	}
	return found
}
