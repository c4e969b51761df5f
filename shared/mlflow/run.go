package mlflow

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/tracking"
)

// Tags that things are found by.
const (
	tagRun     = "sluice.run"
	tagVersion = "sluice.version"
	tagNote    = "mlflow.note.content" // what MLflow's pages show as the description
)

// MLflow's limits for one request and one value.
const (
	batchMetrics = 1000
	batchParams  = 100
	batchTags    = 100
	maxParam     = 500  // runes; older servers take no more
	maxTag       = 5000 // runes
)

// pair is a parameter or a tag.
type pair struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// metric is one value. MLflow's tables hold a metric's key, time, step and value
// once, so writing it again changes nothing.
type metric struct {
	Key       string  `json:"key"`
	Value     float64 `json:"value"`
	Timestamp int64   `json:"timestamp"` // milliseconds
	Step      int64   `json:"step"`
}

// run is what is read of a run.
type run struct {
	Info struct {
		ID        string `json:"run_id"`
		Artifacts string `json:"artifact_uri"`
	} `json:"info"`
}

// Tracker writes the records of an environment; it is a tracking.Runs and a
// tracking.Versions.
type Tracker struct {
	Server      *Server
	Environment string
}

var _ tracking.Runs = Tracker{}
var _ tracking.Versions = Tracker{}

// Target names the server: another one has nothing yet.
func (t Tracker) Target() string { return t.Server.Address() }

// experiment names the experiment and the registered model of a model.
func (t Tracker) experiment(model string) string {
	return contract.EndpointName(t.Environment, model)
}

// Run writes a run that has ended. It may be called again at any time, also
// after a part of it was written.
func (t Tracker) Run(ctx context.Context, r tracking.Run) error {
	experiment, err := t.Server.experiment(ctx, t.experiment(r.Model))
	if err != nil {
		return err
	}
	found, err := t.Server.findRun(ctx, experiment, r.Name)
	if fault.Is(err, fault.NotFound) {
		found, err = t.Server.createRun(ctx, experiment, r)
	}
	if err != nil {
		return err
	}
	if err := t.Server.log(ctx, found.Info.ID, r); err != nil {
		return err
	}
	for _, file := range r.Files {
		if err := t.Server.upload(ctx, found, file); err != nil {
			return err
		}
	}
	// Last, so that a run which looks finished is complete.
	return t.Server.post(ctx, "runs/update", map[string]any{"run_id": found.Info.ID, "status": status(r), "end_time": r.Ended.UnixMilli()}, nil)
}

// status is MLflow's word for an outcome: a run that was judged and stopped did
// its work.
func status(r tracking.Run) string {
	if r.Outcome == "failed" {
		return "FAILED"
	}
	return "FINISHED"
}

// experiment finds an experiment by its name, or makes it.
func (s *Server) experiment(ctx context.Context, name string) (id string, err error) {
	var found struct {
		Experiment struct {
			ID    string `json:"experiment_id"`
			Stage string `json:"lifecycle_stage"`
		} `json:"experiment"`
	}
	for range 2 {
		err = s.get(ctx, "experiments/get-by-name", url.Values{"experiment_name": {name}}, &found)
		if err == nil && found.Experiment.Stage == "deleted" {
			return "", fault.New(fault.Invalid, "open experiment "+name, "it was deleted on the tracking server").
				WithHint("restore it there (mlflow experiments restore -x %s), or delete it for good (mlflow gc)", found.Experiment.ID)
		}
		if err == nil || !fault.Is(err, fault.NotFound) {
			return found.Experiment.ID, err
		}
		err = s.post(ctx, "experiments/create", map[string]any{"name": name}, nil)
		if err != nil && !fault.Is(err, fault.Conflict) {
			return "", err
		}
	}
	return "", fault.New(fault.Unavailable, "open experiment "+name, "it was made, and is not found")
}

// findRun finds a run by its tag, the oldest one; NotFound when there is none.
func (s *Server) findRun(ctx context.Context, experiment, name string) (run, error) {
	var answer struct {
		Runs []run `json:"runs"`
	}
	err := s.post(ctx, "runs/search", map[string]any{
		"experiment_ids": []string{experiment}, "filter": fmt.Sprintf("tags.`%s` = '%s'", tagRun, name),
		"run_view_type": "ACTIVE_ONLY", "max_results": 1, "order_by": []string{"attributes.start_time ASC"},
	}, &answer)
	if err != nil {
		return run{}, err
	}
	if len(answer.Runs) == 0 {
		return run{}, fault.New(fault.NotFound, "find run "+name+" on the tracking server", "it has none with this tag")
	}
	return answer.Runs[0], nil
}

// createRun makes a run with the tag that finds it, in one request.
func (s *Server) createRun(ctx context.Context, experiment string, r tracking.Run) (run, error) {
	var answer struct {
		Run run `json:"run"`
	}
	err := s.post(ctx, "runs/create", map[string]any{
		"experiment_id": experiment, "run_name": r.Name, "start_time": r.Started.UnixMilli(),
		"tags": []pair{{tagRun, r.Name}, {"mlflow.source.name", "sluice"}},
	}, &answer)
	return answer.Run, err
}

// log writes parameters, metrics and tags, in as few requests as MLflow allows.
func (s *Server) log(ctx context.Context, id string, r tracking.Run) error {
	metrics := make([]metric, len(r.Metrics))
	for i, m := range r.Metrics {
		metrics[i] = metric{Key: key(m.Name), Value: m.Value, Timestamp: r.Ended.UnixMilli(), Step: int64(m.Step)}
	}
	params := pairs(r.Params, maxParam)
	tags := append(pairs(r.Tags, maxTag), pair{tagNote, cut(r.Note, maxTag)})
	for len(metrics)+len(params)+len(tags) > 0 {
		batch := map[string]any{"run_id": id, "metrics": take(&metrics, batchMetrics-2*batchParams),
			"params": take(&params, batchParams), "tags": take(&tags, batchTags)}
		if err := s.post(ctx, "runs/log-batch", batch, nil); err != nil {
			return err
		}
	}
	return nil
}

// take cuts up to n off the front of a list.
func take[T any](list *[]T, n int) []T {
	n = min(n, len(*list))
	head := (*list)[:n]
	*list = (*list)[n:]
	return head
}

func pairs(values map[string]string, most int) []pair {
	list := make([]pair, 0, len(values))
	for name, value := range values {
		list = append(list, pair{key(name), cut(value, most)})
	}
	slices.SortFunc(list, func(a, b pair) int { return strings.Compare(a.Key, b.Key) })
	return list
}

// key replaces what MLflow takes in no name.
func key(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("_-. /", r):
			return r
		}
		return '_'
	}, name)
}

// cut shortens a text and shows that it did.
func cut(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most-1]) + "…"
}

// upload writes an artefact through the server's proxy. Where the server keeps
// artefacts elsewhere (an S3 bucket of its own, say), clients write there with
// credentials of theirs, which Sluice has not: then the tags' links to our own
// objects are all there is, and that is no error.
func (s *Server) upload(ctx context.Context, in run, file tracking.File) error {
	root, err := url.Parse(in.Info.Artifacts)
	if err != nil || root.Scheme != "mlflow-artifacts" || root.Host != "" {
		return nil
	}
	return s.send(ctx, http.MethodPut, "/api/2.0/mlflow-artifacts/artifacts/"+strings.Trim(root.EscapedPath(), "/")+"/"+file.Name, file.Data, nil)
}
