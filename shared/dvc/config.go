package dvc

import (
	"fmt"
	"strings"

	"github.com/sluice-ml/sluice/shared/fault"
)

// ParseConfig reads a .dvc/config for its remotes' URLs and adds them to into;
// a later file (config.local) overrides an earlier one. Sections and keys that
// say nothing of where data lies are left alone.
func ParseConfig(into *Config, name string, text []byte) error {
	if into.Remotes == nil {
		into.Remotes = map[string]string{}
	}
	remote, number := "", 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[':
			section, ok := header(line)
			if !ok {
				return configFault(name, number, line, `want a section, e.g. ['remote "lake"']`)
			}
			remote = remoteOf(section)
		default:
			key, value, ok := strings.Cut(line, "=")
			if !ok {
				return configFault(name, number, line, "want KEY = VALUE")
			}
			if remote != "" && strings.TrimSpace(key) == "url" {
				into.Remotes[remote] = unquote(strings.TrimSpace(value))
			}
		}
	}
	return nil
}

func configFault(name string, number int, line, want string) error {
	return fault.New(fault.Invalid, fmt.Sprintf("read %s:%d", name, number), "%.80q: %s", line, want).
		WithHint("let DVC write it: dvc remote add NAME URL")
}

// header gives a section's name, without the quotes that DVC puts around one
// that has quotes itself.
func header(line string) (section string, ok bool) {
	end := strings.LastIndexByte(line, ']')
	if end < 1 {
		return "", false
	}
	if after := strings.TrimSpace(line[end+1:]); after != "" && after[0] != '#' && after[0] != ';' {
		return "", false
	}
	section = unquote(strings.TrimSpace(line[1:end]))
	return section, section != ""
}

// remoteOf is the name of the remote that a section is about; "" for another.
func remoteOf(section string) string {
	rest, ok := strings.CutPrefix(section, "remote")
	if !ok {
		return ""
	}
	return unquote(strings.TrimSpace(rest))
}

// unquote takes one pair of equal quotes off; without one, a comment.
func unquote(text string) string {
	if text != "" && (text[0] == '\'' || text[0] == '"') {
		if end := strings.IndexByte(text[1:], text[0]); end >= 0 {
			return text[1 : 1+end]
		}
		return text
	}
	for _, mark := range []string{" #", " ;", "\t#", "\t;"} {
		text, _, _ = strings.Cut(text, mark)
	}
	return strings.TrimSpace(text)
}
