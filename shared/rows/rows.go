// Package rows reads the rows of a dataset's commit for who learns from them
// or judges by them: every row with its id, its label and its side of the
// split. The trainer and the evaluator read through it, so that they cannot
// disagree.
package rows

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/split"
	"github.com/sluice-ml/sluice/shared/table"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Open gives one version of an object and its size in bytes. Its errors are
// faults.
type Open func(ctx context.Context, bucket, key, versionID string) (io.ReaderAt, int64, error)

// Set is the rows of a commit, in the order of its objects' keys; index i of
// each slice is row i.
type Set struct {
	Table    *table.Table
	ID       []string // "<key>#<row number from 0>"; nil on disk, where RowID gives it
	Label    []float64
	Positive string // the target's value that has the label 1
	Side     []split.Side
	Weight   []float64   // how much each row counts; nil: each 1
	Group    []string    // where rows are parted by group
	Times    split.Times // where rows are parted by time
	Goal     goal.Goal
	Classes  []string // multiclass: the target's values, whose places are the labels
	Query    []string // ranking: which query each row belongs to
	// Hash is the SHA-256, in hex, of all rows' canonical contents in order.
	Hash string

	Head   table.Head  // on disk: the columns that Scan gives
	source *source     // on disk; else nil
	firsts []int       // on disk: the number of each object's first row
	keys   []split.Key // on disk: see FoldKeys
}

// Read reads every object of a commit for a binary target.
func Read(ctx context.Context, open Open, objects contract.DatasetObjects, data trainconfig.Data, seed int64) (*Set, error) {
	return ReadFor(ctx, goal.Binary, open, objects, data, seed)
}

// ReadFor reads every object of a commit; the goal says what a label is. The error is of kind Invalid when the
// data is wrong, and names the object, the line and the column; else it is the
// kind that open gave.
func ReadFor(ctx context.Context, g goal.Goal, open Open, objects contract.DatasetObjects, data trainconfig.Data, seed int64) (*Set, error) {
	s, _, err := read(ctx, g, open, objects, data, seed, 0)
	return s, err
}

// read also says whether the rows fit into so many bytes; 0 is no bound.
func read(ctx context.Context, g goal.Goal, open Open, objects contract.DatasetObjects, data trainconfig.Data, seed, budget int64) (set *Set, fits bool, err error) {
	if len(objects.Objects) == 0 {
		return nil, false, fault.New(fault.Invalid, "read commit "+objects.Commit, "it has no objects")
	}
	s := &Set{Goal: g}
	var tables []*table.Table
	need := int64(0)
	from := source{open, objects}
	err = from.each(ctx, func(_ int, t *table.Table) error {
		need += 2*t.Bytes() + int64(t.Rows())*int64(len(t.Columns))*perCell
		if budget > 0 && need > budget {
			return errTooMuch
		}
		tables = append(tables, t)
		for row := range t.Rows() {
			s.ID = append(s.ID, split.RowID(t.Name, row))
		}
		return nil
	})
	if errors.Is(err, errTooMuch) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	if s.Table, err = table.Concat(tables...); err != nil {
		return nil, false, err
	}
	if err := s.label(data); err != nil {
		return nil, false, err
	}
	s.divide(split.Splitter{Seed: seed, Train: data.Split.Train, Validation: data.Split.Validation})
	return s, true, s.settle(data, seed)
}

var errTooMuch = errors.New("more than the memory holds")

func (s *Set) label(data trainconfig.Data) error {
	target, ok := s.Table.Column(data.Target)
	if !ok {
		return fault.New(fault.Invalid, "read the target", "there is no column %q among %q", data.Target, s.names()).
			WithHint("correct data.target")
	}
	for i, null := range target.Null {
		if null {
			return fault.New(fault.Invalid, "read the target", "%s: column %q has no value in row %d", s.Table.Place(i), target.Name, i+1).
				WithHint("drop the rows whose outcome is not known")
		}
	}
	return s.labelFor(target, data)
}

// divide gives every row its side, and the rows their hash.
func (s *Set) divide(splitter split.Splitter) {
	s.Side = make([]split.Side, s.Table.Rows())
	hash := sha256.New()
	s.Table.Contents(nil, hash, func(i int, content []byte) { s.Side[i] = splitter.Side(s.together(content, i)) })
	s.Hash = hex.EncodeToString(hash.Sum(nil))
}

// On lists the rows of one side, in order.
func (s *Set) On(side split.Side) []int {
	var rows []int
	for i, is := range s.Side {
		if is == side {
			rows = append(rows, i)
		}
	}
	return rows
}
