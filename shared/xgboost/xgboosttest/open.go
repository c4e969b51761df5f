// Package xgboosttest finds libxgboost for tests.
package xgboosttest

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/sluice-ml/sluice/shared/xgboost"
)

// Path is the library's file: what SLUICE_XGBOOST_LIB names, else the cache
// that scripts/fetch-xgboost.sh fills. Without one the test fails.
func Path(t testing.TB) string {
	t.Helper()
	if path := os.Getenv(xgboost.EnvLibrary); path != "" {
		return path
	}
	_, here, _, _ := runtime.Caller(0)
	path := filepath.Join(filepath.Dir(here), "../../../.sluice/cache/xgboost/lib/libxgboost.so")
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("libxgboost is not here: run scripts/fetch-xgboost.sh: %v", err)
	}
	return path
}

// Open opens the library at Path.
func Open(t testing.TB) *xgboost.Library {
	t.Helper()
	library, err := xgboost.OpenFile(Path(t))
	if err != nil {
		t.Fatal(err)
	}
	return library
}
