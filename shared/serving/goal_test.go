package serving_test

import (
	"encoding/csv"
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/model/modeltest"
	"github.com/sluice-ml/sluice/shared/serving"
)

func serverOf(t testing.TB, archive []byte) *serving.Server {
	t.Helper()
	artifact, err := model.Unpack(archive)
	require.NoError(t, err)
	return serving.New(artifact, 2000, time.Now)
}

func TestARegressionAnswersNumbers(t *testing.T) {
	s := serverOf(t, modeltest.Regression(t))
	require.Equal(t, "42\n39\n", post(t, s, "text/csv", "40,Male\n20,Male\n").Body.String())
	require.Equal(t, `{"predictions":[{"score":41}]}`+"\n", post(t, s, "application/json", `{"instances": [[40, "Female"]]}`).Body.String())
	require.Equal(t, `{"score":39}`+"\n", post(t, s, "application/x-ndjson", `[null, "Female"]`).Body.String())
}

// TestSeveralClassesAnswerLabelAndProbabilities in every form, and as softmax
// has them.
func TestSeveralClassesAnswerLabelAndProbabilities(t *testing.T) {
	s := serverOf(t, modeltest.Classes(t))
	w := post(t, s, "application/json", `{"instances": [[40, "Male"], [20, "Male"]]}`)
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	type said struct {
		Label         string
		Probabilities map[string]float64
	}
	var answer struct{ Predictions []said }
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer), w.Body)
	require.Len(t, answer.Predictions, 2)
	of := func(margin float64) (high, others float64) {
		return math.Exp(margin) / (math.Exp(margin) + 2), 1 / (math.Exp(margin) + 2)
	}
	for i, c := range []struct {
		margin float64
		label  string
	}{{2, "high"}, {-1, "low"}} {
		high, others := of(c.margin)
		require.Equal(t, c.label, answer.Predictions[i].Label, "of equals, the first")
		require.InDelta(t, high, answer.Predictions[i].Probabilities["high"], 1e-6)
		require.InDelta(t, others, answer.Predictions[i].Probabilities["low"], 1e-6)
		require.InDelta(t, others, answer.Predictions[i].Probabilities["mid, dle"], 1e-6)
	}
	lines := strings.Split(strings.TrimSpace(post(t, s, "application/x-ndjson", "[40,\"Male\"]\n[20,null]").Body.String()), "\n")
	require.Len(t, lines, 2)
	var line said
	require.NoError(t, json.Unmarshal([]byte(lines[1]), &line))
	require.Equal(t, answer.Predictions[1], line)

	records, err := csv.NewReader(post(t, s, "text/csv", "40,Male\n20,Male\n").Body).ReadAll()
	require.NoError(t, err)
	require.Len(t, records, 2)
	require.Len(t, records[0], 4, "the label, then each class's probability")
	require.Equal(t, "high", records[0][0])
}
