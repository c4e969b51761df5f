package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/runstore/runtest"
	"github.com/sluice-ml/sluice/shared/aws/s3store/s3test"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/profile"
	"github.com/sluice-ml/sluice/shared/table"
)

func TestMain(m *testing.M) { s3test.Main(m) }

const config = "experiment: {name: m}\ndata: {target: y}\n"

// good is n rows of x and y.
func good(n int) string {
	var b strings.Builder
	b.WriteString("x,y\n")
	for i := range n {
		fmt.Fprintf(&b, "%d,%d\n", i%50, i%2)
	}
	return b.String()
}

// profiled writes the parts of a run as the profile jobs do, size objects each.
func profiled(b *runtest.Bench, in contract.StepInput, size int) contract.StepInput {
	var plan contract.Plan
	b.ReadJSON(in.Plan, &plan)
	var list contract.DatasetObjects
	b.ReadJSON(plan.Dataset.Objects, &list)
	for first := 0; first < len(list.Objects); first += size {
		part := profile.Part{Index: first / size}
		var profiles []profile.Profile
		for _, o := range list.Objects[first:min(first+size, len(list.Objects))] {
			object := profile.PartObject{Key: o.Key, VersionID: o.VersionID}
			data, _, err := b.Store.Get(b.T.Context(), b.Lake, o.Key, o.VersionID)
			require.NoError(b.T, err)
			tab, err := table.Read(b.T.Context(), o.Key, strings.NewReader(string(data)), int64(len(data)), table.Options{})
			if err != nil {
				object.Problem = err.Error()
			} else {
				p := profile.Of(tab, b.Config)
				object.Rows = p.Rows
				object.Profile, err = b.Store.PutJSON(b.T.Context(), b.Bucket, "cache/"+o.VersionID+".json", p)
				require.NoError(b.T, err)
				profiles = append(profiles, p)
			}
			part.Objects = append(part.Objects, object)
		}
		if len(profiles) > 0 {
			merged, err := profile.Merge(profiles...)
			require.NoError(b.T, err)
			part.Merged = &merged
		}
		_, err := b.Store.PutJSON(b.T.Context(), b.Bucket, contract.RunKey(in.Model, in.Run, profile.PartFile(part.Index)), part)
		require.NoError(b.T, err)
	}
	return in
}

func head(b *runtest.Bench) string {
	c, err := b.Repository.Head(b.T.Context(), dataset.Main)
	if fault.Is(err, fault.NotFound) {
		return ""
	}
	require.NoError(b.T, err)
	return c.ID
}

func commitOf(b *runtest.Bench, in contract.StepInput) string {
	var plan contract.Plan
	b.ReadJSON(in.Plan, &plan)
	return plan.Dataset.Commit
}

func TestGoodDataMovesMainAndBadDataDoesNot(t *testing.T) {
	b := runtest.New(t, config)
	h := handler{store: b.Store, bucket: b.Bucket}

	first := profiled(b, b.Run("m-1", nil, b.Upload("raw/m/a.csv", good(4000)), b.Upload("raw/m/b.csv", good(1000))), 1)
	got, err := h.handle(t.Context(), first)
	require.NoError(t, err)
	require.Equal(t, contract.ValidateResult{Verdict: "pass", Reasons: []string{}, Rows: 5000,
		Report: "s3://" + b.Bucket + "/runs/m/m-1/validation.json"}, got)
	require.Equal(t, commitOf(b, first), head(b))

	bad := profiled(b, b.Run("m-2", nil, b.Upload("raw/m/c.csv", "x,y\n"+strings.Repeat(",0\n7,1\n", 100))), 10)
	got, err = h.handle(t.Context(), bad)
	require.NoError(t, err)
	require.Equal(t, "fail", got.Verdict)
	require.Equal(t, []string{`the added objects: column "x" has no value in 0.5 of its rows, the limit is below 0.05`}, got.Reasons)
	require.Equal(t, commitOf(b, first), head(b))

	broken := profiled(b, b.Run("m-3", nil, b.Upload("raw/m/d.csv", "x,y\n1,0,5\n")), 1)
	got, err = h.handle(t.Context(), broken)
	require.NoError(t, err)
	require.Equal(t, "fail", got.Verdict)
	require.Contains(t, got.Reasons[0], "raw/m/d.csv: line 2: 3 values where the header has 2 columns")

	words := profiled(b, b.Run("m-4", nil, b.Upload("raw/m/e.csv", "x,y\n1,0\nmany,1\n")), 1)
	got, err = h.handle(t.Context(), words)
	require.NoError(t, err)
	require.Contains(t, strings.Join(got.Reasons, "\n"), `column "x" held only numbers before and now holds 1 other values, first "many" in row 2 of raw/m/e.csv`)

	other := profiled(b, b.Run("m-5", nil, b.Upload("raw/m/g.csv", "x,z,y\n1,0,1\n")), 2)
	got, err = h.handle(t.Context(), other)
	require.NoError(t, err)
	require.Equal(t, []string{`column "z" is in the objects of 1 of 5001 rows only: raw/m/a.csv, raw/m/b.csv lack it, raw/m/g.csv has it; ` +
		`upload every object with the same columns`}, got.Reasons[:1])

	next := profiled(b, b.Run("m-6", nil, b.Upload("raw/m/f.csv", good(10))), 2)
	got, err = h.handle(t.Context(), next)
	require.NoError(t, err)
	require.Equal(t, "pass", got.Verdict, got.Reasons)
	require.Equal(t, commitOf(b, next), head(b))
	var report profile.Report
	b.ReadJSON(got.Report, &report)
	require.Equal(t, []string{"raw/m/f.csv"}, report.Added)
	require.Equal(t, commitOf(b, first), report.Base)
	require.Equal(t, 3, report.Objects)
}

