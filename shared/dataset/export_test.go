package dataset

import "github.com/sluice-ml/sluice/shared/ref"

// NewTiny opens a repository whose trees are cut so small that a few hundred
// entries make five levels.
func NewTiny(store ref.Store) *Repository {
	r := New(store)
	r.shape = shape{
		leaf:   cut{least: 4, mean: 8, most: 16, early: oneIn(8), late: oneIn(2)},
		index:  cut{least: 2, mean: 4, most: 8, early: oneIn(4), late: oneIn(2)},
		inline: 3,
	}
	return r
}

// DecodeNode, DecodeCommit and Unpack are for fuzzing.
func DecodeNode(payload []byte) ([]byte, error) {
	n, err := decodeNode(payload)
	if err != nil {
		return nil, err
	}
	if n.level == 0 {
		return encodeLeaf(n.entries), nil
	}
	return encodeIndex(n.level, n.children), nil
}

func DecodeCommit(payload []byte) error {
	_, err := decodeCommit("commits/fuzzed", payload)
	return err
}

func Unpack(body []byte) error {
	_, err := unpack("blobs/fuzzed", hash{}, body)
	return err
}

func Pack(payload []byte) ([]byte, error) { return pack(payload, hash{}) }

func EncodeLeaf(entries []Entry) []byte { return encodeLeaf(entries) }

func EncodeIndex(last ...string) []byte {
	children := make([]child, len(last))
	for i := range last {
		children[i] = child{last: last[i], totals: totals{1, 2, 3, 1}}
	}
	return encodeIndex(1, children)
}

func ParseAddress(name string) error {
	_, _, err := parseAddress(name)
	return err
}
