package states

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzMapRunJournal: no journal makes its readers panic, and what is read of a
// child alone is what is read of it with all others.
func FuzzMapRunJournal(f *testing.F) {
	f.Add("0 start {\"name\":\"n\",\"from\":0,\"items\":1,\"input\":\"1\",\"start\":\"2000-01-01T00:00:00Z\"}\n" +
		"0 event {\"id\":1,\"previousEventId\":0,\"timestamp\":1,\"type\":\"ExecutionStarted\"}\n0 save {\"state\":\"A\",\"input\":\"1\"}\n0 end {\"status\":\"SUCCEEDED\",\"output\":\"1\",\"stop\":\"2000-01-01T00:00:00Z\"}\n")
	f.Add("0 start {}\n1 end {}\n")
	f.Add("0 start {}\n0 event {\"id\":2,\"previousEventId\":0,\"timestamp\":1,\"type\":\"X\"}\ntorn")
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, journalFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		children, size, err := readChildren(dir)
		if size < 0 || size > int64(len(text)) {
			t.Fatalf("%d of %d bytes are whole", size, len(text))
		}
		for i, c := range children {
			alone, _, failed := readChild(dir, i)
			if err == nil && failed == nil && (alone.Name != c.Name || alone.Input != c.Input) {
				t.Errorf("child %d is %+v alone and %+v with the others", i, alone, c)
			}
		}
	})
}
