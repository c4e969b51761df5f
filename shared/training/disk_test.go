package training

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/rows"
	"github.com/sluice-ml/sluice/shared/rows/rowstest"
	"github.com/sluice-ml/sluice/shared/split"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

func loadOnDisk(t *testing.T, config *trainconfig.Config, objects rowstest.Objects) *rows.Set {
	t.Helper()
	set, err := rows.ReadWithin(t.Context(), config.Goal(), objects.Open, objects.List(), config.Data, config.Experiment.Seed, rows.Memory{OnDisk: true})
	require.NoError(t, err)
	require.True(t, set.OnDisk())
	return set
}

// inThree is the sales data as three objects; the last one's price has a text,
// so that the column is of text.
func inThree(t *testing.T, text bool) rowstest.Objects {
	lines := strings.SplitAfter(strings.TrimSpace(string(sales(900)["sales.csv"])), "\n")
	if text {
		cells := strings.Split(lines[850], ",")
		cells[2] = "free"
		lines[850] = strings.Join(cells, ",")
	}
	objects := rowstest.Objects{}
	for i := range 3 {
		objects[fmt.Sprintf("part-%d.csv", i)] = []byte(lines[0] + strings.Join(lines[1+i*300:1+(i+1)*300], ""))
	}
	return objects
}

// TestRowsOnDiskGiveTheSameModel: with as little as a batch at a time in memory,
// however rows are parted, the files are those of training in memory.
func TestRowsOnDiskGiveTheSameModel(t *testing.T) {
	for name, text := range partings() {
		t.Run(name, func(t *testing.T) {
			config := parse(t, text)
			objects := inThree(t, name == "weights")
			inMemory, onDisk := newMemory(), newMemory()
			require.NoError(t, trainer(t, inMemory).Train(t.Context(), plan(config), config, load(t, config, objects)))
			disk := trainer(t, onDisk)
			disk.Scratch, disk.Batch = t.TempDir(), 2000
			var log bytes.Buffer
			disk.Out = &log
			require.NoError(t, disk.Train(t.Context(), plan(config), config, loadOnDisk(t, config, objects)))
			require.Contains(t, log.String(), "memory does not hold the rows")
			for _, file := range []string{contract.FileModel, contract.FileFolds, contract.FileMetrics} {
				require.True(t, bytes.Equal(inMemory.files[file], onDisk.files[file]), "%s\n%s\n%s", file, inMemory.files[contract.FileMetrics], onDisk.files[contract.FileMetrics])
			}
			var environment Environment
			require.NoError(t, json.Unmarshal(onDisk.files[contract.FileEnvironment], &environment))
			require.Positive(t, environment.OnDisk.Rows)
			require.Less(t, environment.OnDisk.BatchRows, environment.OnDisk.Rows)
			left, err := os.ReadDir(disk.Scratch)
			require.NoError(t, err)
			require.Empty(t, left, "the scratch folder is taken away")
			before, err := OnDisk(t.Context(), onDisk, plan(config).Hash)
			require.NoError(t, err)
			require.True(t, before, "a retry learns from disk too")
		})
	}
}

func TestOneSideOfRowsOnDisk(t *testing.T) {
	config := parse(t, partings()["weights"])
	objects := inThree(t, true)
	whole, part := load(t, config, objects), loadOnDisk(t, config, objects)
	require.Equal(t, whole.Hash, part.Hash)
	require.Equal(t, whole.Side, part.Side)
	test, err := part.Load(t.Context(), split.Test)
	require.NoError(t, err)
	for i, row := range whole.On(split.Test) {
		require.Equal(t, whole.ID[row], test.ID[i])
		require.Equal(t, part.RowID(row), test.ID[i])
		require.Equal(t, whole.Label[row], test.Label[i])
		require.Equal(t, whole.Weight[row], test.Weight[i])
		require.Equal(t, whole.Table.Row(row), test.Table.Row(i))
		require.Equal(t, whole.Table.Place(row), test.Table.Place(i))
	}
	require.Len(t, test.On(split.Test), len(whole.On(split.Test)))
}

func TestMemoryDecides(t *testing.T) {
	config := parse(t, partings()["group"])
	objects := rowstest.Objects{}
	for i := range 3 {
		text := "customer,bought" + strings.Repeat(",x", 30) + "\n"
		for k := range 30 {
			text = strings.Replace(text, ",x", fmt.Sprintf(",f%d", k), 1)
		}
		for row := range 300 {
			text += fmt.Sprintf("c%d,%s%s\n", row, []string{"yes", "no"}[row%2], strings.Repeat(",1.5", 30))
		}
		objects[fmt.Sprintf("part-%d.csv", i)] = []byte(text)
	}
	read := func(budget int64) (*rows.Set, error) {
		return rows.ReadWithin(t.Context(), goal.Binary, objects.Open, objects.List(), config.Data, 7, rows.Memory{Budget: budget})
	}
	set, err := read(1 << 30)
	require.NoError(t, err)
	require.False(t, set.OnDisk())
	set, err = read(700_000)
	require.NoError(t, err)
	require.True(t, set.OnDisk())
	_, err = read(100_000)
	require.ErrorContains(t, err, "rows so far need")
	require.ErrorContains(t, err, "and training has 100000")
	require.True(t, fault.Is(err, fault.Invalid))
}

func TestMemoryIsTheContainers(t *testing.T) {
	config := parse(t, partings()["group"])
	for text, c := range map[string]struct {
		root  fstest.MapFS
		bytes float64
	}{
		"the container's memory": {fstest.MapFS{"sys/fs/cgroup/memory.max": {Data: []byte("1000000\n")}}, 700000},
		"the machine's memory": {fstest.MapFS{"sys/fs/cgroup/memory.max": {Data: []byte("max\n")},
			"proc/meminfo": {Data: []byte("Nothing\nMemTotal:       1000 kB\nMemFree: 10 kB\n")}}, 716800},
		"": {fstest.MapFS{}, 0},
	} {
		bytes, from := Memory(config, c.root)
		require.Equal(t, text, from)
		require.InDelta(t, c.bytes, bytes, 1)
	}
	config.Training.Memory = 1 << 30
	bytes, from := Memory(config, fstest.MapFS{})
	require.Equal(t, "training.memory", from)
	require.InDelta(t, 0.7*(1<<30), bytes, 1)
}

func TestWhatXGBoostDoesOnlyInMemoryIsRefused(t *testing.T) {
	for _, param := range []string{"tree_method: exact", "tree_method: approx"} {
		config := parse(t, strings.Replace(partings()["group"], "max_depth: 3", param, 1))
		disk := trainer(t, newMemory())
		disk.Scratch = t.TempDir()
		err := disk.Train(t.Context(), plan(config), config, loadOnDisk(t, config, sales(600)))
		require.ErrorContains(t, err, "are more than the memory holds, and from disk XGBoost does not learn with "+strings.Replace(param, ":", "", 1))
		require.True(t, fault.Is(err, fault.Invalid))
	}
}
