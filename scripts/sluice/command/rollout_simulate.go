package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/simulation"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// rehearsal is what the flags of simulate say.
type rehearsal struct {
	policy   string
	effects  []string
	scene    simulation.Scene
	incident time.Duration
	outage   time.Duration
	runs     int
	seed     uint64
	compare  bool
	study    bool
}

func rolloutSimulate(s *settings) *cobra.Command {
	r := &rehearsal{scene: simulation.Default(0)}
	c := &cobra.Command{
		Use: "simulate", Short: "Say what a policy would do, over many made-up rollouts", Args: exactly(0),
		Long: `Roll a candidate out over made-up traffic, many times, and say how it ended: with the
machine that decides real rollouts, in virtual time, without AWS.

An effect is what the candidate changes; without one it is just like the champion, and
every rollback is a false one:
  error_rate=+0.02  2 of 100 requests more fail        error_rate=x3   three times as many
  slow_rate=+0.01   1 of 100 more is above latency_p99
  latency=+100ms    every answer takes longer          latency=x1.5    by half
  accuracy=-0.05    5 of 100 answers fewer are right

Bad answers are the errors, slow answers and wrong answers that users got more than the
champion would have given them: until the decision, and until the horizon, to which a
bad candidate that was promoted goes on serving. Expired is a rollout that was given up
at its deadline although nothing spoke against the candidate.

--compare adds the rules that others use, --study is the comparison of all rules over
traffic and effects that shared/simulation/STUDY.md shows (minutes; prints Markdown).`,
		Example: `  sluice rollout simulate --policy train.yaml --traffic 50
  sluice rollout simulate --policy train.yaml --traffic 50 --effect error_rate=+0.02 --compare
  sluice rollout simulate --policy train.yaml --traffic 5 --accuracy 0.8 --label-delay 1h --effect accuracy=-0.05`,
		RunE: func(c *cobra.Command, _ []string) error {
			if r.study {
				return r.playStudy(s, c)
			}
			return r.play(s, c)
		},
	}
	flags := c.Flags()
	flags.StringVar(&r.policy, "policy", "", "a train.yaml; its deployment block is the policy")
	flags.Float64Var(&r.scene.Traffic, "traffic", 0, "requests per second")
	flags.StringArrayVar(&r.effects, "effect", nil, "what the candidate changes, NAME=CHANGE; may be repeated")
	flags.IntVar(&r.runs, "runs", 500, "rollouts to make up")
	flags.Uint64Var(&r.seed, "seed", 1, "the same seed gives the same rollouts")
	flags.BoolVar(&r.compare, "compare", false, "add the plain three-strikes rule, Flagger's and Kayenta's")
	flags.BoolVar(&r.study, "study", false, "compare all rules over traffic and effects; only --seed and --runs are read")
	r.sceneFlags(c)
	return c
}

// sceneFlags say what the made-up production is like.
func (r *rehearsal) sceneFlags(c *cobra.Command) {
	flags, scene := c.Flags(), &r.scene
	flags.Float64Var(&scene.Champion.ErrorRate, "error-rate", scene.Champion.ErrorRate, "the champion's")
	flags.DurationVar(&scene.Champion.P99, "latency-p99", scene.Champion.P99, "the champion's")
	flags.Float64Var(&scene.Champion.Accuracy, "accuracy", scene.Champion.Accuracy, "the champion's")
	flags.Float64Var(&scene.Diurnal, "diurnal", 0, "how much traffic swings over the day, 0 to 1")
	flags.DurationVar(&scene.LabelDelay, "label-delay", scene.LabelDelay, "from an answer to its label")
	flags.Float64Var(&scene.LabelCoverage, "label-coverage", scene.LabelCoverage, "share of answers that get a label")
	flags.Float64Var(&scene.Disagreement, "disagreement", scene.Disagreement, "share of answers that two equally good versions decide otherwise")
	flags.DurationVar(&scene.Period, "metric-period", scene.Period, "as metricPeriodSeconds in cdk.json")
	flags.DurationVar(&scene.MetricDelay, "metric-delay", 0, "until a period's metrics can be read")
	flags.DurationVar(&r.incident, "incident", 0, "so long, somewhere in the first hour, 10 of 100 more requests fail in both versions")
	flags.DurationVar(&r.outage, "outage", 0, "so long, somewhere in the first hour, metrics cannot be read")
	flags.DurationVar(&scene.Horizon, "horizon", scene.Horizon, "bad answers are counted until then")
}

