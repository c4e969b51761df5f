package pattern

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// casesPath is where the recorded cases lie: beside the repository, or where
// SLUICE_PATTERN_CASES says.
func casesPath() string {
	if path := os.Getenv("SLUICE_PATTERN_CASES"); path != "" {
		return path
	}
	return filepath.Join("..", "..", "..", "..", "..", "shared", "eventbridge", "pattern-cases.jsonl")
}

func TestRecordedCases(t *testing.T) {
	f, err := os.Open(casesPath())
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the recorded pattern cases are missing: %v; set SLUICE_PATTERN_CASES", err)
		}
		t.Skipf("the recorded pattern cases are missing: %v; set SLUICE_PATTERN_CASES", err)
	}
	defer f.Close()
	lines, cases := bufio.NewScanner(f), 0
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c struct {
			Name           string
			Pattern, Event json.RawMessage
			Expect         string
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &c))
		cases++
		t.Run(c.Name, func(t *testing.T) { require.Equal(t, c.Expect, verdict(t, string(c.Pattern), string(c.Event))) })
	}
	require.NoError(t, lines.Err())
	require.GreaterOrEqual(t, cases, 72)
}

func verdict(t *testing.T, pattern, event string) string {
	t.Helper()
	e, err := ParseEvent([]byte(event))
	require.NoError(t, err)
	p, err := Compile([]byte(pattern))
	switch {
	case err != nil:
		return "invalid-pattern"
	case p.Match(e):
		return "match"
	}
	return "no-match"
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct{ pattern, event, want string }{
		{`{"$or":[{"a":[1]},{"b":[2]}]}`, `{"b":2}`, "match"},
		{`{"$or":[{"a":[1]},{"b":[2]}]}`, `{"b":3}`, "no-match"},
		{`{"c":[1],"$or":[{"a":[1]},{"$or":[{"b":[2]},{"b":[3]}]}]}`, `{"b":3,"c":1}`, "match"},
		{`{"c":[1],"$or":[{"a":[1]},{"b":[2]}]}`, `{"b":2,"c":2}`, "no-match"},
		{`{"$or":[{"a":[1]}]}`, `{"a":1}`, "invalid-pattern"},
		{`{"$or":[]}`, `{"a":1}`, "invalid-pattern"},
		{`{"a":{"b":[1],"c":[2]}}`, `{"a":[{"b":1,"c":2}]}`, "match"},
		{`{"a":{"b":[1],"c":[2]}}`, `{"a":[{"b":1,"c":1},{"b":2,"c":2}]}`, "no-match"},
		{`{"a":{"b":[1]},"x":{"c":[2]}}`, `{"a":[{"b":0},{"b":1}],"x":[{"c":2}]}`, "match"},
		{`{"a":[300]}`, `{"a":300.0}`, "no-match"},
		{`{"a":[{"numeric":["=",300]}]}`, `{"a":3.0e2}`, "match"},
		{`{"a":[{"numeric":[">",0,"<=",5]}]}`, `{"a":5}`, "match"},
		{`{"a":[{"numeric":["<",5,">",0]}]}`, `{"a":3}`, "invalid-pattern"},
		{`{"a":[{"numeric":[">",5,"<",0]}]}`, `{"a":3}`, "invalid-pattern"},
		{`{"a":[{"numeric":["=",6e9]}]}`, `{"a":3}`, "invalid-pattern"},
		{`{"a":[null]}`, `{"a":null}`, "match"},
		{`{"a":[null]}`, `{}`, "no-match"},
		{`{"a":[{"exists":false}]}`, `{"a":null}`, "no-match"},
		{`{"a":[{"exists":false},1]}`, `{}`, "match"},
		{`{"a":[{"exists":"true"}]}`, `{}`, "invalid-pattern"},
		{`{"a":[{"prefix":{"equals-ignore-case":"EventB"}}]}`, `{"a":"eventbridge"}`, "match"},
		{`{"a":[{"wildcard":"a\\*b*"}]}`, `{"a":"a*bc"}`, "match"},
		{`{"a":[{"wildcard":"a\\*b*"}]}`, `{"a":"axbc"}`, "no-match"},
		{`{"a":[{"wildcard":"a\\b"}]}`, `{"a":"ab"}`, "invalid-pattern"},
		{`{"a":[{"wildcard":"*ab*ab"}]}`, `{"a":"ab"}`, "no-match"},
		{`{"a":[{"wildcard":"*"}]}`, `{"a":""}`, "match"},
		{`{"a":[{"cidr":"2001:db8::/32"}]}`, `{"a":"2001:db8::1"}`, "match"},
		{`{"a":[{"anything-but":["x","y"]}]}`, `{"a":"z"}`, "match"},
		{`{"a":[{"anything-but":["x",1]}]}`, `{"a":"z"}`, "invalid-pattern"},
		{`{"a":[{"anything-but":true}]}`, `{"a":"z"}`, "invalid-pattern"},
		{`{"a":[{"prefix":"x","suffix":"y"}]}`, `{"a":"xy"}`, "invalid-pattern"},
		{`{"a":[[1]]}`, `{"a":1}`, "invalid-pattern"},
		{`{}`, `{}`, "invalid-pattern"},
		{`{"a":{}}`, `{}`, "invalid-pattern"},
		{`[]`, `{}`, "invalid-pattern"},
		{`{"a":[1]} 2`, `{}`, "invalid-pattern"},
	} {
		require.Equal(t, c.want, verdict(t, c.pattern, c.event), c.pattern)
	}
}

func TestManyCombinationsAreRefused(t *testing.T) {
	deep := `{"a":[1]}`
	for range 12 {
		deep = `{"$or":[` + deep + `,` + deep + `]}`
	}
	_, err := Compile([]byte(deep))
	require.ErrorContains(t, err, "more than 1000 combinations")
}

func FuzzPattern(f *testing.F) {
	f.Add(`{"a":[{"numeric":[">",0,"<=",5]}],"$or":[{"b":[1]},{"c":[{"exists":false}]}]}`, `{"a":[1,2,{"b":3}]}`)
	f.Add(`{"a":[{"anything-but":{"wildcard":["*x*","y"]}}]}`, `{"a":"zzz"}`)
	f.Add(`{"a":[{"cidr":"10.0.0.0/8"}]}`, `{"a":"10.1.1.1"}`)
	f.Fuzz(func(t *testing.T, pattern, event string) {
		p, err := Compile([]byte(pattern))
		e, bad := ParseEvent([]byte(event))
		if err != nil || bad != nil {
			return
		}
		if first, again := p.Match(e), p.Match(e); first != again {
			t.Fatal("matching is not deterministic")
		}
	})
}
