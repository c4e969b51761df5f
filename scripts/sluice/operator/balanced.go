package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/sluice-ml/sluice/shared/aws/ecsbackend"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// balanced is what is known of the models that ECS serves behind the load
// balancer: what the stack tells the rollout functions.
type balanced struct {
	services ecsbackend.Services
	rules    ecsbackend.Rules
	http     *http.Client
	gateway  string // the local stack, which answers for its load balancers; "" is AWS

	mu      sync.Mutex
	read    bool
	told    contract.ECS
	backend *ecsbackend.Backend // nil when ECS serves no model
}

// ecs is the backend of a model that ECS serves; nil when SageMaker does.
func (c *Client) ecs(ctx context.Context, model string) (*ecsbackend.Backend, error) {
	b := &c.serving
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.read {
		if err := c.readServing(ctx); err != nil {
			return nil, err
		}
		b.read = true
	}
	if _, ok := b.told.Models[model]; !ok {
		return nil, nil
	}
	return b.backend, nil
}

// Mirrors says that a model's requests can be copied to a shadow: nil, or Invalid
// with why what serves the model cannot.
func (c *Client) Mirrors(ctx context.Context, model string) error {
	backend, err := c.ecs(ctx, model)
	if backend == nil || err != nil {
		return err
	}
	return backend.Mirrors(model)
}

// readServing asks for what the function that moves traffic is told.
func (c *Client) readServing(ctx context.Context) error {
	name := c.function("shift")
	out, err := c.functions.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name})
	if err != nil {
		return fmt.Errorf("read who serves the models from %s: %w", name, err)
	}
	b := &c.serving
	if out.Environment == nil || out.Environment.Variables[contract.EnvECS] == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(out.Environment.Variables[contract.EnvECS]), &b.told); err != nil {
		return fmt.Errorf("read who serves the models from %s: %s: %w", name, contract.EnvECS, err)
	}
	b.backend, err = ecsbackend.New(b.services, b.rules, b.http, ecsbackend.Settings{Environment: c.Environment, Cluster: b.told.Cluster, URL: b.told.URL,
		Instances: 1, Models: b.told.Models, Propagation: time.Duration(b.told.PropagationSeconds * float64(time.Second)), Patience: 15 * time.Minute, Now: time.Now})
	return err
}

// showBalanced gives an endpoint of ECS in SageMaker's words.
func (c *Client) showBalanced(ctx context.Context, backend *ecsbackend.Backend, model string, err error) (Endpoint, error) {
	if err != nil {
		return Endpoint{}, err
	}
	name := contract.EndpointName(c.Environment, model)
	view, err := backend.View(ctx, model)
	if err != nil {
		return Endpoint{}, fmt.Errorf("read endpoint %s: %w", name, err)
	}
	if !view.Exists {
		return Endpoint{}, fmt.Errorf("read endpoint %s: nothing serves it (it exists once the model's first version was promoted)", name)
	}
	endpoint := Endpoint{Name: name, Config: view.Config,
		Status: map[rollout.Status]string{rollout.Ready: "InService", rollout.Updating: "Updating", rollout.Failed: "Failed"}[view.Status]}
	for _, v := range view.Slots {
		endpoint.Variants = append(endpoint.Variants, Variant{Slot: v.Slot, Weight: v.Weight, Desired: v.Desired, Instances: v.Instances, Version: v.Version})
	}
	return endpoint, nil
}

// askBalanced asks the load balancer, which is inside a network: on AWS this works
// from within it.
func (c *Client) askBalanced(ctx context.Context, model, inferenceID string, body []byte, err error) (slot string, _ error) {
	if err != nil {
		return "", err
	}
	at, err := url.Parse(c.serving.told.URL)
	if err != nil {
		return "", err
	}
	address := strings.TrimSuffix(c.serving.told.URL, "/")
	if c.serving.gateway != "" {
		address = strings.TrimSuffix(c.serving.gateway, "/")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address+"/invocations", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Host = at.Host
	for name, value := range map[string]string{"Content-Type": "application/json", contract.HeaderModel: model, contract.HeaderInference: inferenceID} {
		request.Header.Set(name, value)
	}
	answer, err := c.serving.http.Do(request)
	if err != nil {
		return "", fmt.Errorf("ask %s: %w", c.serving.told.URL, err)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if closing := answer.Body.Close(); err == nil {
		err = closing
	}
	slot = answer.Header.Get(contract.HeaderSlot)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("the answer is %d: %.200s", answer.StatusCode, text)
	}
	if err != nil {
		return slot, fmt.Errorf("ask model %s: %w", model, err)
	}
	return slot, nil
}
