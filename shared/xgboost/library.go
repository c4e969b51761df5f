// Package xgboost trains with libxgboost through its C API, without cgo.
//
// A DMatrix is a table of float32 with labels; a Booster is a model in the
// making, which Update grows by one round. The library is opened while the
// program runs: Open says where it looks.
//
// Every call's return code is checked; what XGBoost says went wrong is in the
// error. Nothing here can be retried to better effect.
package xgboost

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// EnvLibrary names the library's file.
const EnvLibrary = "SLUICE_XGBOOST_LIB"

// The oldest version whose C API has all that is called here.
const oldestMajor, oldestMinor = 1, 7

// systemNames are what the loader is asked for, which looks along
// LD_LIBRARY_PATH and in the system's folders.
var systemNames = [...]string{"libxgboost.so", "libxgboost.so.0", "libxgboost.dylib"}

// Library is libxgboost, opened. Many goroutines may use it, but a Booster or
// DMatrix only one at a time.
type Library struct {
	path    string
	version [3]int
	cuda    bool

	iterators iterators

	lastError     func() string
	buildInfo     func(out *unsafe.Pointer) int32
	versionOf     func(major, minor, patch *int32)
	matrixNew     func(array, config string, out *uintptr) int32
	matrixInfo    func(matrix uintptr, field, array string) int32
	matrixTypes   func(matrix uintptr, field string, values unsafe.Pointer, n uint64) int32
	matrixFree    func(matrix uintptr) int32
	proxyNew      func(out *uintptr) int32
	proxyDense    func(proxy uintptr, array string) int32
	pagedNew      func(iterator, proxy, reset, next uintptr, config string, out *uintptr) int32
	quantileNew   func(iterator, proxy, ref, reset, next uintptr, config string, out *uintptr) int32
	externalNew   func(iterator, proxy, ref, reset, next uintptr, config string, out *uintptr) int32 // nil before version 3.0
	boosterNew    func(matrices unsafe.Pointer, n uint64, out *uintptr) int32
	boosterParam  func(booster uintptr, name, value string) int32
	boosterUpdate func(booster uintptr, round int32, matrix uintptr) int32
	boosterEval   func(booster uintptr, round int32, matrices, names unsafe.Pointer, n uint64, out *unsafe.Pointer) int32
	boosterSlice  func(booster uintptr, begin, end, step int32, out *uintptr) int32
	boosterSave   func(booster uintptr, config string, n *uint64, out *unsafe.Pointer) int32
	boosterLoad   func(booster uintptr, data unsafe.Pointer, n uint64) int32
	boosterRounds func(booster uintptr, out *int32) int32
	boosterPred   func(booster, matrix uintptr, config string, shape *unsafe.Pointer, dims *uint64, out *unsafe.Pointer) int32
	boosterScore  func(booster uintptr, config string, n *uint64, names *unsafe.Pointer, dims *uint64, shape, scores *unsafe.Pointer) int32
	boosterFree   func(booster uintptr) int32
}

// Open loads the library: the file that SLUICE_XGBOOST_LIB names, and only that
// one, if it is set; else libxgboost along the loader's path (LD_LIBRARY_PATH)
// and in the system's folders.
func Open() (*Library, error) {
	if path, ok := os.LookupEnv(EnvLibrary); ok && path != "" {
		return OpenFile(path)
	}
	var failures []error
	for _, name := range systemNames {
		library, err := OpenFile(name)
		if err == nil {
			return library, nil
		}
		failures = append(failures, err)
	}
	return nil, fmt.Errorf("libxgboost is not here: set %s to its file, or run scripts/fetch-xgboost.sh: %w",
		EnvLibrary, errors.Join(failures...))
}

