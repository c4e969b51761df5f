// Package hooks asks a dataset's configured hooks: Lambda functions, and gates
// that are built in.
//
// A function gets an Event and answers an Answer, {"allow": true} or {"allow":
// false, "reason": "…"}. It is invoked synchronously and must bear being asked
// about one commit more than once. Everything else is an error of the hook: a
// function that failed or ran out of time, an answer that is no such object, a
// refusal without a reason. The hook's on_error says what an error counts as;
// without a word, as a refusal.
//
// The stack lets ingest and validate invoke functions called
// sluice-<environment>-hook-*; others need a permission of their own.
package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
)

// Invoker invokes functions; *lambda.Client is one.
type Invoker interface {
	Invoke(context.Context, *lambda.InvokeInput, ...func(*lambda.Options)) (*lambda.InvokeOutput, error)
}

// Gate judges a proposal; a *dataset.Refusal is its no.
type Gate func(ctx context.Context, model string, p dataset.Proposal) error

// Hooks asks the hooks of one model's dataset.
type Hooks struct {
	Functions  Invoker
	Gates      map[string]Gate // by their names in a hook's gate
	Objects    *s3store.Store
	Bucket     string // the store bucket
	Model      string
	Repository *dataset.Repository          // reads what is proposed; it needs no hooks
	Notice     func(hook string, err error) // of an error that passes; nil is nobody
}

var _ dataset.Asker = (*Hooks)(nil)

// EventFormat is the version of Event.
const EventFormat = 1

