package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/gate"
)

// goalConfig is a train.yaml whose data, model and evaluation are a goal's.
const goalConfig = `
experiment: {name: e2e, seed: 7}
%s
deployment:
  environments: [production]
  steps: [100]
  bake: 2s
  min_requests: 5
  max_failures: 100
  limits: {latency_p99: 10s, error_rate: 0.9, accuracy: 0}
`

const regressionConfig = `
data:
  path: s3://lake/raw/adult-income/
  features: [age, workclass, education_num, marital_status, occupation, relationship, sex, income]
  target: hours_per_week
  split: {train: 0.7, test: 0.3}
model: {type: XGBRegressor, params: {n_estimators: 40, max_depth: 4, learning_rate: 0.2, objective: "reg:squarederror"}}
training: {folds: 2, early_stopping_rounds: 10}
evaluation:
  thresholds: {r2: 0.02, rmse: 14}
  fairness: {protected_attributes: [sex], max_disparity: 0.5}
  robustness: {max_degradation: 0.5}
  data_quality: {null_ratio: 0.2}
  champion: {margin: 0.2}
  latency: {p99: 5s}
`

const multiclassConfig = `
data:
  path: s3://lake/raw/adult-income/
  features: [age, workclass, education_num, occupation, sex, hours_per_week, income, capital_gain]
  target: marital
  split: {train: 0.7, test: 0.3}
model: {type: XGBClassifier, params: {n_estimators: 25, max_depth: 4, learning_rate: 0.3, objective: "multi:softprob"}}
training: {folds: 2, early_stopping_rounds: 10}
evaluation:
  thresholds: {accuracy: 0.6, auc_roc_ovr: 0.7, log_loss: 0.9}
  fairness: {protected_attributes: [sex], metric: accuracy, max_disparity: 0.6}
  robustness: {max_degradation: 0.5}
  data_quality: {null_ratio: 0.2, class_balance: [0.05, 0.9]}
  champion: {margin: 0.2}
  latency: {p99: 5s}
`

const rankingConfig = `
data:
  path: s3://lake/raw/adult-income/
  target: relevance
  qid: query
  split: {train: 0.6, test: 0.4}
model: {type: XGBRanker, params: {n_estimators: 25, max_depth: 4, learning_rate: 0.2}}
training: {folds: 2, early_stopping_rounds: 10}
evaluation:
  thresholds: {ndcg@10: 0.6, map: 0.4}
  robustness: {max_degradation: 0.5}
  champion: {margin: 0.2}
  latency: {p99: 5s}
`

// marital puts the marital status into three classes.
func marital(t *testing.T, n int) [][]string {
	t.Helper()
	data := rows(t, 0, n)
	at := -1
	for i, name := range data[0] {
		if name == "marital_status" {
			at = i
		}
	}
	require.GreaterOrEqual(t, at, 0)
	data[0][at] = "marital"
	for _, row := range data[1:] {
		switch {
		case strings.HasPrefix(row[at], "Married"):
			row[at] = "married"
		case strings.HasPrefix(row[at], "Never"):
			row[at] = "never, so far"
		default:
			row[at] = "parted"
		}
	}
	return data
}

// queries are documents with a relevance that two of three features tell of.
func queries(n int) [][]string {
	r := rand.New(rand.NewPCG(5, 6))
	data := [][]string{{"query", "match", "fresh", "length", "relevance"}}
	for q := range n {
		for range 8 + r.IntN(5) {
			match, fresh := r.Float64(), r.Float64()
			grade := int(2.2*match + 1.2*fresh + 0.8*r.Float64())
			data = append(data, []string{"q" + strconv.Itoa(q), strconv.FormatFloat(match, 'f', 4, 64),
				strconv.FormatFloat(fresh, 'f', 4, 64), strconv.Itoa(100 + r.IntN(900)), strconv.Itoa(grade)})
		}
	}
	return data
}

// TestEveryGoalGoesAllTheWay trains, judges, promotes and asks a regression, a
// multiclass and a ranking model, and a second version that is compared with the
// first; then the decision is replayed and the commands read the files.
func TestEveryGoalGoesAllTheWay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, config string
		data         [][]string
		body         string
		answer       func(t *testing.T, body []byte)
		compared     string // by the champion's gate
	}{
		{"regression", regressionConfig, rows(t, 0, 3000),
			`{"instances": [{"age": 40, "workclass": "Private", "education_num": 10, "marital_status": "Divorced", "occupation": "Sales", "relationship": "Unmarried", "sex": "Male", "income": "<=50K"}]}`,
			numberAnswered(10, 80), "rmse_increase"},
		{"multiclass", multiclassConfig, marital(t, 3000),
			`{"instances": [{"age": 19, "workclass": "Private", "education_num": 9, "occupation": "Sales", "sex": "Male", "hours_per_week": 20, "income": "<=50K", "capital_gain": 0}]}`,
			classAnswered, "auc_roc_ovr_drop"},
		{"ranking", rankingConfig, queries(300),
			`{"instances": [{"match": 0.9, "fresh": 0.9, "length": 300}]}`, numberAnswered(-20, 20), "ndcg_drop"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s := up(t, dir)
			s.configure(t, fmt.Sprintf(goalConfig, c.config))
			s.upload(t, "part-0.csv", text(t, c.data))
			s.ends(t, "adult-income-1", "promoted")
			s.consistent(t, 1)
			c.answer(t, s.asked(t, c.body))

			s.configure(t, strings.Replace(fmt.Sprintf(goalConfig, c.config), "learning_rate: 0.", "learning_rate: 0.1", 1))
			run := s.asking(t, c.body, "second")
			s.consistent(t, 2)
			var verdict gate.Verdict
			require.NoError(t, s.RunFile(t.Context(), model, run, contract.VerdictFile(gate.NameChampion), &verdict))
			require.Equal(t, gate.Pass, verdict.Verdict)
			require.Len(t, verdict.Measurements, 3)
			require.Equal(t, c.compared, verdict.Measurements[2].Name)
			s.replayed(t, dir, run)
			s.commanded(t, run, fmt.Sprintf(goalConfig, c.config))
		})
	}
}