// OpenFile loads the library from a file, or by a name that the system's
// loader resolves.
func OpenFile(path string) (*Library, error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, fmt.Errorf("open XGBoost library %q: %w", path, err)
	}
	l := &Library{path: path}
	for name, target := range l.functions() {
		address, err := purego.Dlsym(handle, name)
		if err != nil {
			return nil, fmt.Errorf("open XGBoost library %q: it has no function %s: want version %d.%d or later", path, name, oldestMajor, oldestMinor)
		}
		purego.RegisterFunc(target, address)
	}
	if address, err := purego.Dlsym(handle, "XGExtMemQuantileDMatrixCreateFromCallback"); err == nil {
		purego.RegisterFunc(&l.externalNew, address)
	}
	if err := l.checkVersion(); err != nil {
		return nil, err
	}
	return l, l.readBuild()
}

func (l *Library) functions() map[string]any {
	return map[string]any{
		"XGBGetLastError":                     &l.lastError,
		"XGBoostVersion":                      &l.versionOf,
		"XGBuildInfo":                         &l.buildInfo,
		"XGDMatrixCreateFromDense":            &l.matrixNew,
		"XGDMatrixSetInfoFromInterface":       &l.matrixInfo,
		"XGDMatrixSetStrFeatureInfo":          &l.matrixTypes,
		"XGDMatrixFree":                       &l.matrixFree,
		"XGProxyDMatrixCreate":                &l.proxyNew,
		"XGProxyDMatrixSetDataDense":          &l.proxyDense,
		"XGDMatrixCreateFromCallback":         &l.pagedNew,
		"XGQuantileDMatrixCreateFromCallback": &l.quantileNew,
		"XGBoosterCreate":                     &l.boosterNew,
		"XGBoosterSetParam":                   &l.boosterParam,
		"XGBoosterUpdateOneIter":              &l.boosterUpdate,
		"XGBoosterEvalOneIter":                &l.boosterEval,
		"XGBoosterSlice":                      &l.boosterSlice,
		"XGBoosterSaveModelToBuffer":          &l.boosterSave,
		"XGBoosterLoadModelFromBuffer":        &l.boosterLoad,
		"XGBoosterBoostedRounds":              &l.boosterRounds,
		"XGBoosterPredictFromDMatrix":         &l.boosterPred,
		"XGBoosterFeatureScore":               &l.boosterScore,
		"XGBoosterFree":                       &l.boosterFree,
	}
}

func (l *Library) checkVersion() error {
	var major, minor, patch int32
	l.versionOf(&major, &minor, &patch)
	l.version = [3]int{int(major), int(minor), int(patch)}
	if major < oldestMajor || (major == oldestMajor && minor < oldestMinor) {
		return fmt.Errorf("open XGBoost library %q: it is version %s: want %d.%d or later", l.path, l.Version(), oldestMajor, oldestMinor)
	}
	return nil
}

func (l *Library) readBuild() error {
	var out unsafe.Pointer
	if err := l.call("read the build information", func() int32 { return l.buildInfo(&out) }); err != nil {
		return err
	}
	var build struct {
		CUDA bool `json:"USE_CUDA"`
	}
	if err := json.Unmarshal([]byte(goText(out)), &build); err != nil {
		return fmt.Errorf("XGBoost: read the build information: %w", err)
	}
	l.cuda = build.CUDA
	return nil
}

// CUDA says whether the library can train on a GPU. One that cannot takes
// device=cuda all the same, warns, and trains on the CPU.
func (l *Library) CUDA() bool { return l.cuda }

// Version is the library's, e.g. "3.2.0".
func (l *Library) Version() string {
	return fmt.Sprintf("%d.%d.%d", l.version[0], l.version[1], l.version[2])
}

// Path is the file or name that was opened.
func (l *Library) Path() string { return l.path }

// call does one C call. XGBoost keeps its last error per thread, so the call
// and the question for its error stay on one.
func (l *Library) call(op string, f func() int32) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if f() == 0 {
		return nil
	}
	return &Error{Op: op, Message: l.lastError()}
}

// Error is what XGBoost said when it refused a call.
type Error struct {
	Op      string // e.g. "update round 3"
	Message string // XGBoost's, with its stack trace
}

// Error leaves XGBoost's stack trace out.
func (e *Error) Error() string { return "XGBoost: " + e.Op + ": " + firstLines(e.Message) }
