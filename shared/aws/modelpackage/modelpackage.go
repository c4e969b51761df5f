// Package modelpackage keeps a copy of our registered versions in the SageMaker
// Model Registry: a model package group per model, named as its endpoint, and a
// model package per version.
//
// A package waits for approval (PendingManualApproval) while its version's run
// goes on, or ended in a failure that people should look at; it is Approved when
// the signed decision ships and the release came through (promoted, or
// registered where the environment rolls nothing out), and Rejected when the
// release was rolled back. SageMaker numbers packages by itself; the metadata
// property "version" is our number, and "champion" marks the one that serves.
package modelpackage

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/aws/smithy-go"

	"github.com/sluice-ml/sluice/shared/canonical"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/gate"
	"github.com/sluice-ml/sluice/shared/tracking"
)

// Client is what is used of the SageMaker client.
type Client interface {
	CreateModelPackageGroup(context.Context, *sagemaker.CreateModelPackageGroupInput, ...func(*sagemaker.Options)) (*sagemaker.CreateModelPackageGroupOutput, error)
	CreateModelPackage(context.Context, *sagemaker.CreateModelPackageInput, ...func(*sagemaker.Options)) (*sagemaker.CreateModelPackageOutput, error)
	DescribeModelPackage(context.Context, *sagemaker.DescribeModelPackageInput, ...func(*sagemaker.Options)) (*sagemaker.DescribeModelPackageOutput, error)
	ListModelPackages(context.Context, *sagemaker.ListModelPackagesInput, ...func(*sagemaker.Options)) (*sagemaker.ListModelPackagesOutput, error)
	UpdateModelPackage(context.Context, *sagemaker.UpdateModelPackageInput, ...func(*sagemaker.Options)) (*sagemaker.UpdateModelPackageOutput, error)
}

// Metadata properties that packages are found and marked by.
const (
	propertyVersion  = "version"
	propertyChampion = "champion"
)

// Registry is the Model Registry as a tracking.Versions.
type Registry struct {
	Client      Client
	Environment string
}

var _ tracking.Versions = Registry{}

// Target names the account's registry: there is one.
func (r Registry) Target() string { return "sagemaker" }

func (r Registry) group(model string) string { return contract.EndpointName(r.Environment, model) }

// Version makes a version's package, or brings its approval and its properties
// up to date.
func (r Registry) Version(ctx context.Context, v tracking.Version) error {
	arn, err := r.find(ctx, v.Model, v.Version.Version)
	if fault.Is(err, fault.NotFound) {
		arn, err = r.create(ctx, v)
	}
	if err != nil {
		return err
	}
	status, why := approval(v)
	_, err = r.Client.UpdateModelPackage(ctx, &sagemaker.UpdateModelPackageInput{ModelPackageArn: &arn, ModelApprovalStatus: status,
		ApprovalDescription: &why, CustomerMetadataProperties: properties(v)})
	return classify("update "+arn, err)
}

// approval follows from the decision and from how the release went.
func approval(v tracking.Version) (types.ModelApprovalStatus, string) {
	switch {
	case v.Action != "ship":
		return types.ModelApprovalStatusRejected, "the decision is " + v.Action
	case v.Outcome == "promoted" || v.Outcome == "registered":
		return types.ModelApprovalStatusApproved, "the signed decision ships; the run ended " + v.Outcome
	case v.Outcome == "rolled_back":
		return types.ModelApprovalStatusRejected, short("rolled back: "+v.Reason, 1000)
	case v.Outcome == "":
		return types.ModelApprovalStatusPendingManualApproval, "the signed decision ships; the run goes on"
	}
	return types.ModelApprovalStatusPendingManualApproval, short("the signed decision ships; the run ended "+v.Outcome+": "+v.Reason, 1000)
}

func properties(v tracking.Version) map[string]string {
	p := map[string]string{}
	for name, value := range map[string]string{propertyVersion: strconv.Itoa(v.Version.Version), "run": v.Run, "plan": v.PlanHash, "commit": v.Commit,
		"decision": v.Decision, "action": v.Action, "digest": v.Digest, "outcome": v.Outcome} {
		if value != "" {
			p[name] = short(allowed(value), 256)
		}
	}
	return p
}

// allowed replaces what CustomerMetadataProperties may not hold.
func allowed(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.Is(unicode.Z, r) || strings.ContainsRune("_.:/=+-@", r) {
			return r
		}
		return '_'
	}, text)
}

func short(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most])
	}
	return text
}

