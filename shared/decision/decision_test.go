package decision

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/fault"
)

type key struct{ *ecdsa.PrivateKey }

func newKey(t testing.TB) key {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key{k}
}

func (k key) Sign(_ context.Context, digest []byte) (string, []byte, error) {
	signature, err := ecdsa.SignASN1(rand.Reader, k.PrivateKey, digest)
	return "key", signature, err
}

func (k key) Verify(_ context.Context, digest, signature []byte) error {
	if !ecdsa.VerifyASN1(&k.PublicKey, digest, signature) {
		return fault.New(fault.Denied, "check a signature", "not this key's")
	}
	return nil
}

var gates = []string{"performance", "fairness"}

func verdicts(one, two, on string) []Verdict {
	return []Verdict{{Gate: "performance", Verdict: one, OnInsufficient: on}, {Gate: "fairness", Verdict: two, OnInsufficient: on, Reasons: []string{"sex: 0.2 > 0.1"}}}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct{ one, two, on, want string }{
		{"pass", "pass", "hold", Ship}, {"pass", "fail", "hold", Reject}, {"fail", "insufficient", "hold", Reject},
		{"insufficient", "fail", "hold", Reject}, {"insufficient", "pass", "hold", Hold}, {"insufficient", "pass", "", Hold},
		{"insufficient", "insufficient", "pass", Ship}, {"insufficient", "pass", "fail", Reject},
	} {
		action, reasons, err := Judge(gates, verdicts(c.one, c.two, c.on))
		require.NoError(t, err)
		require.Equal(t, c.want, action, "%+v", c)
		require.Equal(t, c.one == "pass" && c.two == "pass", len(reasons) == 0)
	}
	_, reasons, err := Judge(gates, verdicts("insufficient", "fail", "pass"))
	require.NoError(t, err)
	require.Equal(t, []string{"performance: insufficient (configured to pass)", "fairness: fail: sex: 0.2 > 0.1"}, reasons)
	for want, bad := range map[string][]Verdict{
		`gate "fairness" gave no verdict`:        verdicts("pass", "pass", "")[:1],
		`gate "performance" gave two verdicts`:   append(verdicts("pass", "pass", ""), Verdict{Gate: "performance", Verdict: "pass"}),
		`gate "luck" is not one of`:              append(verdicts("pass", "pass", ""), Verdict{Gate: "luck", Verdict: "pass"}),
		`gate performance: verdict "ok"`:         verdicts("ok", "pass", ""),
		`gate performance: on_insufficient "no"`: verdicts("insufficient", "pass", "no"),
	} {
		_, _, err := Judge(gates, bad)
		require.ErrorContains(t, err, want)
		require.Equal(t, fault.Invalid, fault.KindOf(err))
	}
}

func sample() Decision {
	return Decision{Format: Format, Model: "m", Run: "m-1", Environment: "staging", PlanHash: "sha256:p", Commit: "c", ConfigHash: "sha256:c",
		ServerImage: "i", Digest: "sha256:d", Verdicts: verdicts("pass", "pass", ""), Action: Ship, Reasons: []string{},
		Evidence: []Evidence{{"evaluation/latency.json", "s3://b/l?versionId=1", "sha256:l"}, {"evaluation/predictions.parquet", "s3://b/p?versionId=1", "sha256:s"}},
		Time:     time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

func TestSignAndOpen(t *testing.T) {
	k := newKey(t)
	encoded, err := Sign(t.Context(), k, sample())
	require.NoError(t, err)
	opened, err := Open(t.Context(), k, encoded)
	require.NoError(t, err)
	require.Equal(t, sample(), opened)
	require.NoError(t, opened.Require("m", "m-1", "sha256:p", "sha256:d"))

	_, err = Open(t.Context(), newKey(t), encoded)
	require.Equal(t, fault.Denied, fault.KindOf(err), "another key")
	var e Envelope
	require.NoError(t, json.Unmarshal(encoded, &e))
	e.Payload = []byte(strings.Replace(string(e.Payload), `"sha256:d"`, `"sha256:x"`, 1))
	_, err = Open(t.Context(), k, marshal(t, e))
	require.Equal(t, fault.Denied, fault.KindOf(err), "altered")
	e.Signatures = nil
	_, err = Open(t.Context(), k, marshal(t, e))
	require.Equal(t, fault.Denied, fault.KindOf(err), "unsigned")
}

func marshal(t *testing.T, e Envelope) []byte {
	body, err := json.Marshal(e)
	require.NoError(t, err)
	return body
}

func TestRequireMatchesEverything(t *testing.T) {
	for what, change := range map[string]func(*Decision){
		"action": func(d *Decision) { d.Action = Hold }, "model": func(d *Decision) { d.Model = "n" }, "run": func(d *Decision) { d.Run = "m-2" },
		"plan hash": func(d *Decision) { d.PlanHash = "x" }, "artefact digest": func(d *Decision) { d.Digest = "x" },
	} {
		d := sample()
		change(&d)
		err := d.Require("m", "m-1", "sha256:p", "sha256:d")
		require.Equal(t, fault.Denied, fault.KindOf(err))
		require.ErrorContains(t, err, "the decision's "+what+" is")
	}
}

func TestIncompleteDecisionsAreNotSigned(t *testing.T) {
	d := sample()
	d.Digest = ""
	_, err := Sign(t.Context(), newKey(t), d)
	require.ErrorContains(t, err, "digest is missing")
}

// The example of the DSSE protocol's own text.
func TestPreAuthentication(t *testing.T) {
	require.Equal(t, "DSSEv1 29 http://example.com/HelloWorld 11 hello world",
		string(preAuthentication("http://example.com/HelloWorld", []byte("hello world"))))
}

func FuzzOpen(f *testing.F) {
	k := newKey(f)
	encoded, err := Sign(context.Background(), k, sample())
	require.NoError(f, err)
	f.Add(encoded)
	f.Fuzz(func(t *testing.T, body []byte) {
		if d, err := Open(t.Context(), k, body); err == nil {
			require.Equal(t, sample(), d, "nobody else can sign")
		}
	})
}

func TestAPublicKeyChecksWithoutKMS(t *testing.T) {
	k := newKey(t)
	encoded, err := Sign(t.Context(), k, sample())
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	require.NoError(t, err)
	public, err := ParsePublicKey(der)
	require.NoError(t, err)
	again, err := ParsePublicKey(public.PEM())
	require.NoError(t, err)
	require.Equal(t, public.Fingerprint(), again.Fingerprint())
	opened, err := Open(t.Context(), again, encoded)
	require.NoError(t, err)
	require.Equal(t, sample(), opened)
	other, err := x509.MarshalPKIXPublicKey(&newKey(t).PublicKey)
	require.NoError(t, err)
	stranger, err := ParsePublicKey(other)
	require.NoError(t, err)
	_, err = Open(t.Context(), stranger, encoded)
	require.Equal(t, fault.Denied, fault.KindOf(err))
	ed, err := x509.MarshalPKIXPublicKey(ed25519.PublicKey(make([]byte, 32)))
	require.NoError(t, err)
	for want, data := range map[string][]byte{"want PEM": []byte("x"), "decisions are signed with ECDSA": ed,
		"it is a CERTIFICATE": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE"})} {
		_, err := ParsePublicKey(data)
		require.ErrorContains(t, err, want)
		require.Equal(t, fault.Invalid, fault.KindOf(err))
	}
}