// rehearsed is the command's answer.
type rehearsed struct {
	Policy  string               `json:"policy"`
	Scene   simulation.Scene     `json:"scene"`
	Seed    uint64               `json:"seed"`
	Thin    string               `json:"thin,omitempty"`   // why hardly any candidate can be promoted
	Labels  string               `json:"labels,omitempty"` // what it waits for labels by
	Note    string               `json:"note,omitempty"`   // what is odd about the policy here
	Results []simulation.Summary `json:"results"`
}

func (r *rehearsal) play(s *settings, c *cobra.Command) error {
	policy, err := r.read()
	if err != nil {
		return err
	}
	out := rehearsed{Policy: describePolicy(r.policy, policy), Scene: r.scene, Seed: r.seed, Thin: simulation.Thin(policy, r.scene)}
	if bake := time.Duration(policy.Bake); bake < r.scene.Period {
		out.Note = fmt.Sprintf("a bake of %s is shorter than the metrics' period of %s, so most looks see nothing (--metric-period)", policy.Bake, trainconfig.Duration(r.scene.Period))
	}
	simulated := policy
	simulated.Slices = rollout.Slices{}
	rules := []simulation.Rule{simulation.Sluice("this policy", "", simulated)}
	if r.compare {
		rules = append(rules, simulation.Others(policy)...)
	}
	if len(policy.Slices.By) > 0 {
		out.Note = strings.TrimPrefix(out.Note+"; deployment.slices is left out: made-up rows have no columns", "; ")
	}
	if policy.Accuracy > 0 && policy.Analysis.Mode != "sequential" && !policy.ShadowOnly {
		out.Labels = fmt.Sprintf("deployment.limits.accuracy is %g, so the candidate waits for %d labels (0.85 is the default; 0 turns it off)", policy.Accuracy, policy.MinRequests)
	}
	for _, rule := range rules {
		summary, err := simulation.Many(c.Context(), r.scene, rule, r.seed, r.runs)
		if err != nil {
			return err
		}
		out.Results = append(out.Results, summary)
	}
	return s.print(c, out, func(w io.Writer) { describeRehearsal(w, out) })
}

// read gives the policy and completes the scene; its errors name the flag, or the
// file and line.
func (r *rehearsal) read() (rollout.Policy, error) {
	wrong := func(format string, args ...any) error {
		return usageError{fmt.Errorf(format+" (see: sluice rollout simulate --help)", args...)}
	}
	switch {
	case r.policy == "":
		return rollout.Policy{}, wrong("--policy is missing: name a train.yaml")
	case r.scene.Traffic == 0:
		return rollout.Policy{}, wrong("--traffic is missing: how many requests per second does the endpoint get?")
	case r.runs < 1 || r.runs > 1_000_000:
		return rollout.Policy{}, wrong("--runs %d: want 1 to 1000000", r.runs)
	}
	for _, text := range r.effects {
		if err := r.scene.Effect.Parse(text); err != nil {
			return rollout.Policy{}, wrong("--effect: %w", err)
		}
	}
	body, err := os.ReadFile(r.policy)
	if err != nil {
		return rollout.Policy{}, fmt.Errorf("read the policy: %w", err)
	}
	config, err := trainconfig.Parse(r.policy, body)
	if err != nil {
		return rollout.Policy{}, err
	}
	policy, err := rollout.NewPolicy(config)
	if err != nil {
		return rollout.Policy{}, fmt.Errorf("%s: %w", r.policy, err)
	}
	if policy.Hold {
		return rollout.Policy{}, errors.New(r.policy + ": deployment.rollback.enabled is false, so this policy decides nothing that could be simulated")
	}
	policy.DryRun = false // what it would do if it were none
	if policy.ShadowOnly && r.compare {
		return rollout.Policy{}, errors.New(r.policy + ": deployment.strategy is shadow, and none of the other rules has shadows; leave --compare out")
	}
	r.scene.SlowLimit = time.Duration(policy.LatencyP99)
	if r.incident > 0 {
		r.scene.Incident = simulation.Incident{Span: simulation.Span{For: r.incident, Anywhere: true}, ErrorRate: 0.1}
	}
	if r.outage > 0 {
		r.scene.Outage = simulation.Span{For: r.outage, Anywhere: true}
	}
	if err := r.scene.Check(); err != nil {
		return rollout.Policy{}, wrong("%w", err)
	}
	return policy, nil
}

