package statemachines_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/asl"
)

// watcher is the monitor function.
type watcher struct {
	mu      sync.Mutex
	broken  map[string]bool
	busy    int // calls that are busy first
	watched []string

	observed []string
	refuses  error // observing
}

func (w *watcher) Do(_ context.Context, call asl.TaskCall) (json.RawMessage, *asl.TaskError) {
	var in struct {
		FunctionName string
		Payload      struct{ Operation, Model string }
	}
	err := json.Unmarshal(call.Arguments, &in)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil && in.FunctionName == "promote" && in.Payload.Operation == "observe" {
		w.observed = append(w.observed, in.Payload.Model)
		if w.refuses != nil {
			return nil, &asl.TaskError{Name: w.refuses.Error(), Cause: "no"}
		}
		return json.RawMessage(`{"Payload":{"phase":"observing"}}`), nil
	}
	if err != nil || in.FunctionName != "monitor" {
		return nil, &asl.TaskError{Name: "Unknown", Cause: string(call.Arguments)}
	}
	if in.Payload.Operation == "models" {
		return json.RawMessage(`{"Payload":{"models":["a","b","c"]}}`), nil
	}
	if w.busy > 0 {
		w.busy--
		return nil, &asl.TaskError{Name: "Sluice.Busy", Cause: "another call is at it"}
	}
	w.watched = append(w.watched, in.Payload.Model)
	if w.broken[in.Payload.Model] {
		return nil, &asl.TaskError{Name: "Sluice.Denied", Cause: "no permission"}
	}
	return json.RawMessage(`{"Payload":{"model":"` + in.Payload.Model + `","joined":3}}`), nil
}

func monitor(t *testing.T, w *watcher, input string) asl.Result {
	x, err := asl.NewEngine(asl.Options{Tasks: w}).Prepare(asl.Spec{Machine: definition(t, "monitor.asl.json"), Name: "m", Input: input, Start: time.Now(), Event: func(asl.Event) {}})
	require.NoError(t, err)
	result, err := x.Run(t.Context())
	require.NoError(t, err)
	return result
}

func TestMonitorWatchesEveryModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &watcher{busy: 2}
		result := monitor(t, w, `{}`)
		require.Equal(t, asl.Succeeded, result.Status)
		require.JSONEq(t, `{"models":[{"model":"a","joined":3,"observed":"observing"},{"model":"b","joined":3,"observed":"observing"},{"model":"c","joined":3,"observed":"observing"}],"broken":0}`, result.Output)
	})
}

func TestOneBrokenModelDoesNotKeepTheOthersFromBeingWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &watcher{broken: map[string]bool{"a": true}}
		result := monitor(t, w, `{}`)
		require.Equal(t, asl.Failed, result.Status)
		require.Equal(t, "1 of 3 models could not be monitored: Sluice.Denied: no permission", *result.Cause)
		slices.Sort(w.watched)
		require.Equal(t, []string{"a", "b", "c"}, w.watched)
		slices.Sort(w.observed)
		require.Equal(t, []string{"a", "b", "c"}, w.observed, "a promotion is looked after though its labels cannot be read")
	})
}

func TestObservingMayFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		result := monitor(t, &watcher{refuses: errors.New("Sluice.NotFound")}, `{"models":["b"]}`)
		require.JSONEq(t, `{"models":[{"model":"b","joined":3}],"broken":0}`, result.Output, "it never had a rollout")
		result = monitor(t, &watcher{refuses: errors.New("Sluice.Denied"), broken: map[string]bool{"b": true}}, `{"models":["b"]}`)
		require.Equal(t, "1 of 1 models could not be monitored: Sluice.Denied: no permission; Sluice.Denied: no", *result.Cause)
	})
}

func TestScheduleMayNameTheModels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &watcher{}
		result := monitor(t, w, `{"models":["b"]}`)
		require.JSONEq(t, `{"models":[{"model":"b","joined":3,"observed":"observing"}],"broken":0}`, result.Output)
		require.Equal(t, []string{"b"}, w.watched)
		require.Equal(t, asl.Succeeded, monitor(t, w, `{"models":[]}`).Status)
		require.Len(t, w.watched, 4)
	})
}
