package trainconfig

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const splitHead = "experiment: {name: m}\nevaluation: {thresholds: {auc_roc: 0.8}}\n"

func TestSplitsWeightsAndMemoryAreRead(t *testing.T) {
	for _, c := range []struct {
		text string
		want func(*Config) bool
	}{
		{"data: {target: y, weight: w, split: {by: group, column: customer}}", func(c *Config) bool {
			return c.Data.Weight == "w" && c.Data.Split.By == ByGroup && c.Data.Split.Train == 0.8 && c.Data.Reserved("customer") && c.Data.Reserved("w")
		}},
		{"data: {target: y, split: {by: time, column: at, gap: 24h}}", func(c *Config) bool { return c.Data.Split.Gap.Spacing().Duration.Hours() == 24 }},
		{"data: {target: y, split: {by: time, column: at, gap: 7}}", func(c *Config) bool { return c.Data.Split.Gap.Rows == 7 }},
		{"data: {target: y, split: {by: time, column: at, validation_from: 2026-01-01, test_from: 2026-02-01}}\ntraining: {folds: 0}", func(c *Config) bool {
			return c.Data.Split.TestFrom == "2026-02-01" && c.Data.Split.Train == 0 && c.Training.Folds == 1
		}},
		{"data: {target: y, split: {by: time, column: at, test_from: 17.5}}", func(c *Config) bool { return c.Data.Split.TestFrom == "17.5" }},
		{"data: {target: y, split: {train: 0.7, validation: 0.1}}\ntraining: {folds: 1, class_weight: balanced, memory: 1.5GiB}", func(c *Config) bool {
			return c.Training.Folds == 1 && c.Training.ClassWeight.Balanced && c.Training.Memory == 3<<29
		}},
		{"data: {target: y}\ntraining: {class_weight: {yes: 3, 0: 0.5}}", func(c *Config) bool {
			return c.Training.ClassWeight.Of["yes"] == 3 && c.Training.ClassWeight.Of["0"] == 0.5
		}},
	} {
		got := mustParse(t, splitHead+c.text)
		require.True(t, c.want(got), c.text)
		again, err := Parse("canonical", got.Canonical())
		require.NoError(t, err, c.text)
		require.Equal(t, got, again, c.text)
	}
}

func TestSplitsWeightsAndMemoryAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"split: {by: groups, column: c}":                                          `data.split.by: unknown value "groups"; did you mean "group"?`,
		"split: {by: group}":                                                      "data.split.column: missing; name the column",
		"split: {column: c}":                                                      "data.split.column: a column without by",
		"split: {by: group, column: y}":                                           `data.split.column: "y" is the target`,
		"split: {by: group, column: c, gap: 3}":                                   "data.split.gap: only a split by time has it",
		"split: {by: group, column: c, test_from: 3}":                             "data.split.test_from: only a split by time has it",
		"split: {by: time, column: c, gap: -3}":                                   "is not a number of rows such as 100, or a duration such as 24h",
		"split: {by: time, column: c, gap: -3h}":                                  "data.split.gap: -3h",
		"split: {by: time, column: c, gap: soon}":                                 "data.split.gap:",
		"split: {by: time, column: c, test_from: soon}":                           `data.split.test_from: "soon" is no time`,
		"split: {by: time, column: c, validation_from: 2026-01-01}":               "data.split.test_from: missing",
		"split: {by: time, column: c, validation_from: 2026-01-02, test_from: 7}": "are not both dates or both numbers",
		"split: {by: time, column: c, validation_from: 9, test_from: 7}":          "9 is not before test_from 7",
		"split: {by: time, column: c, train: 0.5, test: 0.5, test_from: 7}":       "data.split.train: a share beside test_from",
		"weight: y":                                        `data.weight: "y" is the target`,
		"features: [a, w], weight: w":                      `data.features[1]: "w" is data.weight`,
		"weight: w}\ntraining: {class_weight: even":        `training.class_weight: "even" is not known; write balanced`,
		"weight: w}\ntraining: {class_weight: {yes: -1}":   "training.class_weight.yes: -1 is not a factor from 0 up",
		"weight: w}\ntraining: {class_weight: {yes: 0}":    "every factor is 0",
		"weight: w}\ntraining: {class_weight: {yes: much}": `training.class_weight.yes: the text "much" is not a number`,
		"weight: w}\nmodel: {params: {scale_pos_weight: 2}}\ntraining: {class_weight: balanced": "scale_pos_weight weighs the classes as well",
		"weight: w}\ntraining: {memory: 1000":                                                   "training.memory: 1000 is not a size",
		"weight: w}\ntraining: {memory: 4GHz":                                                   `"4GHz" is no size`,
		"weight: w}\ntraining: {memory: 1MiB":                                                   "1MiB is less than 128MiB",
		"weight: w}\ntraining: {folds: 1":                                                       "training.folds: one hold-out needs validation rows",
		"weight: w}\ntraining: {folds: -1":                                                      "training.folds: -1 is not between 2 and 100, nor 1 or 0",
	} {
		_, err := Parse("train.yaml", []byte(splitHead+"data: {target: y, "+text+"}\n"))
		require.ErrorContains(t, err, want, text)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{"8GiB": 8 << 30, "8 GiB": 8 << 30, "1GB": 1e9, "0.5KiB": 512, "7B": 7} {
		got, err := ParseSize(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
		back, err := ParseSize(got.String())
		require.NoError(t, err)
		require.Equal(t, want, back)
	}
	for _, text := range []string{"", "8", "GiB", "-1GiB", "1e30GiB", "NaNGiB", strings.Repeat("9", 500) + "B"} {
		_, err := ParseSize(text)
		require.ErrorContains(t, err, "is no size", text)
	}
}
