// Package story runs the lifecycle end to end on the local stack, with real
// data: five uploads and changes, five endings, each asserted.
package story

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/scripts/sluice/cost"
	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// Stack is what the story needs of the local stack beyond the AWS APIs.
type Stack interface {
	// SetFault makes a variant's answers late and wrong, as a drill.
	SetFault(ctx context.Context, endpoint, variant string, delay time.Duration, errorRate float64) error
	ClearFaults(ctx context.Context) error
	// Usage is what was used so far of each service that costs money.
	Usage(ctx context.Context) (cost.Usage, error)
}

// Options say where the example is and who is told.
type Options struct {
	Client *operator.Client
	Stack  Stack
	Data   string // folder with part-0.csv.gz, part-1.csv.gz, holdout.csv.gz, train.yaml
	Out    io.Writer
	// Report writes a run's page and returns its path; may be nil.
	Report func(ctx context.Context, run operator.Run, usage cost.Usage, served map[string]Served) (string, error)
}

// Chapter is one ending of the story.
type Chapter struct {
	Title    string            `json:"title"`
	Run      string            `json:"run"`
	Ending   string            `json:"ending"`
	Reason   string            `json:"reason"`
	Elapsed  float64           `json:"elapsed_seconds"`
	Overhead float64           `json:"overhead_seconds"` // all but training, evaluating and the rollout's bakes
	Served   map[string]Served `json:"served"`
	USD      float64           `json:"usd"`
	Usage    cost.Usage        `json:"usage"`
	Report   string            `json:"report,omitempty"`
	// Rollback is the seconds from the alarm's transition to the champion's
	// weight read back; 0 when nothing was rolled back.
	Rollback float64 `json:"rollback_seconds,omitempty"`
}

const model = "adult-income"

// requestsPerSecond of live traffic; a step at 10 % must see min_requests in a
// bake.
const requestsPerSecond = 60

type teller struct {
	Options
	config   string
	traffic  *traffic
	chapters []Chapter
}

// Tell runs the story; it stops at the first ending that is not the asserted
// one.
func Tell(ctx context.Context, o Options) ([]Chapter, error) {
	t := &teller{Options: o}
	holdout, err := readTable(filepath.Join(o.Data, "holdout.csv.gz"))
	if err != nil {
		return nil, err
	}
	if t.traffic, err = newTraffic(o.Client, model, holdout, "income", ">50K", requestsPerSecond); err != nil {
		return nil, err
	}
	if t.config, err = readText(filepath.Join(o.Data, "train.yaml")); err != nil {
		return nil, err
	}
	for _, chapter := range []func(context.Context) error{t.first, t.second, t.corrupted, t.weak, t.badRelease} {
		if err := chapter(ctx); err != nil {
			t.traffic.stop()
			return t.chapters, err
		}
	}
	t.traffic.stop()
	return t.chapters, nil
}

// ending is what a chapter asserts.
type ending struct {
	title    string
	status   string   // contract.Outcome.Status
	champion int      // the version that serves afterwards
	mentions []string // what the reason must name
	calm     bool     // live traffic must not have lost a single answer
}

// play starts something, follows the run it causes, and asserts how it ends.
func (t *teller) play(ctx context.Context, want ending, start func(context.Context) (run string, err error), during func(context.Context, string) error) error {
	fmt.Fprintf(t.Out, "\n%d. %s\n", len(t.chapters)+1, want.title)
	usage, err := t.Stack.Usage(ctx)
	if err != nil {
		return err
	}
	servedBefore, _ := t.traffic.counts()
	began := time.Now()
	name, err := start(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", want.title, err)
	}
	run, err := t.follow(ctx, name, began, during)
	if err != nil {
		return fmt.Errorf("%s: %w", want.title, err)
	}
	served, lastErr := t.traffic.counts()
	after, err := t.Stack.Usage(ctx)
	if err != nil {
		return err
	}
	chapter := Chapter{
		Title: want.title, Run: name, Ending: run.Status, Elapsed: time.Since(began).Seconds(),
		Served: since(served, servedBefore), Usage: after.Minus(usage),
	}
	chapter.USD = cost.Total(chapter.Usage)
	if run.Outcome != nil {
		chapter.Reason = run.Outcome.Reason
	}
	if chapter.Overhead, err = t.overhead(ctx, run); err != nil {
		return err
	}
	if run.Status == "rolled_back" {
		if chapter.Rollback, err = t.rollbackTime(ctx); err != nil {
			return err
		}
	}
	if t.Report != nil {
		if chapter.Report, err = t.Report(ctx, run, chapter.Usage, chapter.Served); err != nil {
			return err
		}
	}
	t.chapters = append(t.chapters, chapter)
	t.print(chapter)
	if err := t.assert(ctx, want, run, chapter, lastErr); err != nil {
		return fmt.Errorf("%s: %w", want.title, err)
	}
	return nil
}

