package feedback

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/profile"
	"github.com/sluice-ml/sluice/shared/ref"
	"github.com/sluice-ml/sluice/shared/table"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// captureJSON is a line as SageMaker writes it.
func captureJSON(id string, at time.Time, inputType, input, outputType, output string) string {
	encoding := map[string]string{"text/csv": "CSV", "application/json": "JSON"}
	part := func(kind, mode, data string) map[string]any {
		return map[string]any{"observedContentType": kind, "mode": mode, "data": data, "encoding": encoding[strings.Split(kind, ";")[0]]}
	}
	line, _ := json.Marshal(map[string]any{"captureData": map[string]any{"endpointInput": part(inputType, "INPUT", input), "endpointOutput": part(outputType, "OUTPUT", output)},
		"eventMetadata": map[string]any{"eventId": "e-" + id, "inferenceId": id, "inferenceTime": at.Format(time.RFC3339)}, "eventVersion": "0"})
	return string(line) + "\n"
}

func TestCapturesInEveryForm(t *testing.T) {
	at := noon.Add(time.Second)
	body := captureJSON("a", at, "text/csv", "39,Private\n", "text/csv; charset=utf-8", "0.75\n") +
		captureJSON("b", at, "application/json", `{"instances":[{"age":39,"work":"Private"},[40,null]]}`, "application/json", `{"predictions":[{"score":0.5},{"score":0.25}]}`) +
		captureJSON("c", at, "text/csv", "age,work\n41,State\n42,\n", "text/csv", "0.1\n0.9\n") +
		"\n" +
		captureJSON(contract.SmokeInference+"green", at, "application/json", `{"instances":[[1,2]]}`, "application/json", `{"predictions":[{"score":0.5}]}`) +
		captureJSON("d", at, "application/json", `{"instances":[{"age":"x"}]}`, "application/json", `{"error":"feature age: x is not a number"}`) +
		`{"captureData":{"endpointInput":{"observedContentType":"application/x-ndjson","mode":"INPUT","data":"eyJhZ2UiOjUwfQo=","encoding":"BASE64"},"endpointOutput":{"observedContentType":"application/x-ndjson","mode":"OUTPUT","data":"eyJzY29yZSI6MC42fQo=","encoding":"BASE64"}},"eventMetadata":{"eventId":"n","inferenceTime":"2026-03-01T12:00:01Z"}}`
	predictions, problems := ReadCaptures("f.jsonl", []byte(body))
	require.Empty(t, problems)
	type short struct {
		id       string
		positive bool
		values   string
	}
	var got []short
	for _, p := range predictions {
		require.True(t, p.Time.Equal(at))
		pairs := slices.Clone(p.Row.Values)
		for i, name := range p.Row.Names {
			pairs[i] = name + "=" + pairs[i]
		}
		if p.Row.Names != nil {
			slices.Sort(pairs)
		}
		got = append(got, short{p.ID, p.Positive, strings.Join(pairs, ",")})
	}
	require.Equal(t, []short{{"a", true, "39,Private"}, {"b#0", true, "age=39,work=Private"}, {"b#1", false, "40,"},
		{"c#0", false, "age=41,work=State"}, {"c#1", true, "age=42,work="}, {"", true, "age=50"}}, got)
}

