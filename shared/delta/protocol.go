package delta

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/shared/fault"
)

// Protocol is what a reader must know to read a table.
type Protocol struct {
	MinReaderVersion int32    `json:"minReaderVersion"`
	MinWriterVersion int32    `json:"minWriterVersion"`
	ReaderFeatures   []string `json:"readerFeatures,omitempty"`
}

// features are the reader features whose effect on the list of files and the
// counts of rows is known here. Those that change how a file's values are read
// (column mapping, types) change neither, but who reads the files must know them.
var features = map[string]bool{
	"columnMapping": true, "deletionVectors": true, "timestampNtz": true, "v2Checkpoint": true, "vacuumProtocolCheck": true,
	"typeWidening": true, "typeWidening-preview": true, "variantType": true, "variantType-preview": true,
	"variantShredding-preview": true, "variantShredding": true,
}

// newestReader is the reader version that lists its features by name.
const newestReader = 3

func (p Protocol) check(table string) error {
	op := "read " + table
	if p.MinReaderVersion < 1 || p.MinReaderVersion > newestReader {
		return fault.New(fault.Invalid, op, "protocol.minReaderVersion is %d: this reader knows 1 to %d", p.MinReaderVersion, newestReader).
			WithHint("pin a version from before the table was upgraded, if its log still has one")
	}
	if p.MinReaderVersion < newestReader {
		return nil
	}
	for _, name := range p.ReaderFeatures {
		switch {
		case strings.HasPrefix(name, "catalog"):
			return fault.New(fault.Invalid, op, "protocol.readerFeatures has %q: a catalog holds its newest commits, which the bucket does not show", name).
				WithHint("ask the catalog to publish, then drop the feature; or export the table to one without it")
		case !features[name]:
			return fault.New(fault.Invalid, op, "protocol.readerFeatures has %q, which is not known here", name).
				WithHint("known are %s; drop the feature (ALTER TABLE … DROP FEATURE), or pin a version from before it", known())
		}
	}
	return nil
}

func known() string {
	names := make([]string, 0, len(features))
	for name := range features {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func (p Protocol) String() string {
	if len(p.ReaderFeatures) == 0 {
		return fmt.Sprint(p.MinReaderVersion)
	}
	return fmt.Sprintf("%d %s", p.MinReaderVersion, strings.Join(p.ReaderFeatures, ","))
}
