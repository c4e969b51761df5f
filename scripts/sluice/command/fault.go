package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/infra/local/faults"
)

func faultCommand(s *settings) *cobra.Command {
	c := group("fault", "Have things go wrong on the running local stack", faultRule(s, faults.Function, "function NAME", "A function that fails, times out or is throttled",
		"fail, timeout or throttle"),
		faultRule(s, faults.API, "api SERVICE[:OPERATION]", "An API that throttles, fails, or does its work and loses the answer", "throttle, fail or lose"),
		faultRule(s, faults.Event, "event DETAIL-TYPE", "Events that are dropped, duplicated, delayed or reordered", "drop, duplicate, delay or reorder"),
		faultRule(s, faults.Update, "update ENDPOINT", "An endpoint update that fails and rolls back, or rolls back badly", "rollback or rollback-badly"),
		faultVariant(s), faultTarget(s), faultReclaim(s), faultClock(s), faultList(s), faultClear(s))
	c.Long = `Have things go wrong on the running local stack (--dir, or AWS_ENDPOINT_URL), to see
that nothing bad comes of it. Targets may be patterns with * and ?. Which of the
matching calls a fault strikes follows from the stack's --fault-seed and their order.

  sluice fault function sluice-production-evaluate-* timeout --times 2
  sluice fault api sagemaker:UpdateEndpointWeightsAndCapacities lose --times 1
  sluice fault api 's3:PUT */models/*' throttle --share 0.3
  sluice fault event 'Object Created' duplicate
  sluice fault update 'sluice-production-*' rollback-badly --times 1
  sluice fault variant sluice-production-adult-income blue --delay 700ms --errors 0.5
  sluice fault target sluice-production-adult-income-blue --delay 700ms --errors 0.5
  sluice fault clock +2h

variant is for models that SageMaker serves, target for those that ECS serves.

The state machines of the stack call functions, jobs and topics inside the stack:
api faults strike functions, jobs, commands and other clients, not those calls.`
	return c
}

