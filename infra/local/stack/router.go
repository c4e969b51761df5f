package stack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
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
	case parsed.service == "lambda" && strings.HasPrefix(parsed.resource, "function:"),
		parsed.service == "states" && strings.HasPrefix(parsed.resource, "stateMachine:"),
		parsed.service == "sns", parsed.service == "sqs":
		return nil
	}
	return fmt.Errorf("the local stack cannot deliver to %s; it delivers to Lambda functions, state machines, SNS topics and SQS queues", target)
}

// Deliver hands the payload to the target. Errors that no retry can cure are
// *wire.Error with a 4xx status.
func (r *router) Deliver(ctx context.Context, target string, payload []byte, _ string) error {
	var attributes map[string]string
	if d, ok := delivery.From(ctx); ok && d.Dead {
		attributes = obituary(d)
	}
	return r.deliver(ctx, target, payload, attributes)
}

// obituary is what AWS tells about a dead letter.
func obituary(d delivery.Delivery) map[string]string {
	source := "RULE_ARN"
	if parsed, _ := parseARN(d.Source); parsed.service == "scheduler" {
		source = "SCHEDULE_ARN"
	}
	return map[string]string{source: d.Source, "TARGET_ARN": d.TargetARN, "ERROR_MESSAGE": d.Error,
		"RETRY_ATTEMPTS": strconv.Itoa(max(d.Tries-1, 0))}
}

// deliver is Deliver with message attributes, which queues and topics keep.
func (r *router) deliver(ctx context.Context, target string, payload []byte, attributes map[string]string) error {
	if err := r.accepts(target); err != nil {
		return wire.Errorf("InvalidTarget", "%v", err)
	}
	var err error
	switch parsed, _ := parseARN(target); parsed.service {
	case "states":
		err = r.start(ctx, target, payload)
	case "sqs":
		_, err = r.services.SQS.Send(target, string(payload), attributes)
	case "sns":
		_, err = r.services.SNS.Publish(ctx, target, "", string(payload), attributes)
	default:
		err = r.invoke(ctx, target, payload)
	}
	return err
}

// start starts an execution. Its name comes from the delivery's id, so that a
// repeated delivery starts nothing twice.
func (r *router) start(ctx context.Context, machine string, payload []byte) error {
	name := "" // one is made up
	if d, ok := delivery.From(ctx); ok {
		name = executionName(d.ID)
	}
	_, err := r.services.States.Start(context.WithoutCancel(ctx), states.StartRequest{MachineARN: machine, Name: name, Input: string(payload)})
	if err != nil && wire.AsError(err).Code == "ExecutionAlreadyExists" {
		return nil
	}
	return err
}

// executionName begins with the event's id, as EventBridge's names do, where
// there is one.
func executionName(deliveryID string) string {
	sum := sha256.Sum256([]byte(deliveryID))
	name := hex.EncodeToString(sum[:16])
	if event, _, found := strings.Cut(deliveryID, "/"); found && len(event) == 36 {
		return event + "_" + name
	}
	return name
}

// invoke queues an event for a function. A rule needs the function's permission,
// as on AWS; a schedule has its role.
func (r *router) invoke(ctx context.Context, function string, payload []byte) error {
	d, _ := delivery.From(ctx)
	if parsed, _ := parseARN(d.Source); parsed.service == "events" && !r.services.Lambda.Allows(function, "events.amazonaws.com", d.Source) {
		return wire.Errorf("AccessDeniedException", "rule %s may not invoke %s: give the function an AWS::Lambda::Permission for events.amazonaws.com", d.Source, function)
	}
	_, err := r.services.Lambda.InvokeAsync(ctx, function, payload)
	return err
}
