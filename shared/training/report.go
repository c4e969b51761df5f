package training

import (
	"fmt"
	"math"
	"runtime"
	"slices"

	"github.com/sluice-ml/sluice/shared/rows"
)

// Metrics is metrics.json: what the trainer measured. Gates do not read it;
// they measure for themselves.
type Metrics struct {
	EvalMetric string        `json:"eval_metric"` // what stopped the folds
	Rounds     int           `json:"rounds"`      // of the final model: the folds' mean, rounded
	Folds      []FoldMetrics `json:"folds"`
	OutOfFold  Scores        `json:"out_of_fold"` // all training rows together
	Train      int           `json:"train_rows"`
	Validation *Scores       `json:"validation,omitempty"` // the final model's, when there are such rows

	Split       rows.Parting       `json:"split"`
	ClassWeight map[string]float64 `json:"class_weight,omitempty"` // by the target's value, where classes have weights
	Importance  []Importance       `json:"importance,omitempty"`   // of the final model's features, the greatest total gain first
}

// FoldMetrics is one fold's.
type FoldMetrics struct {
	Fold   int     `json:"fold"` // from 0
	Rounds int     `json:"rounds"`
	Best   float64 `json:"best"` // EvalMetric after Rounds
	Learnt int     `json:"learnt_rows"`
	From   string  `json:"held_from,omitempty"` // by time: the first row that it holds out
	To     string  `json:"held_to,omitempty"`   // and the last
	Scores
}

// Scores measure predictions of rows with labels.
type Scores struct {
	Rows    int     `json:"rows"`
	AUC     float64 `json:"auc_roc,omitzero"`  // binary
	LogLoss float64 `json:"log_loss,omitzero"` // binary
	// Metrics are the goal's by name, where it is not binary; those that the rows
	// do not define are left out.
	Metrics map[string]float64 `json:"metrics,omitempty"`
}

// Environment is environment.json: everything that could change the bits.
type Environment struct {
	PlanHash   string            `json:"plan_hash"`
	Commit     string            `json:"commit"`
	DataHash   string            `json:"data_hash"` // of all rows, in order
	ConfigHash string            `json:"config_hash"`
	Seed       int64             `json:"seed"`
	Go         string            `json:"go"`
	XGBoost    string            `json:"xgboost"`
	Threads    int               `json:"threads"`
	Device     string            `json:"device"` // what trained, whatever was asked for
	OS         string            `json:"os"`
	Arch       string            `json:"arch"`
	Image      string            `json:"image"`
	Params     map[string]string `json:"params"`            // as XGBoost got them
	OnDisk     *OnDiskRows       `json:"on_disk,omitempty"` // where memory did not hold the rows
}

func (t *run) environment() Environment {
	e := Environment{
		PlanHash: t.plan.Hash, Commit: t.plan.Dataset.Commit, DataHash: t.set.Hash, ConfigHash: t.plan.ConfigHash,
		Seed: t.plan.Seed, Go: runtime.Version(), XGBoost: t.library.Version(), Threads: t.params.threads,
		Device: "cpu", OS: runtime.GOOS, Arch: runtime.GOARCH, Image: t.plan.TrainerImage, Params: map[string]string{},
	}
	if t.disk != nil {
		e.OnDisk = &OnDiskRows{Rows: t.disk.count(), Bytes: t.disk.bytes(), BatchRows: t.disk.batchRows()}
	}
	for _, p := range t.params.native {
		e.Params[p.Name] = p.Value
	}
	if asked, ok := e.Params["device"]; ok && t.library.CUDA() {
		e.Device = asked
	}
	return e
}

// tellDevice says so where a GPU is asked for and the library has no use for
// one: XGBoost then trains on the CPU.
func (t *run) tellDevice() {
	for _, p := range t.params.native {
		if p.Name == "device" && p.Value != "cpu" && !t.library.CUDA() {
			fmt.Fprintf(t.out, "device %s: libxgboost %s is built without CUDA, so training runs on the CPU\n", p.Value, t.library.Path())
		}
	}
}

// measure gives the area under the ROC curve (ties count half, after Mann and
// Whitney) and the mean logarithmic loss (probabilities are kept 1e-15 away
// from 0 and 1).
func measure(label, score []float32) Scores {
	order := make([]int, len(score))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case score[a] < score[b]:
			return -1
		case score[a] > score[b]:
			return 1
		}
		return a - b
	})
	var positives, rankSum, loss float64
	for begin := 0; begin < len(order); {
		end := begin
		for end < len(order) && score[order[end]] == score[order[begin]] {
			end++
		}
		rank := float64(begin+end+1) / 2 // mean rank of the tied ones, from 1
		for _, i := range order[begin:end] {
			p := min(max(float64(score[i]), 1e-15), 1-1e-15)
			if label[i] == 1 {
				positives++
				rankSum += rank
				loss -= math.Log(p)
			} else {
				loss -= math.Log1p(-p)
			}
		}
		begin = end
	}
	n := float64(len(order))
	s := Scores{Rows: len(order), LogLoss: loss / n}
	if negatives := n - positives; positives > 0 && negatives > 0 {
		s.AUC = (rankSum - positives*(positives+1)/2) / (positives * negatives)
	}
	return s
}
