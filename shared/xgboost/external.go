package xgboost

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// Batches gives the rows of a matrix part by part, over and over: XGBoost reads
// them several times while it makes the matrix.
type Batches interface {
	// Reset goes back to the first part.
	Reset() error
	// Next gives the next part; false is the end. Values, Label and Weight may be
	// used again by the next call.
	Next() (Data, bool, error)
}

// External says how a matrix in external memory is kept.
type External struct {
	Cache   string  // path and beginning of the names of its files; they go when it is closed
	MaxBin  int     // bins of a feature, as the booster's max_bin; 0 is 256
	Threads int     // 0 is all
	Ref     *Matrix // whose bins to use: of the matrix that is trained on; nil makes new ones
}

// CanExternal says whether the library keeps matrices in external memory:
// version 3.0 or later.
func (l *Library) CanExternal() bool { return l.externalNew != nil }

// NewExternalMatrix reads rows part by part into a matrix of binned features
// (XGBoost's ExtMemQuantileDMatrix) that lies on disk and is paged in while
// training. Only tree_method hist trains on it. The error is that of batches
// where it failed.
func (l *Library) NewExternalMatrix(batches Batches, how External) (*Matrix, error) {
	const op = "make a matrix in external memory"
	if !l.CanExternal() {
		return nil, fmt.Errorf("XGBoost: %s: version %s cannot: want 3.0 or later", op, l.Version())
	}
	config := fmt.Sprintf(`{"missing": NaN, "cache_prefix": %q, "nthread": %d, "max_bin": %d, "on_host": false}`,
		how.Cache, how.Threads, cmp.Or(how.MaxBin, 256))
	return l.fromBatches(op, batches, how.Ref, config, l.externalNew)
}

// NewPagedMatrix reads rows part by part into a matrix of their values, which lie
// on disk in files whose names begin with cache and are read each time it is
// predicted or evaluated; memory holds a few parts at a time. Unlike bins, values
// keep a category that the rows of another matrix lack. threads of 0 is all. The
// error is that of batches where it failed.
func (l *Library) NewPagedMatrix(batches Batches, cache string, threads int) (*Matrix, error) {
	config := fmt.Sprintf(`{"missing": NaN, "cache_prefix": %q, "nthread": %d}`, cache, threads)
	return l.fromBatches("make a matrix of values on disk", batches, nil, config,
		func(iterator, proxy, _, reset, next uintptr, config string, out *uintptr) int32 {
			return l.pagedNew(iterator, proxy, reset, next, config, out)
		})
}

// Quantile says how a matrix of binned features is made.
type Quantile struct {
	MaxBin  int     // bins of a feature, as the booster's max_bin; 0 is 256
	Threads int     // 0 is all
	Ref     *Matrix // whose bins to use: of the matrix that is trained on; nil makes new ones
}

// NewQuantileMatrix reads rows part by part into a matrix that keeps nothing but
// the bins of their features (XGBoost's QuantileDMatrix): a byte or two for each
// value, where NewMatrix takes eight and as much again once it is trained on.
// Only tree_method hist trains on it. The error is that of batches where it
// failed.
func (l *Library) NewQuantileMatrix(batches Batches, how Quantile) (*Matrix, error) {
	config := fmt.Sprintf(`{"missing": NaN, "nthread": %d, "max_bin": %d}`, how.Threads, cmp.Or(how.MaxBin, 256))
	m, err := l.fromBatches("make a matrix of bins", batches, how.Ref, config, l.quantileNew)
	if err == nil {
		m.drop() // it has read all it needs
	}
	return m, err
}

// fromBatches makes a matrix from batches, by one of the library's functions.
func (l *Library) fromBatches(op string, batches Batches, like *Matrix, config string,
	make func(iterator, proxy, ref, reset, next uintptr, config string, out *uintptr) int32) (*Matrix, error) {
	iterator := &iterator{library: l, batches: batches}
	if err := l.call(op, func() int32 { return l.proxyNew(&iterator.proxy) }); err != nil {
		return nil, err
	}
	key := l.iterators.add(iterator)
	m := &Matrix{library: l, release: func() {
		l.iterators.remove(key)
		iterator.pin.Unpin()
		l.matrixFree(iterator.proxy)
	}}
	var ref uintptr
	if like != nil {
		ref = like.handle
	}
	reset, next := l.iterators.callbacks()
	err := l.call(op, func() int32 { return make(key, iterator.proxy, ref, reset, next, config, &m.handle) })
	m.rows = iterator.rows
	if err = errors.Join(iterator.err, err); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// iterator hands batches to XGBoost.
type iterator struct {
	library *Library
	batches Batches
	proxy   uintptr
	pin     runtime.Pinner // of the batch that XGBoost has
	pass    int            // rows since Reset
	rows    int            // of a whole pass
	err     error          // the first; XGBoost is then told that there is no more
}

func (it *iterator) reset() {
	it.pass = 0
	if it.err == nil {
		it.err = it.batches.Reset()
	}
}

// next is 1 where the proxy holds another batch, 0 at the end.
func (it *iterator) next() uintptr {
	it.pin.Unpin()
	if it.err != nil {
		return 0
	}
	data, more, err := it.batches.Next()
	if err == nil && more {
		err = it.show(&data)
	}
	if err != nil || !more {
		it.err = err
		it.rows = max(it.rows, it.pass)
		return 0
	}
	it.pass += data.Rows
	return 1
}

// show points the proxy at a batch, which stays where it is until next.
func (it *iterator) show(data *Data) error {
	if err := data.check(); err != nil {
		return fmt.Errorf("XGBoost: read a batch: %w", err)
	}
	it.pin.Pin(&data.Values[0])
	array := fmt.Sprintf(`{"data":[%d,true],"shape":[%d,%d],"typestr":"<f4","version":3}`,
		uintptr(unsafe.Pointer(&data.Values[0])), data.Rows, data.Columns)
	if err := it.library.call("read a batch", func() int32 { return it.library.proxyDense(it.proxy, array) }); err != nil {
		return err
	}
	proxy := &Matrix{library: it.library, handle: it.proxy}
	return proxy.describe(data)
}

// iterators are those that XGBoost may call back for, by their key. C cannot
// hold a Go pointer, so it gets the key.
type iterators struct {
	mutex       sync.Mutex
	byKey       map[uintptr]*iterator
	last        uintptr
	once        sync.Once
	reset, next uintptr
}

func (s *iterators) add(it *iterator) uintptr {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.byKey == nil {
		s.byKey = map[uintptr]*iterator{}
	}
	s.last++
	s.byKey[s.last] = it
	return s.last
}

func (s *iterators) remove(key uintptr) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	delete(s.byKey, key)
}

func (s *iterators) get(key uintptr) *iterator {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.byKey[key]
}

// callbacks are C functions; a process can make 2000 of them, so they are made
// once for the library.
func (s *iterators) callbacks() (reset, next uintptr) {
	s.once.Do(func() {
		s.reset = purego.NewCallback(func(key uintptr) uintptr {
			if it := s.get(key); it != nil {
				it.reset()
			}
			return 0
		})
		s.next = purego.NewCallback(func(key uintptr) uintptr {
			if it := s.get(key); it != nil {
				return it.next()
			}
			return 0
		})
	})
	return s.reset, s.next
}