func TestBadCaptureLinesAreToldAndTheOthersCount(t *testing.T) {
	good := captureJSON("a", noon, "text/csv", "1,2\n", "text/csv", "0.75\n")
	for line, want := range map[string]string{
		"{":  "it is not a captured request",
		`{}`: "its input or its output is missing",
		captureJSON("x", noon, "text/csv", "1\n", "text/csv", "high\n"):                                               `score "high" is not a number`,
		captureJSON("x", noon, "text/csv", "1\n2\n3\n", "text/csv", "0.5\n"):                                          "3 rows were asked and 1 scores answered",
		captureJSON("x", noon, "application/json", `[1]`, "application/json", `{"predictions":[{"score":1}]}`):        `its input is not {"instances"`,
		captureJSON("x", noon, "application/json", `{"instances":[3]}`, "application/json", `{"score":1}`):            "instance 0: want an object or an array",
		captureJSON("x", noon, "application/json", `{"instances":[[1]]}`, "application/json", `{"predictions":[{}]}`): "prediction 0 has no score",
		strings.Replace(captureJSON("x", noon, "text/csv", "1\n", "text/csv", "1\n"), "2026-03-01", "1 March", 1):     "inferenceTime",
	} {
		predictions, problems := ReadCaptures("f.jsonl", []byte(good+strings.TrimSpace(line)+"\n"+good))
		require.Len(t, predictions, 2, line)
		require.Len(t, problems, 1, line)
		require.Contains(t, problems[0], "f.jsonl line 2: ")
		require.Contains(t, problems[0], want)
	}
}

func TestBadLabelLines(t *testing.T) {
	labels, problems := ReadLabels("labels/m/a.jsonl", []byte(`{"inference_id":"a","label":1,"time":"2026-03-01T12:00:00Z"}
{"inference_id":"","label":1}
{"inference_id":"b","label":0.5}

{"inference_id":"c","label":"yes"}
{"inference_id":"d","label":0}`))
	require.Len(t, labels, 2)
	require.Len(t, problems, 3)
	require.Contains(t, problems[0], "labels/m/a.jsonl line 2: read a label: inference_id is missing")
	require.Contains(t, problems[1], "line 3: read a label: label is 0.5: want 0 or 1")
	require.Contains(t, problems[2], "line 5: ")
}

// Whatever the order, the batches and the duplicates, each id counts once, in
// its prediction's period.
func TestJoinDoesNotDependOnOrderBatchesOrDuplicates(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 7))
		type step func(l *Ledger) []Point
		var steps []step
		want := map[string]int64{}
		for i := range 40 {
			id, slot := fmt.Sprint("id", i), []string{"blue", "green"}[rng.IntN(2)]
			at := noon.Add(time.Duration(rng.IntN(60)) * time.Second)
			positive, truth := rng.IntN(2) == 0, float64(rng.IntN(2))
			predict := func(l *Ledger) []Point {
				return l.Join([]Seen{{slot, []Prediction{{ID: id, Time: at, Positive: positive}}}}, nil, noon.Add(time.Hour), 10*time.Second)
			}
			label := func(l *Ledger) []Point {
				return l.Join(nil, []contract.Label{{InferenceID: id, Label: truth}}, noon.Add(time.Hour), 10*time.Second)
			}
			predicted, labelled := rng.IntN(4) > 0, rng.IntN(4) > 0
			if predicted {
				steps = append(steps, predict, predict)
			}
			if labelled {
				steps = append(steps, label, label)
			}
			if predicted && labelled {
				want[fmt.Sprint(slot, at.Truncate(10*time.Second), positive == (truth == 1))]++
			}
		}
		rng.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
		ledger, got := Ledger{}, map[string]int64{}
		for _, s := range steps {
			for _, p := range s(&ledger) {
				for right, n := range map[bool]int64{true: p.Correct, false: p.Wrong} {
					if n > 0 {
						got[fmt.Sprint(p.Slot, p.Time, right)] += n
					}
				}
			}
		}
		require.Equal(t, want, got, seed)
	}
}

