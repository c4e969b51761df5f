package training

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/gbdt"
)

// Store keeps the files of one run, by their names under the run's prefix.
// Errors are faults.
type Store interface {
	// Get reads a file; NotFound when there is none.
	Get(ctx context.Context, name string) ([]byte, error)
	// Put writes a file, whether or not there is one.
	Put(ctx context.Context, name string, data []byte) error
	// Create writes a file that is not there yet, or is with the same bytes;
	// Conflict when its bytes differ.
	Create(ctx context.Context, name string, data []byte) error
	// Has says whether there is a file.
	Has(ctx context.Context, name string) (bool, error)
}

// start is checkpoint/start.json: what the first attempt settled, so that a
// later one on another machine gives the same bytes.
type start struct {
	PlanHash string `json:"plan_hash"`
	Threads  int    `json:"threads"`
	XGBoost  string `json:"xgboost"`
	OnDisk   bool   `json:"on_disk,omitempty"` // it learns from disk, whatever memory a later attempt has
}

const startFile = "checkpoint/start.json"

// OnDisk says whether an earlier attempt at the plan learnt from disk; then this
// one must, to give the same bytes.
func OnDisk(ctx context.Context, store Store, planHash string) (bool, error) {
	data, err := store.Get(ctx, startFile)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	var before start
	if err != nil || json.Unmarshal(data, &before) != nil {
		return false, err
	}
	return before.PlanHash == planHash && before.OnDisk, nil
}

// begin gives what the first attempt at this plan settled; this one does if it
// is the first, or if the library is another one now.
func begin(ctx context.Context, store Store, mine start) (start, error) {
	var before start
	data, err := store.Get(ctx, startFile)
	switch {
	case err == nil:
		if json.Unmarshal(data, &before) == nil && before.PlanHash == mine.PlanHash &&
			before.XGBoost == mine.XGBoost && before.OnDisk == mine.OnDisk && before.Threads > 0 {
			return before, nil
		}
	case !fault.Is(err, fault.NotFound):
		return start{}, err
	}
	data, err = json.Marshal(mine)
	if err != nil {
		return start{}, fault.New(fault.Internal, "write the checkpoint", "%w", err)
	}
	return mine, store.Put(ctx, startFile, data)
}

// checkpoint is checkpoint/fold-<n>.json: one finished fold.
type checkpoint struct {
	start
	Fold   int     `json:"fold"`
	Rounds int     `json:"rounds"`
	Best   float64 `json:"best"`
	Scores string  `json:"scores"`          // base64 of float32, little end first
	Trees  []byte  `json:"trees,omitempty"` // the final model's, where the only fold learnt from all that it learns from
}

func checkpointFile(fold int) string { return fmt.Sprintf("checkpoint/fold-%d.json", fold) }

// resume gives a fold that an earlier attempt finished, with so many scores and,
// where they are wanted, its trees; nil when there is none that fits.
func resume(ctx context.Context, store Store, s start, fold, scores int, trees bool) (*foldResult, error) {
	data, err := store.Get(ctx, checkpointFile(fold))
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var c checkpoint
	if json.Unmarshal(data, &c) != nil || c.start != s || c.Fold != fold || c.Rounds < 1 {
		return nil, nil
	}
	if _, err := gbdt.Load(c.Trees); trees && err != nil {
		return nil, nil
	}
	raw, err := base64.StdEncoding.DecodeString(c.Scores)
	if err != nil || len(raw) != 4*scores {
		return nil, nil
	}
	result := &foldResult{Fold: fold, Rounds: c.Rounds, Best: c.Best, Scores: make([]float32, scores), Trees: c.Trees}
	for i := range result.Scores {
		result.Scores[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return result, nil
}

// keep writes a finished fold. It does so even when ctx is done: that is when
// it is worth most.
func keep(ctx context.Context, store Store, s start, r *foldResult) error {
	raw := make([]byte, 0, 4*len(r.Scores))
	for _, score := range r.Scores {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(score))
	}
	data, err := json.Marshal(checkpoint{start: s, Fold: r.Fold, Rounds: r.Rounds, Best: r.Best,
		Scores: base64.StdEncoding.EncodeToString(raw), Trees: r.Trees})
	if err != nil {
		return fault.New(fault.Internal, "write the checkpoint", "%w", err)
	}
	return store.Put(context.WithoutCancel(ctx), checkpointFile(r.Fold), data)
}
