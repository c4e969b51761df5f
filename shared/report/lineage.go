package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
)

// timing is the section of time and cost.
type timing struct {
	Bars     template.HTML
	Phases   []phaseRow
	Hidden   int
	Traffic  []Traffic
	Costs    []Cost
	Total    string
	CostNote string
}

type phaseRow struct {
	Name, Start, Took string
	Bar               template.HTML
}

func timeView(d Data) any {
	v := timing{Traffic: d.Traffic, Costs: d.Costs, CostNote: d.CostNote, Total: usd(d.Total())}
	begin, end := time.Time{}, time.Time{}
	for _, p := range d.Phases {
		if begin.IsZero() || p.Start.Before(begin) {
			begin = p.Start
		}
		if done := p.Start.Add(p.Duration); done.After(end) {
			end = done
		}
	}
	s := scale{0, math.Max(end.Sub(begin).Seconds(), 1e-9)}
	for _, p := range d.Phases {
		if len(v.Phases) == mostRows {
			v.Hidden++
			continue
		}
		from, to := s.at(p.Start.Sub(begin).Seconds()), s.at(p.Start.Add(p.Duration).Sub(begin).Seconds())
		v.Phases = append(v.Phases, phaseRow{Name: p.Name, Start: "+" + duration(p.Start.Sub(begin)), Took: duration(p.Duration),
			Bar: template.HTML(fmt.Sprintf(`<svg class="dot" aria-hidden="true"><rect class="fill candidate" x="%s" width="%s" y="5" height="12" rx="2"/></svg>`, // numbers only
				pc(math.Min(from, 99.5)), pc(math.Max(0.5, to-from))))})
	}
	if len(v.Phases)+len(v.Costs)+len(v.Traffic) == 0 {
		return nil
	}
	return v
}

// lineage is the section of what the run was made from and made.
type lineage struct {
	Items    []item
	Evidence []item
	Commands []command
}

// item is a named hash or place.
type item struct{ Name, Value, Note string }

// command is a line to repeat or to check something.
type command struct{ Does, Line string }

func lineageView(d Data) any {
	var v lineage
	add := func(name, value, note string) {
		if value != "" {
			v.Items = append(v.Items, item{name, value, note})
		}
	}
	if p := d.Plan; p != nil {
		add("Plan", p.Hash, "names the work: model, configuration, commit, seed and images")
		add("Configuration", p.ConfigHash, p.Config)
		add("Dataset commit", p.Dataset.Commit, objectsNote(p.Dataset))
		add("Seed", fmt.Sprint(p.Seed), "")
		add("Trainer image", p.TrainerImage, "")
		add("Server image", p.ServerImage, "")
		if p.Champion != nil {
			add("Compared with", fmt.Sprintf("version %d", p.Champion.Version), "of run "+p.Champion.Run)
		}
	}
	if e := d.Environs; e != nil {
		add("Trained with", "XGBoost "+e.XGBoost, fmt.Sprintf("%s, %d threads, %s on %s/%s", e.Go, e.Threads, e.Device, e.OS, e.Arch))
		add("Rows’ hash", e.DataHash, "of all rows, in order")
	}
	v.decision(d, add)
	v.Commands = commands(d)
	if len(v.Items) == 0 {
		return nil
	}
	return v
}

func objectsNote(d contract.Dataset) string {
	return fmt.Sprintf("%s, %s objects, %s", d.Ref, count(d.Count), size(d.Bytes))
}

func (v *lineage) decision(d Data, add func(name, value, note string)) {
	x := d.Decision
	if x == nil {
		return
	}
	add("Model", x.Digest, x.Artifact)
	add("Decision", x.Action, "made "+stamp(x.Time)+", for "+x.Environment)
	add("Signed by", d.Signer, "")
	for _, e := range x.Evidence {
		v.Evidence = append(v.Evidence, item{Name: e.Name, Value: e.Digest})
	}
	for _, e := range x.Verdicts {
		v.Evidence = append(v.Evidence, item{Name: contract.VerdictFile(e.Gate), Value: e.Digest})
	}
}

func commands(d Data) []command {
	if d.Run == "" || strings.ContainsAny(d.Run, " \t\n'\"`$;|&<>()") {
		return nil
	}
	out := []command{{"this page again", "sluice report " + d.Run}, {"where the time went", "sluice run show " + d.Run}}
	if d.Decision != nil {
		out = append(out,
			command{"check the signature and every hash above", "sluice decision verify " + d.Run},
			command{"make every verdict again from the stored predictions", "sluice decision replay " + d.Run},
			command{"copy all of it, to check it without the deployment", "sluice decision fetch " + d.Run + " ./" + d.Run})
	}
	if d.Environs != nil {
		out = append(out, command{"train it again and compare the bits", "sluice run reproduce " + d.Run})
	}
	if d.Rollout != nil {
		out = append(out, command{"every look at the rollout", "sluice rollout explain " + d.Rollout.Rollout})
	}
	return out
}

func size(n int64) string {
	v := float64(n)
	for _, u := range []string{"B", "KiB", "MiB", "GiB"} {
		if v < 1024 {
			return number(math.Round(v*10)/10) + " " + u
		}
		v /= 1024
	}
	return number(math.Round(v*10)/10) + " TiB"
}
