package events

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

type putEventsInput struct {
	Entries []putEventsEntry
}

type putEventsEntry struct {
	Source       string
	DetailType   string
	Detail       string
	Resources    []string
	Time         *float64 // seconds since 1970
	EventBusName string
	TraceHeader  string
}

type putEventsResult struct {
	EventId      string `json:",omitempty"`
	ErrorCode    string `json:",omitempty"`
	ErrorMessage string `json:",omitempty"`
}

type putEventsOutput struct {
	FailedEntryCount int
	Entries          []putEventsResult
}

// maxEventBytes is EventBridge's limit of a PutEvents request.
const maxEventBytes = 256 << 10

func (b *Bus) putEvents(ctx context.Context, in putEventsInput) (putEventsOutput, error) {
	if len(in.Entries) == 0 || len(in.Entries) > 10 {
		return putEventsOutput{}, wire.Errorf("ValidationException", "PutEvents takes 1 to 10 entries, got %d", len(in.Entries))
	}
	size := 0
	for _, entry := range in.Entries {
		size += len(entry.Source) + len(entry.DetailType) + len(entry.Detail) + len(strings.Join(entry.Resources, ""))
	}
	if size > maxEventBytes {
		return putEventsOutput{}, wire.Errorf("ValidationException", "Total size of the entries in the request is over the limit: %d bytes, at most %d", size, maxEventBytes)
	}
	var out putEventsOutput
	for _, entry := range in.Entries {
		result := b.putEvent(ctx, entry)
		if result.ErrorCode != "" {
			out.FailedEntryCount++
		}
		out.Entries = append(out.Entries, result)
	}
	return out, nil
}

func (b *Bus) putEvent(ctx context.Context, entry putEventsEntry) putEventsResult {
	fail := func(code, message string) putEventsResult {
		return putEventsResult{ErrorCode: code, ErrorMessage: message}
	}
	switch {
	case entry.Source == "":
		return fail("InvalidArgument", "Parameter Source is not valid. Reason: Source is a required argument.")
	case entry.DetailType == "":
		return fail("InvalidArgument", "Parameter DetailType is not valid. Reason: DetailType is a required argument.")
	case strings.HasPrefix(entry.Source, "aws."):
		return fail("NotAuthorizedForSourceException", "Not authorized for the source.")
	}
	if err := b.checkBus(entry.EventBusName); err != nil {
		return fail(wire.AsError(err).Code, wire.AsError(err).Message)
	}
	var detail map[string]any
	if json.Unmarshal([]byte(entry.Detail), &detail) != nil || detail == nil {
		return fail("MalformedDetail", "Detail is malformed.")
	}
	e := Event{ID: wire.RequestID(), Source: entry.Source, DetailType: entry.DetailType, Detail: json.RawMessage(entry.Detail), Resources: entry.Resources}
	if entry.Time != nil {
		e.Time = Timestamp(time.UnixMilli(int64(*entry.Time * 1000)))
	}
	if err := b.Publish(ctx, e); err != nil {
		return fail("InternalFailure", err.Error())
	}
	return putEventsResult{EventId: e.ID}
}

// PutEvents does the operation for a caller in the process: body and result are
// the API's JSON.
func (b *Bus) PutEvents(ctx context.Context, body []byte) (any, error) {
	return wire.Op(b.putEvents)(ctx, body)
}
