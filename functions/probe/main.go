// Command probe asks the load balancer of the models that ECS serves, which is in
// a network that the other functions are not in. It asks one address only, and
// gives back whatever is answered: it is how a rollout tries a version before it
// has traffic.
package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/aws/lambdafn"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/settings"
)

// Bounds of one request.
const (
	timeout   = 20 * time.Second
	maxAnswer = 1 << 20
)

func main() { lambdafn.Main(build) }

func build(context.Context) (lambdafn.Handler[contract.ProbeRequest, contract.ProbeAnswer], error) {
	env := settings.Env(os.LookupEnv)
	base := env.Require(contract.EnvProbeURL)
	if err := env.Err(); err != nil {
		return nil, err
	}
	client := &http.Client{Timeout: timeout, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: dial, DisableKeepAlives: true}}
	return handler{strings.TrimSuffix(base, "/"), client}.handle, nil
}

// dial takes names that end in .localhost for this machine, as RFC 6761 (6.3)
// wants: not every resolver does.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	if host, port, err := net.SplitHostPort(address); err == nil && strings.HasSuffix(host, ".localhost") {
		address = net.JoinHostPort("127.0.0.1", port)
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

type handler struct {
	base   string
	client *http.Client
}

func (h handler) handle(ctx context.Context, in contract.ProbeRequest) (contract.ProbeAnswer, error) {
	op := "ask " + h.base + in.Path
	if !strings.HasPrefix(in.Path, "/") {
		return contract.ProbeAnswer{}, fault.New(fault.Invalid, op, "the path is %q: want one such as /invocations", in.Path)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.base+in.Path, bytes.NewReader(in.Body))
	if err != nil {
		return contract.ProbeAnswer{}, fault.New(fault.Invalid, op, "%w", err)
	}
	for name, value := range in.Headers {
		request.Header.Set(name, value)
	}
	answer, err := h.client.Do(request)
	if err != nil {
		return contract.ProbeAnswer{}, fault.New(fault.Unavailable, op, "%w", err)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if closing := answer.Body.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return contract.ProbeAnswer{}, fault.New(fault.Unavailable, op, "%w", err)
	}
	return contract.ProbeAnswer{Status: answer.StatusCode, Body: body}, nil
}
