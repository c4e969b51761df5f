package decision

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
)

// PayloadType says what the envelope holds: a decision of the format that is made
// today. payloadTypePlain is that of format 1.
const (
	PayloadType      = "application/vnd.sluice.decision.v2+json"
	payloadTypePlain = "application/vnd.sluice.decision.v1+json"
)

// payloadTypeOf is the type that goes with a format.
func payloadTypeOf(format int) string {
	if format == formatPlain {
		return payloadTypePlain
	}
	return PayloadType
}

// Envelope is a signed decision as it is stored: a DSSE envelope
// (github.com/secure-systems-lab/dsse, envelope.md), whose byte members are
// base64 in JSON.
type Envelope struct {
	PayloadType string      `json:"payloadType"`
	Payload     []byte      `json:"payload"`
	Signatures  []Signature `json:"signatures"`
}

// Signature is one signer's.
type Signature struct {
	KeyID string `json:"keyid"`
	Sig   []byte `json:"sig"`
}

// Signer signs SHA-256 digests with one key.
type Signer interface {
	Sign(ctx context.Context, digest []byte) (keyID string, signature []byte, err error)
}

// Verifier checks signatures over SHA-256 digests by one key that it trusts,
// whatever keyid an envelope claims.
type Verifier interface {
	// Verify returns nil when the signature is the trusted key's, a Denied fault
	// when it is not.
	Verify(ctx context.Context, digest, signature []byte) error
}

// preAuthentication is the string that DSSE signs.
func preAuthentication(payloadType string, payload []byte) []byte {
	head := fmt.Sprintf("DSSEv1 %d %s %d ", len(payloadType), payloadType, len(payload))
	return append([]byte(head), payload...)
}

func digest(e Envelope) []byte {
	sum := sha256.Sum256(preAuthentication(e.PayloadType, e.Payload))
	return sum[:]
}

// Sign puts a decision's canonical JSON into a signed envelope, encoded.
func Sign(ctx context.Context, signer Signer, d Decision) ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	payload, err := d.payload()
	if err != nil {
		return nil, err
	}
	e := Envelope{PayloadType: payloadTypeOf(d.Format), Payload: payload}
	key, signature, err := signer.Sign(ctx, digest(e))
	if err != nil {
		return nil, err
	}
	e.Signatures = []Signature{{KeyID: key, Sig: signature}}
	body, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return nil, fault.New(fault.Internal, "encode a decision", "%w", err)
	}
	return append(body, '\n'), nil
}

// Open gives the decision in an encoded envelope after its signature was
// checked. Invalid when it is not a decision, Denied when no signature is the
// trusted key's.
func Open(ctx context.Context, verifier Verifier, encoded []byte) (Decision, error) {
	e, err := parse(encoded)
	if err != nil {
		return Decision{}, err
	}
	if err := e.verify(ctx, verifier); err != nil {
		return Decision{}, err
	}
	return e.decision()
}

// Unverified gives what an envelope holds without a look at its signature: to
// say what is wrong with it, never to ship by.
func Unverified(encoded []byte) (Decision, error) {
	e, err := parse(encoded)
	if err != nil {
		return Decision{}, err
	}
	return e.decision()
}

// SignedBy is the id of the key that an envelope claims signed it, "" when it has
// no signature; to show, never to believe.
func SignedBy(encoded []byte) string {
	e, err := parse(encoded)
	if err != nil || len(e.Signatures) == 0 {
		return ""
	}
	return e.Signatures[0].KeyID
}

func parse(encoded []byte) (Envelope, error) {
	var e Envelope
	if err := json.Unmarshal(encoded, &e); err != nil {
		return e, fault.New(fault.Invalid, "read a decision", "%w", err)
	}
	if e.PayloadType == "" {
		return e, fault.New(fault.Invalid, "read a decision", "it is JSON and not a decision: it has no payloadType").
			WithHint("name a decision.json, as sluice decision fetch writes it")
	}
	if e.PayloadType != PayloadType && e.PayloadType != payloadTypePlain {
		return e, fault.New(fault.Invalid, "read a decision", "payloadType %q: this build knows %q and %q", e.PayloadType, payloadTypePlain, PayloadType).
			WithHint("use the version of sluice that made it, or run the gates again")
	}
	return e, nil
}

func (e Envelope) decision() (Decision, error) {
	const op = "read a decision"
	var d Decision
	decoder := json.NewDecoder(bytes.NewReader(e.Payload))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		return Decision{}, fault.New(fault.Invalid, op, "payload: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return Decision{}, fault.New(fault.Invalid, op, "payload: there is more after its end")
	}
	if err := d.check(); err != nil {
		return d, err
	}
	if want := payloadTypeOf(d.Format); e.PayloadType != want {
		return d, fault.New(fault.Invalid, op, "payloadType %q holds a decision of format %d, which is %q", e.PayloadType, d.Format, want)
	}
	return d, nil
}

func (e Envelope) verify(ctx context.Context, verifier Verifier) error {
	sum := digest(e)
	var last error = fault.New(fault.Denied, "check a signature", "there is none")
	for _, s := range e.Signatures {
		err := verifier.Verify(ctx, sum, s.Sig)
		if err == nil {
			return nil
		}
		if !fault.Is(err, fault.Denied) {
			return err
		}
		last = err
	}
	return fault.New(fault.Denied, "check a decision", "none of its %d signatures counts: %w", len(e.Signatures), last).
		WithHint("the decision was altered, or another key signed it; run the gates again")
}

// Require checks that a decision ships just this: the plan with that hash and
// the artefact with that digest. Denied says what does not match.
func (d Decision) Require(model, run, planHash, artifactDigest string) error {
	return d.same(run, []pair{{"action", d.Action, Ship}, {"model", d.Model, model}, {"run", d.Run, run},
		{"plan hash", d.PlanHash, planHash}, {"artefact digest", d.Digest, artifactDigest}})
}

// RequirePlan checks that a decision is of just this plan, whose hash is taken
// again. Denied says what does not match.
func (d Decision) RequirePlan(p contract.Plan) error {
	hash, err := PlanHash(p)
	if err != nil {
		return err
	}
	return d.same(p.Run, []pair{{"model", d.Model, p.Model}, {"run", d.Run, p.Run}, {"environment", d.Environment, p.Environment},
		{"plan hash", d.PlanHash, p.Hash}, {"plan hash", d.PlanHash, hash}, {"commit", d.Commit, p.Dataset.Commit},
		{"configuration hash", d.ConfigHash, p.ConfigHash}, {"trainer image", d.TrainerImage, p.TrainerImage},
		{"server image", d.ServerImage, p.ServerImage}})
}

// RequireEvidence checks that what the gates read is still there, unchanged.
// digest takes the digest of a file of the run as it is now. Denied names the
// file that was replaced or is gone.
func (d Decision) RequireEvidence(digest func(name string) (string, error)) error {
	for _, e := range d.Evidence {
		found, err := digest(e.Name)
		if fault.Is(err, fault.NotFound) {
			found, err = "gone", nil
		}
		if err != nil {
			return err
		}
		if err := d.same(d.Run, []pair{{"digest of " + e.Name, e.Digest, found}}); err != nil {
			return err
		}
	}
	return nil
}

type pair struct{ what, got, want string }

func (d Decision) same(run string, pairs []pair) error {
	for _, c := range pairs {
		if c.got != c.want {
			return fault.New(fault.Denied, "ship run "+run, "the decision's %s is %q, not %q", c.what, c.got, c.want).
				WithHint("nothing ships without a decision of its own; run the lifecycle again")
		}
	}
	return nil
}