// Event is what a function is asked.
type Event struct {
	Format    int    `json:"format"`
	Dataset   string `json:"dataset"`   // the model
	Hook      string `json:"hook"`      // the hook's name
	Operation string `json:"operation"` // "commit" or "merge"
	Branch    string `json:"branch"`
	// Base is the commit that Diff is against: the branch's head, or where a new
	// branch starts; "" is an empty dataset.
	Base      string            `json:"base"`
	NewBranch bool              `json:"new_branch"`
	Head      string            `json:"head"` // the commit that the branch would move to
	Message   string            `json:"message"`
	Author    string            `json:"author"`
	Time      time.Time         `json:"time"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	Stats     dataset.Stats     `json:"stats"` // of head
	Diff      Diff              `json:"diff"`
	// Changes are the S3 URIs of the full changeset, in key order: objects of
	// JSON Lines {"key", "old", "new"}, 10,000 lines each. old is absent where
	// the key is added, new where it is removed.
	Changes []string `json:"changes"`
}

// Diff sums up the changes from base to head.
type Diff struct {
	Added   int   `json:"added"`
	Changed int   `json:"changed"`
	Removed int   `json:"removed"`
	Bytes   int64 `json:"bytes"` // how much larger head is
	// First are the first 20 keys that changed.
	First []string `json:"first"`
}

// Answer is what a function answers. Reason must be there when Allow is false.
type Answer struct {
	Allow  *bool  `json:"allow"`
	Reason string `json:"reason"`
}

// Ask implements dataset.Asker.
func (h *Hooks) Ask(ctx context.Context, spec dataset.HookSpec, p dataset.Proposal) error {
	if spec.Gate != "" {
		gate, ok := h.Gates[spec.Gate]
		if !ok {
			return noGate("ask hook "+spec.Name, spec.Gate)
		}
		return gate(ctx, h.Model, p)
	}
	event, err := h.event(ctx, spec, p)
	if err != nil {
		return err
	}
	payload, err := json.Marshal(event)
	if err != nil {
		return fault.New(fault.Internal, "encode a hook's event", "%w", err)
	}
	out, err := h.Functions.Invoke(ctx, &lambda.InvokeInput{FunctionName: &spec.Lambda, Payload: payload}, once)
	if err != nil {
		return classify("invoke function "+spec.Lambda, err)
	}
	if out.FunctionError != nil {
		return fault.New(fault.Denied, "function "+spec.Lambda, "it failed: %s", said(out.Payload))
	}
	return read(spec, out.Payload)
}

// Passed implements dataset.Asker.
func (h *Hooks) Passed(_ context.Context, spec dataset.HookSpec, _ dataset.Proposal, err error) {
	if h.Notice != nil {
		h.Notice(spec.Name, err)
	}
}

// once keeps the SDK from asking again by itself after a time-out: a hook may
// take minutes, and its own time limit counts.
func once(o *lambda.Options) { o.RetryMaxAttempts = 1 }

// read reads a function's answer.
func read(spec dataset.HookSpec, payload []byte) error {
	op := "read the answer of function " + spec.Lambda
	var answer Answer
	decoder := json.NewDecoder(bytes.NewReader(payload))
	if err := decoder.Decode(&answer); err != nil {
		return fault.New(fault.Denied, op, `%w; want {"allow": true} or {"allow": false, "reason": "…"}, got %s`, err, clip(payload))
	}
	switch {
	case answer.Allow == nil, !*answer.Allow && answer.Reason == "", decoder.More():
		return fault.New(fault.Denied, op, `want {"allow": true} or {"allow": false, "reason": "…"}, got %s`, clip(payload))
	case !*answer.Allow:
		return &dataset.Refusal{Reason: answer.Reason}
	}
	return nil
}

// said is the message of a function's error.
func said(payload []byte) string {
	var failed struct{ ErrorType, ErrorMessage string }
	if json.Unmarshal(payload, &failed) == nil && failed.ErrorMessage != "" {
		return failed.ErrorType + ": " + failed.ErrorMessage
	}
	return clip(payload)
}

func clip(text []byte) string {
	if len(text) > 200 {
		return fmt.Sprintf("%q…", text[:200])
	}
	return fmt.Sprintf("%q", text)
}

func classify(op string, err error) error {
	status := 0
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		status = response.HTTPStatusCode()
	}
	code := ""
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code = api.ErrorCode()
	}
	switch {
	case code == "ResourceNotFoundException":
		return fault.New(fault.NotFound, op, "there is no such function").WithHint("deploy it, or name another: sluice data hooks set")
	case status == http.StatusForbidden:
		return fault.New(fault.Denied, op, "%w", err).
			WithHint("the permission lambda:InvokeFunction allows it; the stack gives it for functions called sluice-<environment>-hook-*")
	case status == 0, status == http.StatusTooManyRequests, status >= 500:
		return fault.New(fault.Unavailable, op, "%w", err)
	}
	return fault.New(fault.Invalid, op, "%w", err)
}

// event describes a proposal and stores its changeset.
func (h *Hooks) event(ctx context.Context, spec dataset.HookSpec, p dataset.Proposal) (Event, error) {
	e := Event{Format: EventFormat, Dataset: h.Model, Hook: spec.Name, Operation: "commit", Branch: p.Branch, NewBranch: p.Head == nil, Head: p.Commit.ID,
		Message: p.Commit.Message, Author: p.Commit.Author, Time: p.Commit.Time, Metadata: p.Commit.Metadata, Stats: p.Commit.Stats, Base: base(p)}
	if p.Merge {
		e.Operation = "merge"
	}
	c := &changeset{hooks: h, name: e.Base + "-" + e.Head}
	e.Diff.First = []string{}
	for change, err := range h.between(ctx, e.Base, p.Commit) {
		if err == nil {
			err = c.add(ctx, change)
		}
		if err != nil {
			return Event{}, err
		}
		e.Diff.count(change)
	}
	err := c.flush(ctx)
	e.Changes = append([]string{}, c.parts...)
	return e, err
}

// base is the commit that a proposal is compared with; "" is none. A commit on a
// new branch is compared with where that starts; a new branch at a commit that
// was there before is compared with nothing: all of it is new there.
func base(p dataset.Proposal) string {
	switch {
	case p.Head != nil:
		return p.Head.ID
	case !p.Merge && len(p.Commit.Parents) > 0:
		return p.Commit.Parents[0]
	}
	return ""
}

func (d *Diff) count(c dataset.Change) {
	if len(d.First) < 20 {
		d.First = append(d.First, c.Key)
	}
	switch {
	case c.Old == nil:
		d.Added++
	case c.New == nil:
		d.Removed++
	default:
		d.Changed++
	}
	if c.Old != nil {
		d.Bytes -= c.Old.Size
	}
	if c.New != nil {
		d.Bytes += c.New.Size
	}
}

// changeset writes changes as JSON Lines. Its objects are a function of their
// names, so a hook that is asked again finds them there.
type changeset struct {
	hooks *Hooks
	name  string
	lines int
	text  bytes.Buffer
	parts []string
}

const partLines = 10_000

func (c *changeset) add(ctx context.Context, change dataset.Change) error {
	line, err := json.Marshal(change)
	if err != nil {
		return fault.New(fault.Internal, "encode a change", "%w", err)
	}
	c.text.Write(append(line, '\n'))
	if c.lines++; c.lines < partLines {
		return nil
	}
	return c.flush(ctx)
}

func (c *changeset) flush(ctx context.Context) error {
	if c.lines == 0 {
		return nil
	}
	key := fmt.Sprintf("%schangesets/%s/%05d.jsonl", contract.DatasetPrefix(c.hooks.Model), c.name, len(c.parts))
	_, err := c.hooks.Objects.PutOnce(ctx, c.hooks.Bucket, key, c.text.Bytes())
	c.parts = append(c.parts, contract.URI(c.hooks.Bucket, key))
	c.lines = 0
	c.text.Reset()
	return err
}
