package dataset

import (
	"fmt"

	"github.com/sluice-ml/sluice/shared/fault"
)

// What S3 allows at most, in bytes; the ETag and the texts of ours have room.
const (
	mostKey      = 1024
	mostVersion  = 1024
	mostText     = 256
	mostMetadata = 2048 // names and values together
)

func (q Request) check() error {
	if err := checkName("branch", q.Branch); err != nil {
		return err
	}
	if q.Time.IsZero() {
		return fault.New(fault.Invalid, "commit to "+q.Branch, "it has no time")
	}
	for i := range q.Changes.Puts {
		if err := q.Changes.Puts[i].check(); err != nil {
			return err
		}
	}
	return nil
}

// checked gives changes as edits in key order, each key once.
func (c Changes) checked() ([]edit, error) {
	edits := c.edits()
	for i, e := range edits {
		if e.key == "" || (i > 0 && e.key == edits[i-1].key) {
			return nil, fault.New(fault.Invalid, "commit "+e.key, "it is changed twice in one changeset, or has no key")
		}
	}
	return edits, nil
}

func (e Entry) check() error {
	if err := CheckKey(e.Key); err != nil {
		return err
	}
	switch {
	case e.VersionID == "":
		return fault.New(fault.Invalid, "commit "+e.Key, "it has no VersionId, so it can be overwritten").
			WithHint("its bucket keeps no versions: turn versioning on, then upload the object again")
	case e.VersionID == "null":
		return fault.New(fault.Invalid, "commit "+e.Key, "its VersionId is \"null\", which can be overwritten").
			WithHint("it was uploaded while the bucket's versioning was off: turn versioning on, then upload the object again, or copy it onto itself")
	case e.Size < 0:
		return fault.New(fault.Invalid, "commit "+e.Key, "its size is %d bytes", e.Size)
	case e.Rows < 0:
		return fault.New(fault.Invalid, "commit "+e.Key, "it has %d rows", e.Rows)
	}
	if long := e.tooLong(); long != "" {
		return fault.New(fault.Invalid, fmt.Sprintf("commit %.100s", e.Key), "its %s", long)
	}
	return nil
}

func (e *Entry) tooLong() string {
	for _, f := range []struct {
		name, text string
		most       int
	}{{"VersionId", e.VersionID, mostVersion}, {"ETag", e.ETag, mostText}, {"checksum", e.Checksum, mostText},
		{"checksum's algorithm", e.ChecksumAlgorithm, mostText}, {"checksum's type", e.ChecksumType, mostText}, {"schema", e.Schema, mostText}} {
		if len(f.text) > f.most {
			return fmt.Sprintf("%s is longer than %d bytes", f.name, f.most)
		}
	}
	bytes := 0
	for name, value := range e.Metadata {
		bytes += len(name) + len(value)
	}
	if bytes > mostMetadata {
		return fmt.Sprintf("metadata is longer than %d bytes", mostMetadata)
	}
	return ""
}
