package sagemaker

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/durable"
)

// VariantUsage is what a variant has done since it was first created.
type VariantUsage struct {
	Endpoint        string  `json:"endpoint"`
	Variant         string  `json:"variant"`
	Requests        int64   `json:"requests"`
	Failed4XX       int64   `json:"failed_4xx"`        // the container said 4xx
	Failed5XX       int64   `json:"failed_5xx"`        // it said 5xx or did not answer
	Dropped         int64   `json:"dropped,omitempty"` // copies that a shadow was too slow for
	InstanceSeconds float64 `json:"instance_seconds"`  // summed over instances, as of the last Flush
}

// usageBook keeps the totals, and writes them when Flush asks and they changed.
type usageBook struct {
	mu      sync.Mutex
	path    string
	all     map[[2]string]*VariantUsage
	changed bool
}

func (u *usageBook) open(path string) error {
	u.path, u.all = path, map[[2]string]*VariantUsage{}
	var kept []*VariantUsage
	if _, err := durable.ReadJSON(path, &kept); err != nil {
		return err
	}
	for _, one := range kept {
		u.all[[2]string{one.Endpoint, one.Variant}] = one
	}
	return nil
}

// of gives a variant's totals; u.mu is held.
func (u *usageBook) of(endpoint, variant string) *VariantUsage {
	key := [2]string{endpoint, variant}
	if u.all[key] == nil {
		u.all[key] = &VariantUsage{Endpoint: endpoint, Variant: variant}
	}
	u.changed = true
	return u.all[key]
}

func (u *usageBook) request(endpoint, variant string, class int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	one := u.of(endpoint, variant)
	one.Requests++
	switch class {
	case class4XX:
		one.Failed4XX++
	case class5XX:
		one.Failed5XX++
	}
}

func (u *usageBook) drop(endpoint, variant string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.of(endpoint, variant).Dropped++
}

func (u *usageBook) list() []VariantUsage {
	u.mu.Lock()
	defer u.mu.Unlock()
	var out []VariantUsage
	for _, one := range u.all {
		out = append(out, *one)
	}
	slices.SortFunc(out, func(a, b VariantUsage) int {
		return cmp.Or(cmp.Compare(a.Endpoint, b.Endpoint), cmp.Compare(a.Variant, b.Variant))
	})
	return out
}

func (u *usageBook) save() error {
	u.mu.Lock()
	changed := u.changed
	u.changed = false
	u.mu.Unlock()
	if !changed {
		return nil
	}
	return durable.WriteJSON(u.path, u.list())
}

// Usage gives each variant's totals, in the order of their names.
func (s *Service) Usage() []VariantUsage { return s.usage.list() }

// accountInstances adds the time that instances have run since it was last
// called.
func (s *Service) accountInstances(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, e := range s.endpoints {
		for _, f := range e.fleets {
			seconds := 0.0
			for _, i := range f.all() {
				seconds += i.seconds(now)
			}
			if seconds > 0 {
				s.usage.mu.Lock()
				s.usage.of(name, f.variant).InstanceSeconds += seconds
				s.usage.mu.Unlock()
			}
		}
	}
}
