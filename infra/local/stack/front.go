package stack

import (
	"fmt"
	"html"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/nearest"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// frontDoor routes requests to services.
type frontDoor struct {
	services map[string]http.Handler // by the service name that requests are signed for
	runtime  http.Handler            // SageMaker's runtime, which signs as sagemaker too
	admin    http.Handler
	balancer func(host string) (http.Handler, bool) // the load balancer whose DNS name it is; nil: there are none
	count    func(service string, r *http.Request)  // told of every request that a service gets
	faulty   func(service string, next http.Handler) http.Handler
}

func (f *frontDoor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.balancer != nil {
		if balancer, ok := f.balancer(r.Host); ok {
			balancer.ServeHTTP(w, r)
			return
		}
	}
	if strings.HasPrefix(r.URL.Path, adminPrefix) {
		f.admin.ServeHTTP(w, r)
		return
	}
	name, err := signedFor(r)
	if err != nil {
		wire.WriteJSONError(w, r, err)
		return
	}
	handler, ok := f.services[name]
	if name == "sagemaker" && isInvocation(r.URL.Path) {
		handler, ok = f.runtime, f.runtime != nil
	}
	if !ok {
		refuseService(w, r, name, &wire.Error{Code: "NotImplemented", Status: http.StatusNotImplemented,
			Message: fmt.Sprintf("the local stack does not serve the service %q; it serves %s%s",
				name, strings.Join(slices.Sorted(maps.Keys(f.services)), ", "), nearest.Hint("service", name, nearest.Keys(f.services)))})
		return
	}
	f.count(name, r)
	if f.faulty != nil {
		handler = f.faulty(name, handler)
	}
	handler.ServeHTTP(w, r)
}

// refuseService answers for a service that is not there, in the protocol that its
// clients read.
func refuseService(w http.ResponseWriter, r *http.Request, name string, e *wire.Error) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		wire.WriteJSONError(w, r, e)
		return
	}
	form := "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>%s</RequestId></ErrorResponse>"
	if name == "ec2" {
		form = "<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>%s</RequestID></Response>"
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(e.Status)
	_, _ = fmt.Fprintf(w, form, e.Code, html.EscapeString(e.Message), wire.RequestID())
}

// isInvocation tells /endpoints/{name}/invocations and what is below it.
func isInvocation(path string) bool {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	return len(parts) >= 3 && parts[0] == "endpoints" && strings.HasPrefix(parts[2], "invocations")
}

// signedFor reads the service's name from the credential scope of the signature:
// <access key>/<date>/<region>/<service>/aws4_request.
func signedFor(r *http.Request) (string, error) {
	query := r.URL.Query()
	credential, header := query.Get("X-Amz-Credential"), r.Header.Get("Authorization")
	if strings.HasPrefix(header, "AWS ") || (header == "" && query.Has("AWSAccessKeyId") && !query.Has("SignatureVersion")) {
		return "s3", nil // Signature Version 2 of S3
	}
	if header != "" {
		_, after, _ := strings.Cut(header, "Credential=")
		credential, _, _ = strings.Cut(after, ",")
	}
	parts := strings.Split(strings.TrimSpace(credential), "/")
	if len(parts) < 5 {
		return "", &wire.Error{Code: "MissingAuthenticationToken", Status: http.StatusForbidden,
			Message: "the request is not signed (Signature Version 4), so the local stack cannot tell which service it is for; use an AWS client with AWS_ENDPOINT_URL set"}
	}
	return parts[len(parts)-2], nil
}