// find gives the ARN of a version's package, the oldest one; NotFound when there
// is none. The list tells descriptions only, so what fits by that is looked at.
func (r Registry) find(ctx context.Context, model string, version int) (string, error) {
	op := "find version " + strconv.Itoa(version) + " of " + r.group(model)
	mark := tracking.Version{Version: contract.Version{Model: model, Version: version}}.Describe()
	pages := sagemaker.NewListModelPackagesPaginator(r.Client, &sagemaker.ListModelPackagesInput{
		ModelPackageGroupName: aws.String(r.group(model)), SortBy: types.ModelPackageSortByCreationTime, SortOrder: types.SortOrderAscending})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", classify(op, err)
		}
		for _, p := range page.ModelPackageSummaryList {
			if !strings.HasPrefix(aws.ToString(p.ModelPackageDescription), mark) {
				continue
			}
			out, err := r.Client.DescribeModelPackage(ctx, &sagemaker.DescribeModelPackageInput{ModelPackageName: p.ModelPackageArn})
			if err != nil {
				return "", classify(op, err)
			}
			if out.CustomerMetadataProperties[propertyVersion] == strconv.Itoa(version) {
				return aws.ToString(p.ModelPackageArn), nil
			}
		}
	}
	return "", fault.New(fault.NotFound, op, "the Model Registry has none")
}

// create makes the group, where there is none, and the package. The client token
// is the version's own, so a repetition that the list does not show yet makes no
// second one.
func (r Registry) create(ctx context.Context, v tracking.Version) (string, error) {
	group := r.group(v.Model)
	_, err := r.Client.CreateModelPackageGroup(ctx, &sagemaker.CreateModelPackageGroupInput{ModelPackageGroupName: &group,
		ModelPackageGroupDescription: aws.String("Sluice: the registered versions of " + v.Model)})
	if err != nil && !alreadyExists(err) {
		return "", classify("create model package group "+group, err)
	}
	out, err := r.Client.CreateModelPackage(ctx, &sagemaker.CreateModelPackageInput{
		ModelPackageGroupName: &group, ModelPackageDescription: aws.String(v.Describe()),
		ClientToken:         aws.String(canonical.Sum([]byte(group + "/" + strconv.Itoa(v.Version.Version) + "/" + v.Run))[:36]),
		ModelApprovalStatus: types.ModelApprovalStatusPendingManualApproval, CustomerMetadataProperties: properties(v),
		InferenceSpecification: &types.InferenceSpecification{
			Containers:            []types.ModelPackageContainerDefinition{{Image: &v.Image, ModelDataUrl: &v.Artifact}},
			SupportedContentTypes: []string{"text/csv", "application/json", "application/x-ndjson"}, SupportedResponseMIMETypes: []string{"text/csv", "application/json", "application/x-ndjson"},
		},
		ModelMetrics: metrics(v),
	})
	if err != nil {
		return "", classify("create the model package of version "+strconv.Itoa(v.Version.Version)+" of "+group, err)
	}
	return aws.ToString(out.ModelPackageArn), nil
}

// metrics are links to what the run measured.
func metrics(v tracking.Version) *types.ModelMetrics {
	source := func(file string) *types.MetricsSource {
		uri, ok := v.Links[file]
		if !ok {
			return nil
		}
		return &types.MetricsSource{ContentType: aws.String("application/json"), S3Uri: &uri}
	}
	return &types.ModelMetrics{
		ModelQuality:     &types.ModelQuality{Statistics: source(contract.FileMetrics)},
		ModelDataQuality: &types.ModelDataQuality{Statistics: source(contract.FileProfile), Constraints: source(contract.FileValidation)},
		Bias:             &types.Bias{Report: source(contract.VerdictFile(gate.NameFairness))},
	}
}

// Champion sets the property of the champion and takes it from the others; Busy
// while the champion's package was not made.
func (r Registry) Champion(ctx context.Context, model string, champion int, before []int) error {
	arn, err := r.find(ctx, model, champion)
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.Busy, "mark the champion of "+model, "%w", err)
	}
	if err != nil {
		return err
	}
	for _, old := range before {
		was, err := r.find(ctx, model, old)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err == nil {
			_, err = r.Client.UpdateModelPackage(ctx, &sagemaker.UpdateModelPackageInput{ModelPackageArn: &was,
				CustomerMetadataPropertiesToRemove: []string{propertyChampion}})
			err = classify("update "+was, err)
		}
		if err != nil {
			return err
		}
	}
	_, err = r.Client.UpdateModelPackage(ctx, &sagemaker.UpdateModelPackageInput{ModelPackageArn: &arn,
		CustomerMetadataProperties: map[string]string{propertyChampion: "true"}})
	return classify("update "+arn, err)
}

// alreadyExists says that a create call found the name taken.
func alreadyExists(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && strings.Contains(api.ErrorMessage(), "already exist")
}

// classify gives an SDK error its kind; nil stays nil. SageMaker says most things
// with one code, so the message decides.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return fault.New(fault.Unavailable, op, "%w", err)
	}
	switch code, message := api.ErrorCode(), api.ErrorMessage(); {
	case strings.Contains(message, "does not exist"), code == "ResourceNotFound":
		return fault.New(fault.NotFound, op, "%w", err)
	case code == "ConflictException":
		return fault.New(fault.Conflict, op, "%w", err)
	case strings.Contains(code, "AccessDenied"), code == "UnrecognizedClientException":
		return fault.New(fault.Denied, op, "%w", err).WithHint("the function's role must allow it")
	case strings.Contains(code, "Validation"), code == "ResourceLimitExceeded":
		return fault.New(fault.Invalid, op, "%w", err)
	}
	return fault.New(fault.Unavailable, op, "%w", err)
}
