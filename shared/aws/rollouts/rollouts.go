// Package rollouts puts a rollout.Controller together from a function's
// environment: the endpoints on SageMaker or ECS, as the stack says of each model,
// the measurements in CloudWatch, the records in the store bucket, and people on an SNS topic.
package rollouts

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/sluice-ml/sluice/shared/aws/catalog"
	"github.com/sluice-ml/sluice/shared/aws/endpoint"
	"github.com/sluice-ml/sluice/shared/aws/kmssign"
	"github.com/sluice-ml/sluice/shared/aws/metrics"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/prometheus"
	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/settings"
)

// Environment is the variables that rollout functions read.
type Environment struct {
	Name     string // "staging" or "production"
	Store    string // bucket
	Key      string // the decisions' KMS key
	Topic    string // ARN
	Period   time.Duration
	Endpoint endpoint.Settings
	ECS      contract.ECS // without models SageMaker serves all

	Prometheus string // its address; "" measures by CloudWatch alone
}

// Read reads the variables through lookup; the error names all that are wrong.
func Read(lookup func(string) (string, bool)) (Environment, error) {
	env := settings.Env(lookup)
	e := Environment{Name: env.Require(contract.EnvEnvironment), Store: env.Require(contract.EnvStore), Key: env.Require(contract.EnvKeyID),
		Topic: env.Require(contract.EnvTopicARN), Period: env.Seconds(contract.EnvMetricPeriod, time.Minute)}
	e.Prometheus = env.Optional(contract.EnvPrometheusURL, "")
	e.Endpoint = endpoint.Settings{Environment: e.Name, Role: env.Require(contract.EnvEndpointRole),
		InstanceType: env.Require(contract.EnvInstanceType), InstanceCount: int32(env.Int(contract.EnvInstanceCount, 1, 1)),
		MetricPeriod: int32(e.Period / time.Second), Capture: contract.URI(e.Store, "capture")}
	if err := env.Err(); err != nil {
		return e, err
	}
	var err error
	e.ECS, err = readECS(env.Optional(contract.EnvECS, ""))
	return e, err
}

// FromEnvironment makes the controller of this process.
func FromEnvironment(ctx context.Context) (*rollout.Controller, Environment, error) {
	env, err := Read(os.LookupEnv)
	if err != nil {
		return nil, env, err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, env, fault.New(fault.Invalid, "read the AWS configuration", "%w", err)
	}
	endpoints, err := endpoint.New(sagemaker.NewFromConfig(cfg), sagemakerruntime.NewFromConfig(cfg), env.Endpoint)
	if err != nil {
		return nil, env, err
	}
	backend, err := env.backend(cfg, endpoints)
	if err != nil {
		return nil, env, err
	}
	gauge, err := env.gauge(cloudwatch.NewFromConfig(cfg))
	if err != nil {
		return nil, env, err
	}
	store, err := s3store.FromEnvironment(ctx)
	if err != nil {
		return nil, env, err
	}
	key, err := kmssign.FromEnvironment(ctx, env.Key)
	if err != nil {
		return nil, env, err
	}
	gauge = &Captured{Rest: gauge, Environment: env.Name, Captures: bucket{store, env.Store}, Store: store.Refs(env.Store, "")}
	records := rollout.Records{Store: store.Refs(env.Store, ""), Now: time.Now}
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	people := &Announcer{States: records, Client: sns.NewFromConfig(cfg), Topic: env.Topic, Environment: env.Name, Now: time.Now, Log: log}
	waker := &Waker{States: people, Store: store.Refs(env.Store, ""), Client: sfn.NewFromConfig(cfg), Now: time.Now, Log: log}
	return &rollout.Controller{Backend: backend, States: waker, Leases: records, Quarantine: records, Gauge: gauge, Tell: people.Tell,
		Catalog: &catalog.Catalog{Store: store, Bucket: env.Store, Environment: env.Name, Verifier: key, Now: time.Now},
		Now:     time.Now, Sleep: Sleep, Log: log}, env, nil
}

// gauge is CloudWatch, or Prometheus on top of it.
func (e Environment) gauge(client metrics.Client) (rollout.Gauge, error) {
	watch, err := metrics.New(client, e.Name, e.Period)
	if err != nil {
		return nil, err
	}
	watch.Balanced(e.balancers())
	if e.Prometheus == "" {
		return watch, nil
	}
	return &prometheus.Gauge{URL: e.Prometheus, Client: &http.Client{Timeout: 20 * time.Second}, Rest: watch, Stale: 2*e.Period + time.Minute}, nil
}

// Sleep waits, or ends with the context's error.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
