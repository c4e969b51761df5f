package model_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/model/modeltest"
)

func TestEncodeInstance(t *testing.T) {
	s := modeltest.Schema(t)
	nan := math.NaN()
	for _, c := range []struct {
		instance string
		want     [2]float64
		err      string
	}{
		{`{"age": 39, "sex": "Male", "other": 1}`, [2]float64{39, 1}, ""},
		{`{"age": "39.5", "sex": " Female "}`, [2]float64{39.5, 0}, ""},
		{`[1e3, "Male"]`, [2]float64{1000, 1}, ""},
		{`{"age": null, "sex": "Other"}`, [2]float64{nan, nan}, ""},
		{`["NA", ""]`, [2]float64{nan, nan}, ""},
		{`[1, true]`, [2]float64{1, nan}, ""},
		{`{"age": "abc", "sex": "Male"}`, [2]float64{}, `feature "age": "abc" is not a number`},
		{`{"age": true, "sex": "Male"}`, [2]float64{}, `feature "age": true is not a number`},
		{`{"age": 1e39, "sex": "Male"}`, [2]float64{}, `feature "age": 1e+39 is too large`},
		{`{"age": "0x10", "sex": "Male"}`, [2]float64{}, `"0x10" is not a number`},
		{`{"age": "inf", "sex": "Male"}`, [2]float64{}, `"inf" is not a number`},
		{`{"age": [1], "sex": "Male"}`, [2]float64{}, `feature "age": [1] is not a single value`},
		{`{"sex": "Male"}`, [2]float64{}, `feature "age" is absent: send null when it is missing`},
		{`[1]`, [2]float64{}, "1 values: want 2, in the features' order"},
		{`7`, [2]float64{}, "want an object or an array"},
		{`null`, [2]float64{}, "want an object or an array"},
		{`{`, [2]float64{}, "want an object or an array"},
		{`[1,`, [2]float64{}, "want an object or an array"},
	} {
		got := make([]float32, 2)
		err := s.EncodeInstance(got, json.RawMessage(c.instance))
		if c.err != "" {
			require.ErrorContains(t, err, c.err, c.instance)
			continue
		}
		require.NoError(t, err, c.instance)
		for i, want := range c.want {
			if math.IsNaN(want) {
				require.True(t, got[i] != got[i], c.instance)
			} else {
				require.Equal(t, float32(want), got[i], c.instance)
			}
		}
	}
}

func TestNumbersAsCategories(t *testing.T) {
	s := &model.Schema{Format: 1, Features: []model.Feature{{
		Name: "code", Kind: model.Categorical, Categories: model.CategoriesOf([]string{"7.0", "7", "10", "", "x", "NA"})}}}
	require.NoError(t, s.Prepare())
	require.Equal(t, []string{"10", "7", "x"}, s.Features[0].Categories)
	for _, same := range []string{"7", "7.00", "7e0"} {
		code, err := s.EncodeText(0, same)
		require.NoError(t, err)
		require.Equal(t, float32(1), code)
	}
	code, err := s.EncodeNumber(0, 7)
	require.NoError(t, err)
	require.Equal(t, float32(1), code)
	code, err = s.EncodeNumber(0, math.NaN())
	require.NoError(t, err)
	require.True(t, code != code)
}

func TestPackIsDeterministicAndComesBack(t *testing.T) {
	archive := modeltest.Stump(t)
	require.Equal(t, archive, modeltest.Stump(t))
	a, err := model.Unpack(archive)
	require.NoError(t, err)
	require.Equal(t, modeltest.Schema(t), a.Schema)

	folder := t.TempDir()
	require.NoError(t, model.Extract(archive, folder))
	opened, err := model.Open(folder)
	require.NoError(t, err)
	out := make([]float32, 1)
	opened.Trees.Predict([]float32{40, 1}, out)
	require.InDelta(t, 1/(1+math.Exp(-2)), out[0], 1e-6)
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	_, err := model.Open(t.TempDir())
	require.True(t, fault.Is(err, fault.NotFound))
	require.ErrorContains(t, err, "SM_MODEL_DIR")

	folder := t.TempDir()
	write := func(name string, data []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), data, 0o600))
	}
	schema, err := json.Marshal(modeltest.Schema(t))
	require.NoError(t, err)
	for _, c := range []struct {
		schema, trees []byte
		want          string
	}{
		{schema, nil, "neither model.ubj nor model.json"},
		{schema, []byte("{"), "read XGBoost model"},
		{schema, modeltest.Trees(3), "the trees take 3 features and the schema has 2"},
		{[]byte("{"), modeltest.Trees(2), "read schema.json"},
		{[]byte(`{"format":9}`), modeltest.Trees(2), "it is of format 9: want 1"},
		{[]byte(`{"format":1}`), modeltest.Trees(2), "it has no features"},
		{[]byte(`{"format":1,"features":[{"name":"a","kind":"odd"}]}`), nil, `feature "a" is of kind "odd"`},
		{[]byte(`{"format":1,"features":[{"kind":"numeric"}]}`), nil, "feature 0 has no name"},
		{[]byte(`{"format":1,"features":[{"name":"a","kind":"numeric"},{"name":"a","kind":"numeric"}]}`), nil, "twice"},
		{[]byte(`{"format":1,"features":[{"name":"a","kind":"numeric","std_dev":-1}]}`), nil, "standard deviation -1"},
		{[]byte(`{"format":1,"features":[{"name":"a","kind":"categorical","categories":["x","x"]}]}`), nil, "a category twice"},
	} {
		write(model.FileSchema, c.schema)
		if c.trees == nil && bytes.Equal(c.schema, schema) {
			_, err = model.Open(folder)
		} else {
			write(model.FileJSON, c.trees)
			_, err = model.Open(folder)
		}
		require.ErrorContains(t, err, c.want)
		require.NotEqual(t, fault.Internal, fault.KindOf(err))
	}
}

func TestUnpackRefuses(t *testing.T) {
	pack := func(name string) []byte {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		w := tar.NewWriter(z)
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Size: 2, Mode: 0o644}))
		_, err := w.Write([]byte("{}"))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		require.NoError(t, z.Close())
		return out.Bytes()
	}
	whole := modeltest.Stump(t)
	for name, c := range map[string]struct {
		archive []byte
		want    string
	}{
		"not gzip":   {[]byte("model"), "read model.tar.gz"},
		"cut off":    {whole[:len(whole)/2], "read model.tar.gz"},
		"no schema":  {pack("model.ubj"), "it has no schema.json"},
		"other file": {pack("../../etc/passwd"), "it has no schema.json"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := model.Unpack(c.archive)
			require.ErrorContains(t, err, c.want)
			require.Error(t, model.Extract(c.archive, t.TempDir()))
		})
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(modeltest.Stump(f))
	f.Fuzz(func(t *testing.T, archive []byte) {
		if a, err := model.Unpack(archive); err == nil {
			require.Equal(t, a.Trees.Features(), len(a.Schema.Features))
		}
	})
}

func FuzzEncodeInstance(f *testing.F) {
	s := modeltest.Schema(f)
	f.Add([]byte(`{"age": 1, "sex": "Male"}`))
	f.Add([]byte(`[1, null]`))
	f.Fuzz(func(t *testing.T, instance []byte) {
		dst := make([]float32, 2)
		if s.EncodeInstance(dst, instance) == nil {
			require.False(t, math.IsInf(float64(dst[0]), 0))
		}
	})
}
