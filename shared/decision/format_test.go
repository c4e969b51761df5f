package decision

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
)

// plain is a decision as it was made before evidence was bound.
func plain() Decision {
	d := sample()
	d.Format, d.Evidence = 1, nil
	return d
}

func TestTheOlderFormatIsBelievedStill(t *testing.T) {
	k := newKey(t)
	encoded, err := Sign(t.Context(), k, plain())
	require.NoError(t, err)
	var e Envelope
	require.NoError(t, json.Unmarshal(encoded, &e))
	require.Equal(t, "application/vnd.sluice.decision.v1+json", e.PayloadType)
	require.NotContains(t, string(e.Payload), "evidence", "spelled as it was then")
	opened, err := Open(t.Context(), k, encoded)
	require.NoError(t, err)
	require.Equal(t, plain(), opened)
	require.False(t, opened.BindsEvidence())
	require.NoError(t, opened.Require("m", "m-1", "sha256:p", "sha256:d"))
}

// signed signs whatever the payload is: what a holder of the key could do, and a
// newer build does.
func signed(t *testing.T, k key, payloadType, payload string) []byte {
	e := Envelope{PayloadType: payloadType, Payload: []byte(payload)}
	id, signature, err := k.Sign(t.Context(), digest(e))
	require.NoError(t, err)
	e.Signatures = []Signature{{id, signature}}
	return marshal(t, e)
}

func TestFormatsThatAreNotKnownAreRefused(t *testing.T) {
	k := newKey(t)
	encoded, err := Sign(t.Context(), k, sample())
	require.NoError(t, err)
	var e Envelope
	require.NoError(t, json.Unmarshal(encoded, &e))
	today := string(e.Payload)
	change := func(old, now string) string {
		require.Contains(t, today, old)
		return strings.Replace(today, old, now, 1)
	}
	for name, c := range map[string]struct{ payloadType, payload, want string }{
		"a later format":          {PayloadType, change(`"format":2`, `"format":3`), "its format is 3, this build knows 1 and 2"},
		"no format":               {PayloadType, change(`"format":2,`, ``), "its format is 0"},
		"a later type":            {"application/vnd.sluice.decision.v3+json", today, "payloadType"},
		"evidence in format 1":    {payloadTypePlain, change(`"format":2`, `"format":1`), "format 1 binds no evidence"},
		"2 called 1":              {payloadTypePlain, today, "is \"application/vnd.sluice.decision.v2+json\""},
		"a member it cannot know": {PayloadType, change(`"format":2`, `"format":2,"unless":"x"`), "unknown field"},
		"more after its end":      {PayloadType, today + "{}", "more after its end"},
		"an action it cannot do":  {PayloadType, change(`"action":"ship"`, `"action":"go"`), `action "go"`},
		"evidence without digest": {PayloadType, change(`"digest":"sha256:l"`, `"digest":""`), "has no name, URI or digest"},
		"evidence twice":          {PayloadType, change(`"name":"evaluation/predictions.parquet"`, `"name":"evaluation/latency.json"`), "want each once"},
		"not JSON":                {PayloadType, "{", "payload"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(t.Context(), k, signed(t, k, c.payloadType, c.payload))
			require.ErrorContains(t, err, c.want)
			require.Equal(t, fault.Invalid, fault.KindOf(err))
		})
	}
	d := sample()
	d.Evidence = nil
	_, err = Sign(t.Context(), k, d)
	require.ErrorContains(t, err, "it ships, and binds no evidence")
	d.Action = Hold
	_, err = Sign(t.Context(), k, d)
	require.NoError(t, err, "what holds may have measured nothing")
}

// TestEveryFieldIsSigned alters every value of a signed payload, one after the
// other.
func TestEveryFieldIsSigned(t *testing.T) {
	k := newKey(t)
	encoded, err := Sign(t.Context(), k, sample())
	require.NoError(t, err)
	var e Envelope
	require.NoError(t, json.Unmarshal(encoded, &e))
	altered := 0
	for i, b := range e.Payload {
		if b < '0' || b > 'z' {
			continue
		}
		forged := e
		forged.Payload = append([]byte{}, e.Payload...)
		forged.Payload[i] = b + 1
		_, err := Open(t.Context(), k, marshal(t, forged))
		require.Equal(t, fault.Denied, fault.KindOf(err), "byte %d: %s", i, forged.Payload)
		altered++
	}
	require.Greater(t, altered, 400)
	e.PayloadType = payloadTypePlain
	_, err = Open(t.Context(), k, marshal(t, e))
	require.Equal(t, fault.Denied, fault.KindOf(err), "the type is signed too")
}

