package rollouts

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/sluice-ml/sluice/shared/aws/ecsbackend"
	"github.com/sluice-ml/sluice/shared/aws/metrics"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// patience is how long a deployment may take on ECS: an image is pulled and a
// model read within a few minutes, and a capacity that is short for longer than
// this is no release.
const patience = 15 * time.Minute

// ByModel is a rollout.Backend for each model.
type ByModel struct {
	Special map[string]rollout.Backend // by model
	Usual   rollout.Backend            // of all others
}

var _ rollout.Backend = (*ByModel)(nil)

// Of gives a model's backend.
func (b *ByModel) Of(model string) rollout.Backend {
	if special, ok := b.Special[model]; ok {
		return special
	}
	return b.Usual
}

// View implements rollout.Backend.
func (b *ByModel) View(ctx context.Context, model string) (rollout.View, error) {
	return b.Of(model).View(ctx, model)
}

// Prepare implements rollout.Backend.
func (b *ByModel) Prepare(ctx context.Context, p rollout.Placement) (string, error) {
	return b.Of(p.Model).Prepare(ctx, p)
}

// Mirrors implements rollout.Backend.
func (b *ByModel) Mirrors(model string) error { return b.Of(model).Mirrors(model) }

// Shadow implements rollout.Backend.
func (b *ByModel) Shadow(ctx context.Context, p rollout.Placement, sample float64) (string, error) {
	return b.Of(p.Model).Shadow(ctx, p, sample)
}

// SetWeights implements rollout.Backend.
func (b *ByModel) SetWeights(ctx context.Context, model string, weights []rollout.Weight) error {
	return b.Of(model).SetWeights(ctx, model, weights)
}

// Smoke implements rollout.Backend.
func (b *ByModel) Smoke(ctx context.Context, model, slot string, row rollout.Row) error {
	return b.Of(model).Smoke(ctx, model, slot, row)
}

// Retire implements rollout.Backend.
func (b *ByModel) Retire(ctx context.Context, model, id, keep string) (string, error) {
	return b.Of(model).Retire(ctx, model, id, keep)
}

// Delete implements rollout.Backend.
func (b *ByModel) Delete(ctx context.Context, model string) error {
	return b.Of(model).Delete(ctx, model)
}

// readECS reads what is said of ECS; no models when nothing is.
func readECS(text string) (contract.ECS, error) {
	var said contract.ECS
	if text == "" {
		return said, nil
	}
	if err := json.Unmarshal([]byte(text), &said); err != nil {
		return said, fault.New(fault.Invalid, "read "+contract.EnvECS, "%w", err).WithHint("the stack sets it: deploy the stack again")
	}
	return said, nil
}

// backend is usual, or ECS for the models that it serves.
func (e Environment) backend(cfg aws.Config, usual rollout.Backend) (rollout.Backend, error) {
	if len(e.ECS.Models) == 0 {
		return usual, nil
	}
	probe := &Probe{Client: lambda.NewFromConfig(cfg), Function: e.ECS.Probe}
	special, err := ecsbackend.New(ecs.NewFromConfig(cfg), elasticloadbalancingv2.NewFromConfig(cfg), probe, ecsbackend.Settings{
		Environment: e.Name, Cluster: e.ECS.Cluster, URL: e.ECS.URL, Instances: int(e.Endpoint.InstanceCount), Models: e.ECS.Models,
		Propagation: time.Duration(e.ECS.PropagationSeconds * float64(time.Second)), Patience: patience, Now: time.Now})
	if err != nil {
		return nil, err
	}
	all := &ByModel{Special: map[string]rollout.Backend{}, Usual: usual}
	for model := range e.ECS.Models {
		all.Special[model] = special
	}
	return all, nil
}

// balancers says where the models that ECS serves are measured.
func (e Environment) balancers() map[string]metrics.Balancer {
	all := map[string]metrics.Balancer{}
	for model, place := range e.ECS.Models {
		balancer := metrics.BalancerOf(place.Rule, place.Groups)
		balancer.Period = time.Duration(e.ECS.PeriodSeconds * float64(time.Second))
		all[model] = balancer
	}
	return all
}

// Invoker is what is used of the Lambda client.
type Invoker interface {
	Invoke(context.Context, *lambda.InvokeInput, ...func(*lambda.Options)) (*lambda.InvokeOutput, error)
}

// Probe sends requests to the load balancer, which is inside a network that the
// rollout functions are not in, by way of a function that is.
type Probe struct {
	Client   Invoker
	Function string
}

var _ ecsbackend.Doer = (*Probe)(nil)

// Do sends the request's path, headers and body. The address is the probe's own.
func (p *Probe) Do(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	asked := contract.ProbeRequest{Path: request.URL.Path, Headers: map[string]string{}, Body: body}
	for name := range request.Header {
		asked.Headers[name] = request.Header.Get(name)
	}
	payload, err := json.Marshal(asked)
	if err != nil {
		return nil, err
	}
	out, err := p.Client.Invoke(request.Context(), &lambda.InvokeInput{FunctionName: &p.Function, Payload: payload})
	if err != nil {
		return nil, err
	}
	if out.FunctionError != nil {
		return nil, fmt.Errorf("function %s: %.300s", p.Function, out.Payload)
	}
	var answer contract.ProbeAnswer
	if err := json.Unmarshal(out.Payload, &answer); err != nil {
		return nil, fmt.Errorf("function %s: %w", p.Function, err)
	}
	return &http.Response{StatusCode: answer.Status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(answer.Body)), Request: request}, nil
}
