package batch

import (
	"runtime"
	"strconv"
)

// needs is what an attempt takes up while it runs.
type needs struct {
	VCPUs     float64
	MemoryMiB int
	GPUs      int
}

// architecture is this machine's, in Batch's words.
func architecture() string {
	if runtime.GOARCH == "amd64" {
		return "X86_64"
	}
	return "ARM64"
}

// parseNeeds reads resource requirements; VCPU and MEMORY must be there.
func parseNeeds(list []Requirement) (needs, error) {
	var n needs
	for _, r := range list {
		var err error
		switch r.Type {
		case "VCPU":
			n.VCPUs, err = strconv.ParseFloat(r.Value, 64)
			if err == nil && !(n.VCPUs > 0 && n.VCPUs <= 1024) {
				err = strconv.ErrRange
			}
		case "MEMORY":
			n.MemoryMiB, err = positive(r.Value)
		case "GPU":
			n.GPUs, err = positive(r.Value)
		default:
			return needs{}, clientError("resourceRequirements: type %q: want VCPU, MEMORY or GPU", r.Type)
		}
		if err != nil {
			return needs{}, clientError("resourceRequirements: %s %q: want a number above 0", r.Type, r.Value)
		}
	}
	if n.VCPUs == 0 || n.MemoryMiB == 0 {
		return needs{}, clientError("resourceRequirements: VCPU and MEMORY must both be given")
	}
	return n, nil
}

func positive(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err == nil && (n < 1 || n > 1<<30) {
		err = strconv.ErrRange
	}
	return n, err
}

func (n needs) plus(other needs) needs {
	return needs{n.VCPUs + other.VCPUs, n.MemoryMiB + other.MemoryMiB, n.GPUs + other.GPUs}
}

// merge replaces requirements by those of the same type in overrides.
func merge(base, overrides []Requirement) []Requirement {
	out := append([]Requirement{}, base...)
	for _, o := range overrides {
		found := false
		for i := range out {
			if out[i].Type == o.Type {
				out[i], found = o, true
			}
		}
		if !found {
			out = append(out, o)
		}
	}
	return out
}

// mergeVariables replaces variables by those of the same name in overrides.
func mergeVariables(base, overrides []Variable) []Variable {
	out := append([]Variable{}, base...)
	for _, o := range overrides {
		found := false
		for i := range out {
			if out[i].Name == o.Name {
				out[i], found = o, true
			}
		}
		if !found {
			out = append(out, o)
		}
	}
	return out
}
