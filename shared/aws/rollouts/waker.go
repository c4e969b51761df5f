package rollouts

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// TaskSender is what is used of the Step Functions client.
type TaskSender interface {
	SendTaskSuccess(context.Context, *sfn.SendTaskSuccessInput, ...func(*sfn.Options)) (*sfn.SendTaskSuccessOutput, error)
}

// Waker is rollout's States that wakes the execution which waits for the end of a
// bake, as soon as the state asks for something else: an alarm's rollback, an
// abort, a forced promotion.
//
// The execution waits by a task token whose time-out is the bake's end, not by a
// Wait state, because nothing ends a Wait early; and not by many short waits,
// because each costs a function call and about 11 of the 25,000 events. The token
// is a pointer beside the rollout's state. Who waits stores the token first and
// reads the state then; who moves the state saves it first and reads the token
// then. So one of the two sees the other, whatever their order, and at worst both
// send: a token ends its task once, and the second gets an error that is none. A
// token that is lost, or a sender that dies before it sends, leaves the time-out,
// which is when the execution would have looked anyway.
type Waker struct {
	rollout.States
	Store  ref.Store
	Client TaskSender
	Now    func() time.Time
	Log    *slog.Logger
}

// waiting is an execution that waits.
type waiting struct {
	Rollout string    `json:"rollout"`
	Token   string    `json:"token"` // "" once it was sent
	Until   time.Time `json:"until"` // then it goes on by itself
}

// Operations are shift's: the controller's, and "await" of its Waker.
func Operations(c *rollout.Controller) func(context.Context, contract.RolloutStep) (contract.RolloutCommand, error) {
	return func(ctx context.Context, step contract.RolloutStep) (contract.RolloutCommand, error) {
		waker, ok := c.States.(*Waker)
		if step.Operation != "await" || !ok {
			return c.Do(ctx, step)
		}
		return contract.RolloutCommand{}, waker.Await(ctx, step)
	}
}

// Await keeps the token of an execution that waits for the end of a bake, and
// ends the wait at once when there is nothing to wait for any more. Again is
// harmless. An error means that nobody will send the token.
func (w *Waker) Await(ctx context.Context, step contract.RolloutStep) error {
	const op = "wait for the end of a bake"
	if err := contract.CheckModel(step.Model); err != nil {
		return fault.Wrap(fault.Invalid, op, err)
	}
	if step.Token == "" || step.Rollout == "" {
		return fault.New(fault.Invalid, op, "token or rollout is missing").WithHint("only the rollout state machine calls this")
	}
	before, err := w.Load(ctx, step.Model)
	if err != nil {
		return err
	}
	now := w.Now()
	mine := waiting{Rollout: step.Rollout, Token: step.Token, Until: now.Add(rollout.Next(before, now).Wait)}
	_, err = ref.Update(ctx, w.Store, contract.RolloutTokenKey(step.Model), func(waiting, bool) (waiting, error) { return mine, nil })
	if err != nil {
		return err
	}
	after, err := w.Load(ctx, step.Model)
	if err != nil {
		return err
	}
	if after.Rollout != step.Rollout || !bakes(after, now) {
		return w.send(ctx, step.Model, mine)
	}
	return nil
}

// bakes says that the state asks for nothing before its bake is over.
func bakes(s rollout.State, now time.Time) bool {
	action := rollout.Next(s, now).Action
	return action == rollout.Bake || action == rollout.Analyze
}

// Update implements rollout.States.
func (w *Waker) Update(ctx context.Context, model string, change func(rollout.State, bool) (rollout.State, error)) (rollout.State, error) {
	changed := false
	s, err := w.States.Update(ctx, model, func(old rollout.State, found bool) (rollout.State, error) {
		next, err := change(old, found)
		changed = err == nil
		return next, err
	})
	if err == nil && changed && !bakes(s, w.Now()) {
		w.wake(ctx, s)
	}
	return s, err
}

// wake is best effort: the wait ends by itself too, and nothing that makes traffic
// safe may wait for it.
func (w *Waker) wake(ctx context.Context, s rollout.State) {
	p, err := ref.Read[waiting](ctx, w.Store, contract.RolloutTokenKey(s.Model))
	switch {
	case fault.Is(err, fault.NotFound):
		return
	case err == nil && (p.Value.Token == "" || p.Value.Rollout != s.Rollout || !w.Now().Before(p.Value.Until)):
		return
	case err == nil:
		err = w.send(ctx, s.Model, p.Value)
	}
	if err != nil {
		w.Log.Error("the execution that waits for the end of the bake could not be woken: it goes on at the end", "model", s.Model, "rollout", s.Rollout, "error", err)
	}
}

// send ends the wait, and forgets the token unless another wait has begun.
func (w *Waker) send(ctx context.Context, model string, one waiting) error {
	_, err := w.Client.SendTaskSuccess(ctx, &sfn.SendTaskSuccessInput{TaskToken: &one.Token, Output: aws.String("{}")})
	if err != nil && !over(err) {
		return fault.New(fault.Unavailable, "wake rollout "+one.Rollout, "%w", err)
	}
	_, err = ref.Update(ctx, w.Store, contract.RolloutTokenKey(model), func(old waiting, _ bool) (waiting, error) {
		if old.Token != one.Token {
			return old, ref.Unchanged
		}
		return waiting{Rollout: one.Rollout}, nil
	})
	return err
}

// over says that a task does not wait any more: it was woken, timed out, or its
// execution ended.
func over(err error) bool {
	return errors.As(err, new(*types.TaskTimedOut)) || errors.As(err, new(*types.TaskDoesNotExist)) || errors.As(err, new(*types.InvalidToken))
}
