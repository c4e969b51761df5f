package ecs

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/image"
	"github.com/sluice-ml/sluice/infra/local/process"
)

// imageOf is what the container's health check needs of its image.
type imageOf struct {
	*image.Image
	environment []string
}

// launch starts a container's process. The error begins with the code that AWS
// gives as the reason. Only reconcile calls it.
func (s *Service) launch(t *task, c *containerRun) error {
	im, err := s.options.Image(c.definition.Image)
	if err != nil {
		return fmt.Errorf("CannotPullContainerError: %w", err)
	}
	if c.output, err = s.log(t, c); err != nil {
		return fmt.Errorf("ResourceInitializationError: failed to validate logger args: %w", err)
	}
	program, args, err := programOf(im, c.definition)
	if err != nil {
		return fmt.Errorf("CannotStartContainerError: %w", err)
	}
	if len(c.definition.PortMappings) > 0 {
		if c.port, err = s.addresses.bind(t.IP, c.definition.PortMappings[0].ContainerPort); err != nil {
			return fmt.Errorf("ResourceInitializationError: %w", err)
		}
	}
	c.folder = s.path(workFolder, t.id(), c.definition.Name)
	if err := os.MkdirAll(c.folder, 0o755); err != nil {
		return fmt.Errorf("ResourceInitializationError: %w", err)
	}
	c.image = imageOf{im, s.variables(im.Env, c)}
	c.process, err = process.Start(process.Spec{Path: program, Args: args, Env: c.image.environment, Dir: c.folder, Stdout: c.output, Stderr: c.output})
	if err != nil {
		return fmt.Errorf("CannotStartContainerError: %w", err)
	}
	s.supervise(t, c)
	return nil
}

// supervise watches the memory of a container and wakes the service when its
// process ends.
func (s *Service) supervise(t *task, c *containerRun) {
	c.started = s.options.Now()
	c.endLimit = make(chan struct{})
	limit, _ := strconv.ParseInt(t.Detail.Memory, 10, 64)
	if c.definition.Memory > 0 {
		limit = int64(c.definition.Memory)
	}
	c.exceeded = c.process.LimitMemory(limit<<20, s.options.MemoryInterval, c.endLimit)
	go func() {
		<-c.process.Done()
		s.wake()
	}()
}

// programOf is the program on this machine: entryPoint and command replace the
// image's, as docker run does (a new entry point drops the image's CMD).
func programOf(im *image.Image, c containerDefinition) (program string, args []string, err error) {
	run := *im
	if len(c.EntryPoint) > 0 {
		run.Entrypoint, run.Command = c.EntryPoint, nil
	}
	var command []string // nil: the image's own
	if len(c.Command) > 0 {
		command = c.Command
	}
	return run.Program(command)
}

// variables is a container's whole environment: the image's, the options', the
// task definition's and ECS's own, the later ones winning. Only PORT yields to
// the task definition.
func (s *Service) variables(imageEnv []string, c *containerRun) []string {
	set := map[string]string{"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": c.folder, "TMPDIR": c.folder}
	for _, v := range imageEnv {
		name, value, _ := strings.Cut(v, "=")
		set[name] = value
	}
	maps.Copy(set, s.options.Environment) // LD_LIBRARY_PATH must be this machine's
	if c.port != 0 {
		set["PORT"] = strconv.Itoa(c.port)
	}
	for _, v := range c.definition.Environment {
		set[v.Name] = v.Value
	}
	if c.port != 0 {
		set["SAGEMAKER_BIND_TO_PORT"] = strconv.Itoa(c.port)
	}
	set["AWS_EXECUTION_ENV"] = "AWS_ECS_FARGATE"
	if s.options.MetadataURL != "" {
		set["ECS_CONTAINER_METADATA_URI_V4"] = s.options.MetadataURL + "/" + c.id
	}
	list := make([]string, 0, len(set))
	for _, name := range slices.Sorted(maps.Keys(set)) {
		list = append(list, name+"="+set[name])
	}
	return list
}

// log gives the container's log stream; as on AWS the group must be there unless
// the options say to make it.
func (s *Service) log(t *task, c *containerRun) (flusher, error) {
	l := c.definition.LogConfiguration
	if l == nil {
		return silent{}, nil
	}
	group := l.Options["awslogs-group"]
	if l.Options["awslogs-create-group"] != "true" {
		groups, err := s.options.Logs.Groups()
		if err != nil {
			return nil, err
		}
		if !contains(groups, group) {
			return nil, errors.New("failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist.: " + group) //nolint:staticcheck // AWS's words
		}
	}
	return s.options.Logs.Writer(group, l.Options["awslogs-stream-prefix"]+"/"+c.definition.Name+"/"+t.id())
}

// settle takes note of a container that has ended. Callers hold the mutex.
func (c *containerRun) settle(d *Container) {
	c.ended = true
	close(c.endLimit)
	c.output.Flush()
	code := c.process.ExitCode()
	d.LastStatus, d.ExitCode, d.HealthStatus = stopped, &code, unknown
	select {
	case <-c.exceeded:
		d.Reason = "OutOfMemoryError: Container killed due to memory usage"
	default:
	}
	if c.check.process != nil {
		_ = c.check.process.Kill()
	}
}

// exited says whether the container's process has ended.
func (c *containerRun) exited() bool {
	select {
	case <-c.process.Done():
		return true
	default:
		return false
	}
}

// clean removes what a task's containers left behind.
func (s *Service) clean(t *task) {
	s.addresses.unbind(t.IP)
	if err := os.RemoveAll(filepath.Join(s.path(workFolder), t.id())); err != nil {
		s.logf("remove the folder of task %s: %v", t.id(), err)
	}
}

// liveContainers gives the containers whose processes run.
func (s *Service) liveContainers() []*containerRun {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var all []*containerRun
	for _, t := range s.tasks {
		for _, c := range t.containers {
			if c.live() {
				all = append(all, c)
			}
		}
	}
	return all
}
