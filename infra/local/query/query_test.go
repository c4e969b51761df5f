package query

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

type echoIn struct {
	name  string
	tags  []string
	pairs map[string]string
}

type echoOut struct {
	Name string `xml:"Name"`
}

func handler(acted *int) http.Handler {
	return Handler("Echo", "urn:echo", map[string]Operation{"Echo": Op(
		func(p *Params) echoIn {
			return echoIn{p.String("Name"), p.List("Tags"), p.Map("Attributes", "key", "value")}
		},
		func(_ context.Context, in echoIn) (*echoOut, error) {
			*acted++
			if in.name == "<bad>" {
				return nil, wire.Errorf("Bad", "name %s", in.name)
			}
			return &echoOut{strings.Join(append(in.tags, in.name, in.pairs["a"]), "&")}, nil
		})})
}

func post(t *testing.T, h http.Handler, form string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form)))
	body, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	return w.Code, string(body)
}

func TestHandler(t *testing.T) {
	acted := 0
	h := handler(&acted)
	status, body := post(t, h, "Action=Echo&Version=1&Name=n&Tags.member.1=x&Tags.member.2=y&Attributes.entry.1.key=a&Attributes.entry.1.value=b")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, `<EchoResponse xmlns="urn:echo"><EchoResult><Name>x&amp;y&amp;n&amp;b</Name></EchoResult><ResponseMetadata>`)
	for form, want := range map[string]string{
		"Action=Nope":                   "does not serve action &#34;Nope&#34;",
		"Action=Echo&Other=1":           "does not support Other",
		"Action=Echo&Tags.member.2=gap": "does not support Tags.member.2",
		"Action=Echo&Name=%3Cbad%3E":    "name &lt;bad&gt;",
		"%zz":                           "read the form",
	} {
		status, body := post(t, h, form)
		require.Equal(t, http.StatusBadRequest, status)
		require.Contains(t, body, want)
	}
	require.Equal(t, 2, acted, "an unknown parameter stops before anything is done")
}

func FuzzHandler(f *testing.F) {
	f.Add("Action=Echo&Tags.member.1=x&Attributes.entry.1.key=a")
	f.Fuzz(func(t *testing.T, form string) {
		acted := 0
		h := handler(&acted)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form)))
		if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
			t.Fatalf("%q answered %d", form, w.Code)
		}
	})
}
