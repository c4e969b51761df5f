package xgboost

import (
	"fmt"
	"strconv"
	"strings"
	"unsafe"
)

// ImportanceTypes are the ways to say how important a feature is, by XGBoost's
// names: how many splits are on it (weight), their mean gain and cover, and the
// sums of these.
func ImportanceTypes() []string {
	return []string{"weight", "gain", "cover", "total_gain", "total_cover"}
}

// Importance scores the features that the model uses, by their position, as
// Python's Booster.get_score does.
func (b *Booster) Importance(kind string) (map[int]float64, error) {
	var names, shape, scores unsafe.Pointer
	var n, dims uint64
	err := b.library.call("score the features by "+kind, func() int32 {
		return b.library.boosterScore(b.handle, fmt.Sprintf(`{"importance_type": %q}`, kind), &n, &names, &dims, &shape, &scores)
	})
	if err != nil {
		return nil, err
	}
	out := make(map[int]float64, n)
	if n == 0 {
		return out, nil
	}
	if dims != 1 {
		return nil, fmt.Errorf("XGBoost: score the features by %s: scores of %d dimensions: want 1", kind, dims)
	}
	values := unsafe.Slice((*float32)(scores), n)
	for i, name := range unsafe.Slice((*unsafe.Pointer)(names), n) {
		text := goText(name) // "f12" where features have no names
		position, err := strconv.Atoi(strings.TrimPrefix(text, "f"))
		if err != nil {
			return nil, fmt.Errorf("XGBoost: score the features by %s: a feature is named %q: want f and its position", kind, text)
		}
		out[position] = float64(values[i])
	}
	return out, nil
}
