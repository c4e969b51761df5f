package mlflow

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/registry"
	"github.com/sluice-ml/sluice/shared/tracking"
)

// Version registers a version, found by its tag, and writes its tags; Busy while
// its run was not written. MLflow numbers by itself: where a version was deleted there, the numbers differ, and
// the tag sluice.version is ours.
func (t Tracker) Version(ctx context.Context, v tracking.Version) error {
	name := t.experiment(v.Model)
	number, err := t.Server.findVersion(ctx, name, v.Version.Version)
	if fault.Is(err, fault.NotFound) {
		number, err = t.createVersion(ctx, name, v)
	}
	if err != nil {
		return err
	}
	for _, tag := range pairs(v.Tags(), maxTag) {
		err := t.Server.post(ctx, "model-versions/set-tag", map[string]any{"name": name, "version": number, "key": tag.Key, "value": tag.Value}, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

// Champion points MLflow's alias of that name to a version; Busy while that was
// not written.
func (t Tracker) Champion(ctx context.Context, model string, champion int, _ []int) error {
	name := t.experiment(model)
	number, err := t.Server.findVersion(ctx, name, champion)
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.Busy, "move the champion of "+name, "%w", err)
	}
	if err != nil {
		return err
	}
	return t.Server.post(ctx, "registered-models/alias", map[string]any{"name": name, "alias": registry.Champion, "version": number}, nil)
}

// findVersion gives MLflow's number of our version, the oldest one.
func (s *Server) findVersion(ctx context.Context, name string, version int) (number string, err error) {
	var answer struct {
		Versions []struct {
			Version string `json:"version"`
		} `json:"model_versions"`
	}
	err = s.get(ctx, "model-versions/search", url.Values{
		"filter":      {fmt.Sprintf("name = '%s' and tags.`%s` = '%d'", name, tagVersion, version)},
		"max_results": {"1"}, "order_by": {"version_number ASC"},
	}, &answer)
	if err != nil {
		return "", err
	}
	if len(answer.Versions) == 0 {
		return "", fault.New(fault.NotFound, "find version "+strconv.Itoa(version)+" of "+name, "the tracking server has none with this tag")
	}
	return answer.Versions[0].Version, nil
}

func (t Tracker) createVersion(ctx context.Context, name string, v tracking.Version) (number string, err error) {
	err = t.Server.post(ctx, "registered-models/create", map[string]any{"name": name}, nil)
	if err != nil && !fault.Is(err, fault.Conflict) {
		return "", err
	}
	experiment, err := t.Server.experiment(ctx, name)
	if err != nil {
		return "", err
	}
	from, err := t.Server.findRun(ctx, experiment, v.Run)
	if fault.Is(err, fault.NotFound) { // a version's run cannot be set later
		return "", fault.New(fault.Busy, "register version "+strconv.Itoa(v.Version.Version)+" of "+name, "run %s is not there yet: it goes on", v.Run)
	}
	if err != nil {
		return "", err
	}
	var answer struct {
		Version struct {
			Version string `json:"version"`
		} `json:"model_version"`
	}
	err = t.Server.post(ctx, "model-versions/create", map[string]any{"name": name, "source": v.Artifact, "run_id": from.Info.ID,
		"tags": []pair{{tagVersion, strconv.Itoa(v.Version.Version)}}, "description": v.Describe()}, &answer)
	return answer.Version.Version, err
}
