package stack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/events/delivery"
	"github.com/sluice-ml/sluice/infra/local/states"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// router delivers to any service by ARN: for rules, schedules, alarms,
// subscriptions and destinations.
type router struct{ services *Services }

var _ delivery.Targets = (*router)(nil)

// arn is arn:aws:<service>:<region>:<account>:<resource>.
type arn struct{ service, resource string }

func parseARN(s string) (arn, bool) {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" {
		return arn{}, false
	}
	return arn{parts[2], parts[5]}, true
}

// accepts refuses targets that the local stack cannot deliver to.
func (r *router) accepts(target string) error {
	parsed, ok := parseARN(target)
	if !ok {
		return fmt.Errorf("%q is not an ARN", target)
	}
	switch {
	case parsed.service == "lambda" && strings.HasPrefix(parsed.resource, "function:"):
		return nil
	case parsed.service == "states" && strings.HasPrefix(parsed.resource, "stateMachine:"):
		return nil
	}
	return fmt.Errorf("the local stack cannot deliver to %s; it delivers to Lambda functions and state machines", target)
}

// Deliver hands the payload to the target. Errors that no retry can cure are
// *wire.Error with a 4xx status.
func (r *router) Deliver(ctx context.Context, target string, payload []byte, _ string) error {
	if err := r.accepts(target); err != nil {
		return wire.Errorf("InvalidTarget", "%v", err)
	}
	if parsed, _ := parseARN(target); parsed.service == "states" {
		return r.start(context.WithoutCancel(ctx), target, payload)
	}
	return r.invoke(ctx, target, payload)
}

// start starts an execution. Its name comes from the delivery's id, so that a
// repeated delivery starts nothing twice.
func (r *router) start(ctx context.Context, machine string, payload []byte) error {
	deliveryID := delivery.ID(ctx)
	sum := sha256.Sum256([]byte(deliveryID))
	name := hex.EncodeToString(sum[:16])
	if event, _, found := strings.Cut(deliveryID, "/"); found && len(event) == 36 {
		name = event + "_" + name
	}
	_, err := r.services.States.Start(ctx, states.StartRequest{MachineARN: machine, Name: name, Input: string(payload)})
	if err != nil && wire.AsError(err).Code == "ExecutionAlreadyExists" {
		return nil
	}
	return err
}

// invoke queues an event for a function. A rule needs the function's permission,
// as on AWS; a schedule has its role.
func (r *router) invoke(ctx context.Context, function string, payload []byte) error {
	source := delivery.Source(ctx)
	if parsed, _ := parseARN(source); parsed.service == "events" && !r.services.Lambda.Allows(function, "events.amazonaws.com", source) {
		return wire.Errorf("AccessDeniedException", "rule %s may not invoke %s: give the function an AWS::Lambda::Permission for events.amazonaws.com", source, function)
	}
	_, err := r.services.Lambda.InvokeAsync(ctx, function, payload)
	return err
}

// deliver is Deliver with message attributes, which queues and topics keep.
func (r *router) deliver(ctx context.Context, target string, payload []byte, _ map[string]string) error {
	return r.Deliver(ctx, target, payload, "")
}

// publish sends a notification to a topic.
func (r *router) publish(_ context.Context, topic, _, _ string) error {
	return wire.Errorf("NotImplemented", "the local stack cannot publish to %s", topic)
}