func TestContradictionsAndForgetting(t *testing.T) {
	l := Ledger{}
	period := 10 * time.Second
	l.Join([]Seen{{"blue", []Prediction{{ID: "a", Time: noon, Positive: true}, {Time: noon}}}}, []contract.Label{{InferenceID: "a", Label: 1}}, noon, period)
	require.Empty(t, l.Join(nil, []contract.Label{{InferenceID: "a", Label: 0}, {InferenceID: "z", Label: 1}}, noon, period))
	require.Equal(t, Totals{Predictions: 2, Labels: 3, Joined: 1, Contradictions: 1, Unlabelled: 1}, l.Totals)
	l.Join(nil, nil, noon.Add(Retention+time.Second), period)
	require.Empty(t, l.Entries)
	require.EqualValues(t, 1, l.Totals.Dropped, "the label that never met its prediction")

	many := make([]Prediction, MaxIDs+5)
	for i := range many {
		many[i] = Prediction{ID: fmt.Sprint(i), Time: noon.Add(time.Duration(i) * time.Millisecond)}
	}
	l = Ledger{}
	l.Join([]Seen{{"blue", many}}, nil, noon, period)
	require.Len(t, l.Entries, MaxIDs)
	require.NotContains(t, l.Entries, "4")
	require.Contains(t, l.Entries, "5")
	require.EqualValues(t, 5, l.Totals.Dropped)
}

// bucket is Files in memory.
type bucket struct {
	objects map[string]string
	reads   int
}

func (b *bucket) List(_ context.Context, prefix string) ([]File, error) {
	var out []File
	for _, key := range slices.Sorted(maps.Keys(b.objects)) {
		if strings.HasPrefix(key, prefix) {
			out = append(out, File{key, fmt.Sprintf("%x", b.objects[key])})
		}
	}
	return out, nil
}

func (b *bucket) Read(_ context.Context, key string) ([]byte, error) {
	b.reads++
	return []byte(b.objects[key]), nil
}

// board is where metrics go.
type board struct {
	points []Point
	drift  []float64
	fail   bool
}

func (b *board) PutAccuracy(_ context.Context, _ string, points []Point, _ time.Time) (int64, error) {
	if b.fail {
		return 0, fault.New(fault.Unavailable, "publish", "the service is down")
	}
	b.points = append(b.points, points...)
	return 0, nil
}

func (b *board) PutDrift(_ context.Context, _ string, psi float64, _ time.Time) error {
	b.drift = append(b.drift, psi)
	return nil
}

func (b *board) count(slot string) (correct, wrong int64) {
	for _, p := range b.points {
		if p.Slot == slot {
			correct, wrong = correct+p.Correct, wrong+p.Wrong
		}
	}
	return correct, wrong
}

type bench struct {
	*Monitor
	now      time.Time
	captures *bucket
	labels   *bucket
	board    *board
	runs     []string
	baseline *Baseline
}

func newBench() *bench {
	b := &bench{now: noon.Add(10 * time.Minute), captures: &bucket{objects: map[string]string{}}, labels: &bucket{objects: map[string]string{}}, board: &board{}}
	b.Monitor = &Monitor{Environment: "staging", Store: ref.NewMemory(), Captures: b.captures, Labels: b.labels, Publisher: b.board,
		Baseline: func(context.Context, string) (*Baseline, error) { return b.baseline, nil },
		Retrain:  func(_ context.Context, _, id string) error { b.runs = append(b.runs, id); return nil },
		Period:   10 * time.Second, Now: func() time.Time { return b.now }}
	return b
}

func (b *bench) look(t *testing.T) Result {
	t.Helper()
	r, err := b.Watch(t.Context(), "adult_income", "test")
	require.NoError(t, err)
	return r
}

func captureKey(slot string, at time.Time, name string) string {
	return "capture/sluice-staging-adult--income/" + slot + "/" + at.Format("2006/01/02/15") + "/" + name + ".jsonl"
}

func label(id string, value int) string {
	return fmt.Sprintf(`{"inference_id":%q,"label":%d}`+"\n", id, value)
}

