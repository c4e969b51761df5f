// Package conformity says what the trainer contract and the serving contract ask
// of a program, item by item, and checks a program against each of them.
//
// The items are the specification: the README's table is made of them, and a test
// keeps the two equal. A must that fails is a program that the pipeline will fail
// on, or that will fail in production; a should costs time, clarity or
// reproducibility. What cannot be told (an item whose precondition did not hold)
// is skipped, never passed.
package conformity

import "strings"

// Level of an item.
type Level string

// Levels.
const (
	Must   Level = "must"
	Should Level = "should"
)

// Item is one rule of a contract.
type Item struct {
	ID    string `json:"id"` // "trainer.model": the side, a dot, a name
	Level Level  `json:"level"`
	Rule  string `json:"rule"`
	Mend  string `json:"mend"` // what to do when it fails
}

// Side is "trainer" or "server".
func (i Item) Side() string {
	side, _, _ := strings.Cut(i.ID, ".")
	return side
}

// Items are all rules, in the order in which they are checked.
func Items() []Item { return append(trainerItems(), serverItems()...) }

func trainerItems() []Item {
	return []Item{
		{"trainer.starts", Must, "called with the argument `train`, it reads the job (`SLUICE_JOB`) and `train.csv` below `SM_CHANNEL_TRAIN` and ends with exit code 0 when it is done", "run the command by hand with the environment that the report names; exit 64 says that data or configuration are wrong, 75 that another attempt may help, and anything else is a failure"},
		{"trainer.model", Must, "it leaves the model below `SM_MODEL_DIR`: files and folders only (no links), at most 10,000 and 4 GiB, none of them called `schema.json` at the top", "write the model's files below SM_MODEL_DIR before exit code 0, and copy what is linked"},
		{"trainer.metrics", Must, "it writes `metrics.json`, a JSON object, below `SM_OUTPUT_DATA_DIR`; numbers in it are shown and tracked, NaN is no JSON", `write a JSON object there, if only {"train_rows": 1000}`},
		{"trainer.environment", Should, "it writes `environment.json`, a JSON object of what could change the bits (versions, threads, device), beside it", "write the versions of the libraries that decide the model's bytes"},
		{"trainer.inputs", Must, "it leaves its inputs as they are", "open the job and the rows for reading only"},
		{"trainer.outside", Should, "it writes nowhere but to `SM_MODEL_DIR`, `SM_OUTPUT_DATA_DIR`, `SM_CHECKPOINT_DIR` and the folder of temporary files (`TMPDIR`): not to its working folder or its home", "write below the folders that the contract names; the others may be read-only or shared"},
		{"trainer.repeat", Should, "the same job gives the same bytes", "take all randomness from the job's seed, fix the number of threads, and write no times and no unordered sets into the model"},
		{"trainer.wrong", Must, "data that nothing can be learned from (one class only) ends it with exit code 64, without a model", "check the labels before training, say what is wrong on standard error, and exit with 64: a retry of anything else costs three trainings"},
		{"trainer.parameters", Should, "a parameter in `params` that it does not know ends it with exit code 64", "compare the names in params with those you know; a misspelt one would be ignored without a word"},
		{"trainer.stops", Must, "after SIGTERM it ends within 20 seconds", "handle SIGTERM, and keep single steps of the training short; a kill follows"},
		{"trainer.checkpoint", Should, "a SIGTERM while it trains makes it write a checkpoint below `SM_CHECKPOINT_DIR` and end with exit code 75", "handle SIGTERM from the start of the program: write what you have and exit with 75"},
		{"trainer.resume", Must, "called again with the checkpoints that it left, it trains to the end", "read your own checkpoint as the same version of the program wrote it, and pass over one that you cannot read"},
		{"trainer.resume_bytes", Should, "a training that was interrupted gives the same bytes as one that was not", "let each step depend on the seed and its own number, not on what came before it in this process"},
	}
}

