package e2e

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/parquet"
)

// TestBadInputIsNamedAndHarmless gives one stack everything wrong in turn. Each
// run must name what is wrong, move neither the champion nor the main branch,
// and leave the way free for the next.
func TestBadInputIsNamedAndHarmless(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	s := up(t, dir)
	main := s.head(t).ID
	number := 1 // of the last run
	wrong := func(name, status string, cause func(*testing.T), names ...string) {
		t.Run(name, func(t *testing.T) {
			cause(t)
			number++
			run := s.ends(t, "adult-income-"+strconv.Itoa(number), status)
			for _, want := range names {
				require.Contains(t, run.Outcome.Reason, want)
			}
			s.consistent(t, 1)
			require.Equal(t, main, s.head(t).ID, "the main branch has not moved")
		})
	}
	s.wrongData(wrong)
	s.wrongConfigurations(wrong)
	t.Run("and then all is good", func(t *testing.T) {
		drive(t, s)
		s.configure(t, oneStep)
		s.upload(t, "good.parquet", asParquet(t, rows(t, 5000, 1000)))
		number++
		s.ends(t, "adult-income-"+strconv.Itoa(number), "promoted")
		s.consistent(t, 2)
		require.Equal(t, []string{"raw/adult-income/good.parquet", "raw/adult-income/part-0.csv", "raw/adult-income/part-1.csv"}, s.keys(t),
			"what was uploaded while the configuration was wrong is not lost; what was wrong is not there")
		s.runs(t, number)
	})
}

type wrongly func(name, status string, cause func(*testing.T), names ...string)

func (s *stack) wrongConfigurations(wrong wrongly) {
	for _, c := range []struct {
		name, old, new string
		names          []string
	}{
		{"an unknown key", "training: {folds: 2,", "training: {fold: 2,", []string{"training.fold", "folds", ":12:"}},
		{"a wrong type", "n_estimators: 30", "n_estimators: many", []string{"n_estimators", "many"}},
		{"a threshold for a metric that is not computed", "thresholds: {auc_roc: 0.6}", "thresholds: {recall: 0.6}", []string{"recall"}},
	} {
		wrong("a configuration with "+c.name, "failed", func(t *testing.T) {
			yaml := strings.Replace(oneStep, c.old, c.new, 1)
			require.NotEqual(t, oneStep, yaml)
			s.configure(t, yaml)
			s.start(t, c.name)
		}, append(c.names, "train.yaml")...)
	}
	wrong("an upload under a wrong configuration", "failed", func(t *testing.T) {
		s.upload(t, "part-1.csv", text(t, rows(t, 3000, 500)))
	}, "recall")
}

func (s *stack) wrongData(wrong wrongly) {
	wrong("an empty file", "invalid", func(t *testing.T) {
		s.upload(t, "empty.csv", nil)
	}, "empty.csv", "upload it again once it is right")
	wrong("a CSV file with ragged rows", "invalid", func(t *testing.T) {
		data := rows(t, 4000, 300)
		data[200] = data[200][:7]
		s.upload(t, "ragged.csv", text(t, data))
	}, "ragged.csv", "201")
	wrong("a Parquet file cut in half", "invalid", func(t *testing.T) {
		whole := asParquet(t, rows(t, 4000, 300))
		s.upload(t, "half.parquet", whole[:len(whole)/2])
	}, "half.parquet")
	wrong("an object that is deleted before it is read", "failed", func(t *testing.T) {
		version := s.upload(t, "gone.csv", text(t, rows(t, 4000, 300)))
		require.NoError(t, s.Objects.Delete(t.Context(), s.Lake, contract.RawPrefix(model)+"gone.csv", version))
	}, "gone.csv")
}

// asParquet writes rows as a Parquet file.
func asParquet(t *testing.T, rows [][]string) []byte {
	t.Helper()
	numbers := []string{"age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week"}
	var columns []parquet.Column
	for i, name := range rows[0] {
		c := parquet.Column{Name: name}
		for _, row := range rows[1:] {
			if !slices.Contains(numbers, name) {
				c.Text = append(c.Text, row[i])
				continue
			}
			v, err := strconv.ParseFloat(row[i], 64)
			require.NoError(t, err)
			c.Float = append(c.Float, v)
		}
		columns = append(columns, c)
	}
	var out bytes.Buffer
	require.NoError(t, parquet.Write(&out, columns))
	return out.Bytes()
}

// keys are the objects that the main branch has.
func (s *stack) keys(t *testing.T) []string {
	t.Helper()
	entries, err := s.Dataset(model).Entries(t.Context(), dataset.Main, "")
	require.NoError(t, err)
	var keys []string
	for _, e := range entries {
		keys = append(keys, e.Key)
	}
	return keys
}
