package ecs

import (
	"encoding/json"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

func contains(list []string, one string) bool { return slices.Contains(list, one) }

func clientError(format string, args ...any) error {
	return wire.Errorf("ClientException", format, args...)
}

// sizes gives Fargate's memory sizes in MiB for the CPU units.
func sizes(units int) (from, to, step int) {
	switch units {
	case 512:
		return 1024, 4096, 1024
	case 1024:
		return 2048, 8192, 1024
	case 2048:
		return 4096, 16384, 1024
	case 4096:
		return 8192, 30720, 1024
	case 8192:
		return 16384, 61440, 4096
	case 16384:
		return 32768, 122880, 8192
	}
	return 0, 0, 1
}

// checkSize says whether Fargate has tasks of that size.
func checkSize(cpu, memory int) error {
	from, to, step := sizes(cpu)
	ok := memory >= from && memory <= to && (memory-from)%step == 0
	if cpu == 256 {
		ok = memory == 512 || memory == 1024 || memory == 2048
	}
	if !ok || memory == 0 {
		return clientError("No Fargate configuration exists for given values: %d CPU, %d memory. See the Amazon ECS documentation for the valid values.", cpu, memory)
	}
	return nil
}

// units reads a task's size: digits, or a number with the unit's name, such as
// "1 vCPU" or "2 GB".
func units(what, text, unit string) (int, error) {
	number, named := strings.CutSuffix(strings.ToLower(strings.ReplaceAll(text, " ", "")), strings.ToLower(unit))
	if named {
		if f, err := strconv.ParseFloat(number, 64); err == nil && f > 0 && f < 1<<20 {
			return int(f * 1024), nil
		}
	} else if n, err := strconv.Atoi(number); err == nil && n > 0 {
		return n, nil
	}
	return 0, clientError("Invalid '%s' setting for task.: %q", what, text)
}

// complete checks an input as AWS does for Fargate and fills in the defaults
// that AWS gives back.
func (in *registerInput) complete(region string) error {
	if err := checkName("family", in.Family); err != nil {
		return err
	}
	if !contains(in.RequiresCompatibilities, "FARGATE") || len(in.RequiresCompatibilities) > 1 {
		return refused("requiresCompatibilities "+strings.Join(in.RequiresCompatibilities, ", "), "it runs Fargate tasks: give [\"FARGATE\"]")
	}
	if in.NetworkMode != "awsvpc" {
		return clientError("Fargate only supports network mode ‘awsvpc’.")
	}
	if len(in.Volumes) > 0 {
		return refused("volumes", "a container has a folder of its own (HOME, TMPDIR), and S3")
	}
	if len(in.PlacementConstraints) > 0 {
		return clientError("Fargate does not support placement constraints.")
	}
	if in.EnableFaultInjection != nil && *in.EnableFaultInjection {
		return refused("enableFaultInjection", "use the admin API's POST /_sluice/tasks/{id}/reclaim")
	}
	if err := in.checkPlatform(); err != nil {
		return err
	}
	if err := in.size(); err != nil {
		return err
	}
	in.Volumes, in.PlacementConstraints = []json.RawMessage{}, []json.RawMessage{}
	return in.checkContainers(region)
}

func (in *registerInput) checkPlatform() error {
	if e := in.EphemeralStorage; e != nil && (e.SizeInGiB < 21 || e.SizeInGiB > 200) {
		return clientError("ephemeralStorage.sizeInGiB %d: want 21 to 200", e.SizeInGiB)
	}
	p := in.RuntimePlatform
	if p == nil {
		return nil
	}
	if p.OperatingSystemFamily != "" && p.OperatingSystemFamily != "LINUX" {
		return refused("runtimePlatform.operatingSystemFamily "+p.OperatingSystemFamily, "it runs LINUX")
	}
	if p.CPUArchitecture != "" && p.CPUArchitecture != architecture() {
		return clientError("runtimePlatform.cpuArchitecture %s: this machine is %s", p.CPUArchitecture, architecture())
	}
	return nil
}

func architecture() string {
	if runtime.GOARCH == "arm64" {
		return "ARM64"
	}
	return "X86_64"
}

// size checks cpu and memory and writes them as AWS gives them back.
func (in *registerInput) size() error {
	if in.CPU == "" {
		return clientError("Fargate requires that 'cpu' be defined at the task level.")
	}
	if in.Memory == "" {
		return clientError("Fargate requires that 'memory' be defined at the task level.")
	}
	cpu, err := units("cpu", in.CPU, "vCPU")
	if err != nil {
		return err
	}
	memory, err := units("memory", in.Memory, "GB")
	if err != nil {
		return err
	}
	in.CPU, in.Memory = strconv.Itoa(cpu), strconv.Itoa(memory)
	return checkSize(cpu, memory)
}

func (in *registerInput) checkContainers(region string) error {
	if len(in.ContainerDefinitions) < 1 || len(in.ContainerDefinitions) > 10 {
		return clientError("Container list cannot be empty, and holds at most 10; got %d.", len(in.ContainerDefinitions))
	}
	memory, _ := strconv.Atoi(in.Memory)
	names, ports, essential, reserved := map[string]bool{}, map[int]bool{}, false, 0
	for i := range in.ContainerDefinitions {
		c := &in.ContainerDefinitions[i]
		if err := c.complete(region, in.ExecutionRoleArn != ""); err != nil {
			return err
		}
		if names[c.Name] {
			return clientError("Container.name: duplicate %q", c.Name)
		}
		names[c.Name] = true
		for _, p := range c.PortMappings {
			if ports[p.ContainerPort] {
				return clientError("containerPort %d: two containers cannot have one port of a task", p.ContainerPort)
			}
			ports[p.ContainerPort] = true
		}
		essential = essential || *c.Essential
		reserved += max(c.Memory, c.MemoryReservation)
	}
	if !essential {
		return clientError("At least one container must be essential.")
	}
	if reserved > memory {
		return clientError("The sum of the containers' memory, %d MiB, is more than the task's %d.", reserved, memory)
	}
	return in.checkDependencies()
}

// checkDependencies refuses unknown containers and rings.
func (in *registerInput) checkDependencies() error {
	waits := map[string][]string{}
	for _, c := range in.ContainerDefinitions {
		for _, d := range c.DependsOn {
			other := slices.IndexFunc(in.ContainerDefinitions, func(o containerDefinition) bool { return o.Name == d.ContainerName })
			switch {
			case other < 0:
				return clientError("dependsOn of container %s: there is no container %q", c.Name, d.ContainerName)
			case !contains([]string{"START", "COMPLETE", "SUCCESS", "HEALTHY"}, d.Condition):
				return clientError("dependsOn of container %s: condition %q: want START, COMPLETE, SUCCESS or HEALTHY", c.Name, d.Condition)
			case d.Condition == "HEALTHY" && in.ContainerDefinitions[other].HealthCheck == nil:
				return clientError("dependsOn of container %s: container %s has no healthCheck", c.Name, d.ContainerName)
			case (d.Condition == "COMPLETE" || d.Condition == "SUCCESS") && *in.ContainerDefinitions[other].Essential:
				return clientError("dependsOn of container %s: container %s is essential, so it cannot be waited for until it ends", c.Name, d.ContainerName)
			}
			waits[c.Name] = append(waits[c.Name], d.ContainerName)
		}
	}
	// Take away what waits for nothing that is left, until nothing is left.
	for len(waits) > 0 {
		before := len(waits)
		for name, others := range waits {
			if !slices.ContainsFunc(others, func(o string) bool { _, still := waits[o]; return still }) {
				delete(waits, name)
			}
		}
		if len(waits) == before {
			return clientError("dependsOn: the containers wait for each other in a ring")
		}
	}
	return nil
}

func (c *containerDefinition) complete(region string, hasExecutionRole bool) error {
	if err := checkName("Container.name", c.Name); err != nil {
		return err
	}
	if c.Image == "" {
		return clientError("Container.image should not be null or empty.")
	}
	if err := c.refuse(); err != nil {
		return err
	}
	if strings.Contains(c.Image, ".dkr.ecr.") && !hasExecutionRole {
		return clientError("Fargate requires task definition to have execution role ARN to support ECR images.")
	}
	if c.CPU < 0 || c.Memory < 0 || c.MemoryReservation < 0 || (c.Memory > 0 && c.Memory < 6) {
		return clientError("container %s: cpu %d, memory %d, memoryReservation %d: want 0 or more, and 6 MiB at least", c.Name, c.CPU, c.Memory, c.MemoryReservation)
	}
	if c.StopTimeout != nil && (*c.StopTimeout < 0 || *c.StopTimeout > 120) {
		return clientError("container %s: stopTimeout %d: Fargate allows 0 to 120 seconds", c.Name, *c.StopTimeout)
	}
	if c.StartTimeout < 0 || c.StartTimeout > 120 {
		return clientError("container %s: startTimeout %d: want 0 to 120 seconds", c.Name, c.StartTimeout)
	}
	if c.Essential == nil {
		yes := true
		c.Essential = &yes
	}
	for _, v := range c.Environment {
		if v.Name == "" || strings.ContainsAny(v.Name, "=\x00") || strings.Contains(v.Value, "\x00") {
			return clientError("container %s: environment variable %q: the name is not one", c.Name, v.Name)
		}
	}
	c.Environment = append([]Variable{}, c.Environment...)
	none := []json.RawMessage{}
	c.MountPoints, c.VolumesFrom, c.SystemControls = none, none, none
	if err := c.checkPorts(); err != nil {
		return err
	}
	if err := c.checkLog(region, hasExecutionRole); err != nil {
		return err
	}
	return c.HealthCheck.complete(c.Name)
}

// refuse refuses what a process cannot have.
func (c *containerDefinition) refuse() error {
	for _, r := range []struct {
		name    string
		list    []json.RawMessage
		nearest string
	}{
		{"secrets", c.Secrets, "put the value into environment"},
		{"environmentFiles", c.EnvironmentFiles, "put the values into environment"},
		{"mountPoints", c.MountPoints, "a container has a folder of its own (HOME, TMPDIR), and S3"},
		{"volumesFrom", c.VolumesFrom, "a container has a folder of its own (HOME, TMPDIR), and S3"},
		{"ulimits", c.Ulimits, "this machine's limits hold"},
		{"systemControls", c.SystemControls, "this machine's settings hold"},
	} {
		if len(r.list) > 0 {
			return refused("container "+c.Name+": "+r.name, r.nearest)
		}
	}
	if c.Privileged != nil && *c.Privileged {
		return clientError("Fargate does not support privileged containers (container %s).", c.Name)
	}
	if c.WorkingDirectory != "" {
		return refused("container "+c.Name+": workingDirectory", "a container starts in an empty folder of its own; use full paths")
	}
	if l := c.LinuxParameters; l != nil && (l.Capabilities != nil || len(l.Devices)+len(l.Tmpfs) > 0 || l.SharedMemorySize != 0) {
		return refused("container "+c.Name+": linuxParameters", "only initProcessEnabled can be given")
	}
	return nil
}

func (c *containerDefinition) checkPorts() error {
	c.PortMappings = append([]portMapping{}, c.PortMappings...)
	if len(c.PortMappings) > 1 {
		return refused("container "+c.Name+": "+strconv.Itoa(len(c.PortMappings))+" portMappings",
			"a container has one port, which SAGEMAKER_BIND_TO_PORT and PORT tell; give another container the other port")
	}
	for i := range c.PortMappings {
		p := &c.PortMappings[i]
		switch {
		case p.ContainerPort < 1 || p.ContainerPort > 65535:
			return clientError("container %s: containerPort %d: want 1 to 65535", c.Name, p.ContainerPort)
		case p.HostPort != 0 && p.HostPort != p.ContainerPort:
			return clientError("When networkMode=awsvpc, the host ports and container ports in port mappings must match.")
		case p.Protocol != "" && p.Protocol != "tcp":
			return refused("container "+c.Name+": protocol "+p.Protocol, "it routes tcp")
		}
		p.HostPort, p.Protocol = p.ContainerPort, "tcp"
	}
	return nil
}

func (c *containerDefinition) checkLog(region string, hasExecutionRole bool) error {
	l := c.LogConfiguration
	if l == nil {
		return nil
	}
	if l.LogDriver != "awslogs" || len(l.SecretOptions) > 0 {
		return refused("container "+c.Name+": logDriver "+l.LogDriver+" and its secretOptions", "it writes awslogs")
	}
	if !hasExecutionRole {
		return clientError("Fargate requires task definition to have execution role ARN to support log driver awslogs.")
	}
	for _, name := range []string{"awslogs-group", "awslogs-region", "awslogs-stream-prefix"} {
		if l.Options[name] == "" {
			return clientError("Log driver awslogs requires options: awslogs-group, awslogs-region, awslogs-stream-prefix (container %s lacks %s)", c.Name, name)
		}
	}
	if l.Options["awslogs-region"] != region {
		return refused("container "+c.Name+": awslogs-region "+l.Options["awslogs-region"], "its one region is "+region)
	}
	for name := range l.Options {
		if !contains([]string{"awslogs-group", "awslogs-region", "awslogs-stream-prefix", "awslogs-create-group", "mode", "max-buffer-size"}, name) {
			return refused("container "+c.Name+": log option "+name, "it knows awslogs-group, awslogs-region, awslogs-stream-prefix and awslogs-create-group")
		}
	}
	return nil
}

// complete checks a health check and sets AWS's defaults.
func (h *healthCheck) complete(container string) error {
	if h == nil {
		return nil
	}
	if len(h.Command) < 2 || (h.Command[0] != "CMD" && h.Command[0] != "CMD-SHELL") || (h.Command[0] == "CMD-SHELL" && len(h.Command) != 2) {
		return clientError("container %s: healthCheck.command %q: want [\"CMD\", program, …] or [\"CMD-SHELL\", line]", container, h.Command)
	}
	for _, n := range []struct {
		name           string
		at             *int
		value, min, to int
	}{{"interval", &h.Interval, 30, 5, 300}, {"timeout", &h.Timeout, 5, 2, 60}, {"retries", &h.Retries, 3, 1, 10}, {"startPeriod", &h.StartPeriod, 0, 0, 300}} {
		if *n.at == 0 {
			*n.at = n.value
		}
		if *n.at < n.min || *n.at > n.to {
			return clientError("container %s: healthCheck.%s %d: want %d to %d", container, n.name, *n.at, n.min, n.to)
		}
	}
	return nil
}
