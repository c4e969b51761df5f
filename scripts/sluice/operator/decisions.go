package operator

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/decision"
	"github.com/sluice-ml/sluice/shared/fault"
)

// DecisionKey is the public half of the key that signs this environment's
// decisions.
func (c *Client) DecisionKey(ctx context.Context) (*decision.PublicKey, error) {
	alias := "alias/sluice-" + c.Environment + "-decisions"
	out, err := c.keys.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: aws.String(alias)})
	if err != nil {
		return nil, fmt.Errorf("read the public key %s: %w (it needs kms:GetPublicKey)", alias, err)
	}
	return decision.ParsePublicKey(out.PublicKey)
}

// Decision reads a run's signed decision as it is stored.
func (c *Client) Decision(ctx context.Context, run string) ([]byte, error) {
	model, _ := ModelOfRun(run)
	encoded, _, err := c.Objects.Get(ctx, c.Store, contract.RunKey(model, run, contract.FileDecision), "")
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(fault.NotFound, "read the decision", "run %q has no decision: it never came to one, or there is no such run", run).
			WithHint("list them: sluice run list; a copy is named by its path, e.g. ./%s", run)
	}
	return encoded, err
}

// Fetch reads what an S3 URI names, at the version that it pins.
func (c *Client) Fetch(ctx context.Context, uri string) ([]byte, error) {
	body, _, err := c.Objects.GetURI(ctx, uri)
	return body, err
}
