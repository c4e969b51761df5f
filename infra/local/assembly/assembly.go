package assembly

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// DefaultRegion is the region of a stack that was synthesized for no region in
// particular.
const DefaultRegion = "us-east-1"

// Assembly is an opened cloud assembly.
type Assembly struct {
	dir       string
	artifacts map[string]artifact
}

type artifact struct {
	Type         string   `json:"type"`
	Environment  string   `json:"environment"`
	DisplayName  string   `json:"displayName"`
	Dependencies []string `json:"dependencies"`
	Properties   struct {
		TemplateFile  string            `json:"templateFile"`
		File          string            `json:"file"`
		StackName     string            `json:"stackName"`
		DirectoryName string            `json:"directoryName"`
		Parameters    map[string]string `json:"parameters"`
	} `json:"properties"`
}

const (
	stackArtifact    = "aws:cloudformation:stack"
	assetArtifact    = "cdk:asset-manifest"
	assemblyArtifact = "cdk:cloud-assembly"
)

// Open reads the manifest of the assembly in dir. It does not read templates.
func Open(dir string) (*Assembly, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open cloud assembly %s: %w", dir, err)
	}
	a := &Assembly{dir: absolute, artifacts: map[string]artifact{}}
	if err := a.read("", 0); err != nil {
		return nil, err
	}
	return a, nil
}

// read adds the artifacts of the manifest in the sub-folder; a CDK stage is an
// assembly nested in another.
func (a *Assembly) read(sub string, depth int) error {
	path := filepath.Join(a.dir, sub, "manifest.json")
	if depth > 8 {
		return fmt.Errorf("open cloud assembly %s: stages are nested more than 8 deep", path)
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("open cloud assembly: there is no %s: synthesize the CDK app first (cdk synth), or name the folder that holds manifest.json", path)
	}
	if err != nil {
		return fmt.Errorf("open cloud assembly: %w", err)
	}
	var manifest struct {
		Artifacts map[string]artifact `json:"artifacts"`
	}
	if err := json.Unmarshal(raw, &manifest); err != nil {
		return fmt.Errorf("open cloud assembly: %s is not a CDK manifest: %w", path, err)
	}
	for id, art := range manifest.Artifacts {
		if art.Type == assemblyArtifact {
			if err := a.read(filepath.Join(sub, art.Properties.DirectoryName), depth+1); err != nil {
				return err
			}
			continue
		}
		art.Properties.TemplateFile = within(sub, art.Properties.TemplateFile)
		art.Properties.File = within(sub, art.Properties.File)
		a.artifacts[filepath.Join(sub, id)] = art
	}
	return nil
}

func within(sub, file string) string {
	if file == "" {
		return ""
	}
	return filepath.Join(sub, file)
}

// Stacks lists the names of the assembly's stacks, in order.
func (a *Assembly) Stacks() []string {
	var names []string
	for id, art := range a.artifacts {
		if art.Type == stackArtifact {
			names = append(names, stackName(id, art))
		}
	}
	slices.Sort(names)
	return names
}

func stackName(id string, art artifact) string {
	if art.Properties.StackName != "" {
		return art.Properties.StackName
	}
	return filepath.Base(id)
}

// Stack reads the template and the asset manifests of the named stack. The
// error for an unknown name lists the stacks there are.
func (a *Assembly) Stack(name string) (*Template, error) {
	for id, art := range a.artifacts {
		if art.Type == stackArtifact && (stackName(id, art) == name || art.DisplayName == name) {
			return a.load(id, art)
		}
	}
	stacks := a.Stacks()
	if len(stacks) == 0 {
		return nil, fmt.Errorf("stack %q: the cloud assembly %s has no stack at all", name, a.dir)
	}
	return nil, fmt.Errorf("stack %q: not in the cloud assembly %s, which has %s", name, a.dir, strings.Join(stacks, ", "))
}

func (a *Assembly) load(id string, art artifact) (*Template, error) {
	path := filepath.Join(a.dir, art.Properties.TemplateFile)
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("stack %s: read its template: %w", stackName(id, art), err)
	}
	template, err := ParseTemplate(raw)
	if err != nil {
		return nil, fmt.Errorf("stack %s: %s: %w", stackName(id, art), path, err)
	}
	template.Name = stackName(id, art)
	template.Region = region(art.Environment)
	for name, value := range art.Properties.Parameters {
		template.Values[name] = value
	}
	for other, candidate := range a.artifacts {
		// A stack's own assets are next to its template; those of other stacks do no harm.
		if candidate.Type != assetArtifact || filepath.Dir(other) != filepath.Dir(id) {
			continue
		}
		if err := template.Assets.read(filepath.Join(a.dir, candidate.Properties.File)); err != nil {
			return nil, fmt.Errorf("stack %s: %w", template.Name, err)
		}
	}
	return template, nil
}

// region reads "aws://account/region".
func region(environment string) string {
	parts := strings.Split(strings.TrimPrefix(environment, "aws://"), "/")
	if len(parts) != 2 || parts[1] == "" || parts[1] == "unknown-region" {
		return DefaultRegion
	}
	return parts[1]
}
