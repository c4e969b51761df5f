package trainconfig

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ClassWeight says how much more a class's rows count while learning: balanced,
// in inverse proportion to the classes' rows, or a factor for each class by the
// target's value; a class that is not named has 1. The zero value is none.
type ClassWeight struct {
	Balanced bool
	Of       map[string]float64
}

// IsZero says that no class weights are configured.
func (w ClassWeight) IsZero() bool { return !w.Balanced && len(w.Of) == 0 }

// MarshalJSON writes "balanced", or the mapping.
func (w ClassWeight) MarshalJSON() ([]byte, error) {
	if w.Balanced {
		return json.Marshal(balanced)
	}
	return json.Marshal(w.Of)
}

// MarshalYAML writes as MarshalJSON does, and null for none.
func (w ClassWeight) MarshalYAML() (any, error) {
	switch {
	case w.Balanced:
		return balanced, nil
	case w.IsZero():
		return nil, nil
	}
	return w.Of, nil
}

const balanced = "balanced"

func (d *decoder) classWeight(n *node, path string, out *ClassWeight) {
	switch n.kind {
	case kindString:
		if n.text != balanced {
			d.fail(n, path, "%q is not known; write balanced, or a factor for each class such as {yes: 3, no: 1}", clip(n.text))
			return
		}
		out.Balanced = true
	case kindMap:
		out.Of = map[string]float64{}
		d.each(n, path, func(e entry, child string) {
			d.given[child] = e.value
			if e.value.kind != kindNumber {
				d.wrong(e.value, child, "a number")
				return
			}
			out.Of[e.key] = e.value.number
		})
	default:
		d.wrong(n, path, "balanced, or a mapping of classes to factors such as {yes: 3, no: 1}")
	}
}

func (d *decoder) checkClassWeight(c *Config) {
	w := &c.Training.ClassWeight
	if w.IsZero() {
		return
	}
	if !strings.HasSuffix(c.Model.Type, "Classifier") {
		d.failAt("training.class_weight", "%s has no classes; remove it", clip(c.Model.Type))
	}
	total := 0.0
	for _, class := range slices.Sorted(maps.Keys(w.Of)) {
		v := w.Of[class]
		if !(v >= 0 && v <= math.MaxFloat32) {
			d.failAt("training.class_weight."+class, "%v is not a factor from 0 up", v)
		}
		total += v
	}
	if !w.Balanced && total == 0 {
		d.failAt("training.class_weight", "every factor is 0; then no row counts")
	}
	if _, both := c.Model.Params["scale_pos_weight"]; both {
		d.failAt("training.class_weight", "model.params.scale_pos_weight weighs the classes as well; keep one of the two")
	}
}

// Size is a number of bytes: "512MiB", "8GiB", "8GB".
type Size int64

// MarshalJSON writes the shortest form.
func (s Size) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// MarshalYAML writes as MarshalJSON does, and null for none.
func (s Size) MarshalYAML() (any, error) {
	if s == 0 {
		return nil, nil
	}
	return s.String(), nil
}

// String is e.g. "8GiB", or a number of bytes that no unit divides.
func (s Size) String() string {
	for _, u := range units() {
		if s >= Size(u.bytes) && int64(s)%u.bytes == 0 && u.name[1] != 'B' {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

type unit struct {
	name  string
	bytes int64
}

func units() []unit {
	return []unit{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
		{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"kB", 1e3}}
}

// ParseSize reads a number with a unit: KiB, MiB, GiB, TiB, KB, MB, GB, TB or B.
func ParseSize(text string) (Size, error) {
	digits := strings.TrimRight(text, "BKMGTik ")
	factor, suffix := int64(0), strings.TrimSpace(text[len(digits):])
	for _, u := range append(units(), unit{"B", 1}) {
		if suffix == u.name {
			factor = u.bytes
		}
	}
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil || factor == 0 || !(v >= 0 && v*float64(factor) < 1<<60) {
		return 0, fmt.Errorf("%q is no size; write a number with a unit such as 512MiB or 8GiB", clip(text))
	}
	return Size(v * float64(factor)), nil
}

func (d *decoder) size(n *node, path string, out *Size) {
	if n.kind != kindString {
		d.wrong(n, path, "a size such as 512MiB or 8GiB")
		return
	}
	value, err := ParseSize(n.text)
	if err != nil {
		d.fail(n, path, "%v", err)
		return
	}
	*out = value
}

// leastMemory is what the trainer needs whatever the data.
const leastMemory = Size(128 << 20)

func (d *decoder) checkMemory(t *Training) {
	if t.Memory != 0 && t.Memory < leastMemory {
		d.failAt("training.memory", "%s is less than %s, which any training needs", t.Memory, leastMemory)
	}
}

// checkFolds: one fold or none is one hold-out, on the validation side.
func (d *decoder) checkFolds(c *Config) {
	t := &c.Training
	if t.Folds < 0 || t.Folds > 100 {
		d.failAt("training.folds", "%d is not between 2 and 100, nor 1 or 0 for one hold-out", t.Folds)
	} else if t.Folds == 1 && !c.Data.Split.HasValidation() {
		d.failAt("training.folds", "one hold-out needs validation rows to stop and measure on; give data.split.validation a share, or write 2 folds or more")
	}
}
