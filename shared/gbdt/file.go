package gbdt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// file is what an XGBoost model file says, as far as prediction needs it. JSON
// and UBJSON files have the same members and are decoded into the same value.
// https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html
type file struct {
	Learner learner `json:"learner"`
	Version []int   `json:"version"`
}

type learner struct {
	Booster      booster        `json:"gradient_booster"`
	Param        learnerParam   `json:"learner_model_param"`
	Objective    objectiveFile  `json:"objective"`
	Attributes   attributesFile `json:"attributes"`
	FeatureNames []string       `json:"feature_names"`
	FeatureTypes []string       `json:"feature_types"`
}

type learnerParam struct {
	BaseScore  string `json:"base_score"` // "5E-1", or since 3.1 "[5E-1]" with one score per target
	NumClass   string `json:"num_class"`
	NumFeature string `json:"num_feature"`
	NumTarget  string `json:"num_target"`
}

type objectiveFile struct {
	Name string `json:"name"`
}

// booster is one of gbtree (Model has trees), dart (GBTree and WeightDrop) and
// gblinear (Model has weights).
type booster struct {
	Name       string       `json:"name"`
	Model      boosterModel `json:"model"`
	GBTree     *booster     `json:"gbtree"`
	WeightDrop []float32    `json:"weight_drop"`
}

type boosterModel struct {
	Trees    []treeFile `json:"trees"`
	TreeInfo []int32    `json:"tree_info"`
	Rounds   []int32    `json:"iteration_indptr"` // each round's first tree, then how many there are
	Param    treesParam `json:"gbtree_model_param"`
	Weights  []float32  `json:"weights"`
}

type treesParam struct {
	Parallel string `json:"num_parallel_tree"`
}

// attributesFile is what training kept beside the model.
type attributesFile struct {
	BestIteration string `json:"best_iteration"`
}

// treeFile is one tree as parallel arrays, one entry per node.
type treeFile struct {
	LeftChildren    []int32 `json:"left_children"`
	RightChildren   []int32 `json:"right_children"`
	SplitIndices    []int32 `json:"split_indices"`
	SplitConditions floats  `json:"split_conditions"` // a leaf's value at a leaf
	DefaultLeft     flags   `json:"default_left"`
	SplitType       []int32 `json:"split_type"` // 1 is categorical

	// With size_leaf_vector above 1: see checkVectors.
	LeafWeights floats `json:"leaf_weights"`
	BaseWeights floats `json:"base_weights"`

	// Node CategoriesNodes[i] sends right the categories at
	// Categories[CategoriesSegments[i]:][:CategoriesSizes[i]].
	Categories         []int32 `json:"categories"`
	CategoriesNodes    []int32 `json:"categories_nodes"`
	CategoriesSegments []int64 `json:"categories_segments"`
	CategoriesSizes    []int64 `json:"categories_sizes"`

	Param treeParam `json:"tree_param"`
}

type treeParam struct {
	SizeLeafVector string `json:"size_leaf_vector"`
}

// flags are booleans, which XGBoost has written as true and as 1.
type flags []uint8

// UnmarshalJSON takes an array of 0, 1, true and false.
func (f *flags) UnmarshalJSON(data []byte) error {
	var values []json.RawMessage
	if err := json.Unmarshal(data, &values); err != nil {
		return err
	}
	*f = make(flags, len(values))
	for i, value := range values {
		switch string(value) {
		case "1", "true":
			(*f)[i] = 1
		case "0", "false":
		default:
			return fmt.Errorf("flag %d is %.20s: want 0, 1, true or false", i, value)
		}
	}
	return nil
}

// floats are numbers. XGBoost's JSON has NaN and Infinity bare, which JSON does
// not know; quoteSpecials makes texts of them.
type floats []float32

// UnmarshalJSON takes an array of numbers and of the texts NaN, Infinity and
// -Infinity.
func (f *floats) UnmarshalJSON(data []byte) error {
	inner := bytes.Trim(data, "[] \t\r\n")
	if data[0] != '[' {
		return fmt.Errorf("%.20s where a list of numbers should be", data)
	}
	*f = make(floats, 0, bytes.Count(inner, []byte(","))+1)
	if len(inner) == 0 {
		return nil
	}
	for part := range bytes.SplitSeq(inner, []byte(",")) {
		text := string(bytes.TrimSpace(part))
		switch text {
		case `"NaN"`, `"Infinity"`, `"-Infinity"`:
			text = strings.Trim(text, `"`)
		}
		value, err := strconv.ParseFloat(text, 32)
		if err != nil {
			return fmt.Errorf("%.20s where a number should be", text)
		}
		*f = append(*f, float32(value))
	}
	return nil
}

// quoteSpecials puts quotes around NaN, Infinity and -Infinity outside of texts.
func quoteSpecials(data []byte) []byte {
	if !bytes.Contains(data, []byte("NaN")) && !bytes.Contains(data, []byte("Infinity")) {
		return data
	}
	result := make([]byte, 0, len(data)+len(data)/8)
	text := false
	for i := 0; i < len(data); {
		special := ""
		switch {
		case text && data[i] == '\\' && i+1 < len(data):
			result = append(result, data[i])
			i++
		case data[i] == '"':
			text = !text
		case !text:
			special = specialAt(data[i:])
		}
		if special != "" {
			result = append(append(append(result, '"'), special...), '"')
			i += len(special)
			continue
		}
		result = append(result, data[i])
		i++
	}
	return result
}

func specialAt(data []byte) string {
	for _, special := range []string{"NaN", "Infinity", "-Infinity"} {
		if bytes.HasPrefix(data, []byte(special)) {
			return special
		}
	}
	return ""
}

// decode reads either format; they are told apart by the byte after the first
// brace, which in JSON is white space, a quote or a brace.
func decode(data []byte) (*file, error) {
	trimmed := bytes.TrimLeft(data, " \t\r\n")
	if len(trimmed) == 0 {
		return nil, fmt.Errorf("the file is empty")
	}
	if trimmed[0] != '{' {
		return nil, fmt.Errorf("the file begins with byte %#02x: want '{' as in XGBoost's JSON and UBJSON (the old binary format is not supported; save again with XGBoost 1.7 or later as .ubj)", trimmed[0])
	}
	result := new(file)
	if len(trimmed) > 1 && !bytes.ContainsRune([]byte(" \t\r\n\"}"), rune(trimmed[1])) {
		return result, decodeUBJSON(trimmed, result)
	}
	if err := json.Unmarshal(quoteSpecials(trimmed), result); err != nil {
		return nil, fmt.Errorf("JSON: %w", err)
	}
	return result, nil
}

// integer reads one of the file's numbers that are written as text; an absent
// one is 0.
func integer(name, text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s is %q: want a whole number, 0 or more", name, clip(text))
	}
	return n, nil
}

// baseScores reads "5E-1", "[5E-1]" and "[1E0,2E0]".
func baseScores(text string) ([]float32, error) {
	inner := strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	var scores []float32
	for part := range strings.SplitSeq(inner, ",") {
		score, err := strconv.ParseFloat(strings.TrimSpace(part), 32)
		if err != nil {
			return nil, fmt.Errorf("base_score is %q: want a number or a list of them", clip(text))
		}
		scores = append(scores, float32(score))
	}
	return scores, nil
}

func clip(text string) string {
	if len(text) > 40 {
		return text[:40] + "…"
	}
	return text
}
