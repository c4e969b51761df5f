package training

import (
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// usable is the share of the memory that rows and learning may plan with; the
// rest is for the program, the collector's slack and the pages being read.
const usable = 0.7

// Memory is how many bytes training may plan with, and where that comes from:
// training.memory, else the container's limit (cgroup 2, then 1), else the
// machine's. root is the file system, "/". 0 is not known: no bound.
func Memory(config *trainconfig.Config, root fs.FS) (bytes int64, from string) {
	if config.Training.Memory > 0 {
		return int64(usable * float64(config.Training.Memory)), "training.memory"
	}
	for _, file := range []string{"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := fs.ReadFile(root, file)
		if err != nil {
			continue
		}
		// "max", and a number near 2^63, are no limit.
		if limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && limit > 0 && limit < 1<<60 {
			return int64(usable * float64(limit)), "the container's memory"
		}
	}
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0, ""
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "MemTotal:" {
			if kib, err := strconv.ParseInt(fields[1], 10, 64); err == nil && kib < math.MaxInt64>>10 {
				return int64(usable * float64(kib<<10)), "the machine's memory"
			}
		}
	}
	return 0, ""
}

// pageShare is how much the files that XGBoost makes of the features take beside
// them: a byte or two for each of their four, and pageShareValues where held-out
// rows stay values, of eight bytes each.
const (
	pageShare       = 1.0
	pageShareValues = 2.0
)

// checkRoom refuses to begin what the disk does not hold.
func (r *run) checkRoom(folder string) error {
	var of syscall.Statfs_t
	if err := syscall.Statfs(folder, &of); err != nil {
		return fault.New(fault.Unavailable, "look at the scratch folder", "%w", err)
	}
	free := int64(of.Bavail * uint64(of.Bsize))
	share := pageShare
	if slices.ContainsFunc(r.disk.columns, func(c spillColumn) bool { return c.text }) {
		share = pageShareValues
	}
	need := int64(float64(r.disk.bytes()) * (1 + share))
	if need > free {
		return fault.New(fault.Invalid, "write the features", "%d rows of %d features need about %d bytes of disk, and %d are free in the scratch folder",
			r.disk.count(), r.disk.width, need, free).WithHint("give the job more ephemeral storage, or name a larger folder with TMPDIR")
	}
	return nil
}

// checkDisk refuses what XGBoost does only in memory.
func (r *run) checkDisk() error {
	if r.disk == nil {
		return nil
	}
	no := func(what string) error {
		return fault.New(fault.Invalid, "train", "%d rows (%d bytes of features) are more than the memory holds, and from disk XGBoost does not learn with %s",
			r.disk.count(), r.disk.bytes(), what).WithHint("raise training.memory and the job's memory, or use tree_method: hist on the CPU")
	}
	if !r.library.CanExternal() {
		return no("version " + r.library.Version() + ", only from 3.0")
	}
	for _, p := range r.params.native {
		switch {
		case p.Name == "tree_method" && p.Value != "hist" && p.Value != "auto",
			p.Name == "device" && p.Value != "cpu" && r.library.CUDA():
			return no(p.Name + " " + p.Value)
		}
	}
	return nil
}
