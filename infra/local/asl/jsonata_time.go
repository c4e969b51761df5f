package asl

import (
	"context"
	"errors"
	"time"

	"github.com/recolabs/gnata"
)

// timeFunctions are $now and $millis by the engine's clock: one moment for a
// whole evaluation, to the millisecond, as JSONata has it.
func timeFunctions(at time.Time) map[string]gnata.CustomFunc {
	millis := float64(at.UnixMilli())
	return map[string]gnata.CustomFunc{
		"millis": func([]any, any) (any, error) { return millis, nil },
		"now": func(args []any, _ any) (any, error) {
			switch len(args) {
			case 0:
				return at.UTC().Format("2006-01-02T15:04:05.000Z"), nil
			case 1:
				return fromMillis(millis, args[0], nil)
			case 2:
				return fromMillis(millis, args[0], args[1])
			}
			return nil, errors.New("$now takes a picture and a timezone at most")
		},
	}
}

// fromMillis is $fromMillis, which knows pictures and time zones.
func fromMillis(millis float64, picture, zone any) (any, error) {
	expr, err := gnata.Compile("$fromMillis(m, p, z)")
	if err != nil {
		return nil, err
	}
	in := map[string]any{"m": millis}
	if picture != nil {
		in["p"] = picture
	}
	if zone != nil {
		in["z"] = zone
	}
	return expr.Eval(context.Background(), in)
}
