// Package delta reads the log of a Delta table: which files made up the table at
// a version, and how many rows they hold. It follows Delta's transaction log
// protocol and reads no data file.
//
// The words are Delta's:
//
//   - The log, _delta_log/, has a JSON file of actions for each version. add and
//     remove say which data files the table consists of; protocol says what a
//     reader must know, and metaData has the schema.
//   - A checkpoint is the sum of the actions up to a version, so that older JSON
//     files can be cleaned up: one Parquet file (classic), several (multi-part),
//     or a V2 one, whose file actions may lie in sidecars.
//   - A deletion vector marks rows of a data file as deleted without rewriting
//     it. Its cardinality is how many.
//   - A snapshot is the table at a version.
//
// Errors are faults: Invalid names the log's file, line and field, or a reader
// feature that is not known here; NotFound a version that the log does not reach.
// Neither can be helped by a retry. Those of the Store are passed on.
package delta

import (
	"context"
	"strings"
	"time"
)

// LogFolder is where a table keeps its log, below its root.
const LogFolder = "_delta_log/"

// Latest asks Read for the newest version.
const Latest = -1

// Store reads the files of one table by their names below its root.
type Store interface {
	// List names the files below a folder of the table, "_delta_log/…".
	List(ctx context.Context, folder string) ([]string, error)
	// Read gives a file whole; NotFound when there is none.
	Read(ctx context.Context, name string) ([]byte, error)
}

// Snapshot is a table at a version.
type Snapshot struct {
	Version          int64
	Time             time.Time // of the commit, as its writer says; zero where it does not
	Operation        string    // e.g. "WRITE"; "" where the writer does not say
	TableID          string
	Name             string // of the table; may be ""
	Schema           string // Delta's JSON
	PartitionColumns []string
	Protocol         Protocol
	Files            []File   // by Path
	Log              []string // the log's files that were read: all that this version needs
}

// File is a data file of a snapshot.
type File struct {
	// Path is the data file's name below the table's root, decoded; or a whole
	// URI, e.g. s3://…, of a file that another table owns (a shallow clone's).
	Path string
	Size int64 // bytes
	// Rows is how many rows of the file the table holds: those in it, less those
	// that the deletion vector marks. Below 0 the log does not say.
	Rows int64
	// Partition is the values of the partition columns, as Delta writes them;
	// null is left out.
	Partition map[string]string
	Vector    *DeletionVector // nil: no rows are marked
	Where     string          // the log's file that added it, and the line
}

// Absolute says whether Path is a URI of its own.
func (f File) Absolute() bool { return strings.Contains(f.Path, "://") }

// Rows sums up the files' rows; known is false when some do not say.
func (s Snapshot) Rows() (rows int64, known bool) {
	for _, f := range s.Files {
		if f.Rows < 0 {
			return 0, false
		}
		rows += f.Rows
	}
	return rows, true
}
