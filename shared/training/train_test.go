package training

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"math"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/parquet"
	"github.com/sluice-ml/sluice/shared/rows"
	"github.com/sluice-ml/sluice/shared/rows/rowstest"
	"github.com/sluice-ml/sluice/shared/split"
	"github.com/sluice-ml/sluice/shared/trainconfig"
	"github.com/sluice-ml/sluice/shared/xgboost/xgboosttest"
)

// memory is a Store. fail, when set, is asked before every write.
type memory struct {
	mutex sync.Mutex
	files map[string][]byte
	fail  func(name string) error
}

func newMemory() *memory { return &memory{files: map[string][]byte{}} }

func (m *memory) Get(_ context.Context, name string) ([]byte, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if data, ok := m.files[name]; ok {
		return data, nil
	}
	return nil, fault.New(fault.NotFound, "read "+name, "there is none")
}

func (m *memory) Put(_ context.Context, name string, data []byte) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.fail != nil {
		if err := m.fail(name); err != nil {
			return err
		}
	}
	m.files[name] = bytes.Clone(data)
	return nil
}

func (m *memory) Create(ctx context.Context, name string, data []byte) error {
	if before, err := m.Get(ctx, name); err == nil && !bytes.Equal(before, data) {
		return fault.New(fault.Conflict, "write "+name, "it is there")
	}
	return m.Put(ctx, name, data)
}

func (m *memory) Has(ctx context.Context, name string) (bool, error) {
	_, err := m.Get(ctx, name)
	return err == nil, nil
}

const adultConfig = `
experiment: {name: adult-income, seed: 7}
data:
  target: income
  features: [age, workclass, education_num, marital_status, occupation, relationship, race, sex,
             capital_gain, capital_loss, hours_per_week, native_country]
model:
  type: XGBClassifier
  params: {n_estimators: 400, max_depth: 5, learning_rate: 0.1, subsample: 0.9, colsample_bytree: 0.8,
           reg_lambda: 1.5, n_jobs: 2}
training: {folds: 5, early_stopping_rounds: 20, eval_metric: auc}
evaluation: {thresholds: {auc_roc: 0.9}}
`

// quickConfig is for tests that are not about how well it learns.
const quickConfig = `
experiment: {name: quick, seed: 7}
data: {target: income, features: [age, education_num, occupation, sex, hours_per_week], split: {train: 0.7, validation: 0.1, test: 0.2}}
model: {type: XGBClassifier, params: {n_estimators: 12, max_depth: 3, subsample: 0.8, colsample_bytree: 0.7, n_jobs: 2}}
training: {folds: 3, early_stopping_rounds: 4, eval_metric: logloss}
evaluation: {thresholds: {auc_roc: 0.9}}
`

func parse(t testing.TB, text string) *trainconfig.Config {
	t.Helper()
	config, err := trainconfig.Parse("train.yaml", []byte(text))
	require.NoError(t, err)
	return config
}

func load(t testing.TB, config *trainconfig.Config, objects rowstest.Objects) *rows.Set {
	t.Helper()
	set, err := rows.Read(t.Context(), objects.Open, objects.List(), config.Data, config.Experiment.Seed)
	require.NoError(t, err)
	return set
}

func plan(config *trainconfig.Config) contract.Plan {
	return contract.Plan{Model: config.Experiment.Name, Run: "r1", Seed: config.Experiment.Seed, Hash: "plan-hash",
		Dataset: contract.Dataset{Commit: "c1"}, TrainerImage: "trainer@sha256:0"}
}

func trainer(t testing.TB, store Store) *Trainer {
	return &Trainer{Library: xgboosttest.Open(t), Store: store, CPUs: 2, Out: t.Output()}
}

