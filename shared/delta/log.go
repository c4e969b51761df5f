package delta

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/shared/fault"
)

// logNames are the forms of the names of a log's files; in the protocol's order:
// a commit, a classic checkpoint, a part of one, and a V2 checkpoint.
var (
	commitName  = regexp.MustCompile(`^(\d{20})\.json$`)
	classicName = regexp.MustCompile(`^(\d{20})\.checkpoint\.parquet$`)
	partName    = regexp.MustCompile(`^(\d{20})\.checkpoint\.(\d{10})\.(\d{10})\.parquet$`)
	uuidName    = regexp.MustCompile(`^(\d{20})\.checkpoint\.([0-9a-fA-F-]{36})\.(json|parquet)$`)
)

// logIndex is what a log has, by its files' names.
type logIndex struct {
	commits     map[int64]string
	checkpoints map[int64][]checkpoint // complete ones, the most wanted first
	broken      []checkpoint           // multi-part ones that lack parts
	latest      int64
}

// checkpoint is the files of one.
type checkpoint struct {
	version int64
	files   []string
	parts   int // of a multi-part one
}

func (c checkpoint) String() string {
	if c.parts > 0 {
		return fmt.Sprintf("the multi-part checkpoint of version %d (%d of %d parts)", c.version, len(c.files), c.parts)
	}
	return c.files[0]
}

// indexOf sorts the names of a log's files. What is no commit and no checkpoint
// (checksums, compactions, staged commits) is not needed for a snapshot.
func indexOf(names []string) logIndex {
	x := logIndex{commits: map[int64]string{}, checkpoints: map[int64][]checkpoint{}, latest: -1}
	parts := map[[2]int64][]string{}
	slices.Sort(names)
	for _, full := range names {
		name := strings.TrimPrefix(full, LogFolder)
		if m := commitName.FindStringSubmatch(name); m != nil {
			x.see(m[1], func(v int64) { x.commits[v] = full })
		} else if m := classicName.FindStringSubmatch(name); m != nil {
			x.see(m[1], func(v int64) {
				x.checkpoints[v] = append([]checkpoint{{version: v, files: []string{full}}}, x.checkpoints[v]...)
			})
		} else if m := uuidName.FindStringSubmatch(name); m != nil {
			x.see(m[1], func(v int64) {
				x.checkpoints[v] = append(x.checkpoints[v], checkpoint{version: v, files: []string{full}})
			})
		} else if m := partName.FindStringSubmatch(name); m != nil {
			of, _ := strconv.ParseInt(m[3], 10, 64)
			x.see(m[1], func(v int64) { parts[[2]int64{v, of}] = append(parts[[2]int64{v, of}], full) })
		}
	}
	for key, files := range parts {
		c := checkpoint{version: key[0], files: files, parts: int(key[1])}
		if len(files) == c.parts {
			x.checkpoints[c.version] = append(x.checkpoints[c.version], c)
		} else {
			x.broken = append(x.broken, c)
		}
	}
	slices.SortFunc(x.broken, func(a, b checkpoint) int { return int(a.version - b.version) })
	return x
}

func (x *logIndex) see(digits string, keep func(v int64)) {
	v, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return // more than any table reaches
	}
	x.latest = max(x.latest, v)
	keep(v)
}

// route is what must be read for a version: a checkpoint, or none, and the
// commits after it.
type route struct {
	from    *checkpoint
	commits []string
}

func (x logIndex) route(table string, version int64) (route, error) {
	op := fmt.Sprintf("read version %d of %s", version, table)
	switch {
	case x.latest < 0:
		return route{}, fault.New(fault.NotFound, "read "+table, "it has no %s with commits, so it is no Delta table", LogFolder).
			WithHint("name the table's root folder, e.g. s3://LAKE/tables/train/")
	case version > x.latest:
		return route{}, fault.New(fault.NotFound, op, "its latest version is %d", x.latest)
	case version < 0:
		return route{}, fault.New(fault.Invalid, op, "want a version of 0 or more")
	}
	var r route
	start := int64(0)
	for v := version; v >= 0 && r.from == nil; v-- {
		if found := x.checkpoints[v]; len(found) > 0 {
			r.from, start = &found[0], v+1
		}
		if _, ok := x.commits[v]; !ok && r.from == nil {
			return route{}, x.gap(op, v)
		}
	}
	for v := start; v <= version; v++ {
		r.commits = append(r.commits, x.commits[v])
	}
	return r, nil
}

// gap is the error of a version whose commit is missing.
func (x logIndex) gap(op string, missing int64) error {
	err := fault.New(fault.NotFound, op, "%s%020d.json is missing, and no whole checkpoint stands in for it", LogFolder, missing)
	for _, b := range x.broken {
		if b.version >= missing {
			return err.WithHint("%s is incomplete: a writer died over it", b)
		}
	}
	if first, ok := x.earliest(); ok {
		return err.WithHint("the log was cleaned up: it reaches back to version %d", first)
	}
	return err.WithHint("the log is damaged: restore the file's version in the bucket")
}

// earliest is the first version from which all later ones can be read.
func (x logIndex) earliest() (int64, bool) {
	for v := x.latest; v >= 0; v-- {
		if _, ok := x.commits[v]; ok && v > 0 {
			continue
		} else if ok {
			return 0, true
		}
		for w := v; w <= x.latest; w++ {
			if len(x.checkpoints[w]) > 0 {
				return w, true
			}
		}
		return 0, false
	}
	return 0, false
}
