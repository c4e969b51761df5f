package feedback

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
)

func captured(output, kind string) string {
	return `{"captureData":{"endpointInput":{"observedContentType":"application/json","data":"{\"instances\":[[1],[2]]}","encoding":"JSON"},` +
		`"endpointOutput":{"observedContentType":"` + kind + `","data":"` + strings.NewReplacer(`"`, `\"`, "\n", `\n`).Replace(output) + `","encoding":"JSON"}},` +
		`"eventMetadata":{"inferenceId":"i","inferenceTime":"2026-03-01T12:00:00Z"}}`
}

// TestCapturesOfClasses reads a multiclass model's answers in each form.
func TestCapturesOfClasses(t *testing.T) {
	const a, b = `{"label":"a","probabilities":{"a":0.75,"b, c":0.25}}`, `{"label":"b, c","probabilities":{"a":0.25,"b, c":0.75}}`
	for output, kind := range map[string]string{
		`{"predictions":[` + a + "," + b + `]}`: "application/json", a + "\n" + b + "\n": "application/x-ndjson",
		"a,0.75,0.25\n\"b, c\",0.25,0.75\n": "text/csv",
	} {
		predictions, problems := ReadCaptures("f", []byte(captured(output, kind)))
		require.Empty(t, problems, output)
		require.Len(t, predictions, 2)
		require.Equal(t, "a", predictions[0].Class)
		require.Equal(t, "b, c", predictions[1].Class)
	}
	_, problems := ReadCaptures("f", []byte(captured(`{"predictions":[{"label":"a"},{"label":"b"}]}`, "application/json")))
	require.Contains(t, problems[0], "prediction 0 has no score")
	predictions, problems := ReadCaptures("f", []byte(captured(`{"predictions":[{"score":-17.5},{"score":1e6}]}`, "application/json")))
	require.Empty(t, problems, "a regression's")
	require.Len(t, predictions, 2)
	require.Empty(t, predictions[0].Class)
}

// TestClassesAreRightWhereTheyAreEqual joins them, whichever came first.
func TestClassesAreRightWhereTheyAreEqual(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	labels, problems := ReadLabels("f", []byte(`{"inference_id":"1","class":"a"}
{"inference_id":"2","class":"b"}
{"inference_id":"3","label":1}
{"inference_id":"4","class":"a"}`))
	require.Empty(t, problems)
	predictions := []Prediction{{ID: "1", Time: at, Class: "a"}, {ID: "2", Time: at, Class: "a"}, {ID: "3", Time: at, Class: "1"},
		{ID: "4", Time: at, Positive: true}} // a binary model's, whose truth is no class
	for _, labelsFirst := range []bool{true, false} {
		l := &Ledger{}
		var points []Point
		if labelsFirst {
			l.Join(nil, labels, at, time.Minute)
			points = l.Join([]Seen{{"blue", predictions}}, nil, at, time.Minute)
		} else {
			l.Join([]Seen{{"blue", predictions}}, nil, at, time.Minute)
			points = l.Join(nil, labels, at, time.Minute)
		}
		require.Equal(t, []Point{{Slot: "blue", Time: at, Correct: 2, Wrong: 1}}, points)
		require.EqualValues(t, 3, l.Totals.Joined)
		require.EqualValues(t, 1, l.Totals.Unlike)
		l.Join(nil, []contract.Label{{InferenceID: "1", Class: "b"}, {InferenceID: "2", Class: "b"}}, at, time.Minute)
		require.EqualValues(t, 1, l.Totals.Contradictions)
		require.EqualValues(t, 1, l.Totals.Duplicates)
	}
}
