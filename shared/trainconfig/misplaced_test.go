package trainconfig

import (
	"strings"
	"testing"
)

// TestAMisplacedKeyIsSentToItsPlace: what is known elsewhere is told with the place,
// and a typing mistake still by the nearest key.
func TestAMisplacedKeyIsSentToItsPlace(t *testing.T) {
	const start = "experiment: {name: m}\ndata: {target: y}\n"
	for text, want := range map[string]string{
		start + "training: {device: cuda}\n":             `unknown key "device"; it belongs elsewhere: `,
		start + "training: {seed: 4}\n":                  `unknown key "seed"; it belongs elsewhere: `,
		start + "evaluation: {class_weight: balanced}\n": `it belongs elsewhere: training.class_weight`,
		start + "evalution: {}\n":                        `did you mean "evaluation"?`,
		start + "model:\n\tparams: {}\n":                 "train.yaml:4:1: the line begins with a tab, and YAML is indented with spaces",
		"\texperiment: {name: m}\n":                      "train.yaml:1:1: the line begins with a tab",
		"":                                               "it needs at least experiment.name and data.target (and evaluation.thresholds",
	} {
		_, err := Parse("train.yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: want %q, got %v", text, want, err)
		}
	}
	if _, err := Parse("train.yaml", []byte(start+"training: {device: cuda}\n")); !strings.Contains(err.Error(), "model.params.device") {
		t.Error(err)
	}
}
