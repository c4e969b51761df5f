package endpoint

import (
	"context"
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
	return rollout.CheckAnswer(op, row.Goal, out.Body)
}
