package sagemaker

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

// packageGroup is a model package group with its versions, in order from 1.
type packageGroup struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Created     time.Time       `json:"created"`
	Packages    []*modelPackage `json:"packages,omitempty"`
}

// modelPackage is one version. The specifications are kept as they came: the
// local stack does not read them.
type modelPackage struct {
	Version                    int               `json:"version"`
	ClientToken                string            `json:"client_token,omitempty"`
	Description                string            `json:"description,omitempty"`
	InferenceSpecification     json.RawMessage   `json:"inference_specification,omitempty"`
	ModelMetrics               json.RawMessage   `json:"model_metrics,omitempty"`
	MetadataProperties         json.RawMessage   `json:"metadata_properties,omitempty"`
	SourceURI                  string            `json:"source_uri,omitempty"`
	ApprovalStatus             string            `json:"approval_status"`
	ApprovalDescription        string            `json:"approval_description,omitempty"`
	CustomerMetadataProperties map[string]string `json:"customer_metadata_properties,omitempty"`
	Created                    time.Time         `json:"created"`
	Modified                   time.Time         `json:"modified"`
}

type createGroupInput struct {
	ModelPackageGroupName        string
	ModelPackageGroupDescription string
	Tags                         []tag
}

type groupName struct{ ModelPackageGroupName string }
type groupArn struct{ ModelPackageGroupArn string }

func (s *Service) createModelPackageGroup(_ context.Context, in createGroupInput) (*groupArn, error) {
	if err := checkName("modelPackageGroupName", in.ModelPackageGroupName); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	arn := s.arn("model-package-group", in.ModelPackageGroupName)
	if s.state.Groups[in.ModelPackageGroupName] != nil {
		return nil, invalid("Model Package Group already exists: %s", arn)
	}
	s.state.Groups[in.ModelPackageGroupName] = &packageGroup{Name: in.ModelPackageGroupName, Description: in.ModelPackageGroupDescription, Created: s.config.Now().UTC()}
	return &groupArn{arn}, s.save()
}

type describeGroupOutput struct {
	ModelPackageGroupName        string
	ModelPackageGroupArn         string
	ModelPackageGroupDescription string `json:",omitempty"`
	ModelPackageGroupStatus      string
	CreationTime                 epoch
	CreatedBy                    nothing
}

func (s *Service) describeModelPackageGroup(_ context.Context, in groupName) (*describeGroupOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.group(in.ModelPackageGroupName)
	if err != nil {
		return nil, err
	}
	return &describeGroupOutput{g.Name, s.arn("model-package-group", g.Name), g.Description, "Completed", epoch(g.Created), nothing{}}, nil
}

// group accepts a name or an ARN; s.mu is held.
func (s *Service) group(name string) (*packageGroup, error) {
	g := s.state.Groups[name[strings.LastIndexByte(name, '/')+1:]]
	if g == nil {
		return nil, invalid("ModelPackageGroup %s does not exist.", name)
	}
	return g, nil
}

type createPackageInput struct {
	ModelPackageGroupName      string
	ModelPackageDescription    string
	InferenceSpecification     json.RawMessage
	ModelMetrics               json.RawMessage
	MetadataProperties         json.RawMessage
	SourceURI                  string `json:"SourceUri"`
	ModelApprovalStatus        string
	CustomerMetadataProperties map[string]string
	ClientToken                string
	Tags                       []tag
}

type packageArn struct{ ModelPackageArn string }

var approvals = []string{"Approved", "Rejected", "PendingManualApproval"}

