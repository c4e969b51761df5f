package lambda

import (
	"context"
	"path/filepath"
	"time"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// RunOnce runs the bootstrap in dir for one event and ends it: the quickest way
// to try a function. env are the function's own variables; Lambda's are set
// beside them, AWS_REGION and credentials only when env has them. The function
// has 15 minutes and 10,240 MB, less when ctx ends first. logs is everything it
// printed. A function error is in the result, as with Invoke.
func RunOnce(ctx context.Context, dir string, env map[string]string, event []byte) (result Result, logs []byte, err error) {
	r := Request{Payload: event}
	if err := r.check(maxPayload); err != nil {
		return Result{}, nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return Result{}, nil, err
	}
	if err := bootstrap(dir); err != nil {
		return Result{}, nil, err
	}
	o := Options{Region: env["AWS_REGION"], Timer: untilDone(ctx)}
	o.setDefaults()
	c := &config{
		name: filepath.Base(dir), arn: "arn:aws:lambda:local:000000000000:function:" + filepath.Base(dir), dir: dir,
		handler: "bootstrap", memoryMB: 10240, timeout: 15 * time.Minute, variables: env,
		logging: loggingConfig{LogFormat: "Text", LogGroup: "/aws/lambda/" + filepath.Base(dir)},
	}
	everything := &tail{whole: true}
	call := &call{
		options: &o, config: c, request: r, id: wire.RequestID(), tail: everything, log: func(string, time.Time, ...string) {},
		started: func(*sandbox) {}, failed: func(*sandbox) {},
	}
	out, b := call.perform(nil)
	if b != nil {
		b.stop()
	}
	if ctx.Err() != nil {
		return Result{}, everything.bytes(), ctx.Err()
	}
	return call.result(out), everything.bytes(), nil
}

// untilDone makes timers that also fire when ctx ends.
func untilDone(ctx context.Context) Timer {
	return func(d time.Duration) (<-chan time.Time, func() bool) {
		fired := make(chan time.Time, 1)
		limit, cancel := context.WithTimeout(ctx, d)
		go func() {
			<-limit.Done()
			fired <- time.Now()
		}()
		return fired, func() bool { cancel(); return true }
	}
}