func sum(values []float32) string {
	hash := sha256.New()
	for _, v := range values {
		hash.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// TestAdultAgreesWithPython trains as scripts/golden/adult_auc.py did, which
// shares no code with this package.
func TestAdultAgreesWithPython(t *testing.T) {
	var golden struct {
		XGBoost string `json:"xgboost"`
		Train   int    `json:"train_rows"`
		Test    int    `json:"test_rows"`
		Rounds  int    `json:"rounds"`
		Folds   []struct {
			Rows, Rounds int
			Best         float64
		} `json:"folds"`
		AUC         float64 `json:"test_auc"`
		LogLoss     float64 `json:"test_log_loss"`
		Predictions string  `json:"test_predictions_sha256"`
	}
	data, err := os.ReadFile("testdata/adult_auc.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &golden))

	config := parse(t, adultConfig)
	set := load(t, config, rowstest.Adult(t, "part-0.csv.gz", "part-1.csv.gz"))
	store := newMemory()
	require.NoError(t, trainer(t, store).Train(t.Context(), plan(config), config, set))

	var metrics Metrics
	require.NoError(t, json.Unmarshal(store.files[contract.FileMetrics], &metrics))
	require.Equal(t, golden.Train, metrics.Train)
	for i, fold := range metrics.Folds {
		require.Equal(t, golden.Folds[i].Rows, fold.Rows)
		require.InDelta(t, golden.Folds[i].Best, fold.Best, 0.003)
		require.InDelta(t, fold.Best, fold.AUC, 1e-4, "our area under the curve is XGBoost's")
	}
	require.InDelta(t, metrics.Folds[0].AUC, metrics.OutOfFold.AUC, 0.02)

	artifact, err := model.Unpack(store.files[contract.FileModel])
	require.NoError(t, err)
	m, err := encode(set, artifact.Schema, set.On(split.Test))
	require.NoError(t, err)
	require.Len(t, m.rows, golden.Test)
	out := make([]float32, len(m.rows))
	artifact.Trees.PredictBatch(m.values, out)
	scores := measure(m.label, out)
	require.InDelta(t, golden.AUC, scores.AUC, 0.003)
	require.InDelta(t, golden.LogLoss, scores.LogLoss, 0.003)
	t.Logf("test split: AUC %.9f, Python's %.9f; the same bits: %v", scores.AUC, golden.AUC, sum(out) == golden.Predictions)
}

func TestTheSamePlanGivesTheSameBytes(t *testing.T) {
	config := parse(t, quickConfig)
	set := load(t, config, rowstest.Adult(t, "holdout.csv.gz"))
	first, second := newMemory(), newMemory()
	require.NoError(t, trainer(t, first).Train(t.Context(), plan(config), config, set))
	require.NoError(t, trainer(t, second).Train(t.Context(), plan(config), config, set))
	require.Equal(t, first.files, second.files)

	for _, name := range []string{contract.FileModel, contract.FileMetrics, contract.FileFolds, contract.FileEnvironment} {
		require.Contains(t, first.files, name)
	}
	var metrics Metrics
	require.NoError(t, json.Unmarshal(first.files[contract.FileMetrics], &metrics))
	require.Equal(t, len(set.On(split.Validation)), metrics.Validation.Rows)
	require.Greater(t, metrics.Validation.AUC, 0.75)
	var environment Environment
	require.NoError(t, json.Unmarshal(first.files[contract.FileEnvironment], &environment))
	require.Equal(t, set.Hash, environment.DataHash)
	require.Equal(t, 2, environment.Threads)
	require.Equal(t, "0.7", environment.Params["colsample_bytree"])

	again := newMemory()
	other := plan(config)
	other.Seed = 8
	require.NoError(t, trainer(t, again).Train(t.Context(), other, config, set))
	require.NotEqual(t, first.files[contract.FileModel], again.files[contract.FileModel])
}

func TestADeviceThatIsNotThereIsTold(t *testing.T) {
	config := parse(t, strings.Replace(quickConfig, "n_jobs: 2", "n_jobs: 2, device: cuda", 1))
	set := load(t, config, rowstest.Adult(t, "holdout.csv.gz"))
	store := newMemory()
	trainer := trainer(t, store)
	if trainer.Library.CUDA() {
		t.Skip("this libxgboost is built with CUDA, and whether there is a GPU is not known")
	}
	var out bytes.Buffer
	trainer.Out = &out
	require.NoError(t, trainer.Train(t.Context(), plan(config), config, set))
	require.Contains(t, out.String(), "device cuda: libxgboost")
	var environment Environment
	require.NoError(t, json.Unmarshal(store.files[contract.FileEnvironment], &environment))
	require.Equal(t, "cpu", environment.Device)
	require.Equal(t, "cuda", environment.Params["device"])
}

func TestFoldsFileHasEveryTrainingRow(t *testing.T) {
	config := parse(t, quickConfig)
	set := load(t, config, rowstest.Adult(t, "holdout.csv.gz"))
	store := newMemory()
	require.NoError(t, trainer(t, store).Train(t.Context(), plan(config), config, set))
	file := store.files[contract.FileFolds]
	columns, err := parquet.Read(t.Context(), bytes.NewReader(file), int64(len(file)), parquet.Limits{MaxCells: 1e6, MaxBytes: 1e8})
	require.NoError(t, err)
	train := set.On(split.Train)
	require.Equal(t, len(train), columns[0].Len())
	for i, row := range train {
		require.Equal(t, set.ID[row], columns[0].Text[i])
		require.Equal(t, set.Label[row], columns[1].Float[i])
		require.Less(t, columns[2].Float[i], 3.0)
		require.Positive(t, columns[3].Float[i])
	}
}

// TestTheTableIsLetGo: however rows are parted, who lets go of the table early
// writes the same files.
func TestTheTableIsLetGo(t *testing.T) {
	for name, text := range partings() {
		config := parse(t, text)
		kept, let := newMemory(), newMemory()
		require.NoError(t, trainer(t, kept).Train(t.Context(), plan(config), config, load(t, config, sales(600))))
		set, last := load(t, config, sales(600)), trainer(t, let)
		last.Last = true
		require.NoError(t, last.Train(t.Context(), plan(config), config, set))
		require.Nil(t, set.Table)
		require.Equal(t, kept.files, let.files, name)
	}
}

// TestARetryResumes interrupts after every write in turn; the next attempt must
// end with the bytes of an undisturbed one.
func TestARetryResumes(t *testing.T) {
	config := parse(t, quickConfig)
	set := load(t, config, rowstest.Adult(t, "holdout.csv.gz"))
	whole := newMemory()
	require.NoError(t, trainer(t, whole).Train(t.Context(), plan(config), config, set))

	for cut := 1; cut <= len(whole.files); cut++ {
		store, err := cutAfter(t, cut, config, set)
		if cut < len(whole.files) {
			require.Error(t, err, "cut after write %d", cut)
			require.True(t, fault.KindOf(err).Retryable(), "%v", err)
		}
		kept := maps.Clone(store.files)

		retry := trainer(t, store)
		retry.CPUs = 1 // the retry runs on a smaller machine
		require.NoError(t, retry.Train(t.Context(), plan(config), config, set))
		require.Equal(t, whole.files, store.files, "cut after write %d", cut)
		for name, data := range kept {
			if strings.HasPrefix(name, "checkpoint/") {
				require.Equal(t, data, store.files[name], "a finished fold is not trained again")
			}
		}
	}
}

// cutAfter trains until so many writes are done: then the process is told to end,
// and what it writes yet, but for checkpoints, is lost.
func cutAfter(t *testing.T, cut int, config *trainconfig.Config, set *rows.Set) (*memory, error) {
	t.Helper()
	store := newMemory()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	writes := 0
	store.fail = func(name string) error {
		if writes++; writes == cut {
			cancel()
		}
		if writes > cut && !strings.HasPrefix(name, "checkpoint/") {
			return fault.New(fault.Unavailable, "write "+name, "the process is gone")
		}
		return nil
	}
	err := trainer(t, store).Train(ctx, plan(config), config, set)
	store.fail = nil
	return store, err
}

func TestThreadsAreThoseOfTheFirstAttempt(t *testing.T) {
	store := newMemory()
	mine := start{PlanHash: "p", Threads: 8, XGBoost: "3.2.0"}
	first, err := begin(t.Context(), store, mine)
	require.NoError(t, err)
	require.Equal(t, mine, first)
	second, err := begin(t.Context(), store, start{PlanHash: "p", Threads: 2, XGBoost: "3.2.0"})
	require.NoError(t, err)
	require.Equal(t, 8, second.Threads)
	for _, other := range []start{{PlanHash: "q", Threads: 2, XGBoost: "3.2.0"}, {PlanHash: "p", Threads: 2, XGBoost: "3.3.0"}} {
		got, err := begin(t.Context(), store, other)
		require.NoError(t, err)
		require.Equal(t, other, got)
	}
}

func TestDamagedCheckpointsAreTrainedAgain(t *testing.T) {
	s := start{PlanHash: "p", Threads: 1, XGBoost: "3.2.0"}
	store := newMemory()
	kept := &foldResult{Fold: 1, Rounds: 3, Best: 0.5, Scores: []float32{0.25, 0.75}, Trees: smallest(t)}
	require.NoError(t, keep(t.Context(), store, s, kept))
	got, err := resume(t.Context(), store, s, 1, 2, true)
	require.NoError(t, err)
	require.Equal(t, kept, got)

	good := store.files[checkpointFile(1)]
	for name, data := range map[string][]byte{
		"cut off":      good[:len(good)-9],
		"other plan":   bytes.Replace(good, []byte(`"p"`), []byte(`"q"`), 1),
		"other fold":   bytes.Replace(good, []byte(`"fold":1`), []byte(`"fold":2`), 1),
		"not base64":   bytes.Replace(good, []byte(`"scores":"`), []byte(`"scores":"!`), 1),
		"no trees":     bytes.Replace(good, []byte(`"trees"`), []byte(`"three"`), 1),
		"other trees":  bytes.Replace(good, []byte(`"trees":"`), []byte(`"trees":"AAAA`), 1),
		"fewer scores": bytes.Replace(good, []byte(`"scores":"`), []byte(`"scores":"AAAA`), 1),
	} {
		store.files[checkpointFile(1)] = data
		got, err := resume(t.Context(), store, s, 1, 2, true)
		require.NoError(t, err, name)
		require.Nil(t, got, name)
	}
}

func TestDone(t *testing.T) {
	store := newMemory()
	done, err := Done(t.Context(), store)
	require.NoError(t, err)
	require.False(t, done)
	store.files[contract.FileModel] = []byte("model")
	done, err = Done(t.Context(), store)
	require.NoError(t, err)
	require.True(t, done)
}

func TestTrainRefusesWrongData(t *testing.T) {
	many := "age,note,income\n"
	for i := range maxCategories + 1500 {
		many += "1,n" + strings.Repeat("x", i%40) + string(rune('a'+i%26)) + "-" + hex.EncodeToString([]byte{byte(i >> 8), byte(i)}) + "," + []string{"yes", "no"}[i%2] + "\n"
	}
	for name, c := range map[string]struct{ csv, features, want string }{
		"no such feature": {"age,income\n1,yes\n2,no\n", "[height]", `there is no column "height"`},
		"one class":       {"age,income\n1,yes\n2,yes\n", "[age]", "want rows of both classes"},
		"too few rows":    {"age,income\n1,yes\n2,no\n3,no\n4,no\n5,no\n6,yes\n7,no\n", "[age]", "want at least one for each of 3 folds"},
		"an identifier":   {many, "[note]", "want at most 10000"},
	} {
		t.Run(name, func(t *testing.T) {
			config := parse(t, strings.Replace(quickConfig, "[age, education_num, occupation, sex, hours_per_week]", c.features, 1))
			config.Data.Positive = "yes"
			config.Data.Split = trainconfig.Split{Train: 1}
			set := load(t, config, rowstest.Objects{"a.csv": []byte(c.csv)})
			err := trainer(t, newMemory()).Train(t.Context(), plan(config), config, set)
			require.ErrorContains(t, err, c.want)
			require.True(t, fault.Is(err, fault.Invalid))
		})
	}
}
