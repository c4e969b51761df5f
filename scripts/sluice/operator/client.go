// Package operator is what a person can ask of a deployed Sluice: start and
// watch runs, read data, models and rollouts. It speaks to AWS through the SDK,
// and to the local stack in the same way.
package operator

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/sluice-ml/sluice/shared/aws/hooks"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
)

// Target says which deployment to speak to.
type Target struct {
	Environment string // "staging" or "production"
	Endpoint    string // a local stack's URL; "" is AWS with the default credentials
}

// Client speaks to one deployment.
type Client struct {
	Environment string
	Lake, Store string // bucket names
	Objects     *s3store.Store
	Rules       *s3store.Rules
	Locks       *s3store.Locks               // of the lake's objects
	Tiers       *s3store.Tiers               // of the lake's objects
	Hooks       hooks.Invoker                // of datasets' hooks that are functions
	Notice      func(hook string, err error) // of a hook that gave no answer and may; nil is nobody

	account, region string
	states          *sfn.Client
	functions       *lambda.Client
	endpoints       *sagemaker.Client
	inference       *sagemakerruntime.Client
	logs            *cloudwatchlogs.Client
	alarms          *cloudwatch.Client
	keys            *kms.Client
	serving         balanced
}

// Connect finds the deployment's names from the caller's account and region.
func Connect(ctx context.Context, target Target) (*Client, error) {
	options := []func(*config.LoadOptions) error{}
	if target.Endpoint != "" {
		options = append(options, config.WithBaseEndpoint(target.Endpoint), config.WithRegion(LocalRegion),
			config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(LocalAccessKey, LocalSecretKey, "")))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("read the AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		return nil, errors.New("no AWS region is set: set AWS_REGION, or start the local stack with: make up")
	}
	identity, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("ask who the credentials belong to: %w (for AWS: sign in first; for this machine: make up)", err)
	}
	account := aws.ToString(identity.Account)
	objects := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = o.BaseEndpoint != nil })
	lake := contract.BucketName(target.Environment, "lake", account, cfg.Region)
	return &Client{
		Environment: target.Environment,
		Lake:        lake,
		Store:       contract.BucketName(target.Environment, "store", account, cfg.Region),
		Objects:     s3store.New(objects),
		Rules:       s3store.NewRules(objects, time.Now),
		Locks:       s3store.NewLocks(objects, lake),
		Tiers:       s3store.NewTiers(objects, lake),
		Hooks:       lambda.NewFromConfig(cfg),
		account:     account, region: cfg.Region,
		states:    sfn.NewFromConfig(cfg),
		functions: lambda.NewFromConfig(cfg),
		endpoints: sagemaker.NewFromConfig(cfg),
		inference: sagemakerruntime.NewFromConfig(cfg),
		logs:      cloudwatchlogs.NewFromConfig(cfg),
		alarms:    cloudwatch.NewFromConfig(cfg),
		keys:      kms.NewFromConfig(cfg),
		serving: balanced{services: ecs.NewFromConfig(cfg), rules: elasticloadbalancingv2.NewFromConfig(cfg), gateway: target.Endpoint,
			http: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second}}},
	}, nil
}

// What the local stack accepts; it checks signatures but keeps no secrets.
const (
	LocalRegion    = "us-east-1"
	LocalAccount   = "000000000000"
	LocalAccessKey = "sluice"
	LocalSecretKey = "sluice-local"
)

func (c *Client) machineARN(name string) string {
	return fmt.Sprintf("arn:%s:states:%s:%s:stateMachine:sluice-%s-%s", c.partition(), c.region, c.account, c.Environment, name)
}

// ExecutionARN is the lifecycle execution of a run.
func (c *Client) ExecutionARN(run string) string {
	return strings.Replace(c.machineARN("lifecycle"), ":stateMachine:", ":execution:", 1) + ":" + run
}

func (c *Client) partition() string {
	switch {
	case strings.HasPrefix(c.region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(c.region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

func (c *Client) function(name string) string { return "sluice-" + c.Environment + "-" + name }
