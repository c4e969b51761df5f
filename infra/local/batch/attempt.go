package batch

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/infra/local/logs"
	"github.com/sluice-ml/sluice/infra/local/process"
)

// Why an attempt is asked to stop.
type kind int

const (
	terminated  kind = iota + 1 // by TerminateJob: the job fails
	reclaimed                   // with its host: the retry strategy decides
	stackClosed                 // the next stack runs the attempt again
)

type request struct {
	kind   kind
	reason string
}

// control is how an attempt under way is reached.
type control struct {
	requests chan request
}

func newControl() *control { return &control{requests: make(chan request, 1)} }

// ask asks the attempt to stop; the first who asks wins.
func (c *control) ask(r request) {
	select {
	case c.requests <- r:
	default:
	}
}

// exitReason is AWS's reason of an attempt whose program ended by itself.
const exitReason = "Essential container in task exited"

// attempt runs one attempt of a job to its end.
func (s *Service) attempt(j *job, c *control, e *environment) {
	defer s.attempts.Done()
	how, final, closed := s.execute(j, c, e)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	j.control = nil
	if closed {
		s.interrupted(j)
		return
	}
	s.conclude(j, how, final)
	s.schedule()
}

// execute starts the program and waits until it ends or must be stopped. final
// means that no other attempt may follow; closed, that the stack is closing.
func (s *Service) execute(j *job, c *control, e *environment) (how end, final, closed bool) {
	s.mutex.Lock()
	detail, number := j.Detail.clone(), j.attempt()
	if parent, ok := parentOf(detail.JobID); ok {
		detail.ArrayProperties = &ArrayDetail{Index: detail.ArrayProperties.Index, Size: s.jobs[parent].Detail.ArrayProperties.Size}
	}
	s.mutex.Unlock()
	work := filepath.Join(s.workDir(), detail.JobID+"-"+strconv.Itoa(number))
	defer os.RemoveAll(work)
	output, err := s.options.Logs.Writer(logGroup(detail), detail.Container.LogStreamName)
	if err != nil {
		return end{statusReason: "Task failed to start", reason: "ResourceInitializationError: " + err.Error()}, false, false
	}
	defer output.Flush()
	p, failed := s.launch(detail, number, e, work, output)
	if failed != nil {
		_, _ = output.Write([]byte(failed.reason + "\n"))
		return *failed, false, false
	}
	s.mutex.Lock()
	j.Detail.StartedAt = s.options.Now().UnixMilli()
	s.move(j, Running)
	s.mutex.Unlock()
	return s.supervise(j, p, c, detail)
}

// launch starts the image's program; failed says why it could not.
func (s *Service) launch(d JobDetail, number int, e *environment, work string, output *logs.Lines) (p *process.Process, failed *end) {
	im, err := s.options.Image(d.Container.Image)
	if err != nil {
		return nil, &end{statusReason: "Task failed to start", reason: "CannotPullContainerError: " + err.Error()}
	}
	command := d.Container.Command
	if len(command) == 0 {
		command = nil // the image's own
	}
	program, args, err := im.Program(command)
	if err == nil {
		err = os.MkdirAll(work, 0o755)
	}
	if err == nil {
		p, err = process.Start(process.Spec{
			Path: program, Args: args, Dir: work, Stdout: output, Stderr: output, Env: s.variables(im.Env, d, number, e, work),
		})
	}
	if err != nil {
		return nil, &end{statusReason: "Task failed to start", reason: "CannotStartContainerError: " + err.Error()}
	}
	return p, nil
}

// variables is an attempt's whole environment: the image's, the options', the
// job's own and Batch's, the later ones winning.
func (s *Service) variables(imageEnv []string, d JobDetail, number int, e *environment, work string) []string {
	set := map[string]string{"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": work, "TMPDIR": work}
	for _, v := range imageEnv {
		name, value, _ := strings.Cut(v, "=")
		set[name] = value
	}
	maps.Copy(set, s.options.Environment) // LD_LIBRARY_PATH must be this machine's
	for _, v := range d.Container.Environment {
		set[v.Name] = v.Value
	}
	set["AWS_BATCH_JOB_ID"] = d.JobID
	set["AWS_BATCH_JOB_ATTEMPT"] = strconv.Itoa(number)
	if a := d.ArrayProperties; a != nil {
		set["AWS_BATCH_JOB_ARRAY_INDEX"] = strconv.Itoa(*a.Index)
		set["AWS_BATCH_JOB_ARRAY_SIZE"] = strconv.Itoa(a.Size)
	}
	set["AWS_BATCH_JQ_NAME"] = shortName(d.JobQueue)
	set["AWS_BATCH_CE_NAME"] = e.name
	list := make([]string, 0, len(set))
	for _, name := range slices.Sorted(maps.Keys(set)) {
		list = append(list, name+"="+set[name])
	}
	return list
}