func TestARetryAfterAnyWriteHasTheSameOutcome(t *testing.T) {
	b := runtest.New(t, config)
	h := handler{store: b.Store, bucket: b.Bucket}
	_, err := h.handle(t.Context(), profiled(b, b.Run("m-1", nil, b.Upload("raw/m/a.csv", good(2000))), 1))
	require.NoError(t, err)
	in := profiled(b, b.Run("m-2", nil, b.Upload("raw/m/b.csv", good(500))), 1)
	got, err := h.handle(t.Context(), in)
	require.NoError(t, err)
	report, _, err := b.Store.GetURI(t.Context(), got.Report)
	require.NoError(t, err)
	again, err := h.handle(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, got, again)
	after, _, err := b.Store.GetURI(t.Context(), got.Report)
	require.NoError(t, err)
	require.Equal(t, string(report), string(after))
	require.Equal(t, commitOf(b, in), head(b))
}

func TestARunOnATagPublishesNothing(t *testing.T) {
	b := runtest.New(t, config)
	in := profiled(b, b.Run("m-1", func(p *contract.Plan) { p.Dataset.Ref, p.Dataset.Branch = "v1", "v1" }, b.Upload("raw/m/a.csv", good(2000))), 1)
	got, err := handler{store: b.Store, bucket: b.Bucket}.handle(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, "pass", got.Verdict)
	require.Empty(t, head(b))
}

func TestMissingAndWrongPartsAreErrors(t *testing.T) {
	b := runtest.New(t, config)
	h := handler{store: b.Store, bucket: b.Bucket}
	in := b.Run("m-1", nil, b.Upload("raw/m/a.csv", good(200)), b.Upload("raw/m/b.csv", good(200)))
	_, err := h.handle(t.Context(), in)
	require.ErrorContains(t, err, "0 profile jobs cover 0 objects, not the commit's 2")
	profiled(b, in, 1)
	b.Write("m-1", profile.PartFile(1), []byte(`{"index": 1, "objects": []}`))
	_, err = h.handle(t.Context(), in)
	require.ErrorContains(t, err, "2 profile jobs cover 1 objects")
	b.Write("m-1", profile.PartFile(1), []byte(`{`))
	_, err = h.handle(t.Context(), in)
	require.True(t, fault.Is(err, fault.Invalid), "%v", err)
	require.Empty(t, head(b))
}

func TestAMainThatMovedAwayIsAConflict(t *testing.T) {
	b := runtest.New(t, config)
	h := handler{store: b.Store, bucket: b.Bucket}
	one := profiled(b, b.Run("m-1", nil, b.Upload("raw/m/a.csv", good(200))), 1)
	two := profiled(b, b.Run("m-2", nil, b.Upload("raw/m/b.csv", good(300))), 1)
	_, err := h.handle(t.Context(), one)
	require.NoError(t, err)
	_, err = h.handle(t.Context(), two)
	require.True(t, fault.Is(err, fault.Conflict), "%v", err)
	require.Equal(t, commitOf(b, one), head(b))
}

