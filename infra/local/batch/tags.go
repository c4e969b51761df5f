package batch

import (
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// maxTags is how many tags a resource can have.
const maxTags = 50

// serveTags serves ListTagsForResource, TagResource and UntagResource:
// GET, POST and DELETE of /v1/tags/{arn}.
func (s *Service) serveTags(w http.ResponseWriter, r *http.Request) {
	arn, err := url.PathUnescape(strings.TrimPrefix(r.URL.EscapedPath(), "/v1/tags/"))
	if err != nil {
		wire.WriteJSONError(w, r, clientError("resourceArn: %v", err))
		return
	}
	out, err := s.tagRequest(r, arn)
	if err != nil {
		wire.WriteJSONError(w, r, err)
		return
	}
	wire.WriteJSON(w, r, http.StatusOK, out)
}

func (s *Service) tagRequest(r *http.Request, arn string) (any, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	resource, err := s.tagged(arn)
	if err != nil {
		return nil, err
	}
	tags := resource.tags
	switch r.Method {
	case http.MethodGet:
		return map[string]any{"tags": tags}, nil
	case http.MethodDelete:
		for _, key := range r.URL.Query()["tagKeys"] {
			delete(tags, key)
		}
	case http.MethodPost:
		body, err := io.ReadAll(io.LimitReader(r.Body, wire.MaxBody))
		if err != nil {
			return nil, clientError("read the request: %v", err)
		}
		var in struct {
			Tags map[string]string `json:"tags"`
		}
		if err := wire.DecodeStrict(body, &in); err != nil {
			return nil, err
		}
		maps.Copy(tags, in.Tags)
		if len(tags) > maxTags {
			return nil, clientError("tags: %d; a resource has %d at most", len(tags), maxTags)
		}
	default:
		return nil, clientError("the local stack's Batch does not serve %s %s", r.Method, r.URL.Path)
	}
	return empty{}, resource.keep(tags)
}

// tagged is a resource's tags, and how to keep others.
type tagged struct {
	tags map[string]string // a copy
	keep func(map[string]string) error
}

// tagged finds a resource by its ARN. Callers hold the mutex.
func (s *Service) tagged(arn string) (tagged, error) {
	if q := s.queues[arn]; q != nil {
		return tagged{q.change.tags(q.declared.Tags), func(tags map[string]string) error {
			q.change.Tags = tags
			return s.keepChange("queues", q.name, q.change)
		}}, nil
	}
	if e := s.environments[arn]; e != nil {
		return tagged{e.change.tags(e.declared.Tags), func(tags map[string]string) error {
			e.change.Tags = tags
			return s.keepChange("environments", e.name, e.change)
		}}, nil
	}
	if j := s.jobs[strings.TrimPrefix(arn, s.arn("job/"))]; j != nil {
		return tagged{change{}.tags(j.Detail.Tags), func(tags map[string]string) error {
			j.Detail.Tags = tags
			return s.keep(j)
		}}, nil
	}
	if d, err := s.anyDefinition(arn); err == nil {
		return tagged{change{Tags: d.Tags}.tags(d.Properties.Tags), func(tags map[string]string) error {
			d.Tags = tags
			return s.keepDefinition(d)
		}}, nil
	}
	return tagged{}, &wire.Error{Code: "ClientException", Status: http.StatusNotFound, Message: "Resource not found: " + arn}
}
