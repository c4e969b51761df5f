// Package query speaks the AWS Query protocol: a form with an Action in, XML
// out. SNS, STS and Elastic Load Balancing use it.
// https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
//
// Requests are read strictly: a parameter that an operation does not read is
// refused by name, before the operation does anything.
package query

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/nearest"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Params are a request's parameters. Reading one marks it as known.
type Params struct {
	values url.Values
	read   map[string]bool
}

// NewParams wraps a form.
func NewParams(values url.Values) *Params {
	return &Params{values, map[string]bool{"Action": true, "Version": true}}
}

// String reads one parameter; a missing one is "".
func (p *Params) String(name string) string {
	p.read[name] = true
	return p.values.Get(name)
}

// Bool reads "true" or "false"; a missing one is false.
func (p *Params) Bool(name string) bool { return p.String(name) == "true" }

// List reads name.member.1, name.member.2, …
func (p *Params) List(name string) []string {
	var out []string
	p.each(name+".member.", func(prefix string) { out = append(out, p.String(prefix)) })
	return out
}

// Map reads name.entry.N.<key> and name.entry.N.<value>; key and value are the
// names of the two, usually "key" and "value".
func (p *Params) Map(name, key, value string) map[string]string {
	var out map[string]string
	p.each(name+".entry.", func(prefix string) {
		if out == nil {
			out = map[string]string{}
		}
		out[p.String(prefix+"."+key)] = p.String(prefix + "." + value)
	})
	return out
}

// each calls f for prefix+"1", prefix+"2", … as long as there are such.
func (p *Params) each(prefix string, f func(string)) {
	for n := 1; ; n++ {
		one := prefix + strconv.Itoa(n)
		if !slices.ContainsFunc(p.names(), func(name string) bool { return name == one || strings.HasPrefix(name, one+".") }) {
			return
		}
		f(one)
	}
}

func (p *Params) names() []string {
	var out []string
	for name := range p.values {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// known are the parameters that were asked for.
func (p *Params) known() []string {
	names := nearest.Keys(p.read)
	return slices.DeleteFunc(names, func(name string) bool { return name == "Action" || name == "Version" })
}

func (p *Params) unread() []string {
	return slices.DeleteFunc(p.names(), func(name string) bool { return p.read[name] })
}

// Operation answers one action. A nil result answers without one.
type Operation func(ctx context.Context, p *Params) (any, error)

// Op makes an operation of a function that reads all its parameters and one
// that acts on them; in between, unknown parameters are refused.
func Op[In, Out any](read func(*Params) In, act func(context.Context, In) (*Out, error)) Operation {
	return func(ctx context.Context, p *Params) (any, error) {
		in := read(p)
		if unknown := p.unread(); len(unknown) > 0 {
			return nil, wire.Errorf("InvalidParameter", "Invalid parameter: the local stack does not support %s%s", strings.Join(unknown, ", "),
				nearest.Hint("parameter", unknown[0], p.known()))
		}
		out, err := act(ctx, in)
		if err != nil || out == nil {
			return nil, err
		}
		return out, nil
	}
}

// Handler serves actions. namespace is the XML namespace of the answers.
func Handler(service, namespace string, operations map[string]Operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, out, err := serve(service, r, operations)
		if err != nil {
			writeError(w, namespace, err)
			return
		}
		write(w, namespace, name, out)
	})
}

func serve(service string, r *http.Request, operations map[string]Operation) (string, any, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, wire.MaxBody))
	if err != nil {
		return "", nil, wire.Errorf("MalformedInput", "read the request: %v", err)
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return "", nil, wire.Errorf("MalformedInput", "read the form: %v", err)
	}
	name := values.Get("Action")
	operation, ok := operations[name]
	if !ok {
		return "", nil, wire.Errorf("InvalidAction", "the local stack's %s does not serve action %q%s", service, name, nearest.Hint("action", name, nearest.Keys(operations)))
	}
	out, err := operation(r.Context(), NewParams(values))
	return name, out, err
}

func write(w http.ResponseWriter, namespace, name string, out any) {
	var body bytes.Buffer
	encoder := xml.NewEncoder(&body)
	fmt.Fprintf(&body, "<%sResponse xmlns=%q>", name, namespace)
	if out != nil {
		if err := encoder.EncodeElement(out, xml.StartElement{Name: xml.Name{Local: name + "Result"}}); err != nil {
			writeError(w, namespace, fmt.Errorf("encode the response: %w", err))
			return
		}
	}
	id := wire.RequestID()
	fmt.Fprintf(&body, "<ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata></%sResponse>", id, name)
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("X-Amzn-RequestId", id)
	_, _ = w.Write(body.Bytes())
}

func writeError(w http.ResponseWriter, namespace string, err error) {
	e := wire.AsError(err)
	status, kind := e.Status, "Sender"
	if status == 0 {
		status = http.StatusBadRequest
	}
	if status >= http.StatusInternalServerError {
		kind = "Receiver"
	}
	var message bytes.Buffer
	_ = xml.EscapeText(&message, []byte(e.Message)) // a bytes.Buffer does not fail
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<ErrorResponse xmlns=%q><Error><Type>%s</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>%s</RequestId></ErrorResponse>",
		namespace, kind, e.Code, message.String(), wire.RequestID())
}