// TestTheMergeIntoMainAsksItsHooks: validate's own word is not the last one.
func TestTheMergeIntoMainAsksItsHooks(t *testing.T) {
	b := runtest.New(t, config)
	f := &function{answer: `{"allow": false, "reason": "wait for the release"}`}
	h := handler{store: b.Store, bucket: b.Bucket, hooks: f}
	require.NoError(t, b.Repository.SetHooks(t.Context(),
		dataset.HookSpec{Name: "quality", On: []string{dataset.PreMerge}, Gate: "data_quality"},
		dataset.HookSpec{Name: "release", On: []string{dataset.PreMerge}, Branches: []string{"main"}, Lambda: "sluice-staging-hook-release"}))
	in := profiled(b, b.Run("m-1", nil, b.Upload("raw/m/a.csv", good(2000))), 1)
	got, err := h.handle(t.Context(), in)
	require.NoError(t, err, "a rejection is no failure")
	require.Equal(t, "fail", got.Verdict)
	require.Contains(t, got.Reasons[0], "hook release (function sluice-staging-hook-release) refuses commit "+commitOf(b, in)+": wait for the release")
	var report profile.Report
	b.ReadJSON(got.Report, &report)
	require.Equal(t, got.Reasons, report.Reasons)
	f.answer = `"garbled"`
	_, err = h.handle(t.Context(), in)
	require.Equal(t, "Sluice.Denied", fault.KindOf(err).Name())
	require.ErrorContains(t, err, "which counts as a refusal")
	require.Empty(t, head(b))
	f.answer = `{"allow": true}`
	got, err = h.handle(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, "pass", got.Verdict)
	require.Equal(t, commitOf(b, in), head(b))
	require.Equal(t, []string{"sluice-staging-hook-release", "sluice-staging-hook-release", "sluice-staging-hook-release"}, f.invoked)
}

// TestManyObjectsAreJudgedAFewAtATime: more objects than are read at once and than
// a report lists; each is judged, the first failures are told, the rest counted.
func TestManyObjectsAreJudgedAFewAtATime(t *testing.T) {
	b := runtest.New(t, config)
	h := handler{store: b.Store, bucket: b.Bucket}
	_, err := h.handle(t.Context(), profiled(b, b.Run("m-1", nil, b.Upload("raw/m/a.csv", good(4000))), 1))
	require.NoError(t, err)
	var uploads []dataset.Entry
	for n := range 3 * readAhead {
		body := good(20)
		if n == 70 {
			body = "x,y\n" + strings.Repeat(",0\n", 15) + good(20)[4:]
		}
		uploads = append(uploads, b.Upload(fmt.Sprintf("raw/m/b%03d.csv", n), body))
	}
	in := profiled(b, b.Run("m-2", nil, uploads...), 7) // 14 parts: their files' names sort otherwise than their numbers
	got, err := h.handle(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, "fail", got.Verdict)
	require.Equal(t, []string{`raw/m/b070.csv: column "x" has no value in 0.4286 of its rows, the limit is below 0.05`}, got.Reasons)
	require.EqualValues(t, 4000+3*readAhead*20+15, got.Rows)
}

func TestFindingsOfSingleObjectsAreBounded(t *testing.T) {
	parts := []profile.Part{{Objects: make([]profile.PartObject, mostSingle+7)}}
	for n := range parts[0].Objects {
		parts[0].Objects[n] = profile.PartObject{Key: fmt.Sprint(n), Problem: fmt.Sprintf("object %d is no table", n)}
	}
	found := unreadable(parts)
	require.Len(t, found, mostSingle+1)
	require.Equal(t, "7 more findings, of objects that cannot be read as tables, are not listed", found[mostSingle].Text)
	require.Empty(t, unreadable(nil))
}

type function struct {
	answer  string
	invoked []string
}

func (f *function) Invoke(_ context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	f.invoked = append(f.invoked, *in.FunctionName)
	return &lambda.InvokeOutput{Payload: []byte(f.answer)}, nil
}
