// Package rowstest serves objects from memory and from the example data.
package rowstest

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
)

// Objects are contents by key; every version is the same.
type Objects map[string][]byte

// Open is a rows.Open.
func (o Objects) Open(_ context.Context, _, key, _ string) (io.ReaderAt, int64, error) {
	data, ok := o[key]
	if !ok {
		return nil, 0, fault.New(fault.NotFound, "read "+key, "there is no such object")
	}
	return bytes.NewReader(data), int64(len(data)), nil
}

// List names them all, sorted.
func (o Objects) List() contract.DatasetObjects {
	list := contract.DatasetObjects{Commit: "c1", Bucket: "lake"}
	for key, data := range o {
		list.Objects = append(list.Objects, contract.ObjectVersion{Key: key, VersionID: "v1", Size: int64(len(data))})
	}
	slices.SortFunc(list.Objects, func(a, b contract.ObjectVersion) int { return bytes.Compare([]byte(a.Key), []byte(b.Key)) })
	return list
}

// Adult is files of the example data, "part-0.csv.gz" and so on, under
// raw/adult-income/.
func Adult(t testing.TB, names ...string) Objects {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	objects := Objects{}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(filepath.Dir(here), "../../../events/adult", name))
		if err != nil {
			t.Fatal(err)
		}
		objects["raw/adult-income/"+name] = data
	}
	return objects
}
