package sqs

import (
	"context"
	"regexp"
	"time"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// maxBatch is how many entries a batch has at most.
const maxBatch = 10

var entryID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// batchError is an error of SQS that had another code in the Query protocol.
func batchError(code, format string, args ...any) error {
	e := wire.Errorf(code, format, args...)
	e.Query = "AWS.SimpleQueueService." + code
	return e
}

// failedEntry is an entry of a batch that failed; the others did not.
type failedEntry struct {
	ID          string `json:"Id"`
	SenderFault bool
	Code        string
	Message     string
}

func failed(id string, err error) failedEntry {
	e := wire.AsError(err)
	code := e.Code
	if e.Query != "" {
		code = e.Query
	}
	return failedEntry{id, e.Status < 500, code, e.Message}
}

// checkEntries refuses a batch as a whole.
func checkEntries(ids []string) error {
	if len(ids) == 0 {
		return batchError("EmptyBatchRequest", "There should be at least one entry in the request.")
	}
	if len(ids) > maxBatch {
		return batchError("TooManyEntriesInBatchRequest", "Maximum number of entries per request are %d. You have sent %d.", maxBatch, len(ids))
	}
	seen := map[string]bool{}
	for _, id := range ids {
		if !entryID.MatchString(id) {
			return batchError("InvalidBatchEntryId", "The batch entry id %q: want 1 to 80 letters, digits, - and _.", id)
		}
		if seen[id] {
			return batchError("BatchEntryIdsNotDistinct", "Id %s repeated.", id)
		}
		seen[id] = true
	}
	return nil
}

type sendEntry struct {
	ID                string `json:"Id"`
	MessageBody       string
	MessageAttributes map[string]attribute
	DelaySeconds      *int
}

type sentEntry struct {
	ID string `json:"Id"`
	sendOutput
}

type sendBatchOutput struct {
	Successful []sentEntry
	Failed     []failedEntry
}

// sendBatch sends up to ten messages, each on its own.
func (s *Service) sendBatch(ctx context.Context, in struct {
	QueueURL string `json:"QueueUrl"`
	Entries  []sendEntry
}) (*sendBatchOutput, error) {
	ids, size := []string{}, 0
	for _, e := range in.Entries {
		ids, size = append(ids, e.ID), size+len(e.MessageBody)
	}
	if err := s.checkBatch(in.QueueURL, ids); err != nil {
		return nil, err
	}
	if size > maxBody {
		return nil, batchError("BatchRequestTooLong", "Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxBody, size)
	}
	out := &sendBatchOutput{[]sentEntry{}, []failedEntry{}}
	for _, e := range in.Entries {
		sent, err := s.sendMessage(ctx, sendInput{in.QueueURL, e.MessageBody, e.MessageAttributes, e.DelaySeconds})
		if err != nil {
			out.Failed = append(out.Failed, failed(e.ID, err))
			continue
		}
		out.Successful = append(out.Successful, sentEntry{e.ID, *sent})
	}
	return out, nil
}

// checkBatch refuses a batch for a queue that is not there as a whole, too.
func (s *Service) checkBatch(queueURL string, ids []string) error {
	s.mu.Lock()
	_, err := s.find(queueURL)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return checkEntries(ids)
}

type doneEntry struct {
	ID string `json:"Id"`
}

type batchOutput struct {
	Successful []doneEntry
	Failed     []failedEntry
}

type receiptEntry struct {
	ID                string `json:"Id"`
	ReceiptHandle     string
	VisibilityTimeout *int
}

type receiptBatch struct {
	QueueURL string `json:"QueueUrl"`
	Entries  []receiptEntry
}

// each does one thing for every entry of a batch.
func (s *Service) each(in receiptBatch, do func(receiptEntry) error) (*batchOutput, error) {
	ids := []string{}
	for _, e := range in.Entries {
		ids = append(ids, e.ID)
	}
	if err := s.checkBatch(in.QueueURL, ids); err != nil {
		return nil, err
	}
	out := &batchOutput{[]doneEntry{}, []failedEntry{}}
	for _, e := range in.Entries {
		if err := do(e); err != nil {
			out.Failed = append(out.Failed, failed(e.ID, err))
			continue
		}
		out.Successful = append(out.Successful, doneEntry{e.ID})
	}
	return out, nil
}

func (s *Service) deleteBatch(ctx context.Context, in receiptBatch) (*batchOutput, error) {
	return s.each(in, func(e receiptEntry) error {
		if e.VisibilityTimeout != nil {
			return wire.Errorf("InvalidParameterValue", "VisibilityTimeout is not for DeleteMessageBatch")
		}
		_, err := s.deleteMessage(ctx, deleteInput{in.QueueURL, e.ReceiptHandle})
		return err
	})
}

func (s *Service) changeVisibilityBatch(ctx context.Context, in receiptBatch) (*batchOutput, error) {
	return s.each(in, func(e receiptEntry) error {
		_, err := s.changeVisibility(ctx, visibilityInput{in.QueueURL, e.ReceiptHandle, e.VisibilityTimeout})
		return err
	})
}

type visibilityInput struct {
	QueueURL          string `json:"QueueUrl"`
	ReceiptHandle     string
	VisibilityTimeout *int
}

// changeVisibility hides a message that was received for so many seconds from
// now; 0 shows it at once.
func (s *Service) changeVisibility(_ context.Context, in visibilityInput) (*nothing, error) {
	if !receipts.MatchString(in.ReceiptHandle) {
		return nil, wire.Errorf("ReceiptHandleIsInvalid", "The input receipt handle %q is not a valid receipt handle.", in.ReceiptHandle)
	}
	if in.VisibilityTimeout == nil {
		return nil, wire.Errorf("MissingParameter", "The request must contain the parameter VisibilityTimeout.")
	}
	seconds, err := between("VisibilityTimeout", in.VisibilityTimeout, 0, 0, 43200)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, err
	}
	now := s.config.Now().UTC()
	for _, m := range q.Messages {
		if m.Receipt == in.ReceiptHandle && m.VisibleAt.After(now) {
			m.VisibleAt = now.Add(time.Duration(seconds) * time.Second)
			close(q.arrived) // who waits looks again
			q.arrived = make(chan struct{})
			return &nothing{}, s.save(q)
		}
	}
	return nil, batchError("MessageNotInflight", "The message referred to isn't in flight.")
}
