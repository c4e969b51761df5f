package cloudwatch

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEMF(t *testing.T) {
	b := newBench(t)
	found, err := b.PutEMF([]byte(`{"_aws":{"Timestamp":1772445600000,"CloudWatchMetrics":[{"Namespace":"Sluice","Dimensions":[["Model"],["Model","Variant"]],
		"Metrics":[{"Name":"Latency","Unit":"Milliseconds","StorageResolution":1},{"Name":"Count"}]}]},"Model":"m","Variant":"blue","Latency":[1,2,3],"Count":7,"extra":{"any":"thing"}}`))
	require.NoError(t, err)
	require.True(t, found)
	buckets := b.store.query(Metric{"Sluice", "Latency", []Dimension{{"Variant", "blue"}, {"Model", "m"}}}, "Milliseconds", grid{start.Unix(), 1, 1})
	require.Equal(t, 6.0, buckets[0].sum)
	buckets = b.store.query(Metric{"Sluice", "Count", []Dimension{{"Model", "m"}}}, "", grid{start.Unix(), 60, 1})
	require.Equal(t, 7.0, buckets[0].sum)

	for _, line := range []string{"plain text", `{"level":"info"}`, `{"note":"\"_aws\""}`, ``} {
		found, err := b.PutEMF([]byte(line))
		require.NoError(t, err)
		require.False(t, found, line)
	}
	for line, want := range map[string]string{
		`{"_aws":{"CloudWatchMetrics":[]}}`: "_aws.Timestamp is missing",
		`{"_aws":{"Timestamp":1772445600000,"CloudWatchMetrics":[{"Namespace":"S","Dimensions":[["A"]],"Metrics":[{"Name":"X"}]}]},"X":1}`: `dimension "A"`,
		`{"_aws":{"Timestamp":1772445600000,"CloudWatchMetrics":[{"Namespace":"S","Metrics":[{"Name":"X"}]}]}}`:                            `metric "X"`,
		`{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"S","Metrics":[{"Name":"X"}]}]},"X":1}`:                                  "not within two weeks",
	} {
		found, err := b.PutEMF([]byte(line))
		require.True(t, found)
		require.ErrorContains(t, err, want)
	}
}

func FuzzEMF(f *testing.F) {
	f.Add([]byte(`{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"S","Dimensions":[["A"]],"Metrics":[{"Name":"X","StorageResolution":1}]}]},"A":"b","X":[1,2]}`))
	f.Add([]byte(`{"_aws":null}`))
	f.Add([]byte(`{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Metrics":[{"Name":"X"}]}]},"X":null}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		batches, err := parseEMF(line)
		if err != nil {
			return
		}
		for _, b := range batches {
			for _, d := range b.data {
				if len(d.Values) == 0 {
					t.Fatalf("metric %q without values", d.Name)
				}
			}
		}
	})
}

func FuzzRule(f *testing.F) {
	f.Add(`ALARM("a\"b") OR NOT (OK(c) AND TRUE)`)
	f.Add(`ALARM(arn:aws:cloudwatch:eu-west-1:000000000000:alarm:x)`)
	f.Add(`ALARM(arn:x)`)
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := parseRule(text); err == nil {
			n.holds(func(string) State { return OK })
		}
	})
}
