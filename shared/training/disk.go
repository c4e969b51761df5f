package training

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"unsafe"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/rows"
	"github.com/sluice-ml/sluice/shared/split"
	"github.com/sluice-ml/sluice/shared/table"
	"github.com/sluice-ml/sluice/shared/xgboost"
)

// OnDiskRows says, in environment.json, how rows lay on disk.
type OnDiskRows struct {
	Rows      int   `json:"rows"`
	Bytes     int64 `json:"bytes"`      // of their features
	BatchRows int   `json:"batch_rows"` // that XGBoost took at a time
}

// batchBytes is how much of the features is in memory at a time.
const batchBytes = 32 << 20

// disk is the features of the training and validation rows as float32, row by
// row, in a file of the scratch folder. A text is kept as the number of its
// first occurrence until all are known, and becomes its category on the way out.
type disk struct {
	folder string
	file   *os.File
	rows   []int32 // the rows of the set that the file has, rising
	width  int
	batch  int // bytes of features in memory at a time
	// category gives what stands for a text's number, by feature; nil where the
	// feature is numeric.
	category [][]float32
	columns  []spillColumn
	made     int // matrices, for the names of their files
}

// spillColumn is one feature on its way to disk.
type spillColumn struct {
	name    string
	text    bool
	moments welford
	code    map[string]float32 // of the texts so far
	values  []string           // by their codes
	trained map[string]bool    // those of training rows
}

