package endpoint

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime/types"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// Smoke implements rollout.Backend. TargetVariant overrides the weights, so a
// slot without traffic answers too. The inference id tells whoever reads the
// captured requests that nobody asked this one.
func (b *Backend) Smoke(ctx context.Context, model, slot string, row rollout.Row) error {
	op := "smoke-test slot " + slot + " of " + model
	out, err := b.runtime.InvokeEndpoint(ctx, &sagemakerruntime.InvokeEndpointInput{
		EndpointName: aws.String(b.endpoint(model)), TargetVariant: &slot, Body: row.Body, ContentType: &row.ContentType,
		Accept: aws.String("application/json"), InferenceId: aws.String(contract.SmokeInference + slot),
	})
	if failed, ok := errors.AsType[*types.ModelError](err); ok {
		kind := fault.Unavailable
		if status := aws.ToInt32(failed.OriginalStatusCode); status >= 400 && status < 500 {
			kind = fault.Invalid
		}
		return fault.New(kind, op, "the model server answered %d: %s", aws.ToInt32(failed.OriginalStatusCode), aws.ToString(failed.OriginalMessage))
	}
	if err != nil {
		return classify(op, err)
	}
	return checkAnswer(op, out.Body)
}

// checkAnswer wants {"predictions":[{"score":p},…]} with a probability in it.
func checkAnswer(op string, body []byte) error {
	var answer struct {
		Predictions []struct {
			Score *float64 `json:"score"`
		} `json:"predictions"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fault.New(fault.Invalid, op, "the answer is not JSON predictions: %w", err)
	}
	if len(answer.Predictions) == 0 {
		return fault.New(fault.Invalid, op, "the answer has no predictions")
	}
	for i, p := range answer.Predictions {
		if p.Score == nil || !(*p.Score >= 0 && *p.Score <= 1) {
			return fault.New(fault.Invalid, op, "prediction %d is not a score from 0 to 1", i)
		}
	}
	return nil
}
