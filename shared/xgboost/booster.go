package xgboost

import (
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"
	"unsafe"
)

// Booster is a model that is being trained. Close it.
type Booster struct {
	library *Library
	handle  uintptr
}

// Param is one of XGBoost's parameters, by its native name.
type Param struct{ Name, Value string }

// NewBooster makes an empty booster that will see these matrices.
func (l *Library) NewBooster(params []Param, matrices ...*Matrix) (*Booster, error) {
	b := &Booster{library: l}
	handles := handlesOf(matrices)
	err := l.call("make a booster", func() int32 {
		return l.boosterNew(first(handles), uint64(len(handles)), &b.handle)
	})
	runtime.KeepAlive(handles)
	if err != nil {
		return nil, err
	}
	for _, p := range params {
		if err := b.Set(p); err != nil {
			b.Close()
			return nil, err
		}
	}
	return b, nil
}

// LoadBooster makes a booster from a model that Save wrote.
func (l *Library) LoadBooster(model []byte) (*Booster, error) {
	if len(model) == 0 {
		return nil, fmt.Errorf("XGBoost: load a model: it is empty")
	}
	b, err := l.NewBooster(nil)
	if err != nil {
		return nil, err
	}
	err = l.call("load a model", func() int32 {
		return l.boosterLoad(b.handle, unsafe.Pointer(&model[0]), uint64(len(model)))
	})
	runtime.KeepAlive(model)
	if err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// Set sets a parameter. XGBoost checks most values only when it first trains.
func (b *Booster) Set(p Param) error {
	return b.library.call("set "+p.Name+" to "+p.Value, func() int32 {
		return b.library.boosterParam(b.handle, p.Name, p.Value)
	})
}

// Update trains one more round, which is numbered from 0.
func (b *Booster) Update(round int, train *Matrix) error {
	return b.library.call(fmt.Sprintf("train round %d", round), func() int32 {
		return b.library.boosterUpdate(b.handle, int32(round), train.handle)
	})
}

// Eval is the value of the last evaluation metric that is set, on a matrix,
// after a round.
func (b *Booster) Eval(round int, matrix *Matrix) (float64, error) {
	handles := handlesOf([]*Matrix{matrix})
	var text string
	err := withTexts([]string{"eval"}, func(names unsafe.Pointer) error {
		var out unsafe.Pointer
		err := b.library.call(fmt.Sprintf("evaluate round %d", round), func() int32 {
			return b.library.boosterEval(b.handle, int32(round), first(handles), names, 1, &out)
		})
		if err == nil {
			text = goText(out)
		}
		return err
	})
	runtime.KeepAlive(handles)
	if err != nil {
		return 0, err
	}
	return parseEval(text)
}

// parseEval reads "[3]\teval-logloss:0.5\teval-auc:0.81…".
func parseEval(text string) (float64, error) {
	at := strings.LastIndexByte(text, ':')
	value, err := strconv.ParseFloat(strings.TrimSpace(text[at+1:]), 64)
	if at < 0 || err != nil {
		return 0, fmt.Errorf("XGBoost: evaluate: %q has no value after its last colon", text)
	}
	return value, nil
}

// Rounds is how many rounds have been trained.
func (b *Booster) Rounds() (int, error) {
	var rounds int32
	err := b.library.call("count the rounds", func() int32 { return b.library.boosterRounds(b.handle, &rounds) })
	return int(rounds), err
}

// Head is a copy with the first rounds only.
func (b *Booster) Head(rounds int) (*Booster, error) {
	if rounds < 1 {
		return nil, fmt.Errorf("XGBoost: keep %d rounds: want at least 1", rounds)
	}
	head := &Booster{library: b.library}
	err := b.library.call(fmt.Sprintf("keep %d rounds", rounds), func() int32 {
		return b.library.boosterSlice(b.handle, 0, int32(rounds), 1, &head.handle)
	})
	if err != nil {
		return nil, err
	}
	return head, nil
}

// Save writes the model as "ubj" or "json".
func (b *Booster) Save(format string) ([]byte, error) {
	var n uint64
	var out unsafe.Pointer
	err := b.library.call("save the model as "+format, func() int32 {
		return b.library.boosterSave(b.handle, fmt.Sprintf(`{"format": %q}`, format), &n, &out)
	})
	if err != nil {
		return nil, err
	}
	return append([]byte(nil), unsafe.Slice((*byte)(out), n)...), nil
}

// Predict gives the predictions of all rows, row by row; margins, the sums
// before the objective's transform, if margin is set.
func (b *Booster) Predict(matrix *Matrix, margin bool) ([]float32, error) {
	kind := 0
	if margin {
		kind = 1
	}
	config := fmt.Sprintf(`{"type": %d, "training": false, "iteration_begin": 0, "iteration_end": 0, "strict_shape": true}`, kind)
	var shape, out unsafe.Pointer
	var dims uint64
	err := b.library.call("predict", func() int32 {
		return b.library.boosterPred(b.handle, matrix.handle, config, &shape, &dims, &out)
	})
	if err != nil {
		return nil, err
	}
	n := uint64(1)
	for _, size := range unsafe.Slice((*uint64)(shape), dims) {
		n *= size
	}
	if n > math.MaxInt32 {
		return nil, fmt.Errorf("XGBoost: predict: %d predictions at once: want at most %d", n, math.MaxInt32)
	}
	return append([]float32(nil), unsafe.Slice((*float32)(out), n)...), nil
}

// Close frees the booster; a second call does nothing.
func (b *Booster) Close() {
	if b.handle != 0 {
		b.library.boosterFree(b.handle)
		b.handle = 0
	}
}

func handlesOf(matrices []*Matrix) []uintptr {
	handles := make([]uintptr, len(matrices))
	for i, m := range matrices {
		handles[i] = m.handle
	}
	return handles
}

func first(handles []uintptr) unsafe.Pointer {
	if len(handles) == 0 {
		return nil
	}
	return unsafe.Pointer(&handles[0])
}

// goText copies a C string.
func goText(text unsafe.Pointer) string {
	n := 0
	for *(*byte)(unsafe.Add(text, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(text), n))
}