// follow waits for the run's end while during, if any, does its part.
func (t *teller) follow(ctx context.Context, name string, began time.Time, during func(context.Context, string) error) (operator.Run, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	failed := make(chan error, 1)
	go func() {
		var err error
		if during != nil {
			err = during(ctx, name)
		}
		if err != nil {
			cancel(err)
		}
		failed <- err
	}()
	run, err := t.Client.WaitRun(ctx, name, func(p operator.Phase) {
		if !strings.HasSuffix(p.Name, "?") && !strings.HasPrefix(p.Name, " ") { // a choice takes no time and says nothing
			fmt.Fprintf(t.Out, "   %6.1f s  %s\n", p.Start.Sub(began).Seconds(), p.Name)
		}
	})
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = errors.Join(cause, err)
		}
		return run, err
	}
	return run, <-failed
}

// overhead is a run's time without training, evaluating, baking, and the quiet
// period before it.
func (t *teller) overhead(ctx context.Context, run operator.Run) (float64, error) {
	phases, err := t.Client.Phases(ctx, run.Run)
	if err != nil {
		return 0, err
	}
	total := run.Finished.Sub(run.Started)
	for _, p := range phases {
		switch p.Name {
		case "Train", "Evaluate", "Quiet":
			total -= p.Duration
		case "Rollout":
			rollout, err := t.Client.RolloutPhases(ctx, run.Run)
			if err != nil {
				return 0, err
			}
			for _, r := range rollout {
				if r.Name == "Bake" || r.Name == "BakeBriefly" {
					total -= r.Duration
				}
			}
		}
	}
	return total.Seconds(), nil
}

// rollbackTime is from the transition of the alarm that fired first to the
// moment the rollout's state says rolled back, which it does once the endpoint's
// weights were read back.
func (t *teller) rollbackTime(ctx context.Context) (float64, error) {
	state, err := t.Client.Rollout(ctx, model)
	if err != nil {
		return 0, err
	}
	var fired time.Time
	for _, measure := range []string{"errors", "latency", "accuracy"} {
		value, since, err := t.Client.AlarmSince(ctx, model, state.Candidate.Slot, measure)
		if err != nil {
			return 0, err
		}
		if value == "ALARM" && (fired.IsZero() || since.Before(fired)) {
			fired = since
		}
	}
	if fired.IsZero() {
		return 0, nil // it was rolled back for another reason
	}
	for _, r := range state.History {
		if r.Phase == rollout.RolledBack {
			return r.Time.Sub(fired).Seconds(), nil
		}
	}
	return 0, fmt.Errorf("rollout %s: its history has no rolled_back", state.Rollout)
}

func (t *teller) assert(ctx context.Context, want ending, run operator.Run, chapter Chapter, lastErr error) error {
	if run.Status != want.status {
		return fmt.Errorf("run %s ended %q, want %q: %s", run.Run, run.Status, want.status, chapter.Reason)
	}
	for _, word := range want.mentions {
		if !strings.Contains(chapter.Reason, word) {
			return fmt.Errorf("run %s: the reason does not name %q: %s", run.Run, word, chapter.Reason)
		}
	}
	version, err := t.Client.Champion(ctx, model)
	if err != nil {
		return err
	}
	if version.Version != want.champion {
		return fmt.Errorf("the champion is version %d, want %d", version.Version, want.champion)
	}
	endpoint, err := t.Client.ShowEndpoint(ctx, model)
	if err != nil {
		return err
	}
	if endpoint.Status != "InService" {
		return fmt.Errorf("endpoint %s is %s, want InService", endpoint.Name, endpoint.Status)
	}
	full := 0
	for _, v := range endpoint.Variants {
		if v.Weight != v.Desired {
			return fmt.Errorf("endpoint %s: slot %s is at weight %g and wants %g", endpoint.Name, v.Slot, v.Weight, v.Desired)
		}
		if endpoint.Share(v.Slot) == 1 {
			full++
		}
	}
	if full != 1 {
		return fmt.Errorf("endpoint %s: no slot has all the traffic: %+v", endpoint.Name, endpoint.Variants)
	}
	if want.calm {
		for variant, s := range chapter.Served {
			if s.Failed > 0 {
				return fmt.Errorf("live traffic lost %d of %d answers of slot %q: %w", s.Failed, s.Requests, variant, lastErr)
			}
		}
	}
	return nil
}

func (t *teller) print(c Chapter) {
	fmt.Fprintf(t.Out, "   ⇒ %s: %s\n", c.Ending, c.Reason)
	if c.Rollback > 0 {
		fmt.Fprintf(t.Out, "     %.2f s from the alarm to the champion at 100 %%, read back\n", c.Rollback)
	}
	fmt.Fprintf(t.Out, "     %.1f s in all, %.1f s of it orchestration; on AWS it would have cost $%.4f\n", c.Elapsed, c.Overhead, c.USD)
	for _, slot := range []string{contract.SlotBlue, contract.SlotGreen, ""} {
		if s, ok := c.Served[slot]; ok {
			name := "slot " + slot
			if slot == "" {
				name = "no slot"
			}
			fmt.Fprintf(t.Out, "     %s served %d requests, %d failed\n", name, s.Requests, s.Failed)
		}
	}
	if c.Report != "" {
		fmt.Fprintf(t.Out, "     report: %s\n", c.Report)
	}
}