// admin sends a request to the running stack's admin API.
func (s *settings) admin(ctx context.Context, method, path string, body, into any) error {
	endpoint := s.endpoint
	if endpoint == "" {
		endpoint = runningStack(s.dir)
	}
	if endpoint == "" && s.flags != nil && s.flags.Changed("dir") {
		return noStack(s.dir)
	}
	if endpoint == "" || s.onAWS {
		return fmt.Errorf("no local stack runs on %s: faults are for the local stack (sluice up starts one; --dir says where)", s.dir)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(endpoint, "/")+"/_sluice/"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("ask the stack: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}
	if response.StatusCode >= http.StatusBadRequest {
		var refused struct{ Message string }
		if json.Unmarshal(answer, &refused) == nil && refused.Message != "" {
			return errors.New(refused.Message)
		}
		return fmt.Errorf("the stack answered %s: %s", response.Status, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

func faultRule(s *settings, on, use, short, how string) *cobra.Command {
	var rule faults.Rule
	c := &cobra.Command{Use: use + " HOW", Short: short, Long: short + ". HOW is " + how + ".", Args: exactly(2),
		RunE: func(c *cobra.Command, args []string) error {
			rule.On, rule.Target, rule.Do = on, args[0], args[1]
			if err := rule.Check(); err != nil {
				return usageError{err}
			}
			var added faults.Rule
			if err := s.admin(c.Context(), http.MethodPost, "faults/rules", rule, &added); err != nil {
				return err
			}
			return s.print(c, added, func(w io.Writer) {
				fmt.Fprintf(w, "fault %s is in force (sluice fault clear %[1]s ends it)\n", added.ID)
			})
		}}
	c.Flags().IntVar(&rule.Times, "times", 0, "strike so often, then be over; 0 is until it is cleared")
	c.Flags().IntVar(&rule.Skip, "skip", 0, "leave the first so many alone")
	c.Flags().Float64Var(&rule.Share, "share", 0, "strike this share of them, 0 to 1; 0 is all")
	if on == faults.Event {
		c.Flags().StringVar(&rule.By, "by", "", "how long delay and reorder hold back (default 3s)")
	}
	return c
}

func faultVariant(s *settings) *cobra.Command {
	var delay time.Duration
	var fails, wrong float64
	c := &cobra.Command{Use: "variant ENDPOINT SLOT", Short: "A variant that is slow, errs, or answers wrongly", Args: exactly(2),
		RunE: func(c *cobra.Command, args []string) error {
			body := map[string]any{"delay": delay.String(), "error_rate": fails, "wrong_rate": wrong}
			err := s.admin(c.Context(), http.MethodPut, "faults/"+url.PathEscape(args[0])+"/"+url.PathEscape(args[1]), body, nil)
			if err != nil {
				return err
			}
			return s.print(c, body, func(w io.Writer) { fmt.Fprintln(w, "in force (sluice fault clear ends it)") })
		}}
	c.Flags().DurationVar(&delay, "delay", 0, "added to every answer")
	c.Flags().Float64Var(&fails, "errors", 0, "share of answers that become a 500")
	c.Flags().Float64Var(&wrong, "wrong", 0, "share of answers whose scores p become 1-p")
	return c
}

func faultTarget(s *settings) *cobra.Command {
	var delay time.Duration
	var fails float64
	c := &cobra.Command{Use: "target GROUP", Short: "A target group of the load balancer that is slow or errs", Args: exactly(1),
		Long: `A target group of the load balancer that is slow or errs: a slot of a model that ECS
serves, by the name of its target group.`,
		RunE: func(c *cobra.Command, args []string) error {
			body := map[string]any{"delay": delay.String(), "error_rate": fails}
			err := s.admin(c.Context(), http.MethodPut, "balancing/faults/"+url.PathEscape(args[0]), body, nil)
			if err != nil {
				return err
			}
			return s.print(c, body, func(w io.Writer) { fmt.Fprintln(w, "in force (sluice fault clear ends it)") })
		}}
	c.Flags().DurationVar(&delay, "delay", 0, "added to every answer")
	c.Flags().Float64Var(&fails, "errors", 0, "share of answers that become a 500")
	return c
}

func faultReclaim(s *settings) *cobra.Command {
	return &cobra.Command{Use: "reclaim job|task ID", Short: "Take a running Batch job's or ECS task's host away, as Spot does", Args: exactly(2),
		RunE: func(c *cobra.Command, args []string) error {
			if args[0] != "job" && args[0] != "task" {
				return usageError{fmt.Errorf("%q: want job or task", args[0])}
			}
			return s.admin(c.Context(), http.MethodPost, args[0]+"s/"+url.PathEscape(args[1])+"/reclaim", nil, nil)
		}}
}

func faultClock(s *settings) *cobra.Command {
	return &cobra.Command{Use: "clock JUMP", Short: "Move the stack's clock, e.g. +2h or -5m", Args: exactly(1),
		Long: `Move the clock that the stack's services read, forwards or back (write -- before a
negative jump). Waits under way keep their length. The jump ends with the stack.`,
		RunE: func(c *cobra.Command, args []string) error {
			jump, err := time.ParseDuration(args[0])
			if err != nil || jump == 0 {
				return usageError{fmt.Errorf("jump %q: want a duration other than 0, such as +2h or -5m", args[0])}
			}
			var clock struct{ Clock string }
			if err := s.admin(c.Context(), http.MethodPut, "faults/clock", map[string]string{"jump": args[0]}, &clock); err != nil {
				return err
			}
			return s.print(c, clock, func(w io.Writer) { fmt.Fprintf(w, "the stack's clock is %s off\n", clock.Clock) })
		}}
}

func faultList(s *settings) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the faults in force and how often they struck", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			var state struct {
				Rules []faults.Rule `json:"rules"`
				Seed  uint64        `json:"seed"`
				Clock string        `json:"clock"`
			}
			if err := s.admin(c.Context(), http.MethodGet, "faults/rules", nil, &state); err != nil {
				return err
			}
			return s.print(c, state, func(w io.Writer) {
				fmt.Fprintf(w, "seed %d, clock %s off\nID\tON\tTARGET\tDOES\tMET\tSTRUCK\n", state.Seed, state.Clock)
				for _, r := range state.Rules {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\n", r.ID, r.On, r.Target, r.Do, r.Met, r.Struck)
				}
			})
		}}
}

func faultClear(s *settings) *cobra.Command {
	return &cobra.Command{Use: "clear [ID]", Short: "End one fault, or all of them", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				return s.admin(c.Context(), http.MethodDelete, "faults/rules/"+url.PathEscape(args[0]), nil, nil)
			}
			return s.admin(c.Context(), http.MethodDelete, "faults", nil, nil)
		}}
}
