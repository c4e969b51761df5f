package asl

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/recolabs/gnata"
)

// jsonata is a compiled JSONata expression, the inside of {% … %}.
type jsonata struct {
	source     string
	expr       *gnata.Expression
	references []string // names after $ that may be variables
	states     bool     // reads $states
	context    bool     // may read $states.context
	time       bool     // may call $now or $millis
}

const (
	maxExpressionLength = 64 << 10
	maxExpressionDepth  = 256
	// maxExpressionSteps bounds one evaluation, so that a definition cannot hang.
	maxExpressionSteps = 5_000_000
)

// jsonataText gives the expression in a string that is one as a whole.
func jsonataText(s string) (string, bool) {
	if len(s) < 4 || !strings.HasPrefix(s, "{%") || !strings.HasSuffix(s, "%}") {
		return "", false
	}
	return strings.TrimSpace(s[2 : len(s)-2]), true
}

var statesMember = regexp.MustCompile(`\$states\s*(\.\s*(input|result|errorOutput)\b)?`)

func parseJSONata(source string) (out *jsonata, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("invalid JSONata expression %q: %v", source, r)
		}
	}()
	if source == "" {
		return nil, errors.New("an empty JSONata expression")
	}
	if len(source) > maxExpressionLength {
		return nil, fmt.Errorf("a JSONata expression longer than %d bytes", maxExpressionLength)
	}
	references, err := scanJSONata(source)
	if err != nil {
		return nil, fmt.Errorf("invalid JSONata expression %q: %w", source, err)
	}
	expr, err := gnata.Compile(source)
	if err != nil {
		return nil, fmt.Errorf("invalid JSONata expression %q: %w", source, err)
	}
	out = &jsonata{source: source, expr: expr}
	for _, name := range references {
		if name == "states" {
			out.states = true
		} else {
			out.time = out.time || name == "now" || name == "millis"
			out.references = append(out.references, name)
		}
	}
	for _, m := range statesMember.FindAllStringSubmatch(source, -1) {
		out.context = out.context || m[1] == ""
	}
	return out, nil
}

// scanJSONata lists the $names in an expression, and refuses what AWS refuses
// ($eval, $$) and what nests too deeply to parse. Names in strings and comments
// are listed too: binding a variable that nobody reads is harmless.
func scanJSONata(s string) ([]string, error) {
	depth, run := 0, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\'', '`':
			i = skipQuoted(s, i)
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case '-', '?', '|', ':', '^':
			run++ // operators that nest to the right
		case '$':
			name := leadingName(s[i+1:])
			if name == "" && strings.HasPrefix(s[i+1:], "$") {
				return nil, errors.New("$$ is not supported: use $states.input")
			}
			if name == "eval" {
				return nil, errors.New("the function $eval is not supported: use $parse")
			}
		}
		if depth > maxExpressionDepth || run > 16*maxExpressionDepth {
			return nil, fmt.Errorf("it nests deeper than %d", maxExpressionDepth)
		}
	}
	return dollarNames(s), nil
}

func dollarNames(s string) []string {
	var names []string
	for i := strings.IndexByte(s, '$'); i >= 0 && i < len(s); i++ {
		if s[i] != '$' {
			continue
		}
		if name := leadingName(s[i+1:]); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// skipQuoted gives the index of the closing quote, or of the last byte.
func skipQuoted(s string, at int) int {
	quote := s[at]
	for i := at + 1; i < len(s); i++ {
		if s[i] == '\\' && quote != '`' {
			i++
		} else if s[i] == quote {
			return i
		}
	}
	return len(s) - 1
}

func leadingName(s string) string {
	i := 0
	for i < len(s) && isNameByte(s[i]) {
		i++
	}
	return s[:i]
}

// bindings are an expression's variables.
type bindings struct {
	states any // $states, nil when the expression does not read it
	lookup func(name string) (any, bool)
}

// evaluator runs compiled expressions with AWS's extra functions. It is safe
// for concurrent use.
type evaluator struct {
	eval func(ctx context.Context, e *jsonata, b bindings) (any, error)
}

func newEvaluator(r *random, clock Clock) *evaluator {
	timeless := scopeOf(gnata.NewCustomEnv(awsFunctions(r)))
	return &evaluator{eval: func(ctx context.Context, e *jsonata, b bindings) (any, error) {
		scope := timeless
		if e.time {
			functions := awsFunctions(r)
			maps.Copy(functions, timeFunctions(clock.Now()))
			scope = scopeOf(gnata.NewCustomEnv(functions))
		}
		env := scope.Clone()
		if b.states != nil {
			env.Bind("states", b.states)
		}
		for _, name := range e.references {
			if v, ok := b.lookup(name); ok {
				env.Bind(name, v)
			}
		}
		return e.expr.EvalWithCustomFuncs(&budget{Context: ctx}, nil, env)
	}}
}

// scopeOf makes an empty scope below root. The library binds variables or
// custom functions in one evaluation, not both; a scope of one's own does both.
// Its type is internal, so the scope comes from a closure the library made.
func scopeOf[E any](root E) interface {
	Clone() E
	Bind(string, any)
} {
	closure, err := gnata.Compile("function(){1}")
	if err != nil {
		panic(err) // the text is a constant
	}
	run, _ := any(closure).(interface {
		EvalWithCustomFuncs(context.Context, any, E) (any, error)
	})
	lambda, err := run.EvalWithCustomFuncs(context.Background(), nil, root)
	if err != nil {
		panic(err)
	}
	scope := reflect.ValueOf(lambda).Elem().FieldByName("Closure").Interface()
	return scope.(interface {
		Clone() E
		Bind(string, any)
	})
}

var errTooLong = errors.New("the evaluation took too long")

// budget is a context that ends after so many steps of the evaluator, which
// asks Err at every node.
type budget struct {
	context.Context
	steps int
}

func (b *budget) Err() error {
	if b.steps++; b.steps > maxExpressionSteps {
		return errTooLong
	}
	if b.steps%1024 == 0 {
		return b.Context.Err()
	}
	return nil
}
