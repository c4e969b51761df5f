package intake

import (
	"encoding/json"
	"strings"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
)

// Event is an EventBridge event as S3 sends it for a created object.
type Event struct {
	ID         string `json:"id"`
	Source     string `json:"source"`
	DetailType string `json:"detail-type"`
	Detail     struct {
		Bucket struct {
			Name string `json:"name"`
		} `json:"bucket"`
		Object struct {
			Key       string `json:"key"`
			Size      int64  `json:"size"`
			ETag      string `json:"etag"`
			VersionID string `json:"version-id"`
			Sequencer string `json:"sequencer"`
		} `json:"object"`
	} `json:"detail"`
}

// Upload is what an event says was uploaded. Ignored is why it does not count;
// "" when it does.
type Upload struct {
	Model   string
	Version contract.ObjectVersion
	Cause   contract.Cause
	Ignored string
}

// ParseEvent reads an EventBridge event; lake is the bucket whose uploads count.
// Invalid when it is not an "Object Created" event of S3.
func ParseEvent(raw []byte, lake string) (Upload, error) {
	var e Event
	if err := json.Unmarshal(raw, &e); err != nil {
		return Upload{}, fault.New(fault.Invalid, "read the event", "%w", err)
	}
	if e.Source != "aws.s3" || e.DetailType != "Object Created" {
		return Upload{}, fault.New(fault.Invalid, "read the event", "source %q, detail-type %q: want aws.s3, Object Created",
			e.Source, e.DetailType)
	}
	if e.ID == "" || e.Detail.Object.Key == "" {
		return Upload{}, fault.New(fault.Invalid, "read the event", "id or detail.object.key is missing")
	}
	return e.upload(lake), nil
}

func (e Event) upload(lake string) Upload {
	o := e.Detail.Object
	u := Upload{Cause: contract.Cause{Kind: CauseUpload, ID: e.ID},
		Version: contract.ObjectVersion{Key: o.Key, VersionID: o.VersionID, ETag: o.ETag, Size: o.Size, Sequencer: o.Sequencer}}
	rest, raw := strings.CutPrefix(o.Key, "raw/")
	model, name, found := strings.Cut(rest, "/")
	switch {
	case e.Detail.Bucket.Name != lake:
		u.Ignored = "bucket " + e.Detail.Bucket.Name + " is not the lake"
	case !raw || !found:
		u.Ignored = "key " + o.Key + " is not under raw/<model>/"
	case name == "" || (strings.HasSuffix(name, "/") && o.Size == 0):
		u.Ignored = "key " + o.Key + " is a folder"
	case contract.IsMarker(name, o.Size):
		u.Ignored = "key " + o.Key + " is a marker, not data: a part of it below its model starts with _ or ."
	}
	u.Model = model
	return u
}

// ParseConfigured gives the model whose configuration an EventBridge event says
// was written; ok is false for any other event. store is the bucket of
// configurations.
func ParseConfigured(raw []byte, store string) (model string, ok bool) {
	var e Event
	if err := json.Unmarshal(raw, &e); err != nil || e.Source != "aws.s3" || e.DetailType != "Object Created" || e.Detail.Bucket.Name != store {
		return "", false
	}
	rest, found := strings.CutPrefix(e.Detail.Object.Key, "configs/")
	model, _, _ = strings.Cut(rest, "/")
	return model, found && contract.CheckModel(model) == nil && e.Detail.Object.Key == contract.ConfigKey(model)
}
