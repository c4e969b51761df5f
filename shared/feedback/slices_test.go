package feedback

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

func bySex() []trainconfig.Slice { return []trainconfig.Slice{{By: []string{"sex"}}} }

func TestPartsOfARow(t *testing.T) {
	s := &slicer{features: []string{"age", "sex"}}
	edges := map[string][]float64{"age": {30, 50}}
	for name, test := range map[string]struct {
		slice trainconfig.Slice
		row   Row
		want  string
	}{
		"named":             {trainconfig.Slice{By: []string{"sex"}}, Row{[]string{"sex"}, []string{"Female"}}, "sex=Female"},
		"in order":          {trainconfig.Slice{By: []string{"sex"}}, Row{nil, []string{"39", " Male"}}, "sex=Male"},
		"below":             {trainconfig.Slice{By: []string{"age"}, Edges: edges}, Row{nil, []string{"29.5", "x"}}, "age=below 30"},
		"an edge":           {trainconfig.Slice{By: []string{"age"}, Edges: edges}, Row{nil, []string{"30", "x"}}, "age=[30,50)"},
		"above":             {trainconfig.Slice{By: []string{"age"}, Edges: edges}, Row{nil, []string{"50", "x"}}, "age=50 and above"},
		"both":              {trainconfig.Slice{By: []string{"age", "sex"}, Edges: edges}, Row{nil, []string{"40", "Male"}}, "age=[30,50) & sex=Male"},
		"missing":           {trainconfig.Slice{By: []string{"sex"}}, Row{nil, []string{"40", ""}}, "sex=missing"},
		"no such column":    {trainconfig.Slice{By: []string{"race"}}, Row{nil, []string{"40", "Male"}}, ""},
		"no number":         {trainconfig.Slice{By: []string{"age"}, Edges: edges}, Row{nil, []string{"old", "Male"}}, ""},
		"short row":         {trainconfig.Slice{By: []string{"sex"}}, Row{nil, []string{"40"}}, ""},
		"a cell like a key": {trainconfig.Slice{By: []string{"sex"}}, Row{nil, []string{"40", "M & age=1"}}, "sex=M and age=1"},
	} {
		got, ok := s.part(test.slice, test.row)
		require.Equal(t, test.want, got, name)
		require.Equal(t, test.want != "", ok, name)
	}
}

func sexed(id, sex string, at time.Time, positive bool) Prediction {
	return Prediction{ID: id, Time: at, Positive: positive, Row: Row{[]string{"sex"}, []string{sex}}}
}

func TestTalliesOfParts(t *testing.T) {
	l := Ledger{slicer: &slicer{by: bySex()}}
	var labels []contract.Label
	blue, green := Seen{Slot: "blue"}, Seen{Slot: "green"}
	for i := range 10 {
		id := fmt.Sprint("q", i)
		seen := &blue
		if i%2 == 0 {
			seen = &green
		}
		seen.Predictions = append(seen.Predictions, sexed(id, []string{"Female", "Male"}[i/5], noon, i%3 == 0))
		if i < 8 {
			labels = append(labels, contract.Label{InferenceID: id, Label: 1})
		}
	}
	blue.Predictions = append(blue.Predictions, sexed("before", "Female", noon.Add(-time.Hour), true))
	l.Join([]Seen{blue, green}, labels, noon, time.Minute)
	want := []rollout.Part{
		{Slice: "sex=Female", Candidate: rollout.Tally{Rows: 3, Labels: 3, Correct: 1}, Champion: rollout.Tally{Rows: 2, Labels: 2, Correct: 1}},
		{Slice: "sex=Male", Candidate: rollout.Tally{Rows: 2, Labels: 1, Correct: 1}, Champion: rollout.Tally{Rows: 3, Labels: 2}},
	}
	require.Equal(t, want, l.Tallies(bySex(), "green", "blue", noon))
	require.Equal(t, []rollout.Part{{Slice: "race"}}, l.Tallies([]trainconfig.Slice{{By: []string{"race"}}}, "green", "blue", noon), "a slice that nobody captured is not missed")
	require.Empty(t, l.Tallies(nil, "green", "blue", noon))
	require.Equal(t, []rollout.Part{{Slice: "sex"}}, (&Ledger{}).Tallies(bySex(), "green", "blue", noon))
}

func TestTooManyPartsAreOne(t *testing.T) {
	l := Ledger{slicer: &slicer{by: bySex()}}
	seen := Seen{Slot: "blue"}
	for i := range MostParts + 5 {
		seen.Predictions = append(seen.Predictions, sexed(fmt.Sprint(i), fmt.Sprint("v", i), noon, true))
	}
	l.Join([]Seen{seen}, nil, noon, time.Minute)
	parts := l.Tallies(bySex(), "green", "blue", noon)
	require.Len(t, parts, MostParts+1)
	require.True(t, slices.ContainsFunc(parts, func(p rollout.Part) bool { return p.Slice == "sex otherwise" && p.Champion.Rows == 5 }))
}

