// Package settings reads a function's environment variables. A reader collects
// every problem before it reports, so one failed start names everything that is
// missing:
//
//	env := settings.Env(os.LookupEnv)
//	store := env.Require(contract.EnvStore)
//	quiet := env.Seconds(contract.EnvQuietPeriod, time.Minute)
//	if err := env.Err(); err != nil { … }
//
// An empty variable counts as absent: that is what a template without a value
// renders.
package settings

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
)

// Reader reads variables and remembers what was wrong with them. It is not for
// concurrent use.
type Reader struct {
	lookup   func(string) (string, bool)
	problems []string
}

// Env reads through lookup, which is os.LookupEnv outside tests.
func Env(lookup func(string) (string, bool)) *Reader { return &Reader{lookup: lookup} }

// Require gives a variable's value; an absent one is a problem that Err names.
func (r *Reader) Require(name string) string {
	value := r.Optional(name, "")
	if value == "" {
		r.problem(name, "is not set")
	}
	return value
}

// Optional gives a variable's value, or fallback when it is absent.
func (r *Reader) Optional(name, fallback string) string {
	if value, ok := r.lookup(name); ok && value != "" {
		return value
	}
	return fallback
}

// Int gives a whole number of at least least, or fallback when it is absent.
func (r *Reader) Int(name string, fallback, least int) int {
	text := r.Optional(name, "")
	if text == "" {
		return fallback
	}
	value, err := strconv.Atoi(text)
	if err != nil || value < least {
		r.problem(name, "is "+strconv.Quote(text)+": want a whole number of at least "+strconv.Itoa(least))
		return fallback
	}
	return value
}

// Seconds gives a duration written as a number of seconds (fractions are
// allowed), zero or more, or fallback when it is absent.
func (r *Reader) Seconds(name string, fallback time.Duration) time.Duration {
	text := r.Optional(name, "")
	if text == "" {
		return fallback
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || !(value >= 0) || value > math.MaxInt64/float64(time.Second) {
		r.problem(name, "is "+strconv.Quote(text)+": want a number of seconds, zero or more")
		return fallback
	}
	return time.Duration(value * float64(time.Second))
}

// OneOf gives a variable that must be one of the values.
func (r *Reader) OneOf(name string, values ...string) string {
	value := r.Require(name)
	if value == "" {
		return ""
	}
	for _, allowed := range values {
		if value == allowed {
			return value
		}
	}
	r.problem(name, "is "+strconv.Quote(value)+": want one of "+strings.Join(values, ", "))
	return value
}

// Err is nil, or one Invalid fault that names every problem so far. A retry
// cannot help.
func (r *Reader) Err() error {
	if len(r.problems) == 0 {
		return nil
	}
	return fault.New(fault.Invalid, "read the settings", "%s", strings.Join(r.problems, "; ")).
		WithHint("the stack sets these environment variables; deploy it again, or set them on the function")
}

func (r *Reader) problem(name, what string) {
	r.problems = append(r.problems, "environment variable "+name+" "+what)
}
