package dataset

import (
	"context"
	"sync"
)

// readers is how many objects are read at once.
const readers = 64

// parallel calls do for 0…count-1, a few at a time, and gives the
// error that came first. The context of the others ends with it.
func parallel(ctx context.Context, count int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wait sync.WaitGroup
	var once sync.Once
	var first error
	slots := make(chan struct{}, readers)
	for i := range count {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wait.Go(func() {
			defer func() { <-slots }()
			if err := do(ctx, i); err != nil {
				once.Do(func() { first = err })
				cancel()
			}
		})
	}
	wait.Wait()
	if first == nil {
		return ctx.Err()
	}
	return first
}

// ahead reads leaves in the order given, some of them before they are asked for.
type ahead struct {
	read    func(context.Context, child) (*node, error)
	ctx     context.Context
	cancel  context.CancelFunc
	leaves  []child
	most    int // how many are read ahead
	started int
	taken   int
	results chan chan result
	wait    sync.WaitGroup
}

type result struct {
	node *node
	err  error
}

func (r *Repository) ahead(ctx context.Context, leaves []child, most int) *ahead {
	ctx, cancel := context.WithCancel(ctx)
	a := &ahead{read: func(ctx context.Context, c child) (*node, error) { return r.readNode(ctx, c, 0) }, most: most,
		ctx: ctx, cancel: cancel, leaves: leaves, results: make(chan chan result, most)}
	a.fill()
	return a
}

// fill starts the next reads.
func (a *ahead) fill() {
	for a.started < len(a.leaves) && a.started < a.taken+a.most {
		c, answer := a.leaves[a.started], make(chan result, 1)
		a.wait.Go(func() {
			n, err := a.read(a.ctx, c)
			answer <- result{n, err}
		})
		a.results <- answer
		a.started++
	}
}

// next gives the next leaf; only one goroutine may ask.
func (a *ahead) next() (*node, error) {
	a.fill()
	a.taken++
	got := <-<-a.results
	return got.node, got.err
}

// stop ends what still reads, and waits for it.
func (a *ahead) stop() {
	a.cancel()
	a.wait.Wait()
}
