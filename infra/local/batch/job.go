package batch

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Status is a job's state.
type Status string

// The states of a job.
const (
	Submitted Status = "SUBMITTED"
	Pending   Status = "PENDING"
	Runnable  Status = "RUNNABLE"
	Starting  Status = "STARTING"
	Running   Status = "RUNNING"
	Succeeded Status = "SUCCEEDED"
	Failed    Status = "FAILED"
)

// Ended says whether the state is the last.
func (s Status) Ended() bool { return s == Succeeded || s == Failed }

// JobDetail is a job as DescribeJobs gives it. Times are milliseconds since
// 1970, and absent until they are known.
type JobDetail struct {
	JobArn               string            `json:"jobArn"`
	JobName              string            `json:"jobName"`
	JobID                string            `json:"jobId"`
	JobQueue             string            `json:"jobQueue"` // ARN
	Status               Status            `json:"status"`
	Attempts             []AttemptDetail   `json:"attempts"`
	StatusReason         string            `json:"statusReason,omitempty"`
	CreatedAt            int64             `json:"createdAt"`
	RetryStrategy        RetryStrategy     `json:"retryStrategy"`
	StartedAt            int64             `json:"startedAt,omitempty"`
	StoppedAt            int64             `json:"stoppedAt,omitempty"`
	DependsOn            []Dependency      `json:"dependsOn"`
	JobDefinition        string            `json:"jobDefinition"` // ARN with revision
	Parameters           map[string]string `json:"parameters"`
	Container            ContainerDetail   `json:"container"`
	Timeout              *Timeout          `json:"timeout,omitempty"`
	Tags                 map[string]string `json:"tags"`
	PropagateTags        bool              `json:"propagateTags"`
	PlatformCapabilities []string          `json:"platformCapabilities"`
	SchedulingPriority   int               `json:"schedulingPriority,omitempty"`
	IsCancelled          bool              `json:"isCancelled"`
	IsTerminated         bool              `json:"isTerminated"`
	ArrayProperties      *ArrayDetail      `json:"arrayProperties,omitempty"`
}

// Dependency is a job that must have succeeded first.
type Dependency struct {
	JobID string `json:"jobId,omitempty"` // none for SEQUENTIAL
	Type  string `json:"type,omitempty"`  // between array jobs: N_TO_N or SEQUENTIAL
}

// ContainerDetail is what a job runs, and how its last attempt went.
type ContainerDetail struct {
	Image                  string            `json:"image"`
	Command                []string          `json:"command"`
	JobRoleArn             string            `json:"jobRoleArn,omitempty"`
	ExecutionRoleArn       string            `json:"executionRoleArn,omitempty"`
	Volumes                []json.RawMessage `json:"volumes"`
	Environment            []Variable        `json:"environment"`
	MountPoints            []json.RawMessage `json:"mountPoints"`
	ReadonlyRootFilesystem bool              `json:"readonlyRootFilesystem"`
	Ulimits                []json.RawMessage `json:"ulimits"`
	User                   string            `json:"user,omitempty"`
	ExitCode               *int              `json:"exitCode,omitempty"`
	Reason                 string            `json:"reason,omitempty"`
	ContainerInstanceArn   string            `json:"containerInstanceArn,omitempty"`
	TaskArn                string            `json:"taskArn,omitempty"`
	LogStreamName          string            `json:"logStreamName,omitempty"`
	NetworkInterfaces      []json.RawMessage `json:"networkInterfaces"`
	ResourceRequirements   []Requirement     `json:"resourceRequirements"`
	LogConfiguration       *LogConfiguration `json:"logConfiguration,omitempty"`
	Secrets                []json.RawMessage `json:"secrets"`
}

// AttemptDetail is an attempt that has ended.
type AttemptDetail struct {
	Container    AttemptContainer `json:"container"`
	StartedAt    int64            `json:"startedAt,omitempty"`
	StoppedAt    int64            `json:"stoppedAt"`
	StatusReason string           `json:"statusReason,omitempty"`
}

// AttemptContainer is where an attempt ran and how its program ended.
type AttemptContainer struct {
	ContainerInstanceArn string            `json:"containerInstanceArn,omitempty"`
	TaskArn              string            `json:"taskArn,omitempty"`
	ExitCode             *int              `json:"exitCode,omitempty"`
	Reason               string            `json:"reason,omitempty"`
	LogStreamName        string            `json:"logStreamName,omitempty"`
	NetworkInterfaces    []json.RawMessage `json:"networkInterfaces"`
}

