package rollout

import (
	"encoding/json"
	"math"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/goal"
)

// prediction is one of the answers to a request.
type prediction struct {
	Score         *float64        `json:"score"`
	Label         json.RawMessage `json:"label"`
	Probabilities json.RawMessage `json:"probabilities"`
}

// CheckAnswer wants {"predictions":[{"score":p},…]}: a probability in it (binary)
// or any number (regression, ranking); of several classes
// {"label":"b","probabilities":{"a":0.25,"b":0.75}}. The error is of kind
// Invalid.
func CheckAnswer(op string, g goal.Goal, body []byte) error {
	var answer struct {
		Predictions []prediction `json:"predictions"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fault.New(fault.Invalid, op, "the answer is not JSON predictions: %w", err)
	}
	if len(answer.Predictions) == 0 {
		return fault.New(fault.Invalid, op, "the answer has no predictions")
	}
	for i, p := range answer.Predictions {
		if wrong := p.wrong(g); wrong != "" {
			return fault.New(fault.Invalid, op, "prediction %d %s", i, wrong)
		}
	}
	return nil
}

// wrong says what a prediction is not, "" when it is right. JSON has no numbers
// that are not finite.
func (p prediction) wrong(g goal.Goal) string {
	switch {
	case g == goal.Multiclass:
		return p.wrongClass()
	case g == goal.Binary && (p.Score == nil || !(*p.Score >= 0 && *p.Score <= 1)):
		return "is not a score from 0 to 1"
	case p.Score == nil:
		return "has no score"
	}
	return ""
}

func (p prediction) wrongClass() string {
	var label string
	if json.Unmarshal(p.Label, &label) != nil {
		return "has no label, the name of a class"
	}
	var probabilities map[string]float64
	if json.Unmarshal(p.Probabilities, &probabilities) != nil || len(probabilities) < 2 {
		return "has no probabilities of classes by name"
	}
	sum := 0.0
	for class, v := range probabilities {
		if !(v >= 0 && v <= 1) {
			return "has a probability of class " + class + " that is not from 0 to 1"
		}
		if v > probabilities[label] {
			return "has the label " + label + ", and class " + class + " is likelier"
		}
		sum += v
	}
	if math.Abs(sum-1) > 1e-4 {
		return "has probabilities that do not sum to 1"
	}
	return ""
}