// A label is about both the champion's answer and its shadow's, whatever comes
// first and however often; neither takes the other's place.
func TestALabelCountsForAChampionAndItsShadow(t *testing.T) {
	champion := Seen{Slot: "green", Predictions: []Prediction{sexed("q", "Male", noon, true)}}
	shadow := Seen{Slot: "blue", Predictions: []Prediction{sexed("q", "Male", noon, false)}}
	label := []contract.Label{{InferenceID: "q", Label: 1}}
	for name, turns := range map[string][][]Seen{
		"together":     {{champion, shadow}},
		"shadow first": {{shadow, champion}},
		"late":         {{champion}, {shadow}},
		"twice":        {{champion, shadow}, {shadow, champion}},
	} {
		for when := range len(turns) + 1 { // the label comes before, between or after
			l, points := Ledger{slicer: &slicer{by: bySex()}}, []Point(nil)
			for turn := range len(turns) + 1 {
				var labels []contract.Label
				if turn == when {
					labels = label
				}
				var seen []Seen
				if turn < len(turns) {
					seen = turns[turn]
				}
				points = append(points, l.Join(seen, labels, noon, time.Minute)...)
			}
			right, wrong := map[string]int64{}, map[string]int64{}
			for _, p := range points {
				right[p.Slot] += p.Correct
				wrong[p.Slot] += p.Wrong
			}
			require.Equal(t, []int64{1, 0, 0, 1}, []int64{right["green"], wrong["green"], right["blue"], wrong["blue"]}, "%s, label in turn %d", name, when)
			parts := l.Tallies(bySex(), "blue", "green", noon)
			require.Equal(t, []rollout.Part{{Slice: "sex=Male", Candidate: rollout.Tally{Rows: 1, Labels: 1}, Champion: rollout.Tally{Rows: 1, Labels: 1, Correct: 1}}}, parts)
		}
	}
}

// kept is a bucket in memory.
type kept map[string]string

func (k kept) List(_ context.Context, prefix string) ([]File, error) {
	var files []File
	for _, key := range slices.Sorted(maps.Keys(k)) {
		if len(key) > len(prefix) && key[:len(prefix)] == prefix {
			files = append(files, File{Key: key})
		}
	}
	return files, nil
}

func (k kept) Read(_ context.Context, key string) ([]byte, error) {
	if k[key] == "broken" {
		return nil, fault.New(fault.Unavailable, "read "+key, "no")
	}
	return []byte(k[key]), nil
}

func scored(id string, at time.Time, score float64) string {
	return captureJSON(id, at, "application/json", `{"instances":[{"age":39}]}`, "application/json", fmt.Sprintf(`{"predictions":[{"score":%v}]}`, score))
}

func TestPairsOfAChampionAndItsShadow(t *testing.T) {
	at := func(slot, hour, name string) string {
		return "capture/sluice-staging-m/" + slot + "/2026/03/01/" + hour + "/" + name
	}
	k := kept{
		at("blue", "12", "a.jsonl"): scored("a", noon, 0.9) + scored("b", noon, 0.2) + scored("", noon, 0.2) + scored("twice", noon, 0.1) + scored("early", noon.Add(-time.Second), 0.9),
		at("blue", "13", "a.jsonl"): scored("c", noon.Add(59*time.Minute), 0.6) + scored("late", noon.Add(time.Hour), 0.9), // written after the window
		at("green", "12", "a.jsonl"): scored("a", noon, 0.8) + scored("b", noon, 0.7) + scored("", noon, 0.2) + scored("twice", noon, 0.9) + scored("twice", noon, 0.9) +
			scored("early", noon.Add(-time.Second), 0.1) + scored("nobody", noon, 0.5) + "no JSON\n",
		at("green", "13", "b.jsonl"): scored("c", noon.Add(59*time.Minute), 0.6) + scored("late", noon.Add(time.Hour), 0.1),
	}
	span := Span{Environment: "staging", Model: "m", From: noon, To: noon.Add(time.Hour)}
	pairs, err := Compare(t.Context(), k, span, "blue", "green")
	require.NoError(t, err)
	require.InDelta(t, 0.2, pairs.Gap, 1e-12)
	pairs.Gap = 0
	require.Equal(t, rollout.Pairs{Both: 3, Disagreed: 1, Alone: 4}, pairs, "a and c agree, b does not; no id, an id of two, and nobody's partner are alone")

	k[at("green", "12", "z.jsonl")] = "broken"
	_, err = Compare(t.Context(), k, span, "blue", "green")
	require.Equal(t, fault.Unavailable, fault.KindOf(err), "half of the answers are no answer")
	pairs, err = Compare(t.Context(), kept{}, span, "blue", "green")
	require.NoError(t, err)
	require.Equal(t, rollout.Pairs{}, pairs)
}

func TestPairsAreCutWhereThereAreTooMany(t *testing.T) {
	body := ""
	for i := range 1000 {
		body += scored(fmt.Sprint(i), noon, 0.5)
	}
	k := kept{}
	for i := range MostPairs/1000 + 5 {
		for _, slot := range []string{"blue", "green"} {
			k[fmt.Sprintf("capture/sluice-staging-m/%s/2026/03/01/12/%02d.jsonl", slot, i)] = body
		}
	}
	pairs, err := Compare(t.Context(), k, Span{Environment: "staging", Model: "m", From: noon, To: noon.Add(time.Hour)}, "blue", "green")
	require.NoError(t, err)
	require.True(t, pairs.Cut)
}
