package modeltest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/model"
)

// Regression packs Stump's tree as a regression: its scores are the margins, -1,
// 1 and 2, and a base of 40.
func Regression(t testing.TB) []byte {
	t.Helper()
	return goal(t, "reg:squarederror", nil, strings.NewReplacer("binary:logistic", "reg:squarederror", "[5E-1]", "[4E1]").Replace(string(Trees(2))))
}

// Classes packs a model of the classes low, "mid, dle" and high over the same
// features: Stump's tree for the last, and none for the others.
func Classes(t testing.TB) []byte {
	t.Helper()
	trees := strings.NewReplacer("binary:logistic", "multi:softprob", `"num_class":"0"`, `"num_class":"3"`, `"tree_info":[0]`, `"tree_info":[2]`).Replace(string(Trees(2)))
	return goal(t, "multi:softprob", []string{"low", "mid, dle", "high"}, trees)
}

func goal(t testing.TB, objective string, classes []string, trees string) []byte {
	t.Helper()
	schema := Schema(t)
	schema.Objective, schema.Classes, schema.Positive = objective, classes, ""
	archive, err := model.Pack(schema, []byte(trees))
	require.NoError(t, err, fmt.Sprintf("%.200s", trees))
	return archive
}
