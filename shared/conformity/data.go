package conformity

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/launch"
	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/rows"
	"github.com/sluice-ml/sluice/shared/split"
	"github.com/sluice-ml/sluice/shared/table"
	"github.com/sluice-ml/sluice/shared/trainconfig"
	"github.com/sluice-ml/sluice/shared/training"
)

// exampleRows is how many rows the generated data has; a fifth is for validation.
const exampleRows = 2000

// example is a generated task: two numbers, one of them often missing, and a
// text, of which one value is rare; who is older and richer buys more.
type example struct {
	set    *rows.Set
	schema *model.Schema
	job    launch.Job
}

// newExample makes the task; oneClass leaves only one label, and params are the
// trainer's own.
func newExample(ctx context.Context, oneClass bool, params map[string]any) (*example, error) {
	random := rand.New(rand.NewPCG(7, 11))
	var text bytes.Buffer
	text.WriteString("age,income,colour,bought\n")
	for range exampleRows {
		age, income, colour := 18+random.IntN(60), "", []string{"red", "green", "blue", ""}[random.IntN(4)]
		worth := random.NormFloat64()*12000 + 30000
		if random.IntN(5) > 0 {
			income = fmt.Sprintf("%.2f", worth)
		}
		bought := "no"
		if float64(age)*600+worth+random.NormFloat64()*15000 > 62000 && !oneClass {
			bought = "yes"
		}
		fmt.Fprintf(&text, "%d,%s,%s,%s\n", age, income, colour, bought)
	}
	t, err := table.Read(ctx, "example.csv", bytes.NewReader(text.Bytes()), int64(text.Len()), table.Options{})
	if err != nil {
		return nil, err
	}
	return describe(t, oneClass, params)
}

func describe(t *table.Table, oneClass bool, params map[string]any) (*example, error) {
	set := &rows.Set{Table: t, Positive: "yes"}
	target, _ := t.Column("bought")
	for row := range t.Rows() {
		set.ID = append(set.ID, split.RowID("example.csv", row))
		set.Side = append(set.Side, map[bool]split.Side{true: split.Validation, false: split.Train}[row%5 == 4])
		set.Label = append(set.Label, map[bool]float64{true: 1}[target.Content(row) == "yes"])
	}
	config, err := trainconfig.Parse("the check's configuration", []byte(`{"experiment": {"name": "contract-check", "seed": 7},
		"data": {"target": "bought", "positive": "yes", "features": ["age", "income", "colour"]}, "model": {"type": "image"}}`))
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "make the check's configuration", err)
	}
	config.Model.Params = maps.Clone(params)
	if config.Model.Params == nil {
		config.Model.Params = map[string]any{}
	}
	plan := contract.Plan{Model: "contract-check", Run: "contract-check-1", Seed: 7, Hash: "sha256:check", ConfigHash: config.Hash(),
		Dataset: contract.Dataset{Commit: "check"}}
	labelled := set
	if oneClass { // the schema is that of a task with both, which Describe insists on
		labelled = &rows.Set{Table: t, ID: set.ID, Side: set.Side, Positive: "yes", Label: append([]float64{1}, set.Label[1:]...)}
	}
	schema, err := training.Describe(plan, config, labelled)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "describe the check's data", err)
	}
	return &example{set: set, schema: schema, job: launch.NewJob(plan, config, set, schema, 1, 2)}, nil
}
