package asl

import (
	"fmt"
	"slices"
)

// maxRetryDelay is the largest IntervalSeconds and MaxDelaySeconds.
const maxRetryDelay = 31_622_400

func (f *fields) retriers() []retrier {
	list := f.array("Retry")
	var out []retrier
	for i, v := range list {
		r, ok := f.p.object(v, fmt.Sprintf("%s/%d", f.at("Retry"), i))
		if !ok {
			continue
		}
		r.text("Comment")
		c := retrier{
			errors:      r.errorEquals(i == len(list)-1),
			interval:    float64(r.integer("IntervalSeconds", 1, 1, maxRetryDelay)),
			maxAttempts: r.integer("MaxAttempts", 3, 0, maxSeconds),
			maxDelay:    float64(r.integer("MaxDelaySeconds", 0, 1, maxRetryDelay)),
			backoff:     2,
		}
		if v, ok := r.take("BackoffRate"); ok {
			if c.backoff, ok = number(v); !ok || c.backoff < 1 {
				r.report("BackoffRate", "BackoffRate must be a number of 1.0 or more")
			}
		}
		if r.has("MaxDelaySeconds") && c.maxDelay < c.interval {
			r.report("MaxDelaySeconds", "MaxDelaySeconds must not be smaller than IntervalSeconds")
		}
		switch s := r.text("JitterStrategy"); s {
		case "", "NONE", "FULL":
			c.jitter = s == "FULL"
		default:
			r.report("JitterStrategy", "Value is not one of [FULL, NONE]")
		}
		r.done()
		out = append(out, c)
	}
	return out
}

// errorEquals reads the list of names; States.ALL stands alone and last.
func (f *fields) errorEquals(last bool) []string {
	if !f.required("ErrorEquals") {
		return nil
	}
	list := f.array("ErrorEquals")
	if len(list) == 0 {
		f.report("ErrorEquals", "ErrorEquals must not be empty")
	}
	var out []string
	for _, v := range list {
		name, ok := v.(string)
		if !ok {
			f.report("ErrorEquals", "Expected value of type String")
			continue
		}
		out = append(out, name)
	}
	if slices.Contains(out, ErrAll) && (len(out) > 1 || !last) {
		f.report("ErrorEquals", "States.ALL must appear alone and at the end of the list")
	}
	return out
}

func (f *fields) catchers(language Language, outer []string) []catcher {
	list := f.array("Catch")
	var out []catcher
	for i, v := range list {
		c, ok := f.p.object(v, fmt.Sprintf("%s/%d", f.at("Catch"), i))
		if !ok {
			continue
		}
		c.text("Comment")
		c.required("Next")
		entry := catcher{
			errors: c.errorEquals(i == len(list)-1),
			next:   c.text("Next"),
			assign: c.assign(language, outer),
		}
		if language == JSONata {
			entry.output = c.jsonata("Output")
		} else {
			entry.resultPath = c.resultPath()
		}
		c.done()
		out = append(out, entry)
	}
	return out
}