func describePolicy(file string, p rollout.Policy) string {
	mode := "limits"
	if p.Analysis.Mode == "sequential" {
		mode = fmt.Sprintf("sequential tests, alpha %g", p.Analysis.Alpha)
	}
	shadow := ""
	if p.Shadow.Duration > 0 {
		shadow = fmt.Sprintf("a shadow of %s by %g %% of the requests; ", p.Shadow.Duration, p.Shadow.Sample)
	}
	if p.ShadowOnly {
		return fmt.Sprintf("%s: %s; %snothing is promoted, deadline %s", file, mode, shadow, p.Deadline)
	}
	steps := strings.Trim(fmt.Sprint(p.Steps), "[]")
	return fmt.Sprintf("%s: %s; %ssteps %s %%, bake %s, deadline %s", file, mode, shadow, steps, p.Bake, p.Deadline)
}

func describeRehearsal(w io.Writer, r rehearsed) {
	fmt.Fprintf(w, "policy\t%s\ntraffic\t%g requests/s\neffect\t%s\n", r.Policy, r.Scene.Traffic, r.Scene.Effect)
	if r.Thin != "" {
		fmt.Fprintf(w, "too thin\t%s\n", r.Thin)
	}
	if r.Labels != "" {
		fmt.Fprintf(w, "labels\t%s\n", r.Labels)
	}
	if r.Note != "" {
		fmt.Fprintf(w, "note\t%s\n", r.Note)
	}
	for i, summary := range r.Results {
		if i > 0 || len(r.Results) > 1 {
			fmt.Fprintf(w, "\n%s\n", strings.ToUpper(summary.Rule))
		}
		describeSummary(w, summary, r.Scene)
	}
}

func describeSummary(w io.Writer, s simulation.Summary, scene simulation.Scene) {
	fmt.Fprintf(w, "\nOUTCOME\tRUNS\tSHARE\t95 %% INTERVAL\n")
	line := func(what string, share simulation.Share) {
		fmt.Fprintf(w, "%s\t%d\t%.1f %%\t%.1f to %.1f %%\n", what, share.Runs, 100*share.Rate, 100*share.Low, 100*share.High)
	}
	line("promoted", s.Promoted)
	if s.Shadowed.Runs > 0 {
		line("passed its shadow", s.Shadowed)
	}
	line("rolled back on evidence", s.RolledBack)
	var measures []string
	for measure := range s.Measures {
		measures = append(measures, measure)
	}
	slices.SortFunc(measures, func(a, b string) int {
		if d := s.Measures[b].Runs - s.Measures[a].Runs; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	for _, measure := range measures {
		line("  by "+measure, s.Measures[measure])
	}
	line("expired at a deadline", s.Expired)
	fmt.Fprintf(w, "\nUNTIL\tMEAN\tMEDIAN\t90 %% AT MOST\n")
	times := func(what string, runs int, q simulation.Quantiles) {
		if runs > 0 {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", what, clock(q.Mean), clock(q.Median), clock(q.P90))
		}
	}
	times("the decision", s.Runs, s.Took)
	times("promotion", s.Promoted.Runs, s.Promote)
	times("rollback", s.RolledBack.Runs, s.Detect)
	counts := func(what string, q simulation.Quantiles) {
		fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.1f\n", what, q.Mean, q.Median, q.P90)
	}
	counts("candidate's requests until the decision", s.Requests)
	counts("bad answers until the decision", s.Before)
	counts(fmt.Sprintf("bad answers within %s", trainconfig.Duration(scene.Horizon)), s.Excess)
}

func clock(seconds float64) string {
	return trainconfig.Duration(time.Duration(seconds * float64(time.Second)).Round(time.Second)).String()
}

// playStudy prints the study's tables; its progress goes to the error stream.
func (r *rehearsal) playStudy(s *settings, c *cobra.Command) error {
	study, err := simulation.NewStudy(r.seed)
	if err != nil {
		return err
	}
	if c.Flags().Changed("runs") {
		if r.runs < 1 {
			return usageError{fmt.Errorf("--runs %d: want 1 or more", r.runs)}
		}
		study.Good, study.Harder, study.Bad = r.runs, r.runs, r.runs
	}
	results, err := study.Play(c.Context(), func(row simulation.Row) {
		fmt.Fprintf(c.ErrOrStderr(), "%s%s at %g requests/s\n", row.Scene, row.Effect, row.Traffic)
	})
	if err != nil {
		return err
	}
	if s.json {
		return s.print(c, results, nil)
	}
	_, err = io.WriteString(c.OutOrStdout(), results.Markdown())
	return err
}
