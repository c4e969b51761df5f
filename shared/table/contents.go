package table

import (
	"hash"
	"runtime"
	"sync"
)

// chunkRows is how many rows a processor renders at a time.
const chunkRows = 4096

// Contents renders rows, all where rows is nil, on every processor. each gets
// the place among them and the content, which is its own only until it returns;
// it runs at once for different places. The contents, a line each, are written
// to inOrder as they follow on each other; nil for nowhere.
func (t *Table) Contents(rows []int, inOrder hash.Hash, each func(place int, content []byte)) {
	n := t.rows
	if rows != nil {
		n = len(rows)
	}
	buffers := make([][]byte, max(1, min(runtime.GOMAXPROCS(0), (n+chunkRows-1)/chunkRows)))
	for first := 0; first < n; first += len(buffers) * chunkRows {
		var wait sync.WaitGroup
		for worker := range buffers {
			from := min(n, first+worker*chunkRows)
			to := min(n, from+chunkRows)
			wait.Go(func() { buffers[worker] = t.chunk(buffers[worker][:0], rows, from, to, inOrder != nil, each) })
		}
		wait.Wait()
		for _, buffer := range buffers {
			if inOrder != nil {
				inOrder.Write(buffer)
			}
		}
	}
}

// chunk renders the rows at some places, and keeps them where that is wanted.
func (t *Table) chunk(buffer []byte, rows []int, from, to int, keep bool, each func(place int, content []byte)) []byte {
	for place := from; place < to; place++ {
		row := place
		if rows != nil {
			row = rows[place]
		}
		start := len(buffer)
		if !keep {
			start = 0
		}
		buffer = t.AppendRow(buffer[:start], row)
		each(place, buffer[start:])
		buffer = append(buffer, '\n')
	}
	return buffer
}
