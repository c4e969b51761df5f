package states_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-ml/sluice/infra/local/asl"
	"github.com/sluice-ml/sluice/infra/local/states"
)

type in = map[string]any

// TestUpdateStateMachine: what runs keeps its definition, what starts has the
// new one.
func TestUpdateStateMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, states.Options{Dir: dir})
		old := jsonata(`"A":{"Type":"Wait","Seconds":60,"Next":"B"},"B":{"Type":"Succeed","Output":"old"}`)
		arn := create(t, s, "m", old)
		running, err := s.Start(t.Context(), states.StartRequest{MachineARN: arn})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		updated := call(t, s, "UpdateStateMachine", in{"stateMachineArn": arn, "definition": jsonata(`"A":{"Type":"Succeed","Output":"new"}`), "roleArn": "arn:aws:iam::111111111111:role/new"}, http.StatusOK)
		described := call(t, s, "DescribeStateMachine", in{"stateMachineArn": arn}, http.StatusOK)
		if updated["updateDate"] == nil || described["revisionId"] != updated["revisionId"] || described["roleArn"] != "arn:aws:iam::111111111111:role/new" || described["creationDate"] == updated["updateDate"] {
			t.Errorf("updated %v, described %v", updated, described)
		}
		was := call(t, s, "DescribeStateMachineForExecution", in{"executionArn": running.ARN}, http.StatusOK)
		if was["definition"] != old || was["revisionId"] != nil || was["name"] != "m" || was["stateMachineArn"] != arn || was["roleArn"] != "arn:aws:iam::111111111111:role/role" {
			t.Errorf("of the execution: %v", was)
		}
		dir = kill(t, s, dir)
		s = recovered(t, states.Options{Dir: dir})
		started, err := s.Start(t.Context(), states.StartRequest{MachineARN: arn})
		if err != nil {
			t.Fatal(err)
		}
		for arn, want := range map[string]string{running.ARN: `"old"`, started.ARN: `"new"`} {
			if end, err := s.Wait(t.Context(), arn); err != nil || end.Output != want {
				t.Errorf("want %s: %+v %v", want, end, err)
			}
		}
		now := call(t, s, "DescribeStateMachineForExecution", in{"executionArn": started.ARN}, http.StatusOK)
		if now["revisionId"] != updated["revisionId"] || now["updateDate"] != updated["updateDate"] {
			t.Errorf("of the new execution: %v", now)
		}
		if out := call(t, s, "UpdateStateMachine", in{"stateMachineArn": arn, "definitions": "x"}, http.StatusBadRequest); !strings.Contains(out["message"].(string), "the nearest member here is definition") {
			t.Errorf("%v", out)
		}
	})
}

// TestDeleteStateMachine: a machine is DELETING while something runs, then
// gone, also when the stack is killed in between.
func TestDeleteStateMachine(t *testing.T) {
	for _, killed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, states.Options{Dir: dir})
			arn := create(t, s, "m", waits)
			d, err := s.Start(t.Context(), states.StartRequest{MachineARN: arn})
			if err != nil {
				t.Fatal(err)
			}
			call(t, s, "DeleteStateMachine", in{"stateMachineArn": arn}, http.StatusOK)
			if out := call(t, s, "DescribeStateMachine", in{"stateMachineArn": arn}, http.StatusOK); out["status"] != "DELETING" {
				t.Errorf("described %v", out)
			}
			for operation, request := range map[string]in{"StartExecution": {"stateMachineArn": arn}, "UpdateStateMachine": {"stateMachineArn": arn, "roleArn": "arn:aws:iam::111111111111:role/r"}, "CreateStateMachine": {"name": "m", "definition": waits}} {
				if out := call(t, s, operation, request, http.StatusBadRequest); out["__type"] != "StateMachineDeleting" {
					t.Errorf("%s: %v", operation, out)
				}
			}
			if killed {
				dir = kill(t, s, dir)
				s = recovered(t, states.Options{Dir: dir})
			}
			if end, err := s.Wait(t.Context(), d.ARN); err != nil || end.Status != asl.Succeeded {
				t.Errorf("%+v %v", end, err)
			}
			synctest.Wait()
			if out := call(t, s, "DescribeStateMachine", in{"stateMachineArn": arn}, http.StatusBadRequest); out["__type"] != "StateMachineDoesNotExist" {
				t.Errorf("described %v", out)
			}
			if _, err := os.Stat(filepath.Join(dir, "machines", "m.json")); !os.IsNotExist(err) {
				t.Errorf("its file is still there: %v", err)
			}
			call(t, s, "DeleteStateMachine", in{"stateMachineArn": arn}, http.StatusOK) // again is a success
			if d, err := s.Describe(d.ARN); err != nil || d.Status != asl.Succeeded {
				t.Errorf("the execution went with its machine: %+v %v", d, err)
			}
			create(t, s, "m", waits)
		})
	}
}

