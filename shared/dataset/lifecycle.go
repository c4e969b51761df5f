package dataset

import (
	"context"
	"fmt"
	"strings"

	"github.com/sluice-ml/sluice/shared/fault"
)

// LifecycleRule is a rule of the lake's bucket that deletes noncurrent versions
// for good, and so, sooner or later, versions that commits pin: a pinned version
// is noncurrent as soon as its key is written again or deleted. Rules that only
// expire current versions (which adds a delete marker) or move them to another
// storage class delete nothing that is pinned.
type LifecycleRule struct {
	ID     string `json:"id"`
	Prefix string `json:"prefix"`
	Days   int    `json:"days"` // after a version became noncurrent
	// Newer is how many newer noncurrent versions a version must have before it
	// is deleted.
	Newer       int   `json:"newer,omitempty"`
	LargerThan  int64 `json:"larger_than,omitempty"`  // bytes; only larger objects
	SmallerThan int64 `json:"smaller_than,omitempty"` // bytes; only smaller objects; 0 is no bound
	// Tagged rules are for objects with certain tags, which an entry does not
	// tell, so they count as if every object had them.
	Tagged bool `json:"tagged,omitempty"`
}

// reaches says whether a rule may delete the version that an entry pins.
func (l LifecycleRule) reaches(e Entry) bool {
	return strings.HasPrefix(e.Key, l.Prefix) && (l.LargerThan == 0 || e.Size > l.LargerThan) && (l.SmallerThan == 0 || e.Size < l.SmallerThan)
}

func (l LifecycleRule) String() string {
	text := fmt.Sprintf("lifecycle rule %q deletes versions of %s* %d day(s) after they are replaced", l.ID, l.Prefix, l.Days)
	if l.Newer > 0 {
		text += fmt.Sprintf(", but for the %d newest", l.Newer)
	}
	if l.Tagged {
		text += ", of objects with certain tags"
	}
	return text
}

// CheckLifecycle refuses to pin what a rule would delete. Invalid names the rule
// and the first object.
func CheckLifecycle(rules []LifecycleRule, entries []Entry) error {
	if len(rules) == 0 {
		return nil
	}
	for _, e := range entries {
		if err := CheckRules(rules, e); err != nil {
			return err
		}
	}
	return nil
}

// CheckRules is CheckLifecycle for one entry.
func CheckRules(rules []LifecycleRule, e Entry) error {
	for _, rule := range rules {
		if rule.reaches(e) {
			return fault.New(fault.Invalid, "pin "+e.Key, "%s", rule).
				WithHint("give the rule a filter that leaves %s out, or delete it: aws s3api put-bucket-lifecycle-configuration; a version must stay for as long as a commit pins it", e.Key)
		}
	}
	return nil
}

// Danger is what a lifecycle rule would delete of a dataset.
type Danger struct {
	Rule    LifecycleRule `json:"rule"`
	Objects int           `json:"objects"`
	Bytes   int64         `json:"bytes"`
	First   string        `json:"first"` // the first such key
}

// AuditLifecycle tells, for each rule that would delete versions that a ref
// pins, how many.
func (r *Repository) AuditLifecycle(ctx context.Context, rules []LifecycleRule, name string) ([]Danger, error) {
	dangers := []Danger{}
	for _, rule := range rules {
		d := Danger{Rule: rule}
		for e, err := range r.Each(ctx, name, rule.Prefix) {
			if err != nil {
				return nil, err
			}
			if !rule.reaches(e) {
				continue
			}
			if d.Objects == 0 {
				d.First = e.Key
			}
			d.Objects++
			d.Bytes += e.Size
		}
		if d.Objects > 0 {
			dangers = append(dangers, d)
		}
	}
	return dangers, nil
}
