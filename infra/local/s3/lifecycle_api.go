package s3

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// maxConfiguration is a bound on a lifecycle configuration's XML: S3's 1,000
// rules fit well.
const maxConfiguration = 4 << 20

// name gives rules without an ID one, as S3 does.
func (l *Lifecycle) name() {
	for i := range l.Rules {
		if l.Rules[i].ID == "" {
			l.Rules[i].ID = strings.ReplaceAll(wire.RequestID(), "-", "")
		}
	}
}

// lifecycle serves Get-, Put- and DeleteBucketLifecycleConfiguration. The
// gateway, which has none of them, is asked first: it knows the signature and
// the bucket, and says NotImplemented where there is nothing else wrong.
func (s *Service) lifecycle(w http.ResponseWriter, r *http.Request, gateway http.Handler) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxConfiguration))
	if err != nil {
		writeError(w, r, &wire.Error{Code: "MaxMessageLengthExceeded", Status: http.StatusBadRequest, Message: "Your request was too big."})
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	gateway.ServeHTTP(answer, r)
	if answer.Code != http.StatusNotImplemented {
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(nil))
	if failure := s.changeLifecycle(w, r, strings.Trim(r.URL.Path, "/"), body); failure != nil {
		writeError(w, r, failure)
	}
}

func (s *Service) changeLifecycle(w http.ResponseWriter, r *http.Request, bucket string, body []byte) *wire.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, _ := s.buckets.Get(bucket)
	switch r.Method {
	case http.MethodGet:
		return writeLifecycle(w, kept.Rules)
	case http.MethodDelete:
		return s.keepRules(w, http.StatusNoContent, bucket, kept, nil)
	case http.MethodPut:
		rules, err := parseLifecycle(body)
		if err != nil {
			return err
		}
		return s.keepRules(w, http.StatusOK, bucket, kept, rules)
	}
	return &wire.Error{Code: "MethodNotAllowed", Status: http.StatusMethodNotAllowed, Message: "The specified method is not allowed against this resource."}
}

func (s *Service) keepRules(w http.ResponseWriter, status int, bucket string, kept Bucket, rules []LifecycleRule) *wire.Error {
	kept.Rules = rules
	if err := s.buckets.Put(bucket, kept); err != nil {
		return &wire.Error{Code: "InternalError", Status: http.StatusInternalServerError, Message: err.Error()}
	}
	w.WriteHeader(status)
	return nil
}

// parseLifecycle reads and judges a configuration.
func parseLifecycle(body []byte) ([]LifecycleRule, *wire.Error) {
	var l Lifecycle
	if err := xml.Unmarshal(body, &l); err != nil {
		return nil, malformed("%v", err)
	}
	if err := l.check(); err != nil {
		return nil, err
	}
	l.name()
	return l.Rules, nil
}

func writeLifecycle(w http.ResponseWriter, rules []LifecycleRule) *wire.Error {
	if len(rules) == 0 {
		return &wire.Error{Code: "NoSuchLifecycleConfiguration", Status: http.StatusNotFound, Message: "The lifecycle configuration does not exist"}
	}
	body, err := xml.Marshal(Lifecycle{Xmlns: "http://s3.amazonaws.com/doc/2006-03-01/", Rules: rules})
	if err != nil {
		return &wire.Error{Code: "InternalError", Status: http.StatusInternalServerError, Message: err.Error()}
	}
	w.Header().Set("Content-Type", "application/xml")
	_, _ = w.Write(body)
	return nil
}
