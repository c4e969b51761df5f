package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
)

// A model of type image is planned with the images that the stack gives it, and
// with no others.
func TestAModelsOwnImages(t *testing.T) {
	own := contract.Images{Trainer: "repo/own:t1", Server: "repo/own:s1", TrainerJob: "job/t:1", EvaluatorJob: "job/e:1"}
	write := func(h handler, kind string) {
		text := strings.NewReplacer("%s", "adult", "income%s", "income", "XGBClassifier", kind).Replace(strings.Replace(config, "income%s", "income", 1))
		_, err := h.store.Put(t.Context(), h.bucket, "configs/adult/train.yaml", []byte(text))
		require.NoError(t, err)
	}
	h := open(t, "adult", "")
	write(h, "image")
	_, err := h.handle(t.Context(), step)
	require.ErrorContains(t, err, "the stack has no images of model adult")

	h.own = map[string]contract.Images{"adult": own}
	result, err := h.handle(t.Context(), step)
	require.NoError(t, err)
	require.Equal(t, []string{own.TrainerJob, own.EvaluatorJob}, []string{result.TrainerJob, result.EvaluatorJob})
	var plan contract.Plan
	require.NoError(t, h.store.GetJSON(t.Context(), result.Plan, &plan))
	require.Equal(t, []string{own.Trainer, own.Server}, []string{plan.TrainerImage, plan.ServerImage})

	changed := own
	changed.Server = "repo/own:s2"
	h.own["adult"] = changed
	_, err = h.handle(t.Context(), step)
	require.ErrorContains(t, err, "the stack has others since", "a retry after a deployment does not mix images")

	other := open(t, "adult", "")
	other.own = map[string]contract.Images{"adult": own}
	_, err = other.handle(t.Context(), step)
	require.ErrorContains(t, err, "model.type is XGBClassifier, and the stack has images of model adult")
}