func TestRequirePlanMatchesEverything(t *testing.T) {
	plan := contract.Plan{Model: "m", Run: "m-1", Environment: "staging", ConfigHash: "sha256:c", Dataset: contract.Dataset{Commit: "c"}, Seed: 7,
		TrainerImage: "t", ServerImage: "i"}
	hash, err := PlanHash(plan)
	require.NoError(t, err)
	plan.Hash = hash
	d := sample()
	d.PlanHash, d.TrainerImage = hash, "t"
	require.NoError(t, d.RequirePlan(plan))
	for what, change := range map[string]func(*contract.Plan){
		"model": func(p *contract.Plan) { p.Model = "x" }, "run": func(p *contract.Plan) { p.Run = "x" }, "environment": func(p *contract.Plan) { p.Environment = "x" },
		"commit": func(p *contract.Plan) { p.Dataset.Commit = "x" }, "configuration hash": func(p *contract.Plan) { p.ConfigHash = "x" },
		"trainer image": func(p *contract.Plan) { p.TrainerImage = "x" }, "server image": func(p *contract.Plan) { p.ServerImage = "x" },
		"plan hash": func(p *contract.Plan) { p.Seed = 8 },
	} {
		p := plan
		change(&p)
		err := d.RequirePlan(p)
		require.Equal(t, fault.Denied, fault.KindOf(err), what)
		if what == "plan hash" {
			require.ErrorContains(t, err, "the decision's plan hash is")
		}
	}
}

func TestRequireEvidenceNamesTheFile(t *testing.T) {
	now := map[string]string{"evaluation/latency.json": "sha256:l", "evaluation/predictions.parquet": "sha256:s"}
	look := func(name string) (string, error) {
		if found, ok := now[name]; ok {
			return found, nil
		}
		return "", fault.New(fault.NotFound, "look", "gone")
	}
	require.NoError(t, sample().RequireEvidence(look))
	require.NoError(t, plain().RequireEvidence(look))
	now["evaluation/predictions.parquet"] = "sha256:other"
	err := sample().RequireEvidence(look)
	require.Equal(t, fault.Denied, fault.KindOf(err))
	require.ErrorContains(t, err, "digest of evaluation/predictions.parquet")
	delete(now, "evaluation/predictions.parquet")
	require.ErrorContains(t, sample().RequireEvidence(look), `not "gone"`)
	broken := errors.New("no network")
	require.ErrorIs(t, sample().RequireEvidence(func(string) (string, error) { return "", broken }), broken)
}

func TestALocalKeySignsAndIsKeptToItsOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pem")
	made, err := NewLocalKey()
	require.NoError(t, err)
	require.NoError(t, made.Write(path))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	key, err := ReadLocalKey(path)
	require.NoError(t, err)
	encoded, err := Sign(t.Context(), key, sample())
	require.NoError(t, err)

	body, err := os.ReadFile(path + ".pub")
	require.NoError(t, err)
	public, err := ParsePublicKey(body)
	require.NoError(t, err)
	opened, err := Open(t.Context(), public, encoded)
	require.NoError(t, err)
	require.Equal(t, sample(), opened)
	_, err = Open(t.Context(), newKey(t), encoded)
	require.Equal(t, fault.Denied, fault.KindOf(err), "another key")

	other, err := NewLocalKey()
	require.NoError(t, err)
	require.Equal(t, fault.Conflict, fault.KindOf(other.Write(path)), "a key is never written over")
	again, err := ReadLocalKey(path)
	require.NoError(t, err)
	require.Equal(t, key.Fingerprint(), again.Fingerprint())
	private, err := os.ReadFile(path)
	require.NoError(t, err)
	_, err = ParsePublicKey(private)
	require.ErrorContains(t, err, "it is the private key")

	require.NoError(t, os.Chmod(path, 0o640))
	_, err = ReadLocalKey(path)
	require.Equal(t, fault.Denied, fault.KindOf(err))
	require.ErrorContains(t, err, "chmod 600")
	_, err = ReadLocalKey(path + ".none")
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	for name, bad := range map[string][]byte{"nothing": nil, "text": []byte("x"), "public": body, "cut": private[:len(private)/2]} {
		_, err := ParseLocalKey(bad)
		require.Equal(t, fault.Invalid, fault.KindOf(err), name)
	}
}

func FuzzParseLocalKey(f *testing.F) {
	made, err := NewLocalKey()
	require.NoError(f, err)
	f.Add(made.PEM())
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if key, err := ParseLocalKey(data); err == nil {
			require.NotEmpty(t, key.Fingerprint())
		}
	})
}
