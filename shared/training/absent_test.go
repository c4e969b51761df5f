package training

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/rows/rowstest"
)

// absentSales is the sales data whose channels include some that one or two rows
// have: whichever folds those are dealt to, the others' rows hold them out unseen.
func absentSales(codes ...string) rowstest.Objects {
	lines := strings.SplitAfter(strings.TrimSpace(string(sales(900)["sales.csv"])), "\n")
	for i, code := range codes {
		for _, at := range []int{5 + 7*i, 400 + 11*i} {
			cells := strings.Split(lines[at], ",")
			cells[3] = code
			lines[at] = strings.Join(cells, ",")
		}
	}
	objects := rowstest.Objects{}
	for i := range 3 {
		objects[fmt.Sprintf("part-%d.csv", i)] = []byte(lines[0] + strings.Join(lines[1+i*300:1+(i+1)*300], ""))
	}
	return objects
}

// TestACategoryThatAFoldLacks: the scores of held-out rows, and so when a fold
// stops, do not follow from where rows lie, even for a category that none of the
// rows that the fold learns from has.
func TestACategoryThatAFoldLacks(t *testing.T) {
	codes := map[string][]string{
		"first":   {"!a"},
		"between": {"partner", "q"},
		"last":    {"zz"},
		"many":    {"!a", "!b", "m", "p", "zx", "zy", "zz"},
	}
	for name, codes := range codes {
		for parting, text := range partings() {
			t.Run(name+" "+parting, func(t *testing.T) {
				config := parse(t, text)
				objects := absentSales(codes...)
				inMemory, onDisk := newMemory(), newMemory()
				require.NoError(t, trainer(t, inMemory).Train(t.Context(), plan(config), config, load(t, config, objects)))
				disk := trainer(t, onDisk)
				disk.Scratch, disk.Batch = t.TempDir(), 2000
				require.NoError(t, disk.Train(t.Context(), plan(config), config, loadOnDisk(t, config, objects)))
				for _, file := range []string{contract.FileModel, contract.FileFolds, contract.FileMetrics} {
					require.Equal(t, string(inMemory.files[file]), string(onDisk.files[file]), file)
				}
			})
		}
	}
}