// supervise waits for the program's end, its timeout, its memory limit or a
// request to stop it.
func (s *Service) supervise(j *job, p *process.Process, c *control, d JobDetail) (how end, final, closed bool) {
	stop := make(chan struct{})
	defer close(stop)
	exceeded := p.LimitMemory(int64(j.Needs.MemoryMiB)<<20, s.options.MemoryInterval, stop)
	var late <-chan time.Time
	if d.Timeout != nil {
		fired, cancel := s.options.Timer(time.Duration(d.Timeout.AttemptDurationSeconds) * time.Second)
		defer cancel()
		late = fired
	}
	select {
	case <-p.Done():
		return exited(p, exceeded), false, false
	case <-late:
		p.Stop(s.options.StopGrace)
		code := p.ExitCode()
		return end{statusReason: "Job attempt duration exceeded timeout", exitCode: &code}, true, false
	case r := <-c.requests:
		return s.halt(j, p, r)
	}
}

// exited describes a program that ended by itself, or for want of memory.
func exited(p *process.Process, exceeded <-chan struct{}) end {
	code := p.ExitCode()
	how := end{statusReason: exitReason, exitCode: &code}
	select {
	case <-exceeded:
		how.reason = "OutOfMemoryError: Container killed due to memory usage"
	default:
	}
	return how
}

// halt stops the program because somebody asked.
func (s *Service) halt(j *job, p *process.Process, r request) (how end, final, closed bool) {
	if r.kind == stackClosed {
		p.Stop(s.options.CloseGrace)
		return end{}, false, true
	}
	p.Stop(s.options.StopGrace)
	if r.kind == reclaimed {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		return end{statusReason: hostLost(j.Instance)}, false, false // a host that is gone tells no exit code
	}
	code := p.ExitCode()
	return end{statusReason: r.reason, exitCode: &code}, true, false
}

// stopped is the reason of a job that waits for the next start of the stack.
const stopped = "The local stack was stopped while the job ran; its next start runs the attempt again"

// interrupted puts a job back to where it was before its attempt. Callers hold
// the mutex. A job that cannot be kept stays RUNNING on disk, as after a kill.
func (s *Service) interrupted(j *job) {
	j.Used = append(j.Used, s.use(j, j.attempt(), s.options.Now().UnixMilli()))
	s.count(j, Runnable)
	j.Detail.Status, j.Detail.StatusReason, j.Detail.StartedAt = Runnable, stopped, 0
	j.Environment, j.Instance = "", ""
	_ = s.keep(j)
}

// conclude records how an attempt ended and moves its job on. Callers hold the
// mutex.
func (s *Service) conclude(j *job, how end, final bool) {
	now := s.options.Now().UnixMilli()
	d := &j.Detail
	c := &d.Container
	number := j.attempt()
	d.Attempts = append(d.Attempts, AttemptDetail{
		Container: AttemptContainer{ContainerInstanceArn: c.ContainerInstanceArn, TaskArn: c.TaskArn, ExitCode: how.exitCode,
			Reason: how.reason, LogStreamName: c.LogStreamName, NetworkInterfaces: c.NetworkInterfaces},
		StartedAt: d.StartedAt, StoppedAt: now, StatusReason: how.statusReason,
	})
	j.Used = append(j.Used, s.use(j, number, now))
	d.StatusReason, c.ExitCode, c.Reason = how.statusReason, how.exitCode, how.reason
	switch {
	case !final && how.exitCode != nil && *how.exitCode == 0 && how.reason == "":
		s.finish(j, Succeeded)
	case final || d.IsTerminated || !d.RetryStrategy.retry(number, how):
		s.finish(j, Failed)
	default:
		j.Environment, j.Instance = "", ""
		s.move(j, Runnable)
	}
}

func logGroup(d JobDetail) string {
	if l := d.Container.LogConfiguration; l != nil && l.Options["awslogs-group"] != "" {
		return l.Options["awslogs-group"]
	}
	return "/aws/batch/job"
}

// streamName names an attempt's log stream as AWS does.
func streamName(j *job) string {
	prefix := shortName(j.Detail.JobDefinition)
	if l := j.Detail.Container.LogConfiguration; l != nil && l.Options["awslogs-stream-prefix"] != "" {
		prefix = l.Options["awslogs-stream-prefix"]
	}
	task := j.Detail.Container.TaskArn
	return prefix + "/default/" + task[strings.LastIndexByte(task, '/')+1:]
}
