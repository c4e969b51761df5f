package assembly

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// order sorts the wanted resources so that each comes after those it refers to
// or DependsOn. A ring is an error that shows it.
func (r *resolver) order(wanted []string) ([]string, error) {
	needs, err := r.dependencies(wanted)
	if err != nil {
		return nil, err
	}
	const visiting, done = 1, 2
	state := map[string]int{}
	var order, path []string
	var visit func(id string) error
	visit = func(id string) error {
		switch state[id] {
		case done:
			return nil
		case visiting:
			ring := append(slices.Clone(path[slices.Index(path, id):]), id)
			return fmt.Errorf("resources depend on each other in a ring: %s", strings.Join(ring, " -> "))
		}
		state[id] = visiting
		path = append(path, id)
		for _, need := range needs[id] {
			if err := visit(need); err != nil {
				return err
			}
		}
		path = path[:len(path)-1]
		state[id] = done
		order = append(order, id)
		return nil
	}
	for _, id := range wanted {
		if err := visit(id); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// dependencies gives, for each wanted resource, the logical ids it needs first.
func (r *resolver) dependencies(wanted []string) (map[string][]string, error) {
	exists := map[string]bool{}
	for _, id := range wanted {
		exists[id] = true
	}
	needs := map[string][]string{}
	for _, id := range wanted {
		found, err := r.references(id)
		if err != nil {
			return nil, err
		}
		for _, need := range found {
			if exists[need] {
				needs[id] = append(needs[id], need)
			}
		}
	}
	return needs, nil
}

// references resolves a resource with placeholders to learn what it refers to.
func (r *resolver) references(id string) ([]string, error) {
	d := r.template.resources[id]
	found := map[string]bool{}
	scout := &resolver{template: r.template, pseudo: r.pseudo, judging: map[string]bool{},
		visit: func(id string) { found[id] = true }}
	if _, err := scout.resolve(d.Properties, "resource "+id, 0); err != nil {
		return nil, err
	}
	explicit, err := d.dependsOn()
	if err != nil {
		return nil, fmt.Errorf("resource %s: %w", id, err)
	}
	for _, need := range explicit {
		if _, ok := r.template.resources[need]; !ok {
			return nil, fmt.Errorf("resource %s: DependsOn names %q, which the template does not declare", id, need)
		}
		found[need] = true
	}
	return slices.Sorted(maps.Keys(found)), nil
}
