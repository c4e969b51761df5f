package ecs

import (
	"encoding/json"
	"net/http"
	"strings"
)

// Metadata serves the task metadata endpoint, version 4, of every container:
// /{container}, and /{container}/task. The caller strips what Options.MetadataURL
// has before.
func (s *Service) Metadata() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, rest, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
		s.mutex.Lock()
		t, c := s.containerOf(id)
		var answer any
		switch {
		case t == nil:
		case rest == "":
			answer = t.containerMetadata(c)
		case rest == "task":
			answer = t.metadata()
		}
		s.mutex.Unlock()
		if answer == nil {
			http.Error(w, "no such container, or not its metadata: the local stack serves /{container} and /{container}/task", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	})
}

// containerOf finds a container of a task by the id in its metadata's URI.
func (s *Service) containerOf(id string) (*task, int) {
	for _, t := range s.tasks {
		for i, c := range t.containers {
			if c.id == id {
				return t, i
			}
		}
	}
	return nil, 0
}

type taskMetadata struct {
	Cluster          string
	TaskARN          string
	Family           string
	Revision         string
	DesiredStatus    string
	KnownStatus      string
	Limits           map[string]float64
	AvailabilityZone string
	LaunchType       string
	Containers       []containerMetadata
}

type containerMetadata struct {
	DockerId      string //nolint:staticcheck // AWS's name
	Name          string
	Image         string
	DesiredStatus string
	KnownStatus   string
	Type          string
	ContainerARN  string
	Labels        map[string]string
	Networks      []map[string]any
}

func (t *task) metadata() taskMetadata {
	family, revision, _ := strings.Cut(shortName(t.Detail.TaskDefinitionArn), ":")
	m := taskMetadata{Cluster: t.Detail.ClusterArn, TaskARN: t.Detail.TaskArn, Family: family, Revision: revision, DesiredStatus: t.Detail.DesiredStatus,
		KnownStatus: t.Detail.LastStatus, AvailabilityZone: t.Detail.AvailabilityZone, LaunchType: t.Detail.LaunchType,
		Limits: map[string]float64{"CPU": number(t.Detail.CPU) / 1024, "Memory": number(t.Detail.Memory)}}
	for i := range t.containers {
		m.Containers = append(m.Containers, t.containerMetadata(i))
	}
	return m
}

func (t *task) containerMetadata(i int) containerMetadata {
	c := t.Detail.Containers[i]
	family, revision, _ := strings.Cut(shortName(t.Detail.TaskDefinitionArn), ":")
	return containerMetadata{DockerId: t.containers[i].id, Name: c.Name, Image: c.Image, DesiredStatus: t.Detail.DesiredStatus, KnownStatus: c.LastStatus,
		Type: "NORMAL", ContainerARN: c.ContainerArn,
		Labels: map[string]string{"com.amazonaws.ecs.cluster": t.Detail.ClusterArn, "com.amazonaws.ecs.container-name": c.Name,
			"com.amazonaws.ecs.task-arn": t.Detail.TaskArn, "com.amazonaws.ecs.task-definition-family": family, "com.amazonaws.ecs.task-definition-version": revision},
		Networks: []map[string]any{{"NetworkMode": "awsvpc", "IPv4Addresses": []string{t.IP}}}}
}

// shortName is the last part of an ARN.
func shortName(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }
