package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/user"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
)

func rolloutCommand(s *settings) *cobra.Command {
	c := group("rollout", "Watch, steer and stop rollouts", rolloutStatus(s), rolloutWatch(s), rolloutHistory(s), rolloutExplain(s),
		rolloutSay(s, "approve", "approve", "Let the next step that needs approval begin", `A step listed under deployment.approve_at waits until somebody approves it. Approving
ahead of time is fine. Nothing waits longer than deployment.hold_deadline (24 h).`),
		rolloutSay(s, "pause", "pause", "Keep the weights from rising until resume", `The present weight stays and is watched: failures and alarms still roll back.`),
		rolloutSay(s, "resume", "resume", "Let a paused rollout go on", ""),
		rolloutSay(s, "promote", "force", "Promote the candidate without further looks", `Goes to 100 % at once, reads that back, and promotes. Approvals, freezes and the
analysis of the remaining steps are left out; an alarm on the way still rolls back.`),
		rolloutSay(s, "revert", "revert", "Take a provisional promotion back", `For a promotion that is still observed (deployment.observe): the old champion, kept at
weight 0 until then, becomes the champion again.`),
		rolloutAbort(s), rolloutQuarantine(s), rolloutRelease(s), rolloutSimulate(s), rolloutCost(s))
	s.nameModel(c)
	return c
}

// onRollout runs do on a model's latest rollout.
func onRollout(s *settings, do func(c *cobra.Command, client *operator.Client, state rollout.State) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		client, err := s.connect(c.Context())
		if err != nil {
			return err
		}
		state, err := client.Rollout(c.Context(), args[0])
		if err != nil {
			return err
		}
		return do(c, client, state)
	}
}

func rolloutStatus(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "status MODEL", Short: "Show a model's latest rollout, step by step", Args: exactly(1),
		RunE: onRollout(s, func(c *cobra.Command, _ *operator.Client, state rollout.State) error {
			view := viewStatus(state, time.Now())
			return s.print(c, view, func(w io.Writer) { describeRollout(w, view, time.Now()) })
		}),
	}
}

func describeRollout(w io.Writer, view statusView, now time.Time) {
	state := view.State
	fmt.Fprintf(w, "rollout\t%s\nphase\t%s\ncandidate\tversion %d in slot %s\nchampion\t%s\nweight\t%g %%\nfailures in a row\t%d of %d\n",
		state.Rollout, state.Phase, state.Candidate.Version, state.Candidate.Slot, championOf(state),
		state.Weight, state.Failures, state.Policy.MaxFailures)
	if shadow := describeShadow(state); shadow != "" {
		fmt.Fprintf(w, "shadow\t%s\n", shadow)
	}
	if state.Paused != "" {
		fmt.Fprintf(w, "paused by\t%s\n", state.Paused)
	}
	describeTimes(w, view.Times, now)
	fmt.Fprintf(w, "reason\t%s\n", state.Reason)
	describeLook(w, view.Look)
	fmt.Fprint(w, "\nTIME\tPHASE\tWEIGHT\tVERDICT\tREASON\n")
	for _, r := range state.History {
		fmt.Fprintln(w, recordLine(r))
	}
}

// championOf says which version serves beside the candidate.
func championOf(state rollout.State) string {
	if state.First() {
		return "none: it is the first version"
	}
	return fmt.Sprintf("version %d in slot %s", state.Champion.Version, state.Champion.Slot)
}

// describeShadow says what a policy's shadow is about; "" where it has none.
func describeShadow(state rollout.State) string {
	p := state.Policy
	if p.Shadow.Duration == 0 {
		return ""
	}
	text := fmt.Sprintf("%g %% of the champion's requests for %s, at most %g of the answers may decide otherwise", p.Shadow.Sample, p.Shadow.Duration, p.Shadow.MaxDisagreement)
	switch {
	case state.Mirrored:
		text += ": passed"
	case state.Phase == rollout.Mirroring:
		text += ": copying, returned to nobody"
	case state.Phase.Done():
		text += ": not passed"
	}
	if p.ShadowOnly {
		text += "; nothing is promoted"
	}
	return text
}

func recordLine(r rollout.Record) string {
	return fmt.Sprintf("%s\t%s\t%g %%\t%s\t%s", r.Time.UTC().Format(time.TimeOnly), r.Phase, r.Weight, r.Verdict, r.Reason)
}

func rolloutWatch(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "watch MODEL", Short: "Print what happens in a rollout as it happens, until it is over", Args: exactly(1),
		Long: `Print every change of a model's rollout until it is over (or promoted and only
observed still). The last line is the outcome; with --json each line is a record.
Exit 0 when it was promoted or its shadow passed, 1 otherwise. Ctrl-C stops watching, not the rollout.`,
		RunE: onRollout(s, func(c *cobra.Command, client *operator.Client, state rollout.State) error {
			return watchRollout(c, s, client, state)
		}),
	}
}

func watchRollout(c *cobra.Command, s *settings, client *operator.Client, state rollout.State) error {
	id, shown := state.Rollout, time.Time{}
	for {
		for _, r := range state.History {
			if !r.Time.After(shown) {
				continue
			}
			shown = r.Time
			if err := s.line(c, r, recordLine(r)+lookLines(lookOf(state.Policy, r))); err != nil {
				return err
			}
		}
		if state.Outcome != "" || state.Rollout != id {
			break
		}
		if err := pause(c.Context(), 2*time.Second); err != nil {
			return nil // Ctrl-C
		}
		next, err := client.Rollout(c.Context(), state.Model)
		if err != nil {
			return err
		}
		state = next
	}
	if state.Rollout != id {
		return fmt.Errorf("rollout %s is over: %s took its place (sluice rollout explain %s)", id, state.Rollout, id)
	}
	if state.Outcome != string(rollout.Promoted) && state.Outcome != rollout.Shadowed {
		return fmt.Errorf("%s: %s", state.Outcome, state.Reason)
	}
	return nil
}

// line prints one of many values: a line of JSON, or one for people.
func (s *settings) line(c *cobra.Command, v any, human string) error {
	if s.json {
		return json.NewEncoder(c.OutOrStdout()).Encode(v)
	}
	_, err := fmt.Fprintln(c.OutOrStdout(), human)
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func rolloutHistory(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "history MODEL", Short: "List a model's rollouts, newest first", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := s.connect(c.Context())
			if err != nil {
				return err
			}
			states, err := client.RolloutHistory(c.Context(), args[0])
			if err != nil {
				return err
			}
			return s.print(c, states, func(w io.Writer) {
				fmt.Fprintln(w, "STARTED\tROLLOUT\tVERSION\tOUTCOME\tREASON")
				for _, one := range states {
					fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", one.Started.UTC().Format(time.DateTime), one.Rollout, one.Candidate.Version, outcomeOf(one), one.Reason)
				}
			})
		},
	}
}

// outcomeOf is how a rollout ended, or that it has not.
func outcomeOf(state rollout.State) string {
	if state.Outcome == "" {
		return "under way: " + string(state.Phase)
	}
	return state.Outcome
}

func rolloutExplain(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "explain ROLLOUT", Short: "Say of each look at a rollout what was measured and what that meant", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := s.connect(c.Context())
			if err != nil {
				return err
			}
			state, err := client.FindRollout(c.Context(), args[0])
			if err != nil {
				return err
			}
			return s.print(c, state, func(w io.Writer) { explainRollout(w, state) })
		},
	}
}

