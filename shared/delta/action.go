package delta

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/sluice-ml/sluice/shared/fault"
)

// action is one line of a log's file, or one row of a checkpoint: what is set.
// Fields that Delta has and this has not are ignored, as its protocol asks.
type action struct {
	Add        *add                `json:"add"`
	Remove     *remove             `json:"remove"`
	Protocol   *Protocol           `json:"protocol"`
	MetaData   *metaData           `json:"metaData"`
	Sidecar    *sidecar            `json:"sidecar"`
	Checkpoint *checkpointMetadata `json:"checkpointMetadata"`
	Commit     *commitInfo         `json:"commitInfo"`

	where string // the file and the line or row
}

type add struct {
	Path            string             `json:"path"`
	PartitionValues map[string]*string `json:"partitionValues"`
	Size            *int64             `json:"size"`
	Stats           *string            `json:"stats"`
	Vector          *DeletionVector    `json:"deletionVector"`

	parsed *int64 // stats_parsed.numRecords, of a checkpoint
}

type remove struct {
	Path   string          `json:"path"`
	Vector *DeletionVector `json:"deletionVector"`
}

type metaData struct {
	ID               string            `json:"id"`
	Name             string            `json:"name"`
	Format           format            `json:"format"`
	SchemaString     string            `json:"schemaString"`
	PartitionColumns []string          `json:"partitionColumns"`
	Configuration    map[string]string `json:"configuration"`
}

type format struct {
	Provider string `json:"provider"`
}

type sidecar struct {
	Path string `json:"path"`
	Size int64  `json:"sizeInBytes"`
}

type checkpointMetadata struct {
	Version int64 `json:"version"`
}

type commitInfo struct {
	Timestamp json.RawMessage `json:"timestamp"` // milliseconds; some writers write a text
	Operation json.RawMessage `json:"operation"`
}

// maxLine bounds a line of the log: statistics of many columns are long.
const maxLine = 64 << 20

// parseActions reads JSON lines.
func parseActions(name string, text []byte) ([]action, error) {
	var actions []action
	number := 0
	for line := range bytes.Lines(text) {
		number++
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		where := fmt.Sprintf("%s:%d", name, number)
		if len(line) > maxLine {
			return nil, fault.New(fault.Invalid, "read "+where, "the line has %d bytes, more than %d", len(line), maxLine)
		}
		a := action{where: where}
		if err := json.Unmarshal(line, &a); err != nil {
			return nil, badLine(where, line, err)
		}
		if err := a.check(); err != nil {
			return nil, fault.New(fault.Invalid, "read "+where, "%w", err).WithHint("the log was altered or is damaged: no version from here on can be read")
		}
		actions = append(actions, a)
	}
	return actions, nil
}

func badLine(where string, line []byte, err error) error {
	out := fault.New(fault.Invalid, "read "+where, "%w", err)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fault.New(fault.Invalid, "read "+where, "%s: want %s, got %s", wrong.Field, wrong.Type, wrong.Value)
	}
	if line[len(line)-1] != '\n' {
		return out.WithHint("the file is cut off: restore its whole version in the bucket, or pin an earlier version of the table")
	}
	return out.WithHint("the log was altered or is damaged: no version from here on can be read")
}

// check says what an action lacks that its meaning needs.
func (a *action) check() error {
	switch {
	case a.Add != nil:
		if err := a.Add.check(); err != nil {
			return fmt.Errorf("add.%w", err)
		}
	case a.Remove != nil:
		if a.Remove.Path == "" {
			return errors.New("remove.path: it is empty")
		}
		if v := a.Remove.Vector; v != nil {
			if err := v.check(); err != nil {
				return fmt.Errorf("remove.deletionVector.%w", err)
			}
		}
	case a.Sidecar != nil && a.Sidecar.Path == "":
		return errors.New("sidecar.path: it is empty")
	case a.MetaData != nil && a.MetaData.Format.Provider != "" && a.MetaData.Format.Provider != "parquet":
		return fmt.Errorf("metaData.format.provider: %q: only parquet is known", a.MetaData.Format.Provider)
	}
	return nil
}

func (a *add) check() error {
	switch {
	case a.Path == "":
		return errors.New("path: it is empty")
	case a.Size == nil || *a.Size < 0:
		return errors.New("size: want a number of bytes")
	}
	if _, err := decodePath(a.Path); err != nil {
		return fmt.Errorf("path: %w", err)
	}
	if v := a.Vector; v != nil {
		if err := v.check(); err != nil {
			return fmt.Errorf("deletionVector.%w", err)
		}
	}
	_, err := a.rows()
	return err
}

// rows is how many rows of the file are left; below 0 when the log does not say.
func (a *add) rows() (int64, error) {
	count := a.parsed
	if a.Stats != nil && *a.Stats != "" {
		var stats struct {
			NumRecords *int64 `json:"numRecords"`
		}
		if err := json.Unmarshal([]byte(*a.Stats), &stats); err != nil {
			return 0, fmt.Errorf("stats: %w", err)
		}
		if stats.NumRecords != nil {
			count = stats.NumRecords
		}
	}
	switch {
	case count == nil:
		return -1, nil
	case *count < 0:
		return 0, fmt.Errorf("stats.numRecords: %d: want none below 0", *count)
	case a.Vector == nil:
		return *count, nil
	case a.Vector.Cardinality > *count:
		return 0, fmt.Errorf("deletionVector.cardinality: %d of %d rows are deleted", a.Vector.Cardinality, *count)
	}
	return *count - a.Vector.Cardinality, nil
}

// decodePath undoes the URI encoding of a path of the log (RFC 2396) and refuses
// what leads out of the table.
func decodePath(text string) (string, error) {
	decoded, err := url.PathUnescape(text)
	if err != nil {
		return "", err
	}
	switch scheme, _, absolute := strings.Cut(decoded, "://"); {
	case absolute && (scheme == "s3" || scheme == "s3a" || scheme == "s3n"):
		return "s3" + strings.TrimPrefix(decoded, scheme), nil
	case absolute || strings.HasPrefix(decoded, "/") || strings.HasPrefix(decoded, "file:"):
		return "", fmt.Errorf("%q is an absolute path that is not on S3 (a shallow clone?)", decoded)
	case !clean(decoded):
		return "", fmt.Errorf("%q is not a path below the table", decoded)
	}
	return decoded, nil
}

func clean(name string) bool {
	return name != "" && name != "." && path.Clean(name) == name && name[0] != '/' && name != ".." && !strings.HasPrefix(name, "../") && !strings.ContainsRune(name, 0)
}
