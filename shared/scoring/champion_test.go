package scoring

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/model/modeltest"
)

// edited is the stump with another schema, packed.
func edited(t *testing.T, old, new string) []byte {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, model.Extract(modeltest.Stump(t), folder))
	path := filepath.Join(folder, model.FileSchema)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(text), old)
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(text), old, new, 1)), 0o644))
	packed, err := model.PackFolder(folder)
	require.NoError(t, err)
	return packed
}

// A champion that does not come up, or refuses the new rows, is not compared; a
// candidate that does the same is wrong.
func TestAChampionInTroubleIsNotCompared(t *testing.T) {
	c := config(t)
	set := holdout(t, c)
	for name, own := range map[string]string{
		"refuses the rows": `#!/bin/sh
exec python3 -c '
import os, http.server
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(200); self.end_headers()
    def do_POST(self):
        self.send_response(400); self.end_headers(); self.wfile.write(b"line 3: age is text")
    def log_message(self, *a): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), H).serve_forever()'
`,
		"does not come up": "#!/bin/sh\necho no such module\nexit 1\n",
	} {
		t.Run(name, func(t *testing.T) {
			program := filepath.Join(t.TempDir(), "serve")
			require.NoError(t, os.WriteFile(program, []byte(own), 0o755))
			e := evaluator(t)
			e.Own = &Program{Path: program, Dir: t.TempDir()}
			mine := edited(t, "{", `{"program": "image",`)
			result, err := e.Evaluate(t.Context(), c, set, 7, modeltest.Stump(t), mine)
			require.NoError(t, err)
			require.Nil(t, result.Predictions.Champion)
			require.NotEmpty(t, result.Predictions.Score)
			_, err = e.Evaluate(t.Context(), c, set, 7, mine, nil)
			require.Error(t, err)
		})
	}
}

// A server that takes a request and never answers is given up, and says so.
func TestAServerThatDoesNotAnswer(t *testing.T) {
	asked := make(chan struct{})
	quiet := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-asked }))
	defer quiet.Close()
	defer close(asked)
	s := &server{url: quiet.URL, askTime: time.Millisecond}
	_, _, err := s.post(t.Context(), []byte("[1]\n"))
	require.EqualError(t, err, "it did not answer within 1ms, where SageMaker gives up")
}
