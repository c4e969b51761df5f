package ecsbackend

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// maxAnswer is how much of an answer is read.
const maxAnswer = 1 << 20

// Smoke implements rollout.Backend, through the slot's side door.
func (b *Backend) Smoke(ctx context.Context, model, slot string, row rollout.Row) error {
	op := "smoke-test slot " + slot + " of " + model
	now, err := b.read(ctx, op, model)
	if err != nil {
		return err
	}
	if one, ok := now.slot(slot); !ok || !one.used() {
		return fault.New(fault.NotFound, op, "the slot serves nothing")
	}
	if err := b.checkDoor(ctx, op, now.place, slot); err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(b.settings.URL, "/")+"/invocations", bytes.NewReader(row.Body))
	if err != nil {
		return fault.New(fault.Invalid, op, "%w", err)
	}
	for name, value := range map[string]string{contract.HeaderModel: model, contract.HeaderSlot: slot, contract.HeaderInference: contract.SmokeInference + slot,
		"Content-Type": row.ContentType, "Accept": "application/json"} {
		request.Header.Set(name, value)
	}
	status, body, err := b.ask(request)
	switch {
	case err != nil:
		return fault.New(fault.Unavailable, op, "%w", err)
	case status >= 500:
		return fault.New(fault.Unavailable, op, "the answer is %d: %s", status, excerpt(body))
	case status != http.StatusOK:
		return fault.New(fault.Invalid, op, "the answer is %d: %s", status, excerpt(body))
	}
	return rollout.CheckAnswer(op, row.Goal, body)
}

func (b *Backend) ask(request *http.Request) (int, []byte, error) {
	answer, err := b.http.Do(request)
	if err != nil {
		return 0, nil, err
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if closing := answer.Body.Close(); err == nil {
		err = closing
	}
	return answer.StatusCode, body, err
}

func excerpt(body []byte) string { return fmt.Sprintf("%.200q", body) }

// checkDoor wants the slot's side door to be there: without it the model's rule
// would answer in its place, with the champion.
func (b *Backend) checkDoor(ctx context.Context, op string, place Model, slot string) error {
	listener := strings.Replace(place.Rule, ":listener-rule/", ":listener/", 1)
	listener = listener[:strings.LastIndexByte(listener, '/')]
	in := &elasticloadbalancingv2.DescribeRulesInput{ListenerArn: &listener}
	for {
		out, err := b.rules.DescribeRules(ctx, in)
		if err != nil {
			return classify(op, err)
		}
		if slices.ContainsFunc(out.Rules, func(r types.Rule) bool { return isDoor(r, slot, place.Groups[slot]) }) {
			return nil
		}
		if in.Marker = out.NextMarker; aws.ToString(in.Marker) == "" {
			return fault.New(fault.Invalid, op, "listener %s has no rule for the header %s: %s that forwards to %s alone", listener, contract.HeaderSlot, slot, place.Groups[slot]).
				WithHint("the stack declares it: deploy the stack again")
		}
	}
}

func isDoor(r types.Rule, slot, group string) bool {
	named := slices.ContainsFunc(r.Conditions, func(c types.RuleCondition) bool {
		h := c.HttpHeaderConfig
		return h != nil && strings.EqualFold(aws.ToString(h.HttpHeaderName), contract.HeaderSlot) && slices.Equal(h.Values, []string{slot})
	})
	door := rule{groups: map[string]int32{}}
	for _, a := range r.Actions {
		door.add(a)
	}
	_, there := door.groups[group]
	return named && there && len(door.groups) == 1
}
