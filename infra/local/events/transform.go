package events

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// InputTransformer makes a target's input from parts of the event.
type InputTransformer struct {
	InputPathsMap map[string]string `json:"InputPathsMap,omitempty"`
	InputTemplate string            `json:"InputTemplate"`
}

// step is a member's name or, when index is not negative, a list position.
type step struct {
	name  string
	index int
}

// parsePath reads the JSON paths that EventBridge takes: $.a.b, $.a[0],
// $.a['b'].
func parsePath(path string) ([]step, error) {
	rest, ok := strings.CutPrefix(path, "$")
	if !ok {
		return nil, fmt.Errorf("JSON path %q: want it to start with $", path)
	}
	var steps []step
	for rest != "" {
		next, after, err := parseStep(rest)
		if err != nil {
			return nil, fmt.Errorf("JSON path %q: %w", path, err)
		}
		steps, rest = append(steps, next), after
	}
	return steps, nil
}

func parseStep(rest string) (step, string, error) {
	if name, ok := strings.CutPrefix(rest, "."); ok {
		end := strings.IndexAny(name, ".[")
		if end < 0 {
			end = len(name)
		}
		if end == 0 || strings.Contains(name[:end], "*") {
			return step{}, "", fmt.Errorf("want a member's name at %q", rest)
		}
		return step{name[:end], -1}, name[end:], nil
	}
	inside, after, ok := strings.Cut(strings.TrimPrefix(rest, "["), "]")
	if !ok || rest[0] != '[' {
		return step{}, "", fmt.Errorf("want .name or [index] at %q", rest)
	}
	if len(inside) > 2 && inside[0] == '\'' && inside[len(inside)-1] == '\'' {
		return step{inside[1 : len(inside)-1], -1}, after, nil
	}
	index, err := strconv.Atoi(inside)
	if err != nil || index < 0 {
		return step{}, "", fmt.Errorf("%q is not a list position", inside)
	}
	return step{"", index}, after, nil
}

func follow(value any, steps []step) (any, bool) {
	for _, s := range steps {
		switch v := value.(type) {
		case map[string]any:
			inner, ok := v[s.name]
			if !ok || s.index >= 0 {
				return nil, false
			}
			value = inner
		case []any:
			if s.index < 0 || s.index >= len(v) {
				return nil, false
			}
			value = v[s.index]
		default:
			return nil, false
		}
	}
	return value, true
}

var placeholder = regexp.MustCompile(`<[A-Za-z0-9_\-.]+>`)

func (it *InputTransformer) check() error {
	if it == nil {
		return nil
	}
	if it.InputTemplate == "" {
		return fmt.Errorf("InputTransformer has no InputTemplate")
	}
	for name, path := range it.InputPathsMap {
		if strings.HasPrefix(strings.ToUpper(name), "AWS") {
			return fmt.Errorf("InputPathsMap: the name %q starts with AWS, which is reserved", name)
		}
		if _, err := parsePath(path); err != nil {
			return fmt.Errorf("InputPathsMap %s: %w", name, err)
		}
	}
	for _, found := range placeholder.FindAllString(it.InputTemplate, -1) {
		if name := found[1 : len(found)-1]; it.InputPathsMap[name] == "" && !reserved[name] {
			return fmt.Errorf("InputTemplate uses %s, which InputPathsMap does not define", found)
		}
	}
	return nil
}

var reserved = map[string]bool{"aws.events.rule-arn": true, "aws.events.rule-name": true,
	"aws.events.event": true, "aws.events.event.json": true, "aws.events.event.ingestion-time": true}

// input gives what the target gets for an event.
func (t Target) input(event []byte, ruleARN, ruleName string) ([]byte, error) {
	switch {
	case t.Input != "":
		return []byte(t.Input), nil
	case t.InputPath == "" && t.InputTransformer == nil:
		return event, nil
	}
	var parsed any
	decoder := json.NewDecoder(strings.NewReader(string(event)))
	decoder.UseNumber()
	if err := decoder.Decode(&parsed); err != nil {
		return nil, fmt.Errorf("read the event: %w", err)
	}
	if t.InputTransformer != nil {
		return t.InputTransformer.apply(parsed, event, ruleARN, ruleName)
	}
	steps, err := parsePath(t.InputPath)
	if err != nil {
		return nil, err
	}
	value, ok := follow(parsed, steps)
	if !ok {
		return nil, fmt.Errorf("InputPath %s matches nothing in the event", t.InputPath)
	}
	return json.Marshal(value)
}

// apply fills the template. A placeholder within quotes takes the bare text, one
// outside takes JSON; a path that matches nothing gives an empty text.
func (it *InputTransformer) apply(parsed any, event []byte, ruleARN, ruleName string) ([]byte, error) {
	values := map[string]any{"aws.events.rule-arn": ruleARN, "aws.events.rule-name": ruleName,
		"aws.events.event": parsed, "aws.events.event.json": string(event)}
	if object, ok := parsed.(map[string]any); ok {
		values["aws.events.event.ingestion-time"] = object["time"]
	}
	for name, path := range it.InputPathsMap {
		steps, err := parsePath(path)
		if err != nil {
			return nil, err
		}
		values[name] = ""
		if value, ok := follow(parsed, steps); ok {
			values[name] = value
		}
	}
	filled, err := fill(it.InputTemplate, values)
	if err != nil {
		return nil, err
	}
	if json.Valid(filled) {
		return filled, nil
	}
	return json.Marshal(string(filled)) // a template of plain text gives a JSON text
}

func fill(template string, values map[string]any) ([]byte, error) {
	var out []byte
	quoted := false
	for i := 0; i < len(template); i++ {
		if found := placeholderAt(template[i:]); found != "" {
			if value, ok := values[found[1:len(found)-1]]; ok {
				text, err := render(value, quoted)
				if err != nil {
					return nil, err
				}
				out = append(out, text...)
				i += len(found) - 1
				continue
			}
		}
		switch {
		case template[i] == '\\' && quoted && i+1 < len(template):
			out = append(out, template[i])
			i++
		case template[i] == '"':
			quoted = !quoted
		}
		out = append(out, template[i])
	}
	return out, nil
}

// placeholderAt gives the placeholder that s begins with, "" when it begins
// with none.
func placeholderAt(s string) string {
	end := strings.IndexByte(s, '>')
	if s[0] != '<' || end < 0 || placeholder.FindString(s[:end+1]) != s[:end+1] {
		return ""
	}
	return s[:end+1]
}

func render(value any, quoted bool) ([]byte, error) {
	encoded, err := json.Marshal(value)
	if err != nil || !quoted {
		return encoded, err
	}
	if _, isText := value.(string); !isText {
		if encoded, err = json.Marshal(string(encoded)); err != nil {
			return nil, err
		}
	}
	return encoded[1 : len(encoded)-1], nil
}
