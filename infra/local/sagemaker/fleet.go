package sagemaker

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"
)

// fleet is the instances of one variant.
type fleet struct {
	service           *Service
	endpoint, variant string
	spec              variant // as it was built; Weight and Count may have moved on
	program           string
	args, imageEnv    []string
	folder            string

	mu        sync.Mutex
	instances []*instance
	next      int // round robin
	numbers   int
}

// newFleet resolves the image and fetches the artefact. No server runs yet.
func (s *Service) newFleet(ctx context.Context, endpoint string, v variant) (*fleet, error) {
	c := v.Model.PrimaryContainer
	program, args, env, err := s.config.ResolveImage(c.Image)
	if err != nil {
		return nil, fmt.Errorf("the image %q of production variant %s cannot be run: %w", c.Image, v.Name, err)
	}
	folder, err := s.fetch(ctx, v.Model)
	if err != nil {
		return nil, err
	}
	return &fleet{service: s, endpoint: endpoint, variant: v.Name, spec: v, program: program, args: args, imageEnv: env, folder: folder}, nil
}

// serves says whether the fleet's processes are those that v wants.
func (f *fleet) serves(v variant) bool {
	return f != nil && f.spec.InstanceType == v.InstanceType && reflect.DeepEqual(f.spec.Model, v.Model)
}

// environment is a server's whole environment; the model's wins over the
// image's.
func (f *fleet) environment(port int) []string {
	env := append([]string(nil), f.imageEnv...)
	env = append(env, "AWS_REGION="+f.service.config.Region,
		"SAGEMAKER_BIND_TO_PORT="+fmt.Sprint(port), "SAGEMAKER_SAFE_PORT_RANGE="+fmt.Sprintf("%d-%d", port, port),
		"SM_MODEL_DIR="+f.folder)
	own := f.spec.Model.PrimaryContainer.Environment
	for _, name := range slices.Sorted(maps.Keys(own)) {
		env = append(env, name+"="+own[name])
	}
	return env
}

// grow starts instances until there are n.
func (f *fleet) grow(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.instances) < n {
		f.instances = append(f.instances, startInstance(f, f.numbers))
		f.numbers++
	}
}

// shrink stops the newest instances beyond n, after their requests.
func (f *fleet) shrink(n int) {
	f.mu.Lock()
	var surplus []*instance
	if len(f.instances) > n {
		surplus = slices.Clone(f.instances[n:])
		f.instances = f.instances[:n]
	}
	f.mu.Unlock()
	var all sync.WaitGroup
	for _, i := range surplus {
		all.Go(i.shutdown)
	}
	all.Wait()
}

func (f *fleet) all() []*instance {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.instances)
}

// timeout is how long the variant's servers may take to answer /ping.
func (f *fleet) timeout() time.Duration {
	if n := f.spec.StartupSeconds; n > 0 {
		return time.Duration(n) * time.Second
	}
	return f.service.config.ReadyTimeout
}

// await waits until every instance was ready once. The error is AWS's reason
// for a failed deployment, with what is known here.
func (f *fleet) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, f.timeout())
	defer cancel()
	for _, i := range f.all() {
		select {
		case <-i.first:
			continue
		default:
		}
		select {
		case <-i.first:
		case <-i.hopeless:
			return f.unhealthy(i.failure())
		case <-ctx.Done():
			return f.unhealthy(i.failure())
		}
	}
	return nil
}

func (f *fleet) unhealthy(why error) error {
	text := fmt.Sprintf("The primary container for production variant %s did not pass the ping health check.", f.variant)
	if why != nil {
		return fmt.Errorf("%s %w", text, why)
	}
	return fmt.Errorf("%s It did not answer GET /ping with 200 within %s.", text, f.timeout()) //nolint:staticcheck // AWS's words
}

// healthy says whether at least one instance is ready.
func (f *fleet) healthy() bool {
	return slices.ContainsFunc(f.all(), func(i *instance) bool { return i.ready.Load() })
}

// pick takes the next ready instance, round robin; nil when there is none. The
// caller releases it.
func (f *fleet) pick() *instance {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range f.instances {
		i := f.instances[f.next%len(f.instances)]
		f.next = (f.next + 1) % len(f.instances)
		if i.acquire() {
			return i
		}
	}
	return nil
}

func stopAll(fleets []*fleet) {
	var all sync.WaitGroup
	for _, f := range fleets {
		all.Go(func() { f.shrink(0) })
	}
	all.Wait()
}
