package profile

import (
	"maps"
	"slices"

	"github.com/sluice-ml/sluice/shared/goal"
)

// target checks that the whole dataset's target is what the goal learns: classes,
// two at least, or numbers.
func (c *checker) target() {
	name := c.cfg.Data.Target
	column := c.whole.Column(name)
	if c.cfg.Goal() == goal.Multiclass {
		classes := int64(len(c.whole.Classes)) + c.whole.OtherClasses
		c.add(name, "classes", float64(classes), 2, c.whole.Rows, classes < 2 || c.whole.OtherClasses > 0,
			"target %q has %d distinct values, and %d rows of values beyond those that are counted; %s needs 2 or more classes, each counted (for numbers use XGBRegressor)",
			name, len(c.whole.Classes), c.whole.OtherClasses, c.cfg.Model.Objective())
		return
	}
	example := ""
	if column.Example != nil {
		example = column.Example.Value
	}
	c.add(name, "target_texts", float64(column.Texts), 0, column.Rows, column.Kind == "text",
		"target %q has %d values that are no numbers, the first is %q; %s learns numbers (for classes use XGBClassifier with the objective multi:softprob)",
		name, column.Texts, example, c.cfg.Model.Objective())
}

// balances checks the share of every class of the dataset. One of several added
// objects may lack classes, because people split uploads by class.
func (c *checker) balances(p *Profile) {
	target := c.cfg.Data.Target
	if p.Column(target) == nil || c.scope.Kind == Object {
		return
	}
	limits := c.cfg.Evaluation.DataQuality.ClassBalance
	total := p.OtherClasses
	for _, n := range p.Classes {
		total += n
	}
	if total == 0 {
		return // every target is missing, which nulls has said
	}
	for _, class := range slices.Sorted(maps.Keys(c.whole.Classes)) {
		share := float64(p.Classes[class]) / float64(total)
		low, high := share, share
		if c.small(total) {
			low, high = wilson(p.Classes[class], total)
		}
		limit := limits[0]
		if share > limits[1] || limits[1]-share < share-limits[0] {
			limit = limits[1]
		}
		c.add(target+"="+class, "class_balance", share, limit, total, high < limits[0] || low > limits[1],
			"%s: in column %q, %.4g of the rows have the class %q, the limits are %.4g to %.4g", c.scope.Name, target, share, class, limits[0], limits[1])
	}
}

// varies checks that there is something to learn: a target of one value only
// tells nothing.
func (c *checker) varies(p *Profile) {
	column := p.Column(c.cfg.Data.Target)
	if column == nil || column.Kind != "number" || (c.scope.Kind != Whole && column.Rows < ConstantRows) {
		return
	}
	variance := column.Moments.Variance()
	c.add(column.Name, "target_variance", variance, 0, column.Moments.Count, !(variance > 0),
		"%s: target %q has the variance %.4g, and must vary", c.scope.Name, column.Name, variance)
}
