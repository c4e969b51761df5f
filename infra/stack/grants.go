package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"
)

// statement is one permission: actions, the resources they are on, and an
// optional condition.
type statement struct {
	actions    []string
	resources  []string
	conditions map[string]any
}

func allow(actions ...string) statement { return statement{actions: actions} }

func (g statement) on(resources ...string) statement {
	g.resources = append(g.resources, resources...)
	return g
}

func (g statement) when(conditions map[string]any) statement {
	g.conditions = conditions
	return g
}

// grant gives a role exactly these permissions, as one inline policy, so that
// what a function may do reads in one place of the template.
func (s *Sluice) grant(role awsiam.Role, statements ...statement) {
	for _, g := range statements {
		props := &awsiam.PolicyStatementProps{
			Actions:   jsii.Strings(g.actions...),
			Resources: jsii.Strings(g.resources...),
		}
		if g.conditions != nil {
			props.Conditions = &g.conditions
		}
		role.AddToPolicy(awsiam.NewPolicyStatement(props))
	}
	if policy := role.Node().TryFindChild(jsii.String("DefaultPolicy")); policy != nil {
		fix(policy, *role.Node().Id()+"Policy")
	}
}

// in is the ARN of objects in a bucket, e.g. in(store, "runs/*").
func (s *Sluice) in(bucket awss3.Bucket, pattern string) string {
	return *bucket.ArnForObjects(jsii.String(pattern))
}

// reads and writes are the permissions on prefixes of the store.
func (s *Sluice) reads(prefixes ...string) statement {
	g := allow("s3:GetObject", "s3:GetObjectVersion")
	for _, p := range prefixes {
		g = g.on(s.in(s.store, p+"/*"))
	}
	return g
}

func (s *Sluice) writes(prefixes ...string) statement {
	g := allow("s3:PutObject")
	for _, p := range prefixes {
		g = g.on(s.in(s.store, p+"/*"))
	}
	return g
}

// lists lets S3 answer 404 rather than 403 for a key that is not there, and
// lists the prefixes.
func (s *Sluice) lists(bucket awss3.Bucket) statement {
	return allow("s3:ListBucket", "s3:ListBucketVersions").on(*bucket.BucketArn())
}

// endpoints are the ARNs of every model's endpoint things of this environment.
func (s *Sluice) endpoints(kinds ...string) []string {
	arns := []string{}
	for _, kind := range kinds {
		arns = append(arns, *s.arn("sagemaker", kind, "sluice-"+s.environment+"-*", awscdk.ArnFormat_SLASH_RESOURCE_NAME))
	}
	return arns
}
