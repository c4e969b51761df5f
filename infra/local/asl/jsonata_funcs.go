package asl

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/recolabs/gnata"
)

// awsFunctions are the functions that AWS adds to JSONata.
func awsFunctions(r *random) map[string]gnata.CustomFunc {
	return map[string]gnata.CustomFunc{
		"partition": jsonataPartition,
		"range":     jsonataRange,
		"hash":      jsonataHash,
		"parse":     jsonataParse,
		"uuid":      func([]any, any) (any, error) { return r.uuid(), nil },
		"random":    func(args []any, _ any) (any, error) { return jsonataRandom(r, args) },
		"eval":      func([]any, any) (any, error) { return nil, errors.New("the function $eval is not supported") },
	}
}

func arity(name string, args []any, least, most int) error {
	if n := len(args); n < least || n > most {
		return fmt.Errorf("$%s does not take %d arguments", name, n)
	}
	return nil
}

func jsonataPartition(args []any, _ any) (any, error) {
	if err := arity("partition", args, 2, 2); err != nil {
		return nil, err
	}
	if args[0] == nil {
		return nil, nil
	}
	a, ok := args[0].([]any)
	if !ok {
		a = []any{args[0]}
	}
	size, ok := number(args[1])
	if !ok || size < 1 || math.IsInf(size, 0) {
		return nil, errors.New("$partition: the chunk size must be a positive number")
	}
	return partition(a, int64(math.Min(size, 1<<31))), nil
}

func jsonataRange(args []any, _ any) (any, error) {
	if err := arity("range", args, 3, 3); err != nil {
		return nil, err
	}
	first, ok1 := number(args[0])
	last, ok2 := number(args[1])
	by, ok3 := number(args[2])
	if !ok1 || !ok2 || !ok3 || by == 0 {
		return nil, errors.New("$range takes three numbers, and the step must not be 0")
	}
	if (last-first)/by+1 > maxArrayRange {
		return nil, fmt.Errorf("$range gives more than %d elements", maxArrayRange)
	}
	out := []any{}
	for i := 0; i <= maxArrayRange; i++ {
		n := first + float64(i)*by
		if by > 0 && n > last || by < 0 && n < last {
			break
		}
		out = append(out, n)
	}
	return out, nil
}

func jsonataHash(args []any, _ any) (any, error) {
	if err := arity("hash", args, 2, 2); err != nil {
		return nil, err
	}
	if args[0] == nil {
		return nil, nil
	}
	value, err := clean(args[0])
	if err != nil {
		return nil, err
	}
	algorithm, ok := args[1].(string)
	if !ok {
		return nil, errors.New("$hash: the algorithm must be a string")
	}
	return digest(display(value), algorithm)
}

func jsonataParse(args []any, _ any) (any, error) {
	if err := arity("parse", args, 1, 1); err != nil {
		return nil, err
	}
	if args[0] == nil {
		return nil, nil
	}
	s, ok := args[0].(string)
	if !ok {
		return nil, errors.New("$parse: the argument must be a string")
	}
	v, err := decode([]byte(s))
	if err != nil {
		return nil, fmt.Errorf("$parse: not JSON: %w", err)
	}
	return v, nil
}

// jsonataRandom is uniform in [0, 1); a seed makes it repeatable.
func jsonataRandom(r *random, args []any) (any, error) {
	if err := arity("random", args, 0, 1); err != nil {
		return nil, err
	}
	if len(args) == 0 || args[0] == nil {
		return r.float(), nil
	}
	seed, ok := number(args[0])
	if !ok {
		return nil, errors.New("$random: the seed must be a number")
	}
	return rand.New(rand.NewPCG(math.Float64bits(seed), 0)).Float64(), nil
}
