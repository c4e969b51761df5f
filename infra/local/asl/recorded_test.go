package asl_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-ml/sluice/infra/local/asl"
	"github.com/sluice-ml/sluice/infra/local/asl/asltest"
)

// identity gives a task's arguments back, as the recorded functions mostly do.
type identity struct{}

func (identity) Do(_ context.Context, call asl.TaskCall) (json.RawMessage, *asl.TaskError) {
	return call.Arguments, nil
}

// TestRecordedWithoutLambda runs what AWS ran without calling Lambda; the
// package states runs all the recordings.
func TestRecordedWithoutLambda(t *testing.T) {
	for _, c := range asltest.Load(t) {
		if c.Kind == "lambda" {
			continue
		}
		t.Run(c.Short(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runRecorded(t, c) })
		})
	}
}

func runRecorded(t *testing.T, c asltest.Case) {
	machine, err := asl.Parse(c.Definition, nil)
	if err != nil {
		t.Fatal(err)
	}
	var history []json.RawMessage
	engine := asl.NewEngine(asl.Options{Tasks: identity{}, Region: "eu-west-1", Account: "111111111111"})
	x, err := engine.Prepare(asl.Spec{
		Machine: machine, Input: c.InputText(), Start: time.Now(),
		ARN: "arn:aws:states:eu-west-1:111111111111:execution:machine:run", Name: "run", RoleARN: "role",
		MachineARN: "arn:aws:states:eu-west-1:111111111111:stateMachine:machine", MachineName: "machine",
		Event: func(e asl.Event) {
			text, err := json.Marshal(e)
			if err != nil {
				t.Error(err)
			}
			history = append(history, text)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Compare(history); err != nil {
		t.Error(err)
	}
}
