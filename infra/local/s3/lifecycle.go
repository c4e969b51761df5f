package s3

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Lifecycle is a bucket's lifecycle configuration, in the shape that the S3 API
// reads and writes. It is kept, and not carried out.
type Lifecycle struct {
	XMLName xml.Name        `xml:"LifecycleConfiguration" json:"-"`
	Xmlns   string          `xml:"xmlns,attr,omitempty" json:"-"`
	Rules   []LifecycleRule `xml:"Rule"`
	unknown
}

// unknown catches elements that the configuration does not have, so that they
// are refused and not dropped.
type unknown struct {
	Any []struct{ XMLName xml.Name } `xml:",any" json:"-"`
}

func (u unknown) names() []string {
	var names []string
	for _, element := range u.Any {
		names = append(names, element.XMLName.Local)
	}
	return names
}

// LifecycleRule says what becomes of the objects that its filter picks.
type LifecycleRule struct {
	ID                             string                  `json:",omitempty"`
	Prefix                         *string                 `xml:",omitempty" json:",omitempty"` // the form before Filter
	Filter                         *LifecycleFilter        `xml:",omitempty" json:",omitempty"`
	Status                         string                  // Enabled or Disabled
	Expiration                     *LifecycleExpiration    `xml:",omitempty" json:",omitempty"`
	Transitions                    []LifecycleTransition   `xml:"Transition,omitempty" json:",omitempty"`
	NoncurrentVersionExpiration    *NoncurrentExpiration   `xml:",omitempty" json:",omitempty"`
	NoncurrentVersionTransitions   []NoncurrentTransition  `xml:"NoncurrentVersionTransition,omitempty" json:",omitempty"`
	AbortIncompleteMultipartUpload *AbortIncompleteUploads `xml:",omitempty" json:",omitempty"`
	unknown
}

// LifecycleFilter picks objects: by one condition, or by all of And.
type LifecycleFilter struct {
	Prefix                *string       `xml:",omitempty" json:",omitempty"`
	Tag                   *LifecycleTag `xml:",omitempty" json:",omitempty"`
	ObjectSizeGreaterThan *int64        `xml:",omitempty" json:",omitempty"` // bytes
	ObjectSizeLessThan    *int64        `xml:",omitempty" json:",omitempty"` // bytes
	And                   *LifecycleAnd `xml:",omitempty" json:",omitempty"`
	unknown
}

// LifecycleAnd is two or more conditions.
type LifecycleAnd struct {
	Prefix                *string        `xml:",omitempty" json:",omitempty"`
	Tags                  []LifecycleTag `xml:"Tag,omitempty" json:",omitempty"`
	ObjectSizeGreaterThan *int64         `xml:",omitempty" json:",omitempty"` // bytes
	ObjectSizeLessThan    *int64         `xml:",omitempty" json:",omitempty"` // bytes
	unknown
}

// LifecycleTag is an object's tag.
type LifecycleTag struct{ Key, Value string }

// LifecycleExpiration ends latest versions.
type LifecycleExpiration struct {
	Days                      *int   `xml:",omitempty" json:",omitempty"`
	Date                      string `xml:",omitempty" json:",omitempty"` // ISO 8601, midnight UTC
	ExpiredObjectDeleteMarker *bool  `xml:",omitempty" json:",omitempty"`
	unknown
}

// LifecycleTransition moves latest versions to a storage class.
type LifecycleTransition struct {
	Days         *int   `xml:",omitempty" json:",omitempty"`
	Date         string `xml:",omitempty" json:",omitempty"` // ISO 8601, midnight UTC
	StorageClass string
	unknown
}

// NoncurrentExpiration deletes old versions for good.
type NoncurrentExpiration struct {
	NoncurrentDays          *int `xml:",omitempty" json:",omitempty"`
	NewerNoncurrentVersions *int `xml:",omitempty" json:",omitempty"`
	unknown
}

// NoncurrentTransition moves old versions to a storage class.
type NoncurrentTransition struct {
	NoncurrentDays          *int `xml:",omitempty" json:",omitempty"`
	NewerNoncurrentVersions *int `xml:",omitempty" json:",omitempty"`
	StorageClass            string
	unknown
}

// AbortIncompleteUploads gives up multipart uploads.
type AbortIncompleteUploads struct {
	DaysAfterInitiation *int `xml:",omitempty" json:",omitempty"`
	unknown
}

