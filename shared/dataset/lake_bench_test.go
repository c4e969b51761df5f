package dataset_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/ref"
)

// BenchmarkPins marks what a dataset of N objects with 100 commits of 100 scattered
// changes pins, and counts what that reads.
func BenchmarkPins(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("N=%d", n), func(b *testing.B) {
			store := &counting{Store: ref.NewMemory()}
			r := dataset.New(store)
			var all []dataset.Entry
			for k := range n {
				all = append(all, entry(fmt.Sprintf("raw/m/%07d", k), 1))
			}
			_, err := r.Commit(b.Context(), dataset.Request{Branch: "main", Time: noon, Changes: put(all...)})
			require.NoError(b, err)
			for c := range 100 {
				var some []dataset.Entry
				for k := range 100 {
					some = append(some, entry(fmt.Sprintf("raw/m/%07d", (k*(n/100)+c*7)%n), 2+c))
				}
				_, err := r.Commit(b.Context(), dataset.Request{Branch: "main", Time: noon, Changes: put(some...)})
				require.NoError(b, err)
			}
			store.reset()
			for b.Loop() {
				pins, err := r.Pins(b.Context(), "raw/m/", dataset.CollectRequest{Now: noon, Grace: grace})
				require.NoError(b, err)
				require.Equal(b, n+100*100, pins.Count())
			}
			b.ReportMetric(float64(store.reads.Load())/float64(b.N), "requests/op")
			b.ReportMetric(float64(store.readSize.Load())/float64(b.N)/1e6, "MB/op")
		})
	}
}