func TestLabelsBeforeAfterAndTwice(t *testing.T) {
	b := newBench()
	b.labels.objects["labels/adult_income/1.jsonl"] = label("early", 1) + label("late", 0)
	require.Equal(t, 2, b.look(t).Waiting)
	b.captures.objects[captureKey("blue", noon, "1")] = captureJSON("early", noon, "text/csv", "1\n", "text/csv", "0.9\n")
	require.EqualValues(t, 1, b.look(t).Joined)
	b.captures.objects[captureKey("green", noon, "1")] = captureJSON("late", noon, "text/csv", "1\n", "text/csv", "0.9\n") + captureJSON("new", noon, "text/csv", "1\n", "text/csv", "0.1\n")
	b.look(t)
	b.labels.objects["labels/adult_income/1.jsonl"] += label("new", 0) // the file grows
	b.labels.objects["labels/adult_income/2.jsonl"] = label("new", 0) + label("early", 1)
	r := b.look(t)
	require.Equal(t, Totals{Predictions: 3, Labels: 7, Joined: 3, Duplicates: 4}, r.Totals)
	require.Zero(t, r.Waiting)
	correct, wrong := b.board.count("blue")
	require.EqualValues(t, []int64{1, 0}, []int64{correct, wrong})
	correct, wrong = b.board.count("green")
	require.EqualValues(t, []int64{1, 1}, []int64{correct, wrong})
	for _, p := range b.board.points {
		require.True(t, p.Time.Equal(noon), "a point has the time of its predictions")
	}
	reads := b.captures.reads + b.labels.reads
	require.Zero(t, b.look(t).Joined)
	require.Equal(t, reads, b.captures.reads+b.labels.reads, "nothing is read twice")
}

func TestWhatWasCountedIsPublishedAfterACrash(t *testing.T) {
	b := newBench()
	b.captures.objects[captureKey("blue", noon, "1")] = captureJSON("a", noon, "text/csv", "1\n", "text/csv", "0.9\n")
	b.labels.objects["labels/adult_income/1.jsonl"] = label("a", 1)
	b.board.fail = true
	_, err := b.Watch(t.Context(), "adult_income", "test")
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	b.board.fail = false
	b.look(t)
	b.look(t)
	require.Equal(t, []Point{{Slot: "blue", Time: noon, Correct: 1}}, b.board.points)
}

func TestTwoAtOnceAreKeptApart(t *testing.T) {
	b := newBench()
	_, err := ref.Acquire(t.Context(), b.Store, leaseKey("adult_income"), "somebody", time.Minute, b.now)
	require.NoError(t, err)
	_, err = b.Watch(t.Context(), "adult_income", "test")
	require.Equal(t, fault.Busy, fault.KindOf(err))
	b.now = b.now.Add(2 * time.Minute)
	b.look(t)
}

func TestLateCaptureFilesAndLongPauses(t *testing.T) {
	b := newBench()
	line := func(id string, at time.Time) string {
		return captureJSON(id, at, "text/csv", "1\n", "text/csv", "0.9\n")
	}
	b.captures.objects[captureKey("blue", noon, "1")] = line("a", noon)
	require.Equal(t, 1, b.look(t).Predictions)
	b.now = noon.Add(110 * time.Minute)
	b.captures.objects[captureKey("blue", noon, "2")] = line("b", noon) // SageMaker was late
	require.Equal(t, 1, b.look(t).Predictions)
	b.now = noon.Add(5 * 24 * time.Hour) // the monitor was off
	for day := range 5 {
		at := noon.Add(time.Duration(day)*24*time.Hour + 3*time.Hour)
		b.captures.objects[captureKey("green", at, "1")] = line(fmt.Sprint(day), at)
	}
	require.Equal(t, 5, b.look(t).Predictions)
	require.Zero(t, b.look(t).Predictions)
}

// baselineOf is a champion that learned from ages of a normal shape.
func baselineOf(t *testing.T) *Baseline {
	cfg, err := trainconfig.Parse("train.yaml", []byte("experiment: {name: adult_income}\ndata: {path: s3://lake/raw/adult_income/, features: [age, work], target: income}\nmodel: {type: XGBClassifier}\n"))
	require.NoError(t, err)
	var text strings.Builder
	text.WriteString("age,work,income\n")
	rng := rand.New(rand.NewPCG(1, 1))
	for range 5000 {
		fmt.Fprintf(&text, "%d,%s,0\n", 20+rng.IntN(40), []string{"Private", "State"}[rng.IntN(2)])
	}
	rows, err := table.Read(t.Context(), "train.csv", strings.NewReader(text.String()), int64(text.Len()), table.Options{})
	require.NoError(t, err)
	p := profile.Of(rows, cfg)
	return &Baseline{Version: 1, Features: []string{"age", "work"}, Profile: &p, Config: cfg}
}

