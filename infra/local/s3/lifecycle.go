package s3

import "encoding/xml"

// LifecycleRule is a rule as CloudFormation writes it; transitions to other
// storage classes are refused by name.
type LifecycleRule struct {
	Id                             string `json:",omitempty"`
	Status                         string
	Prefix                         string                             `json:",omitempty"`
	ExpirationInDays               int                                `json:",omitempty"`
	ExpirationDate                 string                             `json:",omitempty"`
	ExpiredObjectDeleteMarker      bool                               `json:",omitempty"`
	NoncurrentVersionExpiration    *NoncurrentExpiration              `json:",omitempty"`
	AbortIncompleteMultipartUpload *struct{ DaysAfterInitiation int } `json:",omitempty"`
}

// NoncurrentExpiration deletes old versions for good.
type NoncurrentExpiration struct {
	NoncurrentDays          int
	NewerNoncurrentVersions int `json:",omitempty"`
}

// lifecycleRuleXML is a rule as the S3 API writes it.
type lifecycleRuleXML struct {
	XMLName    xml.Name `xml:"Rule"`
	ID         string   `xml:"ID,omitempty"`
	Filter     struct{ Prefix string }
	Status     string
	Expiration *struct {
		Days                      int    `xml:",omitempty"`
		Date                      string `xml:",omitempty"`
		ExpiredObjectDeleteMarker bool   `xml:",omitempty"`
	}
	NoncurrentVersionExpiration *struct {
		NoncurrentDays          int
		NewerNoncurrentVersions int `xml:",omitempty"`
	}
	AbortIncompleteMultipartUpload *struct{ DaysAfterInitiation int }
}

func lifecycleXML(rules []LifecycleRule) []lifecycleRuleXML {
	var out []lifecycleRuleXML
	for _, rule := range rules {
		x := lifecycleRuleXML{ID: rule.Id, Status: rule.Status, AbortIncompleteMultipartUpload: rule.AbortIncompleteMultipartUpload}
		x.Filter.Prefix = rule.Prefix
		if rule.ExpirationInDays > 0 || rule.ExpirationDate != "" || rule.ExpiredObjectDeleteMarker {
			x.Expiration = &struct {
				Days                      int    `xml:",omitempty"`
				Date                      string `xml:",omitempty"`
				ExpiredObjectDeleteMarker bool   `xml:",omitempty"`
			}{rule.ExpirationInDays, rule.ExpirationDate, rule.ExpiredObjectDeleteMarker}
		}
		if old := rule.NoncurrentVersionExpiration; old != nil {
			x.NoncurrentVersionExpiration = &struct {
				NoncurrentDays          int
				NewerNoncurrentVersions int `xml:",omitempty"`
			}{old.NoncurrentDays, old.NewerNoncurrentVersions}
		}
		out = append(out, x)
	}
	return out
}
