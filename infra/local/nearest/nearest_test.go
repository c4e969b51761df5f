package nearest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/sluice-ml/sluice/infra/local/nearest"
)

func TestName(t *testing.T) {
	known := []string{"StartExecution", "StopExecution", "DescribeExecution", "CreateStateMachine", "ListStateMachines", "bucket"}
	for name, want := range map[string]string{
		"StartSyncExecution": "StartExecution", "StopExecutions": "StopExecution", "createstatemachine": "CreateStateMachine",
		"List": "ListStateMachines", "Bucket": "bucket", "": "bucket", "ÄÖ\xff": "bucket",
	} {
		if got := nearest.Name(name, known); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	if got := nearest.Name("x", nil); got != "" {
		t.Errorf("of nothing: %q", got)
	}
	if got := nearest.Name("b", []string{"c", "a"}); got != "a" {
		t.Errorf("of equals: %q", got)
	}
	if got := nearest.Hint("operation", "Stop", known); got != "; the nearest operation here is StopExecution" {
		t.Error(got)
	}
	if got := nearest.Hint("operation", "Stop", nearest.Keys(map[string]int{})); got != "" {
		t.Error(got)
	}
}

type inner struct {
	JobQueue string `json:"jobQueue"`
	Self     []*inner
	hidden   int
}

type outer struct {
	inner
	Name    string `json:"name,omitempty"`
	Secret  string `json:"-"`
	When    time.Time
	ByName  map[string]inner
	Dropped func() `json:"-"`
}

func TestMember(t *testing.T) {
	decode := func(text string, into any) error {
		d := json.NewDecoder(bytes.NewReader([]byte(text)))
		d.DisallowUnknownFields()
		return nearest.Member(d.Decode(into), into)
	}
	var v outer
	for text, want := range map[string]string{
		`{"nam":""}`:                         `json: unknown field "nam"; the nearest member here is name`,
		`{"ByName":{"x":{"jobQueues":"q"}}}`: `json: unknown field "jobQueues"; the nearest member here is jobQueue`,
		`{"name":1}`:                         "json: cannot unmarshal number into Go struct field outer.name of type string",
	} {
		if err := decode(text, &v); err == nil || err.Error() != want {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := decode(`{"name":"x"}`, &v); err != nil || v.hidden != 0 {
		t.Error(err)
	}
	other := errors.New("other")
	if got := nearest.Member(other, nil); !errors.Is(got, other) {
		t.Error(got)
	}
}

func FuzzName(f *testing.F) {
	f.Add("StartExecution")
	f.Fuzz(func(t *testing.T, name string) {
		known := []string{"A", "StartExecution"}
		if got := nearest.Name(name, known); got != known[0] && got != known[1] {
			t.Errorf("%q: %q is not known", name, got)
		}
	})
}
