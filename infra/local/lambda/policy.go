package lambda

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// statement is one permission of a function's policy, as GetPolicy writes it.
type statement struct {
	Sid       string
	Effect    string
	Principal any // a service, an account, or "*"
	Action    string
	Resource  string
	Condition map[string]map[string]string `json:",omitempty"`
}

func (p permission) statement(sid, arn string) statement {
	out := statement{Sid: sid, Effect: "Allow", Action: p.action, Resource: arn, Principal: map[string]string{"Service": p.principal}}
	switch {
	case p.principal == "*":
		out.Principal = "*"
	case len(p.principal) == 12:
		out.Principal = map[string]string{"AWS": "arn:aws:iam::" + p.principal + ":root"}
	}
	conditions := map[string]map[string]string{}
	if p.sourceARN != "" {
		conditions["ArnLike"] = map[string]string{"AWS:SourceArn": p.sourceARN}
	}
	if p.sourceAccount != "" {
		conditions["StringEquals"] = map[string]string{"AWS:SourceAccount": p.sourceAccount}
	}
	if len(conditions) > 0 {
		out.Condition = conditions
	}
	return out
}

// revision names a state of the policy.
func revision(policy []byte) string {
	sum := sha256.Sum256(policy)
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// policy gives the function's resource policy; nil when it has none. Callers
// hold the mutex.
func (f *function) policy() ([]byte, error) {
	if len(f.permissions) == 0 {
		return nil, nil
	}
	var statements []statement
	for sid, p := range f.permissions {
		statements = append(statements, p.statement(sid, f.config.arn))
	}
	slices.SortFunc(statements, func(a, b statement) int { return cmp.Compare(a.Sid, b.Sid) })
	return json.Marshal(struct {
		Version, Id string
		Statement   []statement
	}{"2012-10-17", "default", statements})
}

func (s *Service) getPolicy(f *function, _ []byte, _ *http.Request) (any, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	policy, err := f.policy()
	if err != nil {
		return nil, err
	}
	if policy == nil {
		return nil, &wire.Error{Code: "ResourceNotFoundException", Status: http.StatusNotFound, Message: "The resource you requested does not exist."}
	}
	return map[string]string{"Policy": string(policy), "RevisionId": revision(policy)}, nil
}

type addPermissionInput struct {
	StatementID   string `json:"StatementId"`
	Action        string
	Principal     string
	SourceArn     string
	SourceAccount string
	RevisionID    string `json:"RevisionId"`
}

func (s *Service) addPermission(f *function, body []byte, _ *http.Request) (any, error) {
	var in addPermissionInput
	if err := wire.DecodeStrict(body, &in); err != nil {
		return nil, err
	}
	switch {
	case !functionName.MatchString(in.StatementID):
		return nil, invalidParameter("StatementId %q: want 1 to 64 letters, digits, '-' and '_'", in.StatementID)
	case in.Action != "lambda:InvokeFunction":
		return nil, invalidParameter("Action %q: the local stack knows lambda:InvokeFunction", in.Action)
	case in.Principal == "":
		return nil, invalidParameter("Principal is missing")
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if err := f.sameRevision(in.RevisionID); err != nil {
		return nil, err
	}
	if _, ok := f.permissions[in.StatementID]; ok {
		return nil, &wire.Error{Code: "ResourceConflictException", Status: http.StatusConflict,
			Message: "The statement id (" + in.StatementID + ") provided already exists. Please provide a new statement id, or remove the existing statement."}
	}
	p := permission{in.Action, in.Principal, in.SourceArn, in.SourceAccount}
	f.permissions[in.StatementID] = p
	text, err := json.Marshal(p.statement(in.StatementID, f.config.arn))
	return map[string]string{"Statement": string(text)}, err
}

func (s *Service) removePermission(f *function, _ []byte, r *http.Request) (any, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if err := f.sameRevision(r.URL.Query().Get("RevisionId")); err != nil {
		return nil, err
	}
	sid := r.PathValue("sid")
	if _, ok := f.permissions[sid]; !ok {
		return nil, &wire.Error{Code: "ResourceNotFoundException", Status: http.StatusNotFound, Message: "Statement " + sid + " is not found in resource policy."}
	}
	delete(f.permissions, sid)
	return nil, nil
}

// sameRevision refuses a change of a policy that is not the one that was read.
// Callers hold the mutex.
func (f *function) sameRevision(want string) error {
	if want == "" {
		return nil
	}
	policy, err := f.policy()
	if err != nil {
		return err
	}
	if revision(policy) != want {
		return &wire.Error{Code: "PreconditionFailedException", Status: http.StatusPreconditionFailed,
			Message: "The RevisionId provided does not match the latest RevisionId. Call the GetPolicy API to retrieve the latest RevisionId"}
	}
	return nil
}
