package training

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/xgboost"
)

// Importance says how much the model leans on a feature, in each of XGBoost's
// ways. Features that no split is on are left out.
type Importance struct {
	Feature    string  `json:"feature"`
	Weight     float64 `json:"weight"`      // splits on it
	Gain       float64 `json:"gain"`        // mean gain of a split on it
	Cover      float64 `json:"cover"`       // mean cover of a split on it: the sum of its rows' second derivatives
	TotalGain  float64 `json:"total_gain"`  // of all splits on it
	TotalCover float64 `json:"total_cover"` // of all splits on it
}

// mostShown bounds the features in the progress.
const mostShown = 10

// importance scores the final model's features.
func (r *run) importance(saved []byte) ([]Importance, error) {
	booster, err := r.library.LoadBooster(saved)
	if err != nil {
		return nil, fault.New(fault.Internal, "score the features", "%w", err)
	}
	defer booster.Close()
	list, err := importanceOf(booster, r.schema.Names())
	if err != nil {
		return nil, fault.New(fault.Internal, "score the features", "%w", err)
	}
	for i, f := range list[:min(mostShown, len(list))] {
		fmt.Fprintf(r.out, "importance %d: %s, total_gain %.6g, gain %.6g, weight %.6g\n", i+1, f.Feature, f.TotalGain, f.Gain, f.Weight)
	}
	return list, nil
}

func importanceOf(booster *xgboost.Booster, names []string) ([]Importance, error) {
	all := make([]Importance, len(names))
	for i, name := range names {
		all[i].Feature = name
	}
	for _, kind := range xgboost.ImportanceTypes() {
		scores, err := booster.Importance(kind)
		if err != nil {
			return nil, err
		}
		for position, score := range scores {
			if position >= len(all) {
				return nil, fmt.Errorf("a score of feature %d, and there are %d", position, len(all))
			}
			*all[position].of(kind) = score
		}
	}
	all = slices.DeleteFunc(all, func(f Importance) bool { return f.Weight == 0 })
	slices.SortStableFunc(all, func(a, b Importance) int {
		return cmp.Or(cmp.Compare(b.TotalGain, a.TotalGain), cmp.Compare(b.Weight, a.Weight))
	})
	return all, nil
}

// of is the field of one of XGBoost's importance types.
func (f *Importance) of(kind string) *float64 {
	return map[string]*float64{"weight": &f.Weight, "gain": &f.Gain, "cover": &f.Cover,
		"total_gain": &f.TotalGain, "total_cover": &f.TotalCover}[kind]
}
