package conformity

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/model"
)

const (
	startTime  = 60 * time.Second // for a server to answer /ping
	stopTime   = 30 * time.Second // for it to end
	answerTime = 10 * time.Second // for one request
	concurrent = 32               // requests at once
	batchRows  = 500
	maxBody    = 25 << 20
	terminate  = syscall.SIGTERM
	tolerance  = 1e-6 // between scores of the same row
)

// Server checks a model server.
type Server struct {
	Argv []string
	Env  []string // beside the contract's
	// Patience is how long a start may take; 0 is the contract's 60 seconds.
	Patience time.Duration
	Now      func() time.Time
}

type serverCheck struct {
	Server
	*book
	root     string
	pristine string // the model's folder as it was
	schema   *model.Schema
	rows     [][]cell
}

// Check runs a server with a model through its contract. The error says that the
// check itself could not be done: the archive is of kind Invalid when it is no
// model.tar.gz with a schema.
func (s Server) Check(ctx context.Context, archive []byte) (*Report, error) {
	schema, err := model.SchemaOf(archive)
	if err != nil {
		return nil, err
	}
	root, err := os.MkdirTemp("", "contract-*")
	if err != nil {
		return nil, fault.New(fault.Internal, "make a folder for the check", "%w", err)
	}
	defer os.RemoveAll(root)
	if s.Patience == 0 {
		s.Patience = startTime
	}
	c := &serverCheck{Server: s, book: newBook(serverItems()), root: root, schema: schema, rows: exampleOf(schema)}
	folder := filepath.Join(root, "model")
	if err := os.Mkdir(folder, 0o755); err != nil {
		return nil, fault.New(fault.Internal, "make a folder for the check", "%w", err)
	}
	if err := model.UnpackFolder(archive, folder); err != nil {
		return nil, err
	}
	c.pristine = filepath.Join(root, "pristine")
	if err := os.CopyFS(c.pristine, os.DirFS(folder)); err != nil {
		return nil, fault.New(fault.Internal, "make a folder for the check", "%w", err)
	}
	output, err := c.serve(ctx, folder)
	if err != nil {
		return nil, err
	}
	c.skipRest("the server did not get that far", serverItems())
	return c.report(output), ctx.Err()
}

