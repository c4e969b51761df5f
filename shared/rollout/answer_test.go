package rollout

import (
	"strings"
	"testing"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/goal"
)

func TestAnswersAreOfTheGoal(t *testing.T) {
	one := func(prediction string) string { return `{"predictions":[` + prediction + `]}` }
	for _, c := range []struct {
		goal goal.Goal
		body string
		want string // "" is right
	}{
		{goal.Binary, one(`{"score":0.5}`), ""},
		{goal.Binary, one(`{"score":0.5,"label":1,"probabilities":[0.5,0.5]}`), ""},
		{goal.Binary, one(`{"score":1.5}`), "not a score from 0 to 1"},
		{goal.Binary, one(`{"label":"a","probabilities":{"a":1}}`), "not a score from 0 to 1"},
		{goal.Regression, one(`{"score":-17.5}`), ""},
		{goal.Regression, one(`{}`), "has no score"},
		{goal.Ranking, one(`{"score":3}`), ""},
		{goal.Ranking, `{"predictions":[]}`, "no predictions"},
		{goal.Ranking, `score`, "not JSON"},
		{goal.Multiclass, one(`{"label":"b","probabilities":{"a":0.25,"b":0.75}}`), ""},
		{goal.Multiclass, one(`{"label":"a","probabilities":{"a":0.25,"b":0.75}}`), "class b is likelier"},
		{goal.Multiclass, one(`{"label":"c","probabilities":{"a":0.25,"b":0.75}}`), "is likelier"},
		{goal.Multiclass, one(`{"label":"b","probabilities":{"a":0.25,"b":0.5}}`), "do not sum to 1"},
		{goal.Multiclass, one(`{"label":"b","probabilities":{"a":-0.25,"b":1.25}}`), "not from 0 to 1"},
		{goal.Multiclass, one(`{"label":1,"probabilities":{"a":0.25,"b":0.75}}`), "no label"},
		{goal.Multiclass, one(`{"label":"b","probabilities":[0.25,0.75]}`), "no probabilities"},
		{goal.Multiclass, one(`{"score":0.5}`), "no label"},
	} {
		err := CheckAnswer("op", c.goal, []byte(c.body))
		if (c.want == "") != (err == nil) || (err != nil && (!strings.Contains(err.Error(), c.want) || !fault.Is(err, fault.Invalid))) {
			t.Errorf("%s %s: %v, want %q", c.goal, c.body, err, c.want)
		}
	}
}

func FuzzAnswerOfTheGoal(f *testing.F) {
	f.Add([]byte(`{"predictions":[{"score":0.5,"label":"a","probabilities":{"a":1,"b":0}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, g := range []goal.Goal{goal.Binary, goal.Multiclass, goal.Regression, goal.Ranking} {
			if err := CheckAnswer("op", g, body); err != nil && !fault.Is(err, fault.Invalid) {
				t.Fatal(err)
			}
		}
	})
}
