package awssdk

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// TestTableIsServed: every operation in the local stack's table can be called
// from a state machine, as the table says.
func TestTableIsServed(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	known := services(aws.Config{Region: "us-east-1"})
	names := map[string]string{"stepfunctions": "sfn", "sagemaker-runtime": "sagemakerruntime", "elbv2": "elasticloadbalancingv2", "logs": "cloudwatchlogs", "events": "eventbridge"}
	row := regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\| (`[^|]*) \\|")
	rows := row.FindAllStringSubmatch(string(readme), -1)
	if len(rows) < 15 {
		t.Fatalf("only %d rows were found: the check would check little", len(rows))
	}
	for _, match := range rows {
		name := match[1]
		if other := names[name]; other != "" {
			name = other
		}
		for _, quoted := range regexp.MustCompile("`([A-Z][A-Za-z0-9]+)`").FindAllStringSubmatch(match[2], -1) {
			action := strings.ToLower(quoted[1][:1]) + quoted[1][1:]
			if _, ok := known[name].operations[action]; !ok {
				t.Errorf("aws-sdk:%s:%s is not served", name, action)
			}
		}
	}
}
