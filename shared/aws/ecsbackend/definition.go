package ecsbackend

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// Labels of the server's container. Unlike tags they never change.
const (
	versionLabel = "sluice.version"
	digestLabel  = "sluice.digest"  // of the artefact
	contentLabel = "sluice.content" // of the whole task definition and its rollout
)

// definitions remembers what task definitions say; a revision never changes.
type definitions struct {
	mu       sync.Mutex
	versions map[string]int // by ARN
}

// versionOf reads a version from a task definition's labels; 0 when it is none of
// ours.
func (b *Backend) versionOf(ctx context.Context, op, arn string) (int, error) {
	b.known.mu.Lock()
	version, ok := b.known.versions[arn]
	b.known.mu.Unlock()
	if ok {
		return version, nil
	}
	found, err := b.definition(ctx, op, arn)
	if err != nil {
		return 0, err
	}
	if server := serverOf(found); server != nil {
		version, _ = strconv.Atoi(server.DockerLabels[versionLabel]) // no number is version 0
	}
	b.known.mu.Lock()
	defer b.known.mu.Unlock()
	if b.known.versions == nil {
		b.known.versions = map[string]int{}
	}
	b.known.versions[arn] = version
	return version, nil
}

// definition reads one; nil when there is none.
func (b *Backend) definition(ctx context.Context, op, named string) (*types.TaskDefinition, error) {
	out, err := b.services.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &named})
	if err != nil {
		return nil, classify(op, err)
	}
	return out.TaskDefinition, nil
}

func serverOf(d *types.TaskDefinition) *types.ContainerDefinition {
	if d == nil {
		return nil
	}
	for i := range d.ContainerDefinitions {
		if aws.ToString(d.ContainerDefinitions[i].Name) == contract.ServerContainer {
			return &d.ContainerDefinitions[i]
		}
	}
	return nil
}

// ensureDefinition registers the version's task definition, or finds the one it
// registered before: the latest of the slot's family has the same content.
func (b *Backend) ensureDefinition(ctx context.Context, op string, p rollout.Placement) (string, error) {
	base, err := b.definition(ctx, op, contract.EndpointName(b.settings.Environment, p.Model))
	if err != nil {
		return "", err
	}
	in, err := b.derive(op, base, p)
	if err != nil {
		return "", err
	}
	last, err := b.definition(ctx, op, *in.Family)
	if fault.Is(err, fault.Invalid) { // ECS says ClientException of a family that has none
		last, err = nil, nil
	}
	if err != nil {
		return "", err
	}
	if server := serverOf(last); server != nil && server.DockerLabels[contentLabel] == serverOfInput(in).DockerLabels[contentLabel] {
		return aws.ToString(last.TaskDefinitionArn), nil
	}
	out, err := b.services.RegisterTaskDefinition(ctx, in)
	if err != nil {
		return "", classify(op, err)
	}
	return aws.ToString(out.TaskDefinition.TaskDefinitionArn), nil
}

func serverOfInput(in *ecs.RegisterTaskDefinitionInput) *types.ContainerDefinition {
	return serverOf(&types.TaskDefinition{ContainerDefinitions: in.ContainerDefinitions})
}

// derive is the base with the version's image and model.
func (b *Backend) derive(op string, base *types.TaskDefinition, p rollout.Placement) (*ecs.RegisterTaskDefinitionInput, error) {
	in := &ecs.RegisterTaskDefinitionInput{Family: aws.String(b.service(p.Model, p.Slot)), ContainerDefinitions: slices.Clone(base.ContainerDefinitions),
		Cpu: base.Cpu, Memory: base.Memory, NetworkMode: base.NetworkMode, RequiresCompatibilities: base.RequiresCompatibilities,
		TaskRoleArn: base.TaskRoleArn, ExecutionRoleArn: base.ExecutionRoleArn, RuntimePlatform: base.RuntimePlatform, EphemeralStorage: base.EphemeralStorage,
		Volumes: base.Volumes, PidMode: base.PidMode, IpcMode: base.IpcMode, ProxyConfiguration: base.ProxyConfiguration}
	server := serverOfInput(in)
	if server == nil {
		return nil, fault.New(fault.Invalid, op, "task definition %s has no container %q", aws.ToString(base.TaskDefinitionArn), contract.ServerContainer).
			WithHint("the stack declares it: deploy the stack again")
	}
	server.Image = &p.Artifact.Image
	server.Environment = slices.DeleteFunc(slices.Clone(server.Environment), func(v types.KeyValuePair) bool {
		return aws.ToString(v.Name) == contract.EnvModel || aws.ToString(v.Name) == contract.EnvSlot
	})
	server.Environment = append(server.Environment, types.KeyValuePair{Name: aws.String(contract.EnvModel), Value: &p.Artifact.URI},
		types.KeyValuePair{Name: aws.String(contract.EnvSlot), Value: aws.String(p.Slot)})
	server.DockerLabels = maps.Clone(server.DockerLabels)
	if server.DockerLabels == nil {
		server.DockerLabels = map[string]string{}
	}
	server.DockerLabels[versionLabel], server.DockerLabels[digestLabel] = strconv.Itoa(p.Artifact.Version), p.Artifact.Digest
	text, err := json.Marshal(in)
	if err != nil {
		return nil, fault.New(fault.Internal, op, "%w", err)
	}
	sum := sha256.Sum256(append(text, p.Rollout...))
	server.DockerLabels[contentLabel] = hex.EncodeToString(sum[:])
	return in, nil
}
