package trainconfig

// checkShadow refuses what a shadow cannot do: it serves nobody, so there is
// nothing to raise, to approve or to take back.
func (d *decoder) checkShadow(p *Deployment) {
	const at = "deployment.shadow."
	if p.Strategy == "shadow" || p.Shadow != (Shadow{}) {
		d.positive(at+"duration", p.Shadow.Duration)
		if !(p.Shadow.Sample > 0 && p.Shadow.Sample <= 100) {
			d.failAt(at+"sample", "%v is not a percentage above 0", p.Shadow.Sample)
		}
		if !(p.Shadow.MaxDisagreement > 0 && p.Shadow.MaxDisagreement <= 1) {
			d.failAt(at+"max_disagreement", "%v is not above 0 and at most 1; 1 is off", p.Shadow.MaxDisagreement)
		}
	}
	if p.Strategy != "shadow" {
		return
	}
	for path, given := range map[string]bool{"approve_at": len(p.ApproveAt) > 0, "observe": p.Observe != 0, "dry_run": p.DryRun,
		"on_deadline": p.OnDeadline != "", "slices": p.Slices != (SliceHealth{})} {
		if given {
			d.failAt("deployment."+path, "the strategy shadow moves no traffic and promotes nothing; remove this, or use the strategy canary with the block deployment.shadow")
		}
	}
	if p.Analysis.Mode == "sequential" {
		d.failAt("deployment.analysis.mode", "a shadow is judged by its limits, at its end; remove this, or use the strategy canary with the block deployment.shadow")
	}
}

// checkSliceHealth refuses a watch over parts that are not defined.
func (d *decoder) checkSliceHealth(c *Config) {
	const at = "deployment.slices."
	h := c.Deployment.Slices
	if h == (SliceHealth{}) {
		return
	}
	if len(c.Evaluation.Slices) == 0 {
		d.failAt("deployment.slices", "there are no slices to watch; say by evaluation.slices which parts of the rows are meant, e.g. [{by: [sex]}]")
	}
	if !(h.MaxDrop >= 0 && h.MaxDrop < 0.5) {
		d.failAt(at+"max_drop", "%v is not at least 0 and below 0.5", h.MaxDrop)
	}
	d.within(at+"accuracy", h.Accuracy, 0, 1)
	d.atLeast(at+"min_labels", float64(h.MinLabels), 1)
	d.among(at+"on_unknown", h.OnUnknown, []string{"hold", "tell"})
	if steps := c.Deployment.Steps; c.Deployment.Strategy == "blue_green" || len(steps) == 1 && steps[0] == 100 {
		d.failAt("deployment.slices", "slices are compared with the champion in the same time, and blue_green or a first step of 100 leaves it no traffic; use the strategy canary with a step below 100")
	}
}