func TestTags(t *testing.T) {
	dir := t.TempDir()
	s := open(t, states.Options{Dir: dir})
	created := call(t, s, "CreateStateMachine", in{"name": "m", "definition": waits, "roleArn": "arn:aws:iam::111111111111:role/r", "tags": []in{{"key": "a", "value": "1"}}}, http.StatusOK)
	arn := created["stateMachineArn"].(string)
	call(t, s, "TagResource", in{"resourceArn": arn, "tags": []in{{"key": "a", "value": "2"}, {"key": "b", "value": "3"}, {"key": "c", "value": "4"}}}, http.StatusOK)
	call(t, s, "UntagResource", in{"resourceArn": arn, "tagKeys": []string{"c", "none"}}, http.StatusOK)
	s.Close()
	s = open(t, states.Options{Dir: dir})
	if got := fmt.Sprint(call(t, s, "ListTagsForResource", in{"resourceArn": arn}, http.StatusOK)["tags"]); got != "[map[key:a value:2] map[key:b value:3]]" {
		t.Errorf("tags %s", got)
	}
	var many []in
	for i := range 60 {
		many = append(many, in{"key": fmt.Sprint(i), "value": ""})
	}
	if out := call(t, s, "TagResource", in{"resourceArn": arn, "tags": many}, http.StatusBadRequest); out["__type"] != "TooManyTags" {
		t.Errorf("%v", out)
	}
	create(t, s, "bare", waits)
	if got := call(t, s, "ListTagsForResource", in{"resourceArn": strings.Replace(arn, ":m", ":bare", 1)}, http.StatusOK)["tags"].([]any); len(got) != 0 {
		t.Errorf("tags %v", got)
	}
}

// TestRefusalsNameTheNearest: of operations, members, fields and resources.
func TestRefusalsNameTheNearest(t *testing.T) {
	s := open(t, states.Options{Dir: t.TempDir(), Lambda: lambdaFunc(nil)})
	task := func(resource, field string) string {
		return jsonata(`"A":{"Type":"Task","Resource":"arn:aws:states:::` + resource + `","Arguments":{"` + field + `":"f"},"End":true}`)
	}
	for _, c := range []struct {
		operation string
		request   in
		want      string
	}{
		{"StartSyncExecution", in{}, "; the nearest operation here is StartExecution"},
		{"DescribeExecution", in{"executionArns": "x"}, "; the nearest member here is executionArn"},
		{"CreateStateMachine", in{"name": "m", "type": "EXPRESS", "definition": waits}, "use STANDARD"},
		{"CreateStateMachine", in{"name": "m", "definition": `{"StartAt":"W","States":{"W":{"Type":"Wait","Second":1,"End":true}}}`}, "Field is not supported; the nearest field here is Seconds at /States/W/Second"},
		{"CreateStateMachine", in{"name": "m", "definition": task("lambda:invokes", "FunctionName")}, "; the nearest resource here is arn:aws:states:::lambda:invoke at"},
		{"CreateStateMachine", in{"name": "m", "definition": task("lambda:invoke", "FunctionNames")}, "; the nearest field here is FunctionName at"},
		{"CreateStateMachine", in{"name": "m", "definition": task("batch:submitJob.sync:2", "JobName")}, "; the nearest resource here is arn:aws:states:::batch:submitJob.sync at"},
	} {
		if out := call(t, s, c.operation, c.request, http.StatusBadRequest); !strings.Contains(out["message"].(string), c.want) {
			t.Errorf("%s %v: %v, want %q", c.operation, c.request, out["message"], c.want)
		}
	}
}
