package lambda

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/infra/local/assembly"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// properties are the properties of AWS::Lambda::Function that are honoured.
type properties struct {
	Code struct {
		S3Bucket string
		S3Key    string
	}
	FunctionName                 string
	Handler                      string
	Runtime                      string
	PackageType                  string
	Architectures                []string
	MemorySize                   *int // MB
	Timeout                      *int // seconds
	Environment                  struct{ Variables map[string]string }
	DeadLetterConfig             struct{ TargetArn string }
	Role                         string
	ReservedConcurrentExecutions *int
	LoggingConfig                loggingConfig
	TracingConfig                struct{ Mode string }
	Tags                         []struct{ Key, Value string }
	Description                  string
	EphemeralStorage             struct{ Size int }
	VpcConfig                    struct{ SubnetIds, SecurityGroupIds []string } // every function is in this machine's network
}

type loggingConfig struct {
	LogFormat           string `json:"LogFormat,omitempty"` // Text, JSON
	ApplicationLogLevel string `json:"ApplicationLogLevel,omitempty"`
	SystemLogLevel      string `json:"SystemLogLevel,omitempty"`
	LogGroup            string `json:"LogGroup,omitempty"`
}

// config is a function's configuration; it never changes once made.
type config struct {
	name        string
	arn         string
	dir         string // with the bootstrap
	handler     string
	role        string
	description string
	memoryMB    int
	timeout     time.Duration
	variables   map[string]string
	logging     loggingConfig
	reserved    *int
	deadLetter  string
	tracing     string
	storageMB   int
	inside      bool // a network of the template
	tags        map[string]string
}

var functionName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// architecture is this machine's, in Lambda's words.
func architecture() string {
	if runtime.GOARCH == "amd64" {
		return "x86_64"
	}
	return runtime.GOARCH
}

// configure checks a function's properties and finds its code.
func (s *Service) configure(r assembly.Resource) (*config, error) {
	var p properties
	if err := r.Decode(&p); err != nil {
		return nil, err
	}
	if p.FunctionName == "" {
		p.FunctionName = r.LogicalID
	}
	if err := check(p); err != nil {
		return nil, fmt.Errorf("resource %s (function %s): %w", r.LogicalID, p.FunctionName, err)
	}
	dir, err := s.code(p.Code.S3Bucket, p.Code.S3Key)
	if err != nil {
		return nil, fmt.Errorf("resource %s (function %s): %w", r.LogicalID, p.FunctionName, err)
	}
	c := &config{
		name: p.FunctionName, arn: s.arn(p.FunctionName), dir: dir, handler: p.Handler, role: p.Role,
		description: p.Description, memoryMB: value(p.MemorySize, 128), timeout: time.Duration(value(p.Timeout, 3)) * time.Second,
		variables: p.Environment.Variables, logging: p.LoggingConfig, reserved: p.ReservedConcurrentExecutions,
		deadLetter: p.DeadLetterConfig.TargetArn, tracing: cmp.Or(p.TracingConfig.Mode, "PassThrough"),
		storageMB: cmp.Or(p.EphemeralStorage.Size, 512), inside: len(p.VpcConfig.SubnetIds) > 0, tags: map[string]string{},
	}
	c.logging.LogFormat = cmp.Or(c.logging.LogFormat, "Text")
	c.logging.LogGroup = cmp.Or(c.logging.LogGroup, "/aws/lambda/"+c.name)
	for _, tag := range p.Tags {
		c.tags[tag.Key] = tag.Value
	}
	return c, nil
}

func value(p *int, standard int) int {
	if p == nil {
		return standard
	}
	return *p
}

// reserved environment variables, which AWS refuses to have set.
var reservedVariables = []string{
	"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV",
	"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION",
	"AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
	"AWS_LAMBDA_MAX_CONCURRENCY", "AWS_LAMBDA_METADATA_API", "AWS_LAMBDA_METADATA_TOKEN", "AWS_LAMBDA_RUNTIME_API",
	"AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT",
}

// maxEnvironment is AWS's limit on all variables together, in bytes.
const maxEnvironment = 4096

