// Package model is the artefact of a training run: what goes into
// model.tar.gz, and how a raw row becomes the vector of float32 that the trees
// look at.
//
// The archive holds the schema (schema.json: the features in order, the
// target, the dataset's commit) and the trees as XGBoost saved them
// (model.ubj or model.json). The same artefact is always the same bytes.
package model

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/goal"
)

// Kinds of feature.
const (
	Numeric     = "numeric"
	Categorical = "categorical"
)

// SchemaFormat is the version of schema.json that this package writes and
// reads.
const SchemaFormat = 1

// ProgramImage marks a model that an image of its own serves.
const ProgramImage = "image"

// Schema says what a model takes in and gives out.
type Schema struct {
	Format    int       `json:"format"`
	Model     string    `json:"model"`      // its name
	Features  []Feature `json:"features"`   // in the order of the vector
	Target    string    `json:"target"`     // the column that was learned
	Positive  string    `json:"positive"`   // the target's value whose probability is the score; "" when the goal is not binary
	Objective string    `json:"objective"`  // e.g. "binary:logistic"
	TrainRows int       `json:"train_rows"` // rows that the trees were trained on
	// Commit is the dataset's, whose profile live traffic is compared with.
	Commit   string   `json:"commit"`
	PlanHash string   `json:"plan_hash"` // names the work that made the model
	Versions Versions `json:"versions"`
	// Program says what serves the model: "" is the model server, ProgramImage
	// an image of the model's own, which alone knows the archive's other files.
	Program string `json:"program,omitempty"`
	// Classes are a multiclass target's values, in the order of the model's
	// outputs.
	Classes []string `json:"classes,omitempty"`

	codes []map[string]float32 // category → code, per feature; nil for numeric ones
}

// Versions of what made the model.
type Versions struct {
	XGBoost string `json:"xgboost"`
	Go      string `json:"go"`
}

// Feature is one column that the trees look at.
type Feature struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // Numeric or Categorical
	// Categories are a categorical feature's values; the position is the code.
	Categories []string `json:"categories,omitempty"`
	// Mean and StdDev are a numeric feature's over the training rows where it
	// is not missing, in the feature's own unit.
	Mean   float64 `json:"mean,omitempty"`
	StdDev float64 `json:"std_dev,omitempty"`
}

// ParseSchema reads schema.json. The error is of kind Invalid and says which
// feature is wrong and how.
func ParseSchema(data []byte) (*Schema, error) {
	s := new(Schema)
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fault.New(fault.Invalid, "read schema.json", "%w", err)
	}
	if err := s.Prepare(); err != nil {
		return nil, err
	}
	return s, nil
}

// Prepare checks a schema and makes it ready to encode rows. ParseSchema calls
// it; who fills a Schema in code calls it once afterwards.
func (s *Schema) Prepare() error {
	if err := s.check(); err != nil {
		return fault.New(fault.Invalid, "read schema.json", "%w", err)
	}
	s.codes = make([]map[string]float32, len(s.Features))
	for i, f := range s.Features {
		if f.Kind != Categorical {
			continue
		}
		s.codes[i] = make(map[string]float32, len(f.Categories))
		for code, category := range f.Categories {
			s.codes[i][category] = float32(code)
		}
		if len(s.codes[i]) != len(f.Categories) {
			return fault.New(fault.Invalid, "read schema.json", "feature %q has a category twice", f.Name)
		}
	}
	return nil
}

func (s *Schema) check() error {
	if s.Format != SchemaFormat {
		return fmt.Errorf("it is of format %d: want %d", s.Format, SchemaFormat)
	}
	if len(s.Features) == 0 {
		return fmt.Errorf("it has no features")
	}
	if err := s.checkClasses(); err != nil {
		return err
	}
	seen := map[string]bool{}
	for i, f := range s.Features {
		switch {
		case f.Name == "":
			return fmt.Errorf("feature %d has no name", i)
		case seen[f.Name]:
			return fmt.Errorf("feature %q is there twice", f.Name)
		case f.Kind != Numeric && f.Kind != Categorical:
			return fmt.Errorf("feature %q is of kind %q: want %q or %q", f.Name, f.Kind, Numeric, Categorical)
		case !(f.StdDev >= 0) || math.IsInf(f.StdDev, 0):
			return fmt.Errorf("feature %q has the standard deviation %v: want a number, 0 or more", f.Name, f.StdDev)
		}
		seen[f.Name] = true
	}
	return nil
}

// Goal is what the model is for, by its objective.
func (s *Schema) Goal() goal.Goal { return goal.OfObjective(s.Objective) }

// Outputs is how many numbers a row's prediction is: one for each class, else 1.
func (s *Schema) Outputs() int { return max(1, len(s.Classes)) }

func (s *Schema) checkClasses() error {
	if s.Goal() != goal.Multiclass {
		if len(s.Classes) > 0 {
			return fmt.Errorf("it has the classes %q and the objective %q, which gives one score", s.Classes, s.Objective)
		}
		return nil
	}
	if len(s.Classes) < 2 {
		return fmt.Errorf("the objective %q needs two classes or more, and it has %q", s.Objective, s.Classes)
	}
	seen := map[string]bool{}
	for _, class := range s.Classes {
		if class == "" || seen[class] {
			return fmt.Errorf("the class %q is empty or there twice", class)
		}
		seen[class] = true
	}
	return nil
}

// Names are the features' names in order.
func (s *Schema) Names() []string {
	names := make([]string, len(s.Features))
	for i, f := range s.Features {
		names[i] = f.Name
	}
	return names
}

// Types are the features' types as XGBoost writes them: "q" and "c".
func (s *Schema) Types() []string {
	types := make([]string, len(s.Features))
	for i, f := range s.Features {
		types[i] = map[string]string{Numeric: "q", Categorical: "c"}[f.Kind]
	}
	return types
}

// CategoriesOf sorts the distinct canonical values of a column; "" is missing
// and no category.
func CategoriesOf(values []string) []string {
	distinct := map[string]bool{}
	for _, value := range values {
		if !missing(value) {
			distinct[canonical(value)] = true
		}
	}
	categories := make([]string, 0, len(distinct))
	for value := range distinct {
		categories = append(categories, value)
	}
	slices.Sort(categories)
	return categories
}
