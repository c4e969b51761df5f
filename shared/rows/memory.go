package rows

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"sort"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/split"
	"github.com/sluice-ml/sluice/shared/table"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Memory bounds what a Set may take.
type Memory struct {
	Budget int64 // bytes, for rows and for learning from them; 0 is no bound
	OnDisk bool  // do not even try to hold every column: an earlier attempt did not
}

// What learning takes beside the tables, which are there twice while they are
// joined: of a cell of numbers for XGBoost
// (float32 twice, XGBoost's own copy, its bins), and of a row whose columns are
// read part by part.
const (
	perCell = 20
	perRow  = 220
)

// PerRow is about how many bytes a row takes where columns are not held.
func PerRow() int64 { return perRow }

// source is where a Set's rows can be read again.
type source struct {
	open    Open
	objects contract.DatasetObjects
}

// each reads one object after the other; first is the number of the object's
// first row.
func (s *source) each(ctx context.Context, visit func(first int, t *table.Table) error) error {
	first := 0
	for _, object := range s.objects.Objects {
		r, size, err := s.open(ctx, s.objects.Bucket, object.Key, object.VersionID)
		if err != nil {
			return err
		}
		t, err := table.Read(ctx, object.Key, r, size, table.Options{})
		if err != nil {
			return err
		}
		if err := visit(first, t); err != nil {
			return err
		}
		first += t.Rows()
	}
	return nil
}

// ReadWithin is Read for rows that may be more than memory holds. Where they
// take more than memory.Budget, the Set's Table has only the columns that say
// what a row is (target, weight, group or time), and Scan reads the others. The
// error is of kind Invalid where even that is too much, and names the rows,
// the bytes and the memory.
func ReadWithin(ctx context.Context, g goal.Goal, open Open, objects contract.DatasetObjects, data trainconfig.Data, seed int64, memory Memory) (*Set, error) {
	if !memory.OnDisk {
		s, fits, err := read(ctx, g, open, objects, data, seed, memory.Budget)
		if fits || err != nil {
			return s, err
		}
	}
	return readNarrow(ctx, g, open, objects, data, seed, memory)
}

// OnDisk says that Table does not have every column, and Scan must be used.
func (s *Set) OnDisk() bool { return s.source != nil }

// RowID is row i's id: "<key>#<row number from 0>".
func (s *Set) RowID(i int) string {
	if s.ID != nil {
		return s.ID[i]
	}
	object := sort.Search(len(s.firsts), func(k int) bool { return s.firsts[k] > i }) - 1
	return split.RowID(s.source.objects.Objects[object].Key, i-s.firsts[object])
}

// Scan reads a set on disk again, object by object.
func (s *Set) Scan(ctx context.Context, visit func(first int, t *table.Table) error) error {
	return s.source.each(ctx, visit)
}

// FoldKeys are what some rows' folds follow from.
func (s *Set) FoldKeys(seed int64, which []int) []split.Key {
	keys := make([]split.Key, len(which))
	if s.keys == nil {
		s.Table.Contents(which, nil, func(i int, content []byte) { keys[i] = split.KeyOf(seed, s.together(content, which[i])) })
		return keys
	}
	for i, row := range which {
		keys[i] = s.keys[row]
	}
	return keys
}

func readNarrow(ctx context.Context, g goal.Goal, open Open, objects contract.DatasetObjects, data trainconfig.Data, seed int64, memory Memory) (*Set, error) {
	if g == goal.Ranking {
		return nil, fault.New(fault.Invalid, "read the rows", "they are more than training's %d bytes of memory, and ranking is not learnt from disk", memory.Budget).
			WithHint("raise training.memory and the job's memory, or upload fewer rows")
	}
	s := &Set{Goal: g, source: &source{open, objects}}
	splitter := split.Splitter{Seed: seed, Train: data.Split.Train, Validation: data.Split.Validation}
	hash := sha256.New()
	var narrow []*table.Table
	var content []byte
	err := s.source.each(ctx, func(first int, t *table.Table) error {
		if err := s.Head.Add(t); err != nil {
			return err
		}
		s.firsts = append(s.firsts, first)
		for i := range t.Rows() {
			content = t.AppendRow(content[:0], i)
			s.Side = append(s.Side, splitter.Side(content))
			s.keys = append(s.keys, split.KeyOf(seed, content))
			hash.Write(append(content, '\n'))
		}
		narrow = append(narrow, t.Narrow(data.Target, data.Weight, data.Split.Column))
		return memory.check(len(s.Side), t)
	})
	if err != nil {
		return nil, err
	}
	s.Hash = hex.EncodeToString(hash.Sum(nil))
	if s.Table, err = table.Concat(narrow...); err != nil {
		return nil, err
	}
	if err := s.label(data); err != nil {
		return nil, err
	}
	return s, s.settle(data, seed)
}

// check refuses what does not fit even part by part.
func (m Memory) check(rows int, t *table.Table) error {
	if m.Budget <= 0 {
		return nil
	}
	need := int64(rows)*perRow + t.Bytes()
	if need <= m.Budget {
		return nil
	}
	return fault.New(fault.Invalid, "read the rows", "%d rows so far need %d bytes (%d a row, and %d for %s while it is read), and training has %d",
		rows, need, perRow, t.Bytes(), t.Name, m.Budget).
		WithHint("raise training.memory and the job's memory, or upload smaller objects")
}

// settle reads weights and sides, once the rows and their labels are there.
func (s *Set) settle(data trainconfig.Data, seed int64) error {
	if err := s.weigh(data); err != nil {
		return err
	}
	if err := s.part(data, seed); err != nil {
		return err
	}
	return s.checkWeights(data)
}

// Load is the rows of one side of a set on disk, with every column, in memory.
func (s *Set) Load(ctx context.Context, side split.Side) (*Set, error) {
	if !s.OnDisk() {
		return s, nil
	}
	out := &Set{Goal: s.Goal, Classes: s.Classes, Positive: s.Positive, Hash: s.Hash}
	var tables []*table.Table
	err := s.Scan(ctx, func(first int, t *table.Table) error {
		var which []int
		for i := range t.Rows() {
			row := first + i
			if s.Side[row] != side {
				continue
			}
			which = append(which, i)
			out.ID, out.Label, out.Side = append(out.ID, s.RowID(row)), append(out.Label, s.Label[row]), append(out.Side, side)
			if s.Weight != nil {
				out.Weight = append(out.Weight, s.Weight[row])
			}
		}
		if len(which) > 0 {
			tables = append(tables, t.Take(which))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(tables) == 0 {
		return nil, fault.New(fault.Invalid, opSplit, "no row is a %s row", side).WithHint("raise data.split.%s, or add rows", side)
	}
	out.Table, err = table.Concat(tables...)
	return out, err
}

// names are the names of every column, held or not.
func (s *Set) names() []string {
	if s.OnDisk() {
		return s.Head.Names()
	}
	return s.Table.Names()
}
