// Command infra is the CDK app: it writes the cloud assembly that `cdk deploy`
// puts into an account and that `sluice up` runs on one machine.
package main

import (
	"fmt"
	"os"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/sluice-ml/sluice/infra/stack"
)

func main() {
	defer jsii.Close()
	if err := synth(); err != nil {
		fmt.Fprintln(os.Stderr, "infra:", err)
		jsii.Close()
		os.Exit(1)
	}
}

func synth() error {
	// The CDK command says where to write; `go run ./infra` writes to cdk.out.
	out := os.Getenv("CDK_OUTDIR")
	if out == "" {
		out = "cdk.out"
	}
	app := awscdk.NewApp(stack.AppProps(out))
	settings, err := stack.ReadSettings("cdk.json", contextOf(app))
	if err != nil {
		return err
	}
	for _, environment := range settings.Environments {
		stack.New(app, environment, settings)
	}
	app.Synth(nil)
	return nil
}

// contextOf reads what the CDK command passes on: cdk.json and its -c options.
func contextOf(app awscdk.App) map[string]any {
	values := map[string]any{}
	all, ok := app.Node().GetAllContext(nil).(map[string]any)
	if !ok {
		return values
	}
	for key, value := range all {
		values[key] = value
	}
	return values
}