// The errors that S3 gives for a configuration.
func malformed(format string, args ...any) *wire.Error {
	return &wire.Error{Code: "MalformedXML", Status: http.StatusBadRequest, Message: "The XML you provided was not well-formed or did not validate against our published schema: " + fmt.Sprintf(format, args...)}
}

func invalidArgument(format string, args ...any) *wire.Error {
	return &wire.Error{Code: "InvalidArgument", Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}

func invalidRequest(format string, args ...any) *wire.Error {
	return &wire.Error{Code: "InvalidRequest", Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}

// maxRules is S3's limit of rules for one bucket.
const maxRules = 1000

// check judges a configuration as S3 does.
func (l *Lifecycle) check() *wire.Error {
	if names := l.names(); len(names) > 0 {
		return malformed("unknown element %s", names[0])
	}
	if len(l.Rules) == 0 || len(l.Rules) > maxRules {
		return malformed("%d rules; want 1 to %d", len(l.Rules), maxRules)
	}
	seen := map[string]bool{}
	for i := range l.Rules {
		rule := &l.Rules[i]
		if len(rule.ID) > 255 {
			return invalidArgument("ID length should not exceed allowed limit of 255")
		}
		if rule.ID != "" && seen[rule.ID] {
			return invalidArgument("Rule ID must be unique. Found same ID for more than one rule: %s", rule.ID)
		}
		seen[rule.ID] = true
		if err := rule.check(); err != nil {
			err.Message = fmt.Sprintf("%s (rule %d %q)", err.Message, i+1, rule.ID)
			return err
		}
	}
	return nil
}

func (r *LifecycleRule) check() *wire.Error {
	if names := r.allUnknown(); len(names) > 0 {
		return malformed("unknown element %s", names[0])
	}
	switch {
	case r.Status != "Enabled" && r.Status != "Disabled":
		return malformed("Status %q; want Enabled or Disabled", r.Status)
	case (r.Prefix == nil) == (r.Filter == nil):
		return malformed("a rule has one of Filter and Prefix")
	case r.Expiration == nil && len(r.Transitions) == 0 && r.NoncurrentVersionExpiration == nil &&
		len(r.NoncurrentVersionTransitions) == 0 && r.AbortIncompleteMultipartUpload == nil:
		return invalidRequest("At least one action needs to be specified in a rule.")
	}
	if err := r.Filter.check(); err != nil {
		return err
	}
	for _, check := range []func() *wire.Error{r.checkExpiration, r.checkTransitions, r.checkNoncurrent, r.checkAbort} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (r *LifecycleRule) allUnknown() []string {
	names := r.names()
	if r.Filter != nil {
		names = append(names, r.Filter.names()...)
		if r.Filter.And != nil {
			names = append(names, r.Filter.And.names()...)
		}
	}
	if r.Expiration != nil {
		names = append(names, r.Expiration.names()...)
	}
	if r.NoncurrentVersionExpiration != nil {
		names = append(names, r.NoncurrentVersionExpiration.names()...)
	}
	if r.AbortIncompleteMultipartUpload != nil {
		names = append(names, r.AbortIncompleteMultipartUpload.names()...)
	}
	for _, t := range r.Transitions {
		names = append(names, t.names()...)
	}
	for _, t := range r.NoncurrentVersionTransitions {
		names = append(names, t.names()...)
	}
	return names
}

func (f *LifecycleFilter) check() *wire.Error {
	if f == nil {
		return nil
	}
	single := 0
	for _, given := range []bool{f.Prefix != nil, f.Tag != nil, f.ObjectSizeGreaterThan != nil, f.ObjectSizeLessThan != nil, f.And != nil} {
		if given {
			single++
		}
	}
	if single > 1 {
		return malformed("a Filter has one condition, or And with several")
	}
	if f.And == nil {
		return nil
	}
	several := len(f.And.Tags)
	for _, given := range []bool{f.And.Prefix != nil, f.And.ObjectSizeGreaterThan != nil, f.And.ObjectSizeLessThan != nil} {
		if given {
			several++
		}
	}
	if several < 2 {
		return malformed("And has two conditions at least")
	}
	return nil
}

// tagged tells whether the rule picks objects by their tags.
func (r *LifecycleRule) tagged() bool {
	return r.Filter != nil && (r.Filter.Tag != nil || (r.Filter.And != nil && len(r.Filter.And.Tags) > 0))
}

// midnight checks a date.
func midnight(date string) *wire.Error {
	t, err := time.Parse(time.RFC3339, date)
	if err != nil {
		t, err = time.Parse("2006-01-02", date)
	}
	if err != nil {
		return malformed("the date %q is not in ISO 8601", date)
	}
	if !t.UTC().Truncate(24 * time.Hour).Equal(t) {
		return invalidArgument("'Date' must be at midnight GMT")
	}
	return nil
}

func (r *LifecycleRule) checkExpiration() *wire.Error {
	e := r.Expiration
	if e == nil {
		return nil
	}
	given := 0
	for _, is := range []bool{e.Days != nil, e.Date != "", e.ExpiredObjectDeleteMarker != nil} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		return malformed("Expiration has one of Days, Date and ExpiredObjectDeleteMarker")
	case e.Days != nil && *e.Days < 1:
		return invalidArgument("'Days' for Expiration action must be a positive integer")
	case e.ExpiredObjectDeleteMarker != nil && r.tagged():
		return invalidRequest("ExpiredObjectDeleteMarker cannot be specified with Tags.")
	case e.Date != "":
		return midnight(e.Date)
	}
	return nil
}

// transitionClasses are the classes that a transition can lead to.
var transitionClasses = []string{"STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"}

// minimumDays is how old an object must be for a class.
func minimumDays(class string) int {
	if class == "STANDARD_IA" || class == "ONEZONE_IA" {
		return 30
	}
	return 0
}

func (r *LifecycleRule) checkTransitions() *wire.Error {
	for _, t := range r.Transitions {
		switch {
		case !slices.Contains(transitionClasses, t.StorageClass):
			return malformed("StorageClass %q; want one of %s", t.StorageClass, strings.Join(transitionClasses, ", "))
		case (t.Days == nil) == (t.Date == ""):
			return malformed("Transition has one of Days and Date")
		case t.Days != nil && *t.Days < minimumDays(t.StorageClass):
			return invalidArgument("'Days' in Transition action must be greater than or equal to %d for storageClass '%s'", minimumDays(t.StorageClass), t.StorageClass)
		case t.Days != nil && r.Expiration != nil && r.Expiration.Days != nil && *r.Expiration.Days <= *t.Days:
			return invalidArgument("'Days' in the Expiration action must be greater than 'Days' in the Transition action")
		case t.Date != "":
			if err := midnight(t.Date); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *LifecycleRule) checkNoncurrent() *wire.Error {
	if e := r.NoncurrentVersionExpiration; e != nil {
		if e.NoncurrentDays == nil || *e.NoncurrentDays < 1 {
			return invalidArgument("'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer")
		}
		if err := r.checkNewer(e.NewerNoncurrentVersions); err != nil {
			return err
		}
	}
	for _, t := range r.NoncurrentVersionTransitions {
		switch {
		case !slices.Contains(transitionClasses, t.StorageClass):
			return malformed("StorageClass %q; want one of %s", t.StorageClass, strings.Join(transitionClasses, ", "))
		case t.NoncurrentDays == nil || *t.NoncurrentDays < minimumDays(t.StorageClass):
			return invalidArgument("'NoncurrentDays' in NoncurrentVersionTransition action must be greater than or equal to %d for storageClass '%s'", minimumDays(t.StorageClass), t.StorageClass)
		}
		if err := r.checkNewer(t.NewerNoncurrentVersions); err != nil {
			return err
		}
	}
	return nil
}

func (r *LifecycleRule) checkNewer(versions *int) *wire.Error {
	switch {
	case versions == nil:
		return nil
	case *versions < 1 || *versions > 100:
		return invalidArgument("'NewerNoncurrentVersions' must be between 1 and 100")
	case r.Filter == nil:
		return invalidRequest("NewerNoncurrentVersions can only be specified with Filter")
	}
	return nil
}

func (r *LifecycleRule) checkAbort() *wire.Error {
	a := r.AbortIncompleteMultipartUpload
	switch {
	case a == nil:
		return nil
	case a.DaysAfterInitiation == nil || *a.DaysAfterInitiation < 1:
		return invalidArgument("'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer")
	case r.tagged():
		return invalidRequest("AbortIncompleteMultipartUpload cannot be specified with Tags.")
	}
	return nil
}