func TestDriftAsksForARunOncePerDay(t *testing.T) {
	b := newBench()
	b.baseline = baselineOf(t)
	feed := func(name string, base int) {
		rng := rand.New(rand.NewPCG(2, uint64(base)))
		var text strings.Builder
		for i := range 3000 {
			text.WriteString(captureJSON(fmt.Sprint(name, i), b.now, "application/json",
				fmt.Sprintf(`{"instances":[{"age":%d,"work":"%s"}]}`, base+rng.IntN(40), []string{"Private", "State"}[rng.IntN(2)]),
				"application/json", `{"predictions":[{"score":0.5}]}`))
		}
		b.captures.objects[captureKey("blue", b.now, name)] = text.String()
	}
	feed("same", 20)
	r := b.look(t)
	require.Equal(t, "pass", r.Drift.Verdict)
	require.Less(t, r.Drift.PSI, 0.05)
	require.Empty(t, b.runs)
	feed("older", 60)
	r = b.look(t)
	require.Equal(t, "fail", r.Drift.Verdict)
	require.Equal(t, "age", r.Drift.Worst)
	require.EqualValues(t, 6000, r.Drift.Rows)
	require.Equal(t, "2026-03-01", r.Drift.Retrain)
	b.look(t)
	require.Equal(t, []string{"2026-03-01", "2026-03-01"}, b.runs, "the same id: admit takes it once")
	require.Len(t, b.board.drift, 3)
	b.now = b.now.Add(24 * time.Hour)
	require.Nil(t, b.look(t).Drift, "a new day begins without rows")
}

func TestRowsOfAnotherShapeAreCounted(t *testing.T) {
	b := newBench()
	b.baseline = baselineOf(t)
	b.captures.objects[captureKey("blue", b.now, "1")] = captureJSON("a", b.now, "text/csv", "1,2,3\n", "text/csv", "0.9\n") +
		captureJSON("b", b.now, "application/json", `{"instances":[{"age":3}]}`, "application/json", `{"predictions":[{"score":0.5}]}`) +
		captureJSON("c", b.now, "text/csv", "33,Private\n", "text/csv", "0.9\n")
	r := b.look(t)
	require.Equal(t, 2, r.OddRows)
	require.EqualValues(t, 1, r.Drift.Rows)
	require.Equal(t, "insufficient", r.Drift.Verdict)
	require.Empty(t, b.board.drift)
}

func FuzzReadCaptures(f *testing.F) {
	f.Add([]byte(captureJSON("a", noon, "text/csv", "1,2\n", "text/csv", "0.75\n")))
	f.Add([]byte(captureJSON("b", noon, "application/json", `{"instances":[{"age":1}]}`, "application/json", `{"predictions":[{"score":0.5}]}`)))
	f.Fuzz(func(t *testing.T, body []byte) {
		predictions, problems := ReadCaptures("f", body)
		for _, p := range predictions {
			if p.Row.Names != nil {
				_, _ = p.Row.ordered(p.Row.Names)
			}
		}
		for _, problem := range problems {
			if !strings.HasPrefix(problem, "f line ") {
				t.Fatal(problem)
			}
		}
	})
}

func FuzzReadLabels(f *testing.F) {
	f.Add([]byte(label("a", 1)))
	f.Fuzz(func(t *testing.T, body []byte) {
		labels, _ := ReadLabels("f", body)
		for _, l := range labels {
			if l.InferenceID == "" || l.Label != 0 && l.Label != 1 {
				t.Fatalf("%+v", l)
			}
		}
	})
}
