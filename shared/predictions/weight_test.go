package predictions

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestWeightsAreKeptAndChecked(t *testing.T) {
	s := sample()
	s.Weight = []float64{1, 0, 2.5}
	data := written(t, s)
	back, err := Read(bytes.NewReader(data), int64(len(data)))
	if err != nil || !reflect.DeepEqual(back, s) {
		t.Errorf("%+v, %v", back, err)
	}
	for want, weight := range map[string][]float64{
		"2 weights for 3 rows are not aligned":   {1, 2},
		"row 2 (raw/m/a.csv#1): the weight -1":   {1, -1, 2},
		"row 1 (raw/m/a.csv#0): the weight NaN":  {math.NaN(), 1, 1},
		"row 3 (raw/m/b.csv#0): the weight +Inf": {1, 1, math.Inf(1)},
		"every row has the weight 0":             {0, 0, 0},
	} {
		s.Weight = weight
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
