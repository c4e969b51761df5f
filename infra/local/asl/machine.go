package asl

import "slices"

// Language is a query language.
type Language string

// The query languages.
const (
	JSONPath Language = "JSONPath"
	JSONata  Language = "JSONata"
)

// The types of states.
const (
	typeTask     = "Task"
	typePass     = "Pass"
	typeChoice   = "Choice"
	typeWait     = "Wait"
	typeParallel = "Parallel"
	typeMap      = "Map"
	typeSucceed  = "Succeed"
	typeFail     = "Fail"
)

// Machine is a parsed and checked definition. It never changes, so any number
// of executions may share it.
type Machine struct {
	Comment  string
	Language Language
	branch   *Branch
	// TimeoutSeconds bounds an execution; 0 is no bound.
	TimeoutSeconds int64
}

// Resources lists the Task resources of the machine, in the definition's order.
func (m *Machine) Resources() []string { return m.branch.resources(nil) }

// UsesObjects says whether a distributed Map of the machine reads or writes
// objects of S3.
func (m *Machine) UsesObjects() bool { return m.branch.usesObjects() }

func (b *Branch) usesObjects() bool {
	for _, s := range b.States {
		if f := s.mapping; f != nil && (f.reader != nil || f.writer != nil && f.writer.arguments != nil) {
			return true
		}
		if s.processor != nil && s.processor.usesObjects() || slices.ContainsFunc(s.branches, (*Branch).usesObjects) {
			return true
		}
	}
	return false
}

// Branch is a set of states with a place to start: a whole machine, a branch
// of a Parallel state, or the processor of a Map state.
type Branch struct {
	StartAt string
	States  map[string]*State
	order   []string
}

func (b *Branch) resources(found []string) []string {
	for _, name := range b.order {
		s := b.States[name]
		if s.Type == typeTask {
			found = append(found, s.resource)
		}
		for _, inner := range s.branches {
			found = inner.resources(found)
		}
		if s.processor != nil {
			found = s.processor.resources(found)
		}
	}
	return found
}

// State is one compiled state. Only the fields of its type and language are set.
type State struct {
	Name     string
	Type     string
	Language Language
	Next     string // "" ends the branch

	input, output *pathField // InputPath, OutputPath; nil is "$"
	parameters    template   // Parameters or Arguments
	selector      template   // ResultSelector
	resultPath    *resultPath
	assign        []member
	jsonataOutput template // JSONata's Output

	result any // Pass: Result

	resource  string // Task
	timeout   *quantity
	heartbeat *quantity
	retry     []retrier
	catch     []catcher

	choices []choiceRule // Choice
	other   string       // Default

	seconds   *quantity // Wait
	timestamp *quantity

	errorName, cause *quantity // Fail

	branches  []*Branch // Parallel
	processor *Branch   // Map
	mapping   *mapFields
}

// pathField is InputPath or OutputPath; a null path gives {}.
type pathField struct {
	null bool
	path *path
}

// resultPath is ResultPath; null discards the result.
type resultPath struct {
	null bool
	path *path
}

// quantity is a scalar field that is a literal, a reference (…Path) or an
// expression; name is the field as written.
type quantity struct {
	name  string
	value template
	path  *path // of a …Path field
}

type retrier struct {
	errors      []string
	interval    float64 // seconds
	maxAttempts int64
	backoff     float64
	maxDelay    float64 // seconds, 0 is none
	jitter      bool
}

type catcher struct {
	errors     []string
	next       string
	resultPath *resultPath
	assign     []member
	output     template
}

type mapFields struct {
	items            template // JSONata's Items
	itemsPath        *path
	selector         template // ItemSelector
	maxConcurrency   *quantity
	toleratedCount   *quantity
	toleratedPercent *quantity
	distributed      bool
	express          bool
	label            string
	reader           *itemReader
	batcher          *itemBatcher
	writer           *resultWriter
}

type choiceRule struct {
	condition template // JSONata
	test      choiceTest
	next      string
	assign    []member
	output    template
}
