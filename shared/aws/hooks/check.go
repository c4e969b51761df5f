package hooks

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
)

// Gates are the names of the gates that are built in.
func Gates() []string { return []string{GateDataQuality} }

// Check says whether what a hook asks is there: a hook of a gate or a function that
// does not exist would refuse every commit. Invalid names an unknown gate and those
// there are; NotFound a function that is not deployed, and the functions whose names
// begin with prefix, where they may be listed. Denied and Unavailable say that it
// could not be looked at.
func Check(ctx context.Context, functions Invoker, prefix string, spec dataset.HookSpec) error {
	if spec.Gate != "" {
		if slices.Contains(Gates(), spec.Gate) {
			return nil
		}
		return noGate("set hook "+spec.Name, spec.Gate)
	}
	_, err := functions.Invoke(ctx, &lambda.InvokeInput{FunctionName: &spec.Lambda, InvocationType: types.InvocationTypeDryRun}, once)
	if err == nil {
		return nil
	}
	err = classify("set hook "+spec.Name+": look at function "+spec.Lambda, err)
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	hint := "deploy it first; functions called " + prefix + "* need no permission of their own"
	if known := named(ctx, functions, prefix); len(known) > 0 {
		hint = "deploy it first, or name one of: " + strings.Join(known, ", ")
	}
	return fault.New(fault.NotFound, "set hook "+spec.Name, "there is no function %s", spec.Lambda).WithHint("%s", hint)
}

func noGate(op, name string) error {
	return fault.New(fault.Invalid, op, "there is no gate %q", name).WithHint("the gates are: %s", strings.Join(Gates(), ", "))
}

// mostNamed bounds a hint.
const mostNamed = 20

// named lists functions; none where the caller may not.
func named(ctx context.Context, functions Invoker, prefix string) []string {
	lister, ok := functions.(lambda.ListFunctionsAPIClient)
	if !ok {
		return nil
	}
	var names []string
	pages := lambda.NewListFunctionsPaginator(lister, &lambda.ListFunctionsInput{})
	for pages.HasMorePages() && len(names) < mostNamed {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return names
		}
		for _, f := range page.Functions {
			if name := aws.ToString(f.FunctionName); strings.HasPrefix(name, prefix) && len(names) < mostNamed {
				names = append(names, name)
			}
		}
	}
	return names
}