// createModelPackage adds a version to a group. A repeated ClientToken gives
// the version it made the first time.
func (s *Service) createModelPackage(_ context.Context, in createPackageInput) (*packageArn, error) {
	if in.ModelPackageGroupName == "" {
		return nil, invalid("ModelPackageGroupName is required: the local stack has versioned model packages only")
	}
	if in.ModelApprovalStatus == "" {
		in.ModelApprovalStatus = "PendingManualApproval"
	}
	if !slices.Contains(approvals, in.ModelApprovalStatus) {
		return nil, invalid("ModelApprovalStatus %q: want %s", in.ModelApprovalStatus, strings.Join(approvals, ", "))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.group(in.ModelPackageGroupName)
	if err != nil {
		return nil, err
	}
	for _, p := range g.Packages {
		if in.ClientToken != "" && p.ClientToken == in.ClientToken {
			return &packageArn{s.packageARN(g, p)}, nil
		}
	}
	now := s.config.Now().UTC()
	p := &modelPackage{len(g.Packages) + 1, in.ClientToken, in.ModelPackageDescription, in.InferenceSpecification, in.ModelMetrics,
		in.MetadataProperties, in.SourceURI, in.ModelApprovalStatus, "", in.CustomerMetadataProperties, now, now}
	g.Packages = append(g.Packages, p)
	return &packageArn{s.packageARN(g, p)}, s.save()
}

func (s *Service) packageARN(g *packageGroup, p *modelPackage) string {
	return s.arn("model-package", fmt.Sprintf("%s/%d", g.Name, p.Version))
}

// modelPackage finds a version by its ARN; s.mu is held.
func (s *Service) modelPackage(arn string) (*packageGroup, *modelPackage, error) {
	parts := strings.Split(arn, "/")
	if len(parts) == 3 {
		g := s.state.Groups[parts[1]]
		if version, err := strconv.Atoi(parts[2]); err == nil && g != nil && version >= 1 && version <= len(g.Packages) {
			return g, g.Packages[version-1], nil
		}
	}
	return nil, nil, invalid("ModelPackage %s does not exist.", arn)
}

type describePackageInput struct{ ModelPackageName string }

type describePackageOutput struct {
	ModelPackageArn            string
	ModelPackageName           string
	ModelPackageGroupName      string
	ModelPackageVersion        int
	ModelPackageDescription    string `json:",omitempty"`
	ModelPackageStatus         string
	ModelPackageStatusDetails  statusDetails
	ModelApprovalStatus        string
	ApprovalDescription        string            `json:",omitempty"`
	InferenceSpecification     json.RawMessage   `json:",omitempty"`
	ModelMetrics               json.RawMessage   `json:",omitempty"`
	MetadataProperties         json.RawMessage   `json:",omitempty"`
	SourceURI                  string            `json:"SourceUri,omitempty"`
	CustomerMetadataProperties map[string]string `json:",omitempty"`
	CreationTime               epoch
	LastModifiedTime           epoch
}

type statusDetails struct{ ValidationStatuses []nothing }

func (s *Service) describeModelPackage(_ context.Context, in describePackageInput) (*describePackageOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, p, err := s.modelPackage(in.ModelPackageName)
	if err != nil {
		return nil, err
	}
	return &describePackageOutput{s.packageARN(g, p), fmt.Sprintf("%s/%d", g.Name, p.Version), g.Name, p.Version, p.Description, "Completed",
		statusDetails{[]nothing{}}, p.ApprovalStatus, p.ApprovalDescription, p.InferenceSpecification, p.ModelMetrics, p.MetadataProperties,
		p.SourceURI, p.CustomerMetadataProperties, epoch(p.Created), epoch(p.Modified)}, nil
}

type updatePackageInput struct {
	ModelPackageArn                    string
	ModelApprovalStatus                string
	ApprovalDescription                string
	CustomerMetadataProperties         map[string]string
	CustomerMetadataPropertiesToRemove []string
}

func (s *Service) updateModelPackage(_ context.Context, in updatePackageInput) (*packageArn, error) {
	if in.ModelApprovalStatus != "" && !slices.Contains(approvals, in.ModelApprovalStatus) {
		return nil, invalid("ModelApprovalStatus %q: want %s", in.ModelApprovalStatus, strings.Join(approvals, ", "))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, p, err := s.modelPackage(in.ModelPackageArn)
	if err != nil {
		return nil, err
	}
	if in.ModelApprovalStatus != "" {
		p.ApprovalStatus = in.ModelApprovalStatus
	}
	if in.ApprovalDescription != "" {
		p.ApprovalDescription = in.ApprovalDescription
	}
	if p.CustomerMetadataProperties == nil {
		p.CustomerMetadataProperties = map[string]string{}
	}
	for name, v := range in.CustomerMetadataProperties {
		p.CustomerMetadataProperties[name] = v
	}
	for _, name := range in.CustomerMetadataPropertiesToRemove {
		delete(p.CustomerMetadataProperties, name)
	}
	p.Modified = s.config.Now().UTC()
	return &packageArn{s.packageARN(g, p)}, s.save()
}

type listPackagesInput struct {
	ModelPackageGroupName string
	ModelApprovalStatus   string
	MaxResults            *int
	NextToken             string
	SortBy                string
	SortOrder             string
}

type packageSummary struct {
	ModelPackageArn         string
	ModelPackageGroupName   string
	ModelPackageVersion     int
	ModelPackageDescription string `json:",omitempty"`
	ModelPackageStatus      string
	ModelApprovalStatus     string
	CreationTime            epoch
}

type listPackagesOutput struct {
	ModelPackageSummaryList []packageSummary
	NextToken               string `json:",omitempty"`
}

// listModelPackages lists a group's versions, the newest first unless
// SortOrder is Ascending.
func (s *Service) listModelPackages(_ context.Context, in listPackagesInput) (*listPackagesOutput, error) {
	if in.SortBy != "" && in.SortBy != "CreationTime" {
		return nil, invalid("SortBy %q: the local stack sorts model packages by CreationTime", in.SortBy)
	}
	if in.ModelPackageGroupName == "" {
		return nil, invalid("ModelPackageGroupName is required by the local stack")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.group(in.ModelPackageGroupName)
	if err != nil {
		return nil, err
	}
	var all []listed
	for _, p := range g.Packages {
		if in.ModelApprovalStatus == "" || in.ModelApprovalStatus == p.ApprovalStatus {
			all = append(all, listed{name: fmt.Sprintf("%09d", p.Version)})
		}
	}
	page, next, err := listInput{MaxResults: in.MaxResults, NextToken: in.NextToken, SortBy: "Name", SortOrder: in.SortOrder}.page(all)
	if err != nil {
		return nil, err
	}
	out := &listPackagesOutput{ModelPackageSummaryList: []packageSummary{}, NextToken: next}
	for _, l := range page {
		version, _ := strconv.Atoi(l.name)
		p := g.Packages[version-1]
		out.ModelPackageSummaryList = append(out.ModelPackageSummaryList, packageSummary{s.packageARN(g, p), g.Name, p.Version, p.Description, "Completed", p.ApprovalStatus, epoch(p.Created)})
	}
	return out, nil
}

// Creators makes the template's model package groups. Models, endpoint
// configurations and endpoints are made by the rollout, not by templates: a
// template that declares one is refused by the stack.
func (s *Service) Creators() map[string]assembly.Creator {
	return map[string]assembly.Creator{"AWS::SageMaker::ModelPackageGroup": s.createGroupResource}
}

func (s *Service) createGroupResource(ctx context.Context, r assembly.Resource) (assembly.Created, error) {
	var p createGroupInput
	if err := r.Decode(&p); err != nil {
		return assembly.Created{}, err
	}
	s.mu.Lock()
	_, there := s.state.Groups[p.ModelPackageGroupName]
	s.mu.Unlock()
	if !there {
		if _, err := s.createModelPackageGroup(ctx, p); err != nil {
			return assembly.Created{}, fmt.Errorf("resource %s: %w", r.LogicalID, err)
		}
	}
	arn := s.arn("model-package-group", p.ModelPackageGroupName)
	return assembly.Created{Ref: arn, Attributes: map[string]any{"ModelPackageGroupArn": arn, "ModelPackageGroupStatus": "Completed"}}, nil
}
