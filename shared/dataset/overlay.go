package dataset

// overlay says when changes are laid over a tree as a segment, and when segments
// go into the tree. Every commit decides by these numbers alone, from the sizes
// it finds, so all writers do the same.
type overlay struct {
	most  int   // segments
	worth int64 // a change is worth rewriting so many entries of the tree for
	share int64 // segments hold at most one change for so many entries of the tree
	small int64 // commits of fewer changes leave compaction to others, up to twice that share
}

// direct says whether changes go into the tree at once: when the leaves that
// they fall into hold few enough entries. A segment costs two entries a change
// when it is written, and about a dozen until it is compacted, if ever.
func (o *overlay) direct(changes, touched int64) bool { return touched <= o.worth*changes }

// upkeep is what a commit that appends a segment does beside.
type upkeep struct {
	whole bool  // put everything into the tree
	fold  int   // the segment that the one after it is folded into; -1: none
	sink  int64 // how many changes, at least, to compact
}

// upkeep plans it, from the entries in the tree and the changes in the segments,
// the oldest first and the new one last. What it costs is bounded: by the lesser
// of the new segment's leaves and the segment below it for folding, and by worth
// for each change that is compacted; a commit compacts no more than it adds, or
// others left.
func (o *overlay) upkeep(entries int64, sizes []int64, s *shape) upkeep {
	var total int64
	for _, n := range sizes {
		total += n
	}
	if 2*total >= entries {
		return upkeep{whole: true, fold: -1}
	}
	u := upkeep{fold: o.fold(sizes, s)}
	bound := entries / o.share
	if fresh := sizes[len(sizes)-1]; total > bound && (fresh >= o.small || total > 2*bound) {
		u.sink = total - bound
	}
	return u
}

// fold chooses two neighbours to become one: the newest while both are so small
// that they lie in the commit; else, when there are too many, those that are
// folded at the least cost, of equals the newest. A small commit looks only at
// segments that it has read already, so it waits for no more requests. Another
// one folds its own changeset into the segment below only where all else costs
// far more: it would do so again each time, and diffs want it on its own.
func (o *overlay) fold(sizes []int64, s *shape) int {
	last := len(sizes) - 2
	if last < 0 {
		return -1
	}
	if sizes[last]+sizes[last+1] <= int64(s.inline) {
		return last
	}
	if len(sizes) <= o.most {
		return -1
	}
	best, least := last, int64(0)
	small := sizes[last+1] <= int64(s.inline)
	for i := last; i >= 0; i-- {
		x, y := sizes[i+1], sizes[i]
		if small && i < last && max(x, y) > int64(s.leaf.least) {
			continue
		}
		cost := x + min(y, x*int64(s.leaf.mean))
		if !small && i == last {
			cost *= 4
		}
		if i == last || cost < least {
			best, least = i, cost
		}
	}
	return best
}
