package sns

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/events/pattern"
)

// A filter policy says which messages a subscription gets: by the message's
// attributes, or (scope MessageBody) by a body that is a JSON object. The language
// is that of EventBridge's patterns without wildcards.
// https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html

// The scopes of a filter policy.
const (
	scopeAttributes = "MessageAttributes"
	scopeBody       = "MessageBody"
)

// maxKeys is how many names a policy may have.
const maxKeys = 5

// checkFilter refuses a policy that could not be applied. An empty policy is
// none.
func checkFilter(policy, scope string) error {
	if scope != "" && scope != scopeAttributes && scope != scopeBody {
		return invalid("FilterPolicyScope: %q: want %s or %s", scope, scopeAttributes, scopeBody)
	}
	if policy == "" {
		return nil
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal([]byte(policy), &keys); err != nil {
		return invalid("FilterPolicy: failed to parse JSON: %v", err)
	}
	if len(keys) == 0 {
		return nil
	}
	if len(keys) > maxKeys {
		return invalid("FilterPolicy: Filter policy can not have more than %d keys", maxKeys)
	}
	if strings.Contains(policy, `"wildcard"`) {
		return invalid("FilterPolicy: SNS has no wildcard; use prefix, suffix or anything-but")
	}
	if scope != scopeBody {
		for name, value := range keys {
			if name != "$or" && !strings.HasPrefix(strings.TrimSpace(string(value)), "[") {
				return invalid("FilterPolicy: %q must be an array: nested policies are for the scope %s", name, scopeBody)
			}
		}
	}
	if _, err := pattern.Compile([]byte(policy)); err != nil {
		return invalid("FilterPolicy: %v", err)
	}
	return nil
}

// wants says whether the subscription's policy lets a message through.
func (sub *subscription) wants(m Message) (bool, error) {
	if sub.Filter == "" || sub.Filter == "{}" {
		return true, nil
	}
	p, err := pattern.Compile([]byte(sub.Filter))
	if err != nil {
		return false, fmt.Errorf("filter policy of %s: %w", sub.ARN, err)
	}
	subject := []byte(m.Message)
	if sub.Scope != scopeBody {
		if subject, err = m.attributesJSON(); err != nil {
			return false, err
		}
	}
	e, err := pattern.ParseEvent(subject)
	if err != nil {
		return false, nil // a body that is no JSON object matches nothing
	}
	return p.Match(e), nil
}

// attributesJSON gives the attributes as a policy sees them: numbers as numbers,
// arrays as arrays.
func (m Message) attributesJSON() ([]byte, error) {
	all := map[string]any{}
	for name, value := range m.Attributes {
		switch m.Types[name] {
		case "", "String":
			all[name] = value
		default: // Number and String.Array, which were checked to be JSON
			all[name] = json.RawMessage(value)
		}
	}
	return json.Marshal(all)
}

// checkAttribute refuses an attribute whose value is not of its type.
func checkAttribute(name, kind, value string) error {
	switch kind {
	case "String":
		return nil
	case "Number":
		if json.Unmarshal([]byte(value), new(json.Number)) != nil || strings.HasPrefix(strings.TrimSpace(value), `"`) {
			return invalid("MessageAttributes: %s: %q is not a number", name, value)
		}
		return nil
	case "String.Array":
		if json.Unmarshal([]byte(value), new([]any)) != nil {
			return invalid("MessageAttributes: %s: %q is not an array", name, value)
		}
		return nil
	}
	return invalid("MessageAttributes: %s has the type %q: the local stack has String, Number and String.Array", name, kind)
}
