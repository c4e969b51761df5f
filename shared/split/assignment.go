package split

// Assignment says which rows each fold learns from and which it holds out, to
// measure on rows that were not learnt from. Row i is the i-th training row.
type Assignment struct {
	K    int
	Held []int // the fold that holds the row out, from 0; -1 is none
	// from is the first fold that learns from the row, where folds chain forward;
	// nil where a fold learns from all rows that it does not hold out.
	from []int
}

// Learns says whether a fold learns from a row.
func (f *Assignment) Learns(fold, row int) bool {
	if f.from != nil {
		return fold >= f.from[row]
	}
	return f.Held[row] != fold
}

// Of gives the rows that a fold learns from and those that it holds out.
func (f *Assignment) Of(fold int) (learns, held []int) {
	for row, in := range f.Held {
		if in == fold {
			held = append(held, row)
		} else if f.Learns(fold, row) {
			learns = append(learns, row)
		}
	}
	return learns, held
}

// Stratified is Folds by the rows' keys.
func Stratified(k int, class []int, key func(row int) Key) (*Assignment, error) {
	held, err := foldsByKey(k, class, key)
	return &Assignment{K: k, Held: held}, err
}
