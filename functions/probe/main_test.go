package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
)

func TestWhatIsAnsweredComesBack(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, r.Method+" "+r.URL.Path+" "+r.Header.Get("X-Sluice-Slot")+" "+string(body))
	}))
	defer server.Close()
	h := handler{strings.Replace(server.URL, "127.0.0.1", "balancer.elb.localhost", 1), &http.Client{Transport: &http.Transport{DialContext: dial}}}
	in := contract.ProbeRequest{Path: "/invocations", Headers: map[string]string{"X-Sluice-Slot": "green"}, Body: []byte("row")}
	answer, err := h.handle(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, contract.ProbeAnswer{Status: http.StatusTeapot, Body: []byte("POST /invocations green row")}, answer)

	in.Path = "@elsewhere/"
	_, err = h.handle(t.Context(), in)
	require.Equal(t, fault.Invalid, fault.KindOf(err), "no other host can be asked")
	server.Close()
	in.Path = "/invocations"
	_, err = h.handle(t.Context(), in)
	require.Equal(t, fault.Unavailable, fault.KindOf(err))

	t.Setenv(contract.EnvProbeURL, "")
	_, err = build(t.Context())
	require.ErrorContains(t, err, contract.EnvProbeURL)
}