// serve starts the server and asks it everything.
func (c *serverCheck) serve(ctx context.Context, folder string) (output string, err error) {
	r, err := c.start(folder)
	if fault.Is(err, fault.Invalid) {
		c.note("server.ping", err.Error())
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer r.kill()
	said := r.await(ctx, c.Patience)
	if said != "" && c.onDefaultPort(ctx) {
		said += "; something answers on port 8080: it does not use SAGEMAKER_BIND_TO_PORT"
	}
	if !c.note("server.ping", said) {
		return r.output.String(), nil
	}
	truth, said := r.scores(ctx, typeLines, c.lines(c.rows), len(c.rows))
	if !c.note("server.lines", said) {
		return r.output.String(), nil
	}
	c.forms(ctx, r, truth)
	c.values(ctx, r, truth)
	c.refusals(ctx, r)
	again, said := r.scores(ctx, typeLines, c.lines(c.rows), len(c.rows))
	c.note("server.survives", orDifferent(said, truth, again))
	c.load(ctx, r, truth)
	c.beside(ctx, r, folder, truth)
	c.ends(ctx, r, len(truth))
	return r.output.String(), c.withoutModel(ctx)
}

func (c *serverCheck) onDefaultPort(ctx context.Context) bool {
	r := &running{url: "http://127.0.0.1:8080", client: &http.Client{Timeout: time.Second}}
	status, _, err := r.get(ctx, "/ping")
	return err == nil && status == http.StatusOK
}

// orDifferent is said, or where two lists of scores differ.
func orDifferent(said string, want, got []float64) string {
	if said != "" {
		return said
	}
	for i := range want {
		if i >= len(got) || !(math.Abs(want[i]-got[i]) <= tolerance) {
			return fmt.Sprintf("row %d has the scores %v and %v", i+1, want[i], got[i:min(i+1, len(got))])
		}
	}
	return ""
}

// forms checks that every way to write the rows means the same.
func (c *serverCheck) forms(ctx context.Context, r *running, truth []float64) {
	ask := func(form string, body []byte) ([]float64, string) { return r.scores(ctx, form, body, len(c.rows)) }
	asJSON, jsonSaid := ask(typeJSON, c.instances(c.rows))
	c.note("server.json", jsonSaid)
	asCSV, csvSaid := ask(typeCSV, c.csv(c.rows))
	c.note("server.csv", csvSaid)
	said := ""
	if jsonSaid == "" {
		said = orDifferent("", truth, asJSON)
	}
	if csvSaid == "" && said == "" {
		said = orDifferent("", truth, asCSV)
	}
	c.note("server.agree", said)
	for _, other := range []struct {
		id, form string
		body     []byte
	}{
		{"server.header", typeCSV, c.headed(c.rows)}, {"server.objects", typeJSON, c.objects(c.rows)},
		{"server.text_numbers", typeLines, c.textLines(c.rows)},
	} {
		scores, said := ask(other.form, other.body)
		c.note(other.id, orDifferent(said, truth, scores))
	}
	said = ""
	for i, score := range truth {
		if !(score >= 0 && score <= 1) {
			said = fmt.Sprintf("row %d has the score %v", i+1, score)
		}
	}
	c.note("server.range", said)
}

// values checks batches and odd values.
func (c *serverCheck) values(ctx context.Context, r *running, truth []float64) {
	many, want := [][]cell{}, []float64{}
	for i := range batchRows {
		many, want = append(many, c.rows[i*7%len(c.rows)]), append(want, truth[i*7%len(c.rows)])
	}
	scores, said := r.scores(ctx, typeLines, c.lines(many), batchRows)
	said = orDifferent(said, want, scores)
	if single, why := r.scores(ctx, typeLines, c.lines(c.rows[:1]), 1); said == "" {
		said = orDifferent(why, truth[:1], single)
	}
	c.note("server.batch", said)
	for id, row := range map[string][]cell{"server.missing": missingRow(c.schema), "server.unseen": c.unseen()} {
		_, said := r.scores(ctx, typeLines, c.lines([][]cell{row}), 1)
		if _, csv := r.scores(ctx, typeCSV, c.csv([][]cell{row}), 1); said == "" && csv != "" {
			said = "as CSV: " + csv
		}
		c.note(id, said)
	}
	said = ""
	for _, body := range c.notNumbers() {
		if status, answer, err := r.post(ctx, body.form, body.body); err != nil {
			said = fmt.Sprintf("%s: %v", body.what, err)
		} else if status != http.StatusOK && status/100 != 4 {
			said = fmt.Sprintf("%s: %d: %.200s", body.what, status, answer)
		}
	}
	c.note("server.nan", said)
}

// refusals checks what must not be answered with scores.
func (c *serverCheck) refusals(ctx context.Context, r *running) {
	said, text := []string{}, ""
	for _, bad := range c.badBodies() {
		status, answer, err := r.post(ctx, bad.form, bad.body)
		if err != nil {
			said = append(said, fmt.Sprintf("%s: %v", bad.what, err))
		} else if status/100 != 4 {
			said = append(said, fmt.Sprintf("%s is answered %d: %.100s", bad.what, status, strings.TrimSpace(string(answer))))
		} else if !isError(answer) && text == "" {
			text = fmt.Sprintf("%s is answered %.200q", bad.what, answer)
		}
	}
	c.note("server.bad_input", strings.Join(said, "; "))
	c.note("server.error_text", text)
	half := append(c.lines(c.rows[:2]), "[]\n"...)
	status, answer, err := r.post(ctx, typeLines, half)
	c.note("server.nothing_half", unless4xx(status, answer, err))
	status, answer, err = r.post(ctx, "application/x-sluice-unknown", c.csv(c.rows))
	c.note("server.bad_type", unless4xx(status, answer, err))
	c.note("server.too_large", c.tooLarge(ctx, r))
	status, _, err = r.get(ctx, "/no/such/path")
	said = said[:0]
	if err != nil || status != http.StatusNotFound {
		said = append(said, fmt.Sprintf("%d, %v", status, err))
	}
	c.note("server.unknown_path", strings.Join(said, ""))
	status, answer, err = r.get(ctx, "/metrics")
	if err != nil || status != http.StatusOK || !strings.Contains(string(answer), "# TYPE ") {
		c.note("server.metrics", fmt.Sprintf("GET /metrics is %d", status))
	} else {
		c.note("server.metrics", "")
	}
}

func unless4xx(status int, answer []byte, err error) string {
	if err != nil {
		return err.Error()
	}
	if status/100 != 4 {
		return fmt.Sprintf("it is answered %d: %.100s", status, strings.TrimSpace(string(answer)))
	}
	return ""
}

// tooLarge sends more than a server should read; one that hangs up has refused.
func (c *serverCheck) tooLarge(ctx context.Context, r *running) string {
	line := c.lines(c.rows[:1])
	body := make([]byte, 0, maxBody+len(line)*2)
	for len(body) <= maxBody {
		body = append(body, line...)
	}
	status, _, err := r.post(ctx, typeLines, body)
	if err == nil && status/100 != 4 {
		return fmt.Sprintf("%d bytes are answered %d", len(body), status)
	}
	if said := r.await(ctx, answerTime); said != "" {
		return "afterwards " + said
	}
	return ""
}

// load asks many at once, and twice on one connection.
func (c *serverCheck) load(ctx context.Context, r *running, truth []float64) {
	var group sync.WaitGroup
	said := make([]string, concurrent)
	for i := range concurrent {
		group.Go(func() {
			scores, why := r.scores(ctx, typeLines, c.lines(c.rows), len(c.rows))
			said[i] = orDifferent(why, truth, scores)
		})
	}
	group.Wait()
	c.note("server.concurrent", strings.Join(distinct(said), "; "))
	c.note("server.keep_alive", c.keepAlive(ctx, r))
}

func distinct(list []string) []string {
	seen, out := map[string]bool{"": true}, []string{}
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out[:min(3, len(out))]
}

// beside starts a second server on the same folder.
func (c *serverCheck) beside(ctx context.Context, r *running, folder string, truth []float64) {
	said := ""
	second, err := c.start(folder)
	if err != nil {
		said = err.Error()
	} else {
		defer second.kill()
		if said = second.await(ctx, c.Patience); said == "" {
			var scores []float64
			scores, said = second.scores(ctx, typeLines, c.lines(c.rows), len(c.rows))
			said = orDifferent(said, truth, scores)
		}
	}
	if _, why := r.scores(ctx, typeLines, c.lines(c.rows), len(c.rows)); said == "" && why != "" {
		said = "the first one then answers " + why
	}
	c.note("server.second", said)
}

// withoutModel starts a server on an empty folder and waits until it has ended or
// told that it is not well.
func (c *serverCheck) withoutModel(ctx context.Context) error {
	empty := filepath.Join(c.root, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		return fault.New(fault.Internal, "make a folder for the check", "%w", err)
	}
	r, err := c.start(empty)
	if err != nil {
		return err
	}
	defer r.kill()
	said := ""
	if r.await(ctx, answerTime) == "" {
		said = "GET /ping is 200"
	}
	c.note("server.no_model", said)
	return nil
}
