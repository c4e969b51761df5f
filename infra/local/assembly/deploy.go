package assembly

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/nearest"
)

// Deployment is what became of a template.
type Deployment struct {
	Outputs   map[string]string // by output name; a list is joined with commas
	Exports   map[string]string // by export name
	Resources []Made            // in the order they were created
}

// Made is one created resource.
type Made struct {
	LogicalID  string         `json:"logical_id"`
	Type       string         `json:"type"`
	Ref        string         `json:"ref"`
	Attributes map[string]any `json:"attributes,omitempty"`
}

// Deploy creates the template's resources in dependency order with the
// Creator of each type. Before the first is created it reports every resource
// without a creator, unresolvable reference and ring of dependencies.
// Creators are idempotent, so a Deploy that failed half way may be run again.
func Deploy(ctx context.Context, t *Template, creators map[string]Creator) (*Deployment, error) {
	r := newResolver(t)
	wanted, err := r.wanted()
	if err != nil {
		return nil, fmt.Errorf("stack %s: %w", t.Name, err)
	}
	if err := supported(t, wanted, creators); err != nil {
		return nil, err
	}
	order, err := r.order(wanted)
	if err != nil {
		return nil, fmt.Errorf("stack %s: %w", t.Name, err)
	}
	d := &Deployment{Outputs: map[string]string{}, Exports: map[string]string{}}
	for _, id := range order {
		made, err := r.create(ctx, id, creators)
		if err != nil {
			return nil, fmt.Errorf("stack %s: %w", t.Name, err)
		}
		d.Resources = append(d.Resources, made)
	}
	if err := r.outputs(d); err != nil {
		return nil, fmt.Errorf("stack %s: %w", t.Name, err)
	}
	return d, nil
}

// wanted lists the resources whose condition holds, in order of logical id.
// CDK's own metadata resource is nothing to create.
func (r *resolver) wanted() ([]string, error) {
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(r.template.resources)) {
		d := r.template.resources[id]
		if d.Type == "AWS::CDK::Metadata" {
			continue
		}
		if d.Condition != "" {
			holds, err := r.condition(d.Condition, "resource "+id, 0)
			if err != nil {
				return nil, err
			}
			if !holds {
				continue
			}
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func supported(t *Template, ids []string, creators map[string]Creator) error {
	var missing []string
	for _, id := range ids {
		kind := t.resources[id].Type
		if _, ok := creators[kind]; ok {
			continue
		}
		line := fmt.Sprintf("  %s: %s", id, kind)
		if near := nearest.Name(kind, nearest.Keys(creators)); near != "" {
			line += " (the nearest supported type is " + near + ")"
		}
		missing = append(missing, line)
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("stack %s: the local stack does not implement these resource types, so nothing was created:\n%s",
		t.Name, strings.Join(missing, "\n"))
}

func (r *resolver) create(ctx context.Context, id string, creators map[string]Creator) (Made, error) {
	d := r.template.resources[id]
	properties := d.Properties
	if properties == nil {
		properties = map[string]any{}
	}
	resolved, err := r.resolve(properties, "resource "+id, 0)
	if err != nil {
		return Made{}, err
	}
	raw, err := json.Marshal(resolved)
	if err != nil {
		return Made{}, fmt.Errorf("resource %s (%s): encode its properties: %w", id, d.Type, err)
	}
	created, err := creators[d.Type](ctx, Resource{LogicalID: id, Type: d.Type, Properties: raw, Metadata: d.Metadata})
	if err != nil {
		return Made{}, fmt.Errorf("create resource %s (%s): %w", id, d.Type, err)
	}
	r.created[id] = created
	return Made{LogicalID: id, Type: d.Type, Ref: created.Ref, Attributes: created.Attributes}, nil
}

func (r *resolver) outputs(d *Deployment) error {
	for _, name := range slices.Sorted(maps.Keys(r.template.outputs)) {
		o := r.template.outputs[name]
		where := "output " + name
		if o.Condition != "" {
			if holds, err := r.condition(o.Condition, where, 0); err != nil || !holds {
				if err != nil {
					return err
				}
				continue
			}
		}
		value, err := r.resolve(o.Value, where, 0)
		if err != nil {
			return err
		}
		if d.Outputs[name], err = outputText(value); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		if export, ok := o.Export["Name"]; ok {
			exported, err := r.resolveText(export, where+".Export", 0)
			if err != nil {
				return err
			}
			d.Exports[exported] = d.Outputs[name]
		}
	}
	return nil
}

func outputText(value any) (string, error) {
	list, ok := value.([]any)
	if !ok {
		return scalarText(value)
	}
	parts := make([]string, len(list))
	for i, item := range list {
		part, err := scalarText(item)
		if err != nil {
			return "", err
		}
		parts[i] = part
	}
	return strings.Join(parts, ","), nil
}