// job is a job and what the service knows beside its description. It is what
// its file keeps. Its fields are guarded by the service's mutex.
type job struct {
	Detail      JobDetail
	Sequence    int64  // of submission
	Token       string `json:",omitempty"` // of SubmitOnce
	Needs       needs
	Fargate     bool
	Environment string `json:",omitempty"` // ARN of the compute environment of the attempt under way
	Instance    string `json:",omitempty"` // that it runs on, "i-…"
	EndReason   string `json:",omitempty"` // of a cancel or termination that has to wait
	Used        []Use

	counts  map[Status]int // of an array job's children; nil until they are counted
	kept    bool           // by an earlier stack, and not taken up yet
	control *control       // of the attempt under way
	ended   chan struct{}  // made by the first who waits
}

func decodeJob(text []byte) (*job, error) {
	j := &job{}
	if err := json.Unmarshal(text, j); err != nil {
		return nil, err
	}
	if j.Detail.JobID == "" || !slices.Contains([]Status{Submitted, Pending, Runnable, Starting, Running, Succeeded, Failed}, j.Detail.Status) {
		return nil, fmt.Errorf("jobId %q, status %q: not a job", j.Detail.JobID, j.Detail.Status)
	}
	return j, nil
}

func sortJobs(all []*job) {
	slices.SortFunc(all, func(a, b *job) int { return cmp.Compare(a.Sequence, b.Sequence) })
}

// attempt is the number of the attempt under way or coming, from 1.
func (j *job) attempt() int { return len(j.Detail.Attempts) + 1 }

// move puts a job into a state, keeps it and tells the listeners. Callers hold
// the mutex. A job that cannot be kept goes on: its file is then one state
// behind, as after a kill.
func (s *Service) move(j *job, status Status) {
	s.count(j, status)
	j.Detail.Status = status
	if status.Ended() {
		j.Detail.StoppedAt = s.options.Now().UnixMilli()
		j.Environment, j.Instance = "", ""
	}
	if err := s.keep(j); err != nil && j.Detail.StatusReason == "" {
		j.Detail.StatusReason = err.Error()
	}
	if status != Submitted {
		s.events.put(s.describe(j))
	}
	if status.Ended() && j.ended != nil {
		close(j.ended)
		j.ended = nil
	}
}

// count tells a child's parent of the child's next state.
func (s *Service) count(j *job, status Status) {
	id, ok := parentOf(j.Detail.JobID)
	if !ok || s.jobs[id] == nil || s.jobs[id].counts == nil {
		return
	}
	counts := s.jobs[id].counts
	counts[j.Detail.Status]--
	counts[status]++
}

func (s *Service) keep(j *job) error {
	if err := replace(filepath.Join(s.options.Dir, "jobs", j.Detail.JobID+fileSuffix), j); err != nil {
		return fmt.Errorf("keep job %s: %w", j.Detail.JobID, err)
	}
	return nil
}

// clone copies a description, so that it can leave the lock.
func (d JobDetail) clone() JobDetail {
	d.Attempts = slices.Clone(d.Attempts)
	return d // everything else that it points to never changes
}

// Failed says whether the job ended without success.
func (d JobDetail) Failed() bool { return d.Status == Failed }

// Duration is how long the last attempt ran, or has been running until now.
func (d JobDetail) Duration(now time.Time) time.Duration {
	switch {
	case d.StartedAt == 0:
		return 0
	case d.StoppedAt != 0:
		return time.Duration(d.StoppedAt-d.StartedAt) * time.Millisecond
	}
	return now.Sub(time.UnixMilli(d.StartedAt))
}

// TaskResult is the description as Step Functions' batch:submitJob.sync gives
// it: the same JSON with members in PascalCase. What users named (parameters,
// tags, log options) keeps its spelling.
func (d JobDetail) TaskResult() (json.RawMessage, error) {
	text, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, err
	}
	return json.Marshal(pascal(v))
}

var namedByUsers = []string{"parameters", "tags", "options", "statusSummary"}

func pascal(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = pascal(v[i])
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, member := range v {
			if !slices.Contains(namedByUsers, name) {
				member = pascal(member)
			}
			first := []rune(name)
			first[0] = unicode.ToUpper(first[0])
			out[string(first)] = member
		}
		return out
	}
	return v
}

// shortName is the last part of an ARN without its revision.
func shortName(arn string) string {
	name := arn[strings.LastIndexByte(arn, '/')+1:]
	name, _, _ = strings.Cut(name, ":")
	return name
}
