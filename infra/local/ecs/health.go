package ecs

import (
	"time"

	"github.com/sluice-ml/sluice/infra/local/process"
)

// checkRun is a container's health check under way.
type checkRun struct {
	process  *process.Process // nil between two checks
	began    time.Time
	next     time.Time // when the next is due
	failures int       // in a row, that count
	passed   bool      // at least once
}

// checkHealth moves a running container's health check on: it starts one that is
// due, and judges one that has ended or takes too long. It gives the container's
// health. Only reconcile calls it.
func (s *Service) checkHealth(c *containerRun, now time.Time, health string) string {
	h := c.definition.HealthCheck
	if h == nil {
		return unknown
	}
	k := &c.check
	if k.next.IsZero() {
		k.next = c.started.Add(time.Duration(h.Interval) * time.Second)
	}
	if k.process == nil {
		if now.Before(k.next) {
			return health
		}
		k.began, k.next = now, now.Add(time.Duration(h.Interval)*time.Second)
		if err := s.startCheck(c); err != nil {
			return c.judge(false, now, health)
		}
		return health
	}
	select {
	case <-k.process.Done():
		ok := k.process.ExitCode() == 0
		k.process = nil
		return c.judge(ok, now, health)
	default:
	}
	if now.Sub(k.began) >= time.Duration(h.Timeout)*time.Second {
		_ = k.process.Kill()
		k.process = nil
		return c.judge(false, now, health)
	}
	return health
}

// judge counts a check's result: a success makes the container healthy, and so
// many failures in a row as retries unhealthy. Failures before the first success
// do not count within the start period.
func (c *containerRun) judge(ok bool, now time.Time, health string) string {
	h, k := c.definition.HealthCheck, &c.check
	if ok {
		k.failures, k.passed = 0, true
		return healthy
	}
	if !k.passed && now.Sub(c.started) < time.Duration(h.StartPeriod)*time.Second {
		return health
	}
	if k.failures++; k.failures >= h.Retries {
		return unhealthy
	}
	return health
}

// startCheck runs the check's command with the container's environment. CMD names
// a program of the image; CMD-SHELL's shell is this machine's, as the base
// image's are.
func (s *Service) startCheck(c *containerRun) error {
	command := c.definition.HealthCheck.Command
	program, args := "/bin/sh", []string{"-c", command[1]}
	if command[0] == "CMD" {
		im := *c.image.Image
		im.Entrypoint = nil
		var err error
		if program, args, err = im.Program(command[1:]); err != nil {
			return err
		}
	}
	p, err := process.Start(process.Spec{Path: program, Args: args, Env: c.image.environment, Dir: c.folder})
	if err != nil {
		return err
	}
	c.check.process = p
	go func() {
		<-p.Done()
		s.wake()
	}()
	return nil
}

// healthOf sums up the health of a task's essential containers that are checked.
func (t *task) healthOf() string {
	checked, well := 0, 0
	for i, c := range t.containers {
		if c.definition.HealthCheck == nil || !*c.definition.Essential {
			continue
		}
		checked++
		switch t.Detail.Containers[i].HealthStatus {
		case unhealthy:
			return unhealthy
		case healthy:
			well++
		}
	}
	if checked > 0 && well == checked {
		return healthy
	}
	return unknown
}
