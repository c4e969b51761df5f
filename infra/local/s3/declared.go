package s3

import (
	"encoding/json"
	"fmt"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

// declaredRule is a lifecycle rule as CloudFormation writes it.
type declaredRule struct {
	Id                                string
	Status                            string
	Prefix                            *string
	TagFilters                        []assembly.Tag
	ObjectSizeGreaterThan             json.Number
	ObjectSizeLessThan                json.Number
	ExpirationInDays                  *int
	ExpirationDate                    string
	ExpiredObjectDeleteMarker         *bool
	Transition                        *declaredTransition
	Transitions                       []declaredTransition
	NoncurrentVersionExpirationInDays *int
	NoncurrentVersionExpiration       *struct {
		NoncurrentDays          *int
		NewerNoncurrentVersions *int
	}
	NoncurrentVersionTransition    *declaredNoncurrent
	NoncurrentVersionTransitions   []declaredNoncurrent
	AbortIncompleteMultipartUpload *struct{ DaysAfterInitiation *int }
}

type declaredTransition struct {
	StorageClass     string
	TransitionDate   string
	TransitionInDays *int
}

type declaredNoncurrent struct {
	StorageClass            string
	TransitionInDays        *int
	NewerNoncurrentVersions *int
}

// lifecycleOf gives the configuration that the template's rules are.
func lifecycleOf(rules []declaredRule) (*Lifecycle, error) {
	if len(rules) == 0 {
		return nil, nil
	}
	out := &Lifecycle{}
	for _, rule := range rules {
		out.Rules = append(out.Rules, rule.rule())
	}
	if err := out.check(); err != nil {
		return nil, fmt.Errorf("LifecycleConfiguration: %s", err.Message)
	}
	out.name()
	return out, nil
}

func (d declaredRule) rule() LifecycleRule {
	rule := LifecycleRule{ID: d.Id, Status: d.Status, Filter: d.filter()}
	if d.ExpirationInDays != nil || d.ExpirationDate != "" || d.ExpiredObjectDeleteMarker != nil {
		rule.Expiration = &LifecycleExpiration{Days: d.ExpirationInDays, Date: d.ExpirationDate, ExpiredObjectDeleteMarker: d.ExpiredObjectDeleteMarker}
	}
	if d.Transition != nil {
		d.Transitions = append(d.Transitions, *d.Transition)
	}
	for _, t := range d.Transitions {
		rule.Transitions = append(rule.Transitions, LifecycleTransition{Days: t.TransitionInDays, Date: t.TransitionDate, StorageClass: t.StorageClass})
	}
	switch old := d.NoncurrentVersionExpiration; {
	case old != nil:
		rule.NoncurrentVersionExpiration = &NoncurrentExpiration{NoncurrentDays: old.NoncurrentDays, NewerNoncurrentVersions: old.NewerNoncurrentVersions}
	case d.NoncurrentVersionExpirationInDays != nil:
		rule.NoncurrentVersionExpiration = &NoncurrentExpiration{NoncurrentDays: d.NoncurrentVersionExpirationInDays}
	}
	if d.NoncurrentVersionTransition != nil {
		d.NoncurrentVersionTransitions = append(d.NoncurrentVersionTransitions, *d.NoncurrentVersionTransition)
	}
	for _, t := range d.NoncurrentVersionTransitions {
		rule.NoncurrentVersionTransitions = append(rule.NoncurrentVersionTransitions,
			NoncurrentTransition{NoncurrentDays: t.TransitionInDays, NewerNoncurrentVersions: t.NewerNoncurrentVersions, StorageClass: t.StorageClass})
	}
	if abort := d.AbortIncompleteMultipartUpload; abort != nil {
		rule.AbortIncompleteMultipartUpload = &AbortIncompleteUploads{DaysAfterInitiation: abort.DaysAfterInitiation}
	}
	return rule
}

// filter gives the rule's conditions: one alone, or several in And; none is the
// empty prefix.
func (d declaredRule) filter() *LifecycleFilter {
	and := LifecycleAnd{Prefix: d.Prefix, ObjectSizeGreaterThan: size(d.ObjectSizeGreaterThan), ObjectSizeLessThan: size(d.ObjectSizeLessThan)}
	several := len(d.TagFilters)
	for _, tag := range d.TagFilters {
		and.Tags = append(and.Tags, LifecycleTag(tag))
	}
	for _, given := range []bool{and.Prefix != nil, and.ObjectSizeGreaterThan != nil, and.ObjectSizeLessThan != nil} {
		if given {
			several++
		}
	}
	switch {
	case several > 1:
		return &LifecycleFilter{And: &and}
	case len(and.Tags) == 1:
		return &LifecycleFilter{Tag: &and.Tags[0]}
	case several == 0:
		none := ""
		return &LifecycleFilter{Prefix: &none}
	}
	return &LifecycleFilter{Prefix: and.Prefix, ObjectSizeGreaterThan: and.ObjectSizeGreaterThan, ObjectSizeLessThan: and.ObjectSizeLessThan}
}

// size gives a size in bytes, which CloudFormation writes as text.
func size(number json.Number) *int64 {
	bytes, err := number.Int64()
	if err != nil {
		return nil
	}
	return &bytes
}