func serverItems() []Item {
	return []Item{
		{"server.ping", Must, "called with the argument `serve`, it answers `GET /ping` on the port `SAGEMAKER_BIND_TO_PORT` (8080 without it) with 200 within 60 seconds, once it can predict", "listen on that port only after the model below SM_MODEL_DIR is loaded"},
		{"server.lines", Must, "`POST /invocations` with `application/x-ndjson`, an array a line in the features' order, answers 200 and a line `{\"score\": …}` for each", "answer one JSON object with the member score for each line, in order"},
		{"server.json", Must, "with `application/json`, `{\"instances\": […]}` of arrays or objects, it answers `{\"predictions\": [{\"score\": …}]}`", "answer in the form of the request"},
		{"server.csv", Must, "with `text/csv`, a row a line in the features' order, it answers a score a line", "answer a number a line, without a header"},
		{"server.agree", Must, "the three forms give the same scores", "parse every form into one and the same row, with the same types"},
		{"server.header", Must, "a CSV whose first line names every feature is read by those names, in any order; other columns are ignored", "when the first line holds every feature's name, take it as a header"},
		{"server.objects", Must, "an object is read by its members' names, in any order; others are ignored", "look members up by the features' names"},
		{"server.text_numbers", Must, "a number may come as text, in CSV always and in JSON too (`\"39\"`)", "convert text to a number where the feature is numeric"},
		{"server.range", Must, "each score is a finite number from 0 to 1, the probability of the positive class", "answer the probability of the job's positive value, not the class and not the margin"},
		{"server.batch", Must, "500 rows in one request give 500 scores, in order and equal to those of single rows", "predict all rows of a request and keep their order"},
		{"server.missing", Must, "a value that is missing (null, an empty CSV field) gets a score", "impute, or let the model handle what is missing, as in training"},
		{"server.unseen", Must, "a category that training did not see gets a score", "encode unknown categories as missing or as nothing"},
		{"server.nan", Must, "NaN and infinite numbers get a score or a 4xx, within 10 seconds", "refuse them with 400, or take NaN as missing"},
		{"server.bad_input", Must, "what is wrong with a request is answered 4xx, within 10 seconds: JSON cut short, too few or too many values, text where a number is wanted, an absent feature, no rows, a body that is not UTF-8", "check each row before predicting, and answer 400 with what is wrong"},
		{"server.bad_type", Must, "a content type that it does not know is answered 415, or another 4xx", "compare the content type before reading the body"},
		{"server.error_text", Should, "an error's body is JSON, `{\"error\": \"…\"}`, that names the row and the feature", `answer {"error": "line 3: feature age is 'x': want a number"}`},
		{"server.nothing_half", Must, "one bad row among good ones refuses the whole request", "check all rows before the first score is written"},
		{"server.too_large", Should, "a body of more than 25 MiB is answered 413, or another 4xx", "limit what is read"},
		{"server.survives", Must, "after all that, it still answers as before", "catch what a request breaks, and keep serving"},
		{"server.concurrent", Must, "32 requests at once are all answered 200 with the same scores as alone", "use a server with threads or workers, and share no state between requests"},
		{"server.keep_alive", Should, "a connection takes more than one request", "speak HTTP/1.1 and send a Content-Length"},
		{"server.second", Must, "a second one on another port starts beside it from the same folder", "use the port that is given, and no lock or fixed file"},
		{"server.read_only", Must, "it leaves the model's folder as it is", "keep caches elsewhere: the folder may be read-only and shared"},
		{"server.no_model", Must, "without a model it never answers `/ping` with 200", "load the model first, and end with an error when that fails"},
		{"server.unknown_path", Should, "a path that it does not know is answered 404", "route by the path"},
		{"server.metrics", Should, "`GET /metrics` is Prometheus text (only a stack with `prometheusUrl` needs it)", "export request counts and latencies, or measure rollouts by CloudWatch"},
		{"server.drains", Must, "after SIGTERM, a request under way is answered", "stop accepting, finish what is under way, then end"},
		{"server.stops", Must, "it ends within 30 seconds of SIGTERM", "handle SIGTERM; idle connections must not keep the process"},
		{"server.exit_code", Should, "it then ends with exit code 0", "exit with 0 after a drain that went well"},
	}
}

// Status of a finding.
type Status string

// Statuses: an item that failed is Fail when it is a must and Warn otherwise.
const (
	Pass    Status = "pass"
	Warn    Status = "warn"
	Fail    Status = "fail"
	Skipped Status = "skipped"
)

// Finding is what the check says of an item.
type Finding struct {
	Item
	Status Status `json:"status"`
	Said   string `json:"said,omitempty"` // what was seen
}

// Report is a whole check.
type Report struct {
	Passed   bool      `json:"passed"` // no must failed
	Findings []Finding `json:"findings"`
	Output   string    `json:"output,omitempty"` // the last that the program said, when something failed
}

// book collects findings, each item once.
type book struct {
	items    map[string]Item
	findings []Finding
	seen     map[string]bool
}

func newBook(items []Item) *book {
	b := &book{items: map[string]Item{}, seen: map[string]bool{}}
	for _, item := range items {
		b.items[item.ID] = item
	}
	return b
}

// note writes an item's finding: said is "" when it holds.
func (b *book) note(id, said string) bool {
	item, ok := b.items[id]
	if !ok || b.seen[id] {
		panic("conformity: item " + id + " is unknown or was noted before")
	}
	b.seen[id] = true
	status := Pass
	if said != "" && item.Level == Must {
		status = Fail
	} else if said != "" {
		status = Warn
	}
	b.findings = append(b.findings, Finding{Item: item, Status: status, Said: said})
	return status == Pass
}

// skip writes that an item could not be told.
func (b *book) skip(why string, ids ...string) {
	for _, id := range ids {
		b.note(id, "")
		last := &b.findings[len(b.findings)-1]
		last.Status, last.Said = Skipped, why
	}
}

// skipRest skips every item that was not noted.
func (b *book) skipRest(why string, items []Item) {
	for _, item := range items {
		if !b.seen[item.ID] {
			b.skip(why, item.ID)
		}
	}
}

func (b *book) report(output string) *Report {
	r := &Report{Passed: true, Findings: b.findings}
	for _, f := range r.Findings {
		if f.Status == Fail {
			r.Passed = false
		}
		if f.Status == Fail || f.Status == Warn {
			r.Output = output
		}
	}
	return r
}