// features describes the columns to learn from; of a set on disk it writes
// them to the scratch folder on the way.
func (r *run) features(ctx context.Context, train []int) ([]model.Feature, error) {
	if !r.set.OnDisk() {
		return features(r.set, r.config.Data, train)
	}
	columns, err := r.spillColumns()
	if err != nil {
		return nil, err
	}
	if err := r.spill(ctx, columns); err != nil {
		return nil, err
	}
	fmt.Fprintf(r.out, "memory does not hold the rows: %d of them, %d bytes, are on disk; XGBoost takes %d at a time\n",
		r.disk.count(), r.disk.bytes(), r.disk.batchRows())
	list := make([]model.Feature, len(columns))
	for i := range columns {
		if list[i], err = columns[i].describe(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (r *run) spillColumns() ([]spillColumn, error) {
	all := r.set.Head.Names()
	var columns []spillColumn
	for _, name := range featureNames(r.config.Data, all) {
		if !slices.Contains(all, name) {
			return nil, fault.New(fault.Invalid, "choose features", "there is no column %q among %q", name, all).WithHint("correct data.features")
		}
		columns = append(columns, spillColumn{name: name, text: r.set.Head.Kinds[name] == table.Text,
			code: map[string]float32{}, trained: map[string]bool{}})
	}
	return columns, nil
}

// spill reads the rows object by object and writes their features.
func (r *run) spill(ctx context.Context, columns []spillColumn) error {
	folder, err := os.MkdirTemp(r.scratch, "sluice-training-")
	if err != nil {
		return fault.New(fault.Unavailable, "make a scratch folder", "%w", err)
	}
	r.disk = &disk{folder: folder, width: len(columns), columns: columns, batch: r.batch}
	for i, side := range r.set.Side {
		if side == split.Train || side == split.Validation {
			r.disk.rows = append(r.disk.rows, int32(i))
		}
	}
	if err := r.checkRoom(folder); err != nil {
		return err
	}
	if r.disk.file, err = os.Create(filepath.Join(folder, "features")); err != nil {
		return fault.New(fault.Unavailable, "write the features", "%w", err)
	}
	out := bufio.NewWriterSize(r.disk.file, 1<<20)
	err = r.set.Scan(ctx, func(first int, t *table.Table) error { return spillTable(out, r.set, first, t, columns) })
	if err != nil {
		return err
	}
	return fault.Wrap(fault.Unavailable, "write the features", out.Flush())
}

func spillTable(out io.Writer, set *rows.Set, first int, t *table.Table, columns []spillColumn) error {
	from := make([]*table.Column, len(columns))
	for f := range columns {
		from[f], _ = t.Column(columns[f].name)
	}
	row := make([]float32, len(columns))
	for i := range t.Rows() {
		side := set.Side[first+i]
		if side != split.Train && side != split.Validation {
			continue
		}
		for f := range columns {
			var err error
			if row[f], err = columns[f].take(from[f], i, side == split.Train); err != nil {
				return fault.New(fault.Invalid, "encode row "+set.RowID(first+i), "%w", err)
			}
		}
		if _, err := out.Write(bytesOf(row)); err != nil {
			return fault.New(fault.Unavailable, "write the features", "%w", err)
		}
	}
	return nil
}

// take gives what stands for a cell on disk.
func (c *spillColumn) take(from *table.Column, row int, train bool) (float32, error) {
	if !c.text {
		v := from.Number[row]
		if math.Abs(v) > math.MaxFloat32 && math.IsInf(float64(float32(v)), 0) {
			return 0, fmt.Errorf("feature %q: %v is too large: want a number below 3.4e38", c.name, v)
		}
		if train {
			c.moments.add(v)
		}
		return float32(v), nil
	}
	if from.Null[row] {
		return float32(math.NaN()), nil
	}
	content := from.Content(row)
	code, known := c.code[content]
	if !known {
		// A float32 counts to 16 million; far fewer are an identifier already.
		if len(c.values) > 10*maxCategories {
			return 0, fmt.Errorf("column %q has more than %d distinct texts (one is %q): want at most %d; leave it out of data.features", c.name, len(c.values)-1, c.values[0], maxCategories)
		}
		code = float32(len(c.values))
		c.values = append(c.values, content)
		c.code[content] = code
	}
	if train {
		c.trained[content] = true
	}
	return code, nil
}

func (c *spillColumn) describe() (model.Feature, error) {
	if !c.text {
		mean, deviation := c.moments.result()
		return model.Feature{Name: c.name, Kind: model.Numeric, Mean: mean, StdDev: deviation}, nil
	}
	var values []string
	for _, v := range c.values {
		if c.trained[v] {
			values = append(values, v)
		}
	}
	return categorical(c.name, values)
}

// encode makes the matrix of some rows; of a set on disk it is on disk.
func (r *run) encode(which []int) (*matrix, error) {
	if r.disk == nil {
		return encode(r.set, r.schema, which)
	}
	if r.disk.category == nil {
		if err := r.disk.settle(r.schema); err != nil {
			return nil, err
		}
	}
	m := &matrix{rows: which, disk: r.disk}
	m.labels(r.set)
	return m, nil
}

// settle turns the numbers of texts into the schema's categories.
func (d *disk) settle(schema *model.Schema) error {
	columns := d.columns
	d.category = make([][]float32, len(columns))
	for f := range columns {
		if !columns[f].text {
			continue
		}
		d.category[f] = make([]float32, len(columns[f].values))
		for code, value := range columns[f].values {
			encoded, err := schema.EncodeText(f, value)
			if err != nil {
				return fault.New(fault.Invalid, "encode column "+columns[f].name, "%w", err)
			}
			d.category[f][code] = encoded
		}
	}
	return nil
}

// matrix makes XGBoost's matrix of rows on disk: of their bins, which are those of
// ref where there is one. Held-out rows with categorical features stay values: a
// category that the rows of ref lack has no bin among theirs, and XGBoost would
// take it for the last that has.
func (d *disk) matrix(l *learner, m *matrix, ref *xgboost.Matrix) (*xgboost.Matrix, error) {
	d.made++
	reader := &diskReader{disk: d, m: m, types: l.types, threads: l.params.threads}
	x, err := d.read(l, reader, ref, filepath.Join(d.folder, "pages-"+strconv.Itoa(d.made)))
	if reader.failed != nil {
		return nil, fault.New(fault.Unavailable, "read the features", "%w", reader.failed)
	}
	return x, refused(err)
}

func (d *disk) read(l *learner, reader *diskReader, ref *xgboost.Matrix, cache string) (*xgboost.Matrix, error) {
	if ref != nil && slices.Contains(l.types, xgboost.Categorical) {
		return l.library.NewPagedMatrix(reader, cache, l.params.threads)
	}
	bins, err := l.maxBin()
	if err != nil {
		return nil, err
	}
	return l.library.NewExternalMatrix(reader, xgboost.External{Cache: cache, MaxBin: bins, Threads: l.params.threads, Ref: ref})
}

// diskReader reads the rows of a matrix, which are in the file's order, batch by
// batch.
type diskReader struct {
	disk    *disk
	m       *matrix
	types   []string
	threads int
	at      int // row of the file
	done    int // rows of the matrix
	buffer  []float32
	failed  error
}

func (r *diskReader) Reset() error { r.at, r.done = 0, 0; return nil }

// Next gives a batch of rows; the buffer is used again.
func (r *diskReader) Next() (xgboost.Data, bool, error) {
	d := r.disk
	if r.buffer == nil {
		r.buffer = make([]float32, d.batchRows()*d.width)
	}
	for r.done < len(r.m.rows) && r.at < len(d.rows) {
		count := min(d.batchRows(), len(d.rows)-r.at)
		chunk := r.buffer[:count*d.width]
		if _, err := d.file.ReadAt(bytesOf(chunk), int64(r.at)*int64(d.width)*4); err != nil {
			r.failed = err
			return xgboost.Data{}, false, err
		}
		kept := r.keep(chunk, d.rows[r.at:r.at+count])
		r.at += count
		if kept == 0 {
			continue
		}
		data := xgboost.Data{Rows: kept, Columns: d.width, Values: chunk[:kept*d.width], Types: r.types, Threads: r.threads,
			Label: r.m.label[r.done:][:kept]}
		if r.m.weight != nil {
			data.Weight = r.m.weight[r.done:][:kept]
		}
		r.done += kept
		return data, true, nil
	}
	return xgboost.Data{}, false, nil
}

// keep moves the matrix's rows of a chunk to its beginning.
func (r *diskReader) keep(chunk []float32, rows []int32) int {
	d, kept := r.disk, 0
	for i, row := range rows {
		next := r.done + kept
		if next == len(r.m.rows) {
			break
		}
		if int(row) != r.m.rows[next] {
			continue
		}
		values := chunk[kept*d.width:][:d.width]
		copy(values, chunk[i*d.width:][:d.width])
		for f, category := range d.category {
			if category != nil && values[f] == values[f] {
				values[f] = category[int(values[f])]
			}
		}
		kept++
	}
	return kept
}

// each visits the features of the matrix's rows, a batch at a time.
func (m *matrix) each(width int, visit func(first int, values []float32)) error {
	if m.disk == nil {
		visit(0, m.block(width, 0, len(m.rows), nil))
		return nil
	}
	reader := &diskReader{disk: m.disk, m: m}
	for first := 0; ; {
		data, more, err := reader.Next()
		if err != nil {
			return fault.New(fault.Unavailable, "read the features", "%w", err)
		}
		if !more {
			return nil
		}
		visit(first, data.Values)
		first += len(data.Values) / width
	}
}

func (d *disk) count() int     { return len(d.rows) }
func (d *disk) bytes() int64   { return int64(len(d.rows)) * int64(d.width) * 4 }
func (d *disk) batchRows() int { return max(1, cmp.Or(d.batch, batchBytes)/(4*d.width)) }

// close takes the scratch folder away.
func (r *run) close() {
	if r.disk == nil {
		return
	}
	if r.disk.file != nil {
		if err := r.disk.file.Close(); err != nil {
			fmt.Fprintf(r.out, "close the scratch file: %v\n", err)
		}
	}
	if err := os.RemoveAll(r.disk.folder); err != nil {
		fmt.Fprintf(r.out, "remove the scratch folder: %v\n", err)
	}
}

// bytesOf is the memory of values: the file is read by the process that wrote it.
func bytesOf(values []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), 4*len(values))
}