// numberAnswered wants one score within bounds.
func numberAnswered(low, high float64) func(*testing.T, []byte) {
	return func(t *testing.T, body []byte) {
		var answer struct{ Predictions []struct{ Score *float64 } }
		require.NoError(t, json.Unmarshal(body, &answer), "%s", body)
		require.Len(t, answer.Predictions, 1)
		require.NotNil(t, answer.Predictions[0].Score, "%s", body)
		require.InDelta(t, (low+high)/2, *answer.Predictions[0].Score, (high-low)/2)
	}
}

// classAnswered wants the class that nearly all people of 19 are of.
func classAnswered(t *testing.T, body []byte) {
	var answer struct {
		Predictions []struct {
			Label         string
			Probabilities map[string]float64
		}
	}
	require.NoError(t, json.Unmarshal(body, &answer), "%s", body)
	require.Len(t, answer.Predictions, 1)
	require.Equal(t, "never, so far", answer.Predictions[0].Label)
	sum := 0.0
	for _, class := range []string{"married", "never, so far", "parted"} {
		require.Contains(t, answer.Predictions[0].Probabilities, class)
		sum += answer.Predictions[0].Probabilities[class]
	}
	require.InDelta(t, 1, sum, 1e-5)
}

// asked is what the endpoint answers.
func (s *stack) asked(t *testing.T, body string) []byte {
	t.Helper()
	client := sagemakerruntime.New(sagemakerruntime.Options{Region: operator.LocalRegion, BaseEndpoint: &s.url,
		Credentials: credentials.NewStaticCredentialsProvider(operator.LocalAccessKey, operator.LocalSecretKey, "")})
	out, err := client.InvokeEndpoint(t.Context(), &sagemakerruntime.InvokeEndpointInput{EndpointName: aws.String(contract.EndpointName("production", model)),
		ContentType: aws.String("application/json"), Body: []byte(body)})
	require.NoError(t, err)
	return out.Body
}

// asking has live traffic while a run by hand goes to its end, promoted.
func (s *stack) asking(t *testing.T, body, id string) string {
	t.Helper()
	live := &traffic{ctx: t.Context(), model: model, bodies: [][]byte{[]byte(body)}, served: map[string]int{}, failed: map[string]int{}}
	live.stack.Store(s)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		live.ask(t, 0, stop)
	}()
	defer func() { close(stop); <-done }()
	run := s.start(t, id)
	s.ends(t, run, "promoted")
	return run
}

// replayed recomputes every verdict.
func (s *stack) replayed(t *testing.T, dir, run string) {
	t.Helper()
	got := sluice(t, "decision", "replay", run, "--dir", dir)
	require.Equal(t, 0, got.code, "%s%s", got.stdout, got.stderr)
}

// commanded gives the run's files to the commands that need no stack.
func (s *stack) commanded(t *testing.T, run, config string) {
	t.Helper()
	folder := t.TempDir()
	file := func(name, as string) string {
		body, _, err := s.Objects.Get(t.Context(), s.Store, contract.RunKey(model, run, name), "")
		require.NoError(t, err)
		path := filepath.Join(folder, as)
		require.NoError(t, os.WriteFile(path, body, 0o600))
		return path
	}
	yaml := filepath.Join(folder, "train.yaml")
	require.NoError(t, os.WriteFile(yaml, []byte(config), 0o600))
	scored := file(contract.FilePredictions, "predictions.parquet")
	judged := sluice(t, "gate", scored, "--config", yaml, "--perturbed", file(contract.FilePerturbed, "perturbed.parquet"))
	require.Equal(t, 0, judged.code, "%s%s", judged.stdout, judged.stderr)
	for _, name := range []string{gate.NamePerformance, gate.NameFairness, gate.NameChampion, gate.NameRobustness} {
		require.Contains(t, judged.stdout, name+": pass")
	}
	measured := sluice(t, "evaluate", scored)
	require.Equal(t, 0, measured.code, "%s%s", measured.stdout, measured.stderr)
}
