package s3

import (
	"net/http"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/nearest"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// unserved are subresources that the gateway would refuse without their name, or
// keep without doing anything about them.
var unserved = []string{"accelerate", "analytics", "cors", "encryption", "intelligent-tiering", "inventory", "logging", "metrics", "notification",
	"publicAccessBlock", "replication", "requestPayment", "select", "torrent", "website"}

// subresources are those that are served.
var subresources = []string{"acl", "attributes", "delete", "legal-hold", "lifecycle", "location", "object-lock", "ownershipControls", "policy", "retention",
	"tagging", "uploads", "versioning", "versions"}

// refusal says what of a request the local stack does not do, before the gateway
// leaves it out in silence; nil is nothing.
func (s *Service) refusal(r *http.Request) *wire.Error {
	if key := accessKey(r); key != "" && key != s.o.AccessKey {
		return &wire.Error{Code: "InvalidAccessKeyId", Status: http.StatusForbidden,
			Message: "The AWS Access Key Id you provided does not exist in our records. The local stack's is " + s.o.AccessKey + "."}
	}
	for name := range r.URL.Query() {
		if slices.Contains(unserved, name) {
			return notImplemented("the subresource " + name + nearest.Hint("subresource", name, subresources))
		}
	}
	switch encryption := r.Header.Get("X-Amz-Server-Side-Encryption"); encryption {
	case "", "AES256":
	case "aws:kms", "aws:kms:dsse":
		return notImplemented("encryption with KMS keys; the nearest here is AES256, which is what every object has")
	default:
		return &wire.Error{Code: "InvalidArgument", Status: http.StatusBadRequest, Message: "The encryption method specified is not supported"}
	}
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Amz-Server-Side-Encryption-Customer") || strings.HasPrefix(name, "X-Amz-Copy-Source-Server-Side-Encryption-Customer") {
			return notImplemented("encryption with the customer's keys; leave it out")
		}
	}
	if acl := r.Header.Get("X-Amz-Acl"); acl != "" && acl != "private" && acl != "bucket-owner-full-control" {
		return &wire.Error{Code: "AccessControlListNotSupported", Status: http.StatusBadRequest, Message: "The bucket does not allow ACLs"}
	}
	return nil
}

func notImplemented(what string) *wire.Error {
	return &wire.Error{Code: "NotImplemented", Status: http.StatusNotImplemented, Message: "the local stack's S3 does not serve " + what}
}

// accessKey is who signed a request; "" is not known.
func accessKey(r *http.Request) string {
	credential := r.URL.Query().Get("X-Amz-Credential")
	if _, after, found := strings.Cut(r.Header.Get("Authorization"), "Credential="); found {
		credential = after
	}
	key, _, _ := strings.Cut(strings.TrimSpace(credential), "/")
	return key
}
