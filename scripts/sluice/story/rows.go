package story

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
)

// table is a CSV in memory.
type table struct {
	header []string
	rows   [][]string
}

// readTable reads a .csv.gz file of the example data.
func readTable(path string) (table, error) {
	file, err := os.Open(path)
	if err != nil {
		return table{}, fmt.Errorf("read the example data: %w (run from the repository's top folder)", err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return table{}, fmt.Errorf("read %s: %w", path, err)
	}
	reader := csv.NewReader(unzipped)
	all, err := reader.ReadAll()
	if err != nil {
		return table{}, fmt.Errorf("read %s: %w", path, err)
	}
	if len(all) < 2 {
		return table{}, fmt.Errorf("read %s: %w", path, errors.New("it holds no rows"))
	}
	return table{all[0], all[1:]}, nil
}

func (t table) column(name string) (int, error) {
	for i, h := range t.header {
		if h == name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("the example data has no column %q", name)
}

// write writes the table as gzipped CSV.
func (t table) write(w io.Writer) error {
	zipped := gzip.NewWriter(w)
	writer := csv.NewWriter(zipped)
	if err := writer.Write(t.header); err != nil {
		return err
	}
	if err := writer.WriteAll(t.rows); err != nil {
		return err
	}
	return zipped.Close()
}

// corrupted is a copy as a broken export would make it: every third value of a
// numeric column is empty, and nearly every answer is the same.
func (t table) corrupted(numeric, target, answer string) (table, error) {
	n, err := t.column(numeric)
	if err != nil {
		return table{}, err
	}
	y, err := t.column(target)
	if err != nil {
		return table{}, err
	}
	bad := table{header: t.header, rows: make([][]string, len(t.rows))}
	for i, row := range t.rows {
		row = append([]string(nil), row...)
		if i%3 == 0 {
			row[n] = ""
		}
		if i%50 != 0 {
			row[y] = answer
		}
		bad.rows[i] = row
	}
	return bad, nil
}