func check(p properties) error {
	if !functionName.MatchString(p.FunctionName) {
		return fmt.Errorf("FunctionName %q: want 1 to 64 letters, digits, '-' and '_'", p.FunctionName)
	}
	if p.PackageType != "" && p.PackageType != "Zip" {
		return fmt.Errorf("PackageType %q: the local stack runs Zip packages with a bootstrap", p.PackageType)
	}
	if p.Runtime != "provided.al2023" {
		return fmt.Errorf("Runtime %q: the local stack runs provided.al2023", p.Runtime)
	}
	for _, declared := range p.Architectures {
		if declared != architecture() {
			return fmt.Errorf("Architectures [%s]: this machine is %s; build and declare the function for %s", declared, architecture(), architecture())
		}
	}
	if len(p.Architectures) == 0 && architecture() != "x86_64" {
		return fmt.Errorf("Architectures is x86_64 by default: this machine is %s; declare it", architecture())
	}
	if err := checkSizes(p); err != nil {
		return err
	}
	return checkVariables(p.Environment.Variables)
}

func checkSizes(p properties) error {
	if m := value(p.MemorySize, 128); m < 128 || m > 10240 {
		return fmt.Errorf("MemorySize %d: want 128 to 10240 MB", m)
	}
	if t := value(p.Timeout, 3); t < 1 || t > 900 {
		return fmt.Errorf("Timeout %d: want 1 to 900 seconds", t)
	}
	if r := value(p.ReservedConcurrentExecutions, 0); r < 0 {
		return fmt.Errorf("ReservedConcurrentExecutions %d: want 0 or more", r)
	}
	if e := cmp.Or(p.EphemeralStorage.Size, 512); e < 512 || e > 10240 {
		return fmt.Errorf("EphemeralStorage.Size %d: want 512 to 10240 MB", e)
	}
	for name, c := range map[string]struct {
		value   string
		allowed []string
	}{
		"LoggingConfig.LogFormat": {p.LoggingConfig.LogFormat, []string{"", "Text", "JSON"}},
		"TracingConfig.Mode":      {p.TracingConfig.Mode, []string{"", "PassThrough", "Active"}},
	} {
		if !slices.Contains(c.allowed, c.value) {
			return fmt.Errorf("%s %q: want one of %v", name, c.value, c.allowed[1:])
		}
	}
	return nil
}

var variableName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]+$`)

func checkVariables(variables map[string]string) error {
	size := 0
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		size += len(name) + len(variables[name])
		if !variableName.MatchString(name) {
			return fmt.Errorf("Environment variable %q: want a letter, then letters, digits and '_'", name)
		}
		if slices.Contains(reservedVariables, name) {
			return fmt.Errorf("Environment variable %s is reserved: Lambda sets it itself", name)
		}
	}
	if size > maxEnvironment {
		return fmt.Errorf("Environment has %d bytes: AWS allows %d", size, maxEnvironment)
	}
	return nil
}

// bootstrap checks that a folder holds the program to run.
func bootstrap(dir string) error {
	info, err := os.Stat(filepath.Join(dir, "bootstrap"))
	if err != nil {
		return fmt.Errorf("no bootstrap in the code folder: %w; build the function there first", err)
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return fmt.Errorf("bootstrap in %s is not an executable file", dir)
	}
	return nil
}

func (s *Service) arn(name string) string {
	return "arn:aws:lambda:" + s.options.Region + ":" + s.options.Account + ":function:" + name
}

// resolve gives the function that a name, a partial ARN or an ARN names, the
// only version being $LATEST.
func (s *Service) resolve(nameOrARN string) (*function, error) {
	name := nameOrARN
	if rest, ok := strings.CutPrefix(name, "arn:"); ok {
		parts := strings.SplitN(rest, ":", 6)
		if len(parts) < 6 || parts[1] != "lambda" || parts[4] != "function" {
			return nil, notFound(nameOrARN)
		}
		name = parts[5]
	} else if _, rest, ok := strings.Cut(name, ":function:"); ok {
		name = rest
	}
	if bare, qualifier, ok := strings.Cut(name, ":"); ok {
		if qualifier != "$LATEST" {
			return nil, notFound(nameOrARN)
		}
		name = bare
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	f, ok := s.functions[name]
	if !ok || (strings.HasPrefix(nameOrARN, "arn:") && strings.TrimSuffix(nameOrARN, ":$LATEST") != f.config.arn) {
		return nil, notFound(nameOrARN)
	}
	return f, nil
}

func notFound(name string) error {
	return &wire.Error{Code: "ResourceNotFoundException", Status: 404, Message: "Function not found: " + name}
}
