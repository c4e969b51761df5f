package dataset

import (
	"context"

	"github.com/sluice-ml/sluice/shared/ref"
)

// CommitUnchecked commits what Commit would refuse.
func CommitUnchecked(ctx context.Context, r *Repository, q Request) (Commit, error) {
	edits, s := q.Changes.edits(), r.newSession()
	m, err := r.advance(ctx, move{to: q.Branch}, func(parent *Commit) (Commit, error) { return r.apply(ctx, s, parent, edits, q) })
	return m.Commit, err
}

// NewTiny opens a repository whose trees are cut so small that a few hundred
// entries make five levels.
func NewTiny(store ref.Store) *Repository {
	r := New(store)
	tiny := shape{
		leaf:   cut{least: 4, mean: 8, most: 16, early: oneIn(8), late: oneIn(2)},
		index:  cut{least: 2, mean: 4, most: 8, early: oneIn(4), late: oneIn(2)},
		inline: 3,
	}
	r.shapes = shapes{tree: tiny, segment: tiny, overlay: overlay{most: 4, worth: 4, share: 4, small: 3}}
	return r
}

// DecodeNode, DecodeCommit and Unpack are for fuzzing.
func DecodeNode(payload []byte) ([]byte, error) {
	n, err := decodeNode(payload)
	if err != nil {
		return nil, err
	}
	return n.encode(), nil
}

func DecodeCommit(payload []byte) error {
	_, err := decodeCommit("commits/fuzzed", payload)
	return err
}

func Unpack(body []byte) error {
	_, err := unpack("blobs/fuzzed", hash{}, body)
	return err
}

func Pack(payload []byte) ([]byte, error) { return parcel{payload: payload, format: treeFormat}.pack() }

func EncodeLeaf(entries []Entry) []byte { return encodeLeaf(itemsOf(entries)) }

func EncodeChanges(changes []Change) []byte { return encodeChanges(itemsOfChanges(changes)) }

func itemsOfChanges(changes []Change) []item {
	items := make([]item, len(changes))
	for i, c := range changes {
		items[i] = change(c.Key, c.Old, c.New)
	}
	return items
}

func EncodeIndex(last ...string) []byte        { return encodeIndexOf(ofEntries, last) }
func EncodeChangesIndex(last ...string) []byte { return encodeIndexOf(ofChanges, last) }

func encodeIndexOf(k kind, last []string) []byte {
	children := make([]child, len(last))
	for i := range last {
		children[i] = child{kind: k, last: last[i], tally: tally{totals: totals{1, 2, 3, 1}}}
		if k == ofChanges {
			children[i].was, children[i].changes = totals{4, 5, 6, 1}, 7
		}
	}
	return encodeIndex(k, 1, children)
}

func ParseAddress(name string) error {
	_, _, err := parseAddress(name)
	return err
}

// Upkeep is what a commit does beside appending a segment, in the standard shapes.
func Upkeep(entries int64, sizes ...int64) (whole bool, fold int, sink int64) {
	u := standard.overlay.upkeep(entries, sizes, &standard.segment)
	return u.whole, u.fold, u.sink
}