func explainRollout(w io.Writer, state rollout.State) {
	ended := "ended\t" + state.Outcome
	if state.Outcome == "" {
		ended = "under way\t" + string(state.Phase)
	}
	fmt.Fprintf(w, "rollout\t%s of %s\n%s: %s\nlimits\tp99 %s, error rate %g, accuracy %g, %d requests at least, %d failures in a row\n",
		state.Rollout, state.Model, ended, state.Reason, state.Policy.LatencyP99, state.Policy.ErrorRate, state.Policy.Accuracy,
		state.Policy.MinRequests, state.Policy.MaxFailures)
	if shadow := describeShadow(state); shadow != "" {
		fmt.Fprintf(w, "shadow\t%s\n", shadow)
	}
	if s := state.Policy.Slices; len(s.By) > 0 {
		fmt.Fprintf(w, "slices\t%d, at most %g below the champion, %d labels at least; unknown ones: %s\n", len(s.By), s.MaxDrop, s.MinLabels, s.OnUnknown)
	}
	for _, r := range state.History {
		fmt.Fprintf(w, "\n%s\t%s, %g %%: %s\n", r.Time.UTC().Format(time.DateTime), r.Phase, r.Weight, r.Reason)
		if r.Measurements == nil {
			continue
		}
		fmt.Fprintf(w, "  candidate\t%s\n", describeVariant(r.Measurements.Candidate))
		if r.Measurements.Champion != nil {
			fmt.Fprintf(w, "  champion\t%s\n", describeVariant(*r.Measurements.Champion))
		}
		if p := r.Measurements.Pairs; p != nil {
			fmt.Fprintf(w, "  answers of both\t%d, of which %d decide otherwise; the scores differ by %.3g on average; %d of the shadow's have no partner\n", p.Both, p.Disagreed, p.Gap, p.Alone)
		}
		for _, f := range r.Findings {
			fmt.Fprintf(w, "  %s\t%s: %s", f.Measure, f.Verdict, f.Reason)
			if f.High > f.Low {
				fmt.Fprintf(w, " (interval %.4g to %.4g)", f.Low, f.High)
			}
			fmt.Fprintln(w)
		}
	}
}

func describeVariant(v rollout.Variant) string {
	text := fmt.Sprintf("%d requests, %d errors", v.Requests, v.Errors)
	if v.P99MS != nil {
		text += fmt.Sprintf(", p99 %.4g ms", *v.P99MS)
	}
	if v.Labels > 0 {
		text += fmt.Sprintf(", %d of %d labelled right", v.Correct, v.Labels)
	}
	return text
}

// rolloutSay is a command by which a person has a say in a rollout.
func rolloutSay(s *settings, use, operation, short, long string) *cobra.Command {
	var why string
	c := &cobra.Command{Use: use + " MODEL", Short: short, Long: short + ".\n\n" + long, Args: exactly(1),
		RunE: onRollout(s, func(c *cobra.Command, client *operator.Client, state rollout.State) error {
			command, err := client.SayRollout(c.Context(), state, operation, whoAndWhy(why))
			if err != nil {
				return err
			}
			return s.print(c, command, func(w io.Writer) { fmt.Fprintf(w, "%s\t%s\n", command.Phase, command.Reason) })
		})}
	c.Flags().StringVarP(&why, "reason", "m", "", "kept in the rollout's history")
	return c
}

// whoAndWhy names the person, for the history.
func whoAndWhy(why string) string {
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if name == "" {
		name = "an operator"
	}
	if why != "" {
		name += " (" + why + ")"
	}
	return name
}

func rolloutAbort(s *settings) *cobra.Command {
	var why string
	c := &cobra.Command{
		Use: "abort MODEL", Short: "Put the champion back at 100 %, verified, and end the rollout", Args: exactly(1),
		Long: `Put the champion back at 100 %, verified, and end the rollout. A candidate that
answered users, or copies of their requests, is quarantined, as after every rollback: no
run rolls the same model.tar.gz out again until sluice rollout release MODEL VERSION.`,
		RunE: onRollout(s, func(c *cobra.Command, client *operator.Client, state rollout.State) error {
			if state.Phase.Done() {
				return fault.New(fault.Invalid, "abort rollout "+state.Rollout, "it is over: it was %s", state.Outcome)
			}
			if state.Phase == rollout.Observing {
				return fault.New(fault.Invalid, "abort rollout "+state.Rollout, "the candidate is promoted and only observed still").
					WithHint("sluice rollout revert %s takes it back", state.Model)
			}
			command, err := client.AbortRollout(c.Context(), state, "asked for by "+whoAndWhy(why))
			if err != nil {
				return err
			}
			return s.print(c, command, func(w io.Writer) { fmt.Fprintf(w, "%s\t%s\n", command.Outcome, command.Reason) })
		}),
	}
	c.Flags().StringVarP(&why, "reason", "m", "", "kept in the rollout's history")
	return c
}
