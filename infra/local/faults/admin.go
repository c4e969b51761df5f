package faults

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Admin serves the rules below a prefix: POST rules, GET rules, DELETE
// rules[/{id}], and PUT clock with {"jump": "1h"}.
func (i *Injector) Admin(prefix string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+prefix+"rules", func(w http.ResponseWriter, r *http.Request) {
		var rule Rule
		err := read(r.Body, &rule)
		if err == nil {
			rule, err = i.Add(rule)
		}
		answer(w, r, rule, err)
	})
	mux.HandleFunc("GET "+prefix+"rules", func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, map[string]any{"rules": i.Rules(), "seed": i.Seed, "clock": i.Offset().String()}, nil)
	})
	mux.HandleFunc("DELETE "+prefix+"rules", func(w http.ResponseWriter, _ *http.Request) {
		i.Clear()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE "+prefix+"rules/{id}", func(w http.ResponseWriter, r *http.Request) {
		if !i.Remove(r.PathValue("id")) {
			answer(w, r, nil, fmt.Errorf("there is no fault %q: want one of the ids that GET %srules lists", r.PathValue("id"), prefix))
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("PUT "+prefix+"clock", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Jump string `json:"jump"`
		}
		err := read(r.Body, &in)
		by, wrong := time.ParseDuration(in.Jump)
		switch {
		case err == nil && wrong != nil:
			err = fmt.Errorf("jump is %q: want a duration such as 1h or -5m", in.Jump)
		case err == nil:
			i.Jump(by)
		}
		answer(w, r, map[string]string{"clock": i.Offset().String()}, err)
	})
	return mux
}

func read(body io.Reader, into any) error {
	decoder := json.NewDecoder(io.LimitReader(body, 1<<14))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("the body is not a fault: %w", err)
	}
	return nil
}

func answer(w http.ResponseWriter, r *http.Request, v any, err error) {
	if err != nil {
		wire.WriteJSONError(w, r, wire.Errorf("ValidationException", "fault: %v", err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
