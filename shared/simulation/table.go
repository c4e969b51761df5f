package simulation

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// heading says what the tables are and how they are made.
const heading = `# How rollout rules compare, by simulation

Rollouts over made-up traffic in virtual time, by the machine that decides real ones
(shared/rollout) and by the rules that others use. Written by

    sluice rollout simulate --study --seed %d > shared/simulation/STUDY.md

The same seed gives the same numbers on any machine. What a scene, an effect and a bad
answer are, the documentation of package simulation says. Requests fail independently
of each other here; real services fail in bursts, which is harder for every rule.

`

// Markdown shows the results as a document of tables.
func (r Results) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, heading, r.Study.Seed)
	b.WriteString("## The rules\n\n| rule | what it is |\n|---|---|\n")
	for _, rule := range r.Study.Rules {
		fmt.Fprintf(&b, "| %s | %s |\n", rule.Name, rule.About)
	}
	fmt.Fprintf(&b, "\n## Good candidates that were refused\n\nThe candidate is just like the champion; %d runs for each number in the first scene, %d in the others. In a cell: the share rolled back on evidence with its 95 %% Wilson interval, then the share given up at the deadline, then the median time to promotion.\n\n", r.Study.Good, r.Study.Harder)
	r.table(&b, "scene", r.Good, func(_ Row, _ int, s Summary) string {
		cell := fmt.Sprintf("%s (%s–%s)", percent(s.RolledBack.Rate), bare(s.RolledBack.Low), bare(s.RolledBack.High))
		if s.Expired.Runs > 0 {
			cell += ", " + percent(s.Expired.Rate) + " expired"
		}
		if s.Promoted.Runs > 0 {
			cell += "; " + minutes(s.Promote.Median)
		}
		return cell
	})
	fmt.Fprintf(&b, "\n## Bad answers served\n\nHow many more bad answers users got within four hours than the champion would have given, mean of %d runs. Brackets: at this traffic the rule refuses more than 1 %% of good candidates in the first scene, on evidence or at the deadline. Bold: the least of those that do not.\n\n", r.Study.Bad)
	r.table(&b, "effect", r.Broken, func(row Row, i int, s Summary) string {
		cell := count(s.Excess.Mean)
		switch {
		case !r.keeps(row.Traffic)[i]:
			return "(" + cell + ")"
		case i == r.Least(row):
			return "**" + cell + "**"
		}
		return cell
	})
	b.WriteString("\n## Detection\n\nThe share rolled back on evidence and the median time until then; what is missing to 100 % was promoted or (in brackets) given up at the deadline.\n\n")
	r.table(&b, "effect", r.Broken, func(_ Row, _ int, s Summary) string {
		cell := percent(s.RolledBack.Rate)
		if s.RolledBack.Runs > 0 {
			cell += " " + minutes(s.Detect.Median)
		}
		if s.Expired.Runs > 0 {
			cell += " (" + percent(s.Expired.Rate) + ")"
		}
		return cell
	})
	b.WriteString("\n## Where the sequential rules are not the best\n\n" + r.exceptions())
	return b.String()
}

func (r Results) table(b *strings.Builder, what string, rows []Row, cell func(Row, int, Summary) string) {
	fmt.Fprintf(b, "| %s | requests/s |", what)
	for _, rule := range r.Study.Rules {
		fmt.Fprintf(b, " %s |", rule.Name)
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(r.Study.Rules)) + "\n")
	last := ""
	for _, row := range rows {
		name := row.Scene + row.Effect
		if row.Effect != "" {
			name = "`" + row.Effect + "`"
		}
		if name == last {
			name = ""
		} else {
			last = name
		}
		fmt.Fprintf(b, "| %s | %g |", name, row.Traffic)
		for i, s := range row.Rules {
			fmt.Fprintf(b, " %s |", cell(row, i, s))
		}
		b.WriteString("\n")
	}
}

// exceptions says of each of our sequential rules, which come first, where it is
// not the best beside the rules that are not.
func (r Results) exceptions() string {
	var b strings.Builder
	b.WriteString("A row is won where a rule keeps the rate (see above) and serves fewer bad answers than every other rule that does, our own sequential ones left aside. An effect inside a rule's margins is one that its configuration calls harmless: it is meant to be promoted, and the rule without margins is for who does not want that.\n")
	for own, rule := range r.Study.Rules {
		if !r.sequential(own) {
			continue
		}
		var lost []string
		kept, won := 0, 0
		for _, row := range r.Broken {
			if !r.keeps(row.Traffic)[own] {
				continue
			}
			kept++
			best := r.bestOther(row)
			if best < 0 || row.Rules[own].Excess.Mean < row.Rules[best].Excess.Mean {
				won++
				continue
			}
			lost = append(lost, fmt.Sprintf("- `%s` at %g requests/s: %s, %s %s\n", row.Effect, row.Traffic,
				count(row.Rules[own].Excess.Mean), r.Study.Rules[best].Name, count(row.Rules[best].Excess.Mean)))
		}
		fmt.Fprintf(&b, "\n**%s** keeps the rate in %d of %d rows and wins %d of them", rule.Name, kept, len(r.Broken), won)
		if len(lost) == 0 {
			b.WriteString(".\n")
			continue
		}
		fmt.Fprintf(&b, ". Lost:\n\n%s", strings.Join(lost, ""))
	}
	return b.String()
}

// sequential says that a rule is one of our sequential ones.
func (r Results) sequential(i int) bool {
	return strings.HasPrefix(r.Study.Rules[i].Name, r.Study.Rules[0].Name)
}

// bestOther is the rule with the fewest bad answers of those that keep the rate
// and are not sequential; -1 where none does.
func (r Results) bestOther(row Row) int {
	best := -1
	for i, keep := range r.keeps(row.Traffic) {
		if keep && !r.sequential(i) && (best < 0 || row.Rules[i].Excess.Mean < row.Rules[best].Excess.Mean) {
			best = i
		}
	}
	return best
}

func percent(rate float64) string { return bare(rate) + " %" }

func bare(rate float64) string {
	if rate > 0 && rate < 0.0995 {
		return fmt.Sprintf("%.1f", 100*rate)
	}
	return fmt.Sprintf("%.0f", 100*rate)
}

// count shows an amount of answers.
func count(n float64) string {
	if math.Abs(n) < 9.95 {
		return fmt.Sprintf("%.1f", n)
	}
	digits := fmt.Sprintf("%.0f", n)
	for at := len(digits) - 3; at > 0 && digits[at-1] != '-'; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

func minutes(s float64) string {
	m := int(seconds(s).Round(time.Minute).Minutes())
	if m < 60 {
		return fmt.Sprintf("%d min", m)
	}
	return fmt.Sprintf("%d h %02d", m/60, m%60)
}
