// Package image finds an image's own program without a container engine.
//
// A Sluice image is a context folder with a Dockerfile and a program built
// beforehand; the Dockerfile's final stage copies the program in and names it
// as the entry point. The local stack reads that final stage (FROM, COPY, ENV,
// ENTRYPOINT, CMD, EXPOSE, LABEL, USER, WORKDIR, ARG) and runs the program
// straight from the context folder. The base image and what other stages build
// come from this machine instead; so an instruction that would change what the
// program finds, a RUN above all, is refused by its line. Where the entry point
// is a Python script, the interpreter is this machine's too: SLUICE_PYTHON.
package image

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
)

// Instruction is one Dockerfile instruction with its continuation lines joined.
type Instruction struct {
	Line int    // of its first line, from 1
	Name string // in capitals, e.g. "COPY"
	Text string // the rest
}

// Stage is a FROM and what follows it.
type Stage struct {
	From         Instruction
	Base         string // image or earlier stage, with ARGs expanded
	Name         string // after AS, lower case; "" without
	Instructions []Instruction
}

// Dockerfile is a parsed Dockerfile.
type Dockerfile struct {
	File   string            // as errors name it
	Args   map[string]string // before the first FROM, and the platform's
	Stages []Stage
}

// Error is a Dockerfile that the local stack cannot honour.
type Error struct {
	File string
	Line int
	Why  string
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Why) }

func (d *Dockerfile) errorf(line int, format string, args ...any) error {
	return &Error{d.File, line, fmt.Sprintf(format, args...)}
}

// known instructions; whether one is allowed depends on its stage.
var known = map[string]bool{
	"FROM": true, "COPY": true, "ENV": true, "ENTRYPOINT": true, "CMD": true, "EXPOSE": true, "LABEL": true,
	"USER": true, "WORKDIR": true, "ARG": true, "RUN": true, "ADD": true, "VOLUME": true, "HEALTHCHECK": true,
	"ONBUILD": true, "SHELL": true, "STOPSIGNAL": true, "MAINTAINER": true,
}

// Parse reads a Dockerfile's text; file is the name that errors give.
func Parse(file string, text []byte) (*Dockerfile, error) {
	d := &Dockerfile{File: file, Args: platform()}
	instructions, err := d.split(string(text))
	if err != nil {
		return nil, err
	}
	for _, in := range instructions {
		if err := d.add(in); err != nil {
			return nil, err
		}
	}
	if len(d.Stages) == 0 {
		return nil, d.errorf(1, "there is no FROM instruction: a Dockerfile starts with one")
	}
	return d, nil
}

// platform gives the ARGs that a builder sets by itself, for this machine.
func platform() map[string]string {
	args := map[string]string{}
	for _, side := range []string{"TARGET", "BUILD"} {
		args[side+"OS"], args[side+"ARCH"] = "linux", runtime.GOARCH
		args[side+"PLATFORM"] = "linux/" + runtime.GOARCH
	}
	return args
}

// split joins continuation lines and drops comments.
func (d *Dockerfile) split(text string) ([]Instruction, error) {
	var all []Instruction
	var current strings.Builder
	start, directives := 0, true
	for i, line := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") {
		trimmed := strings.TrimSpace(line)
		if strings.HasPrefix(trimmed, "#") {
			if escape, ok := directive(trimmed, "escape"); ok && directives && escape != `\` {
				return nil, d.errorf(i+1, "escape=%s: the local stack reads Dockerfiles that escape with a backslash", escape)
			}
			continue
		}
		directives = directives && trimmed == ""
		if trimmed == "" {
			continue
		}
		if start == 0 {
			start = i + 1
		}
		if joined, more := strings.CutSuffix(trimmed, `\`); more {
			current.WriteString(joined + " ")
			continue
		}
		current.WriteString(trimmed)
		in, err := d.instruction(start, current.String())
		if err != nil {
			return nil, err
		}
		all = append(all, in)
		current.Reset()
		start = 0
	}
	if start != 0 {
		in, err := d.instruction(start, current.String())
		if err != nil {
			return nil, err
		}
		all = append(all, in)
	}
	return all, nil
}

// directive reads a parser directive such as "# escape=`".
func directive(comment, name string) (string, bool) {
	key, value, found := strings.Cut(strings.TrimSpace(strings.TrimPrefix(comment, "#")), "=")
	return strings.TrimSpace(value), found && strings.EqualFold(strings.TrimSpace(key), name)
}

func (d *Dockerfile) instruction(line int, text string) (Instruction, error) {
	text = strings.TrimSpace(text)
	name, rest := text, ""
	if end := strings.IndexAny(text, " \t"); end >= 0 {
		name, rest = text[:end], strings.TrimSpace(text[end:])
	}
	name = strings.ToUpper(name)
	if !known[name] {
		return Instruction{}, d.errorf(line, "%q is not a Dockerfile instruction", name)
	}
	if rest == "" {
		return Instruction{}, d.errorf(line, "%s has no arguments", name)
	}
	if (name == "COPY" || name == "RUN" || name == "ADD") && strings.Contains(rest, "<<") {
		return Instruction{}, d.errorf(line, "%s with a here-document: the local stack does not read those; put the text into a file of the context", name)
	}
	return Instruction{line, name, rest}, nil
}

// add puts an instruction into its stage.
func (d *Dockerfile) add(in Instruction) error {
	if in.Name == "FROM" {
		return d.from(in)
	}
	if len(d.Stages) > 0 {
		last := &d.Stages[len(d.Stages)-1]
		last.Instructions = append(last.Instructions, in)
		return nil
	}
	if in.Name != "ARG" {
		return d.errorf(in.Line, "%s before the first FROM: only ARG may stand there", in.Name)
	}
	return d.arg(in, d.Args, d.Args)
}

func (d *Dockerfile) from(in Instruction) error {
	words, err := d.words(in, d.Args)
	if err != nil {
		return err
	}
	for len(words) > 0 && strings.HasPrefix(words[0], "--") {
		if !strings.HasPrefix(words[0], "--platform=") {
			return d.errorf(in.Line, "FROM %s: only --platform is known", words[0])
		}
		words = words[1:]
	}
	stage := Stage{From: in}
	switch {
	case len(words) == 1:
	case len(words) == 3 && strings.EqualFold(words[1], "as"):
		stage.Name = strings.ToLower(words[2])
	default:
		return d.errorf(in.Line, "FROM %s: want FROM image [AS name]", in.Text)
	}
	stage.Base = words[0]
	if stage.Base == "" {
		return d.errorf(in.Line, "FROM %s: the image is empty after its ARGs are filled in; give the ARG a default", in.Text)
	}
	d.Stages = append(d.Stages, stage)
	return nil
}

// arg reads ARG name[=default] into set. An ARG without a default takes the
// value that global has, as in Docker; the local stack passes no build args.
func (d *Dockerfile) arg(in Instruction, global, set map[string]string) error {
	words, err := d.words(in, set)
	if err != nil {
		return err
	}
	for _, word := range words {
		name, value, hasDefault := strings.Cut(word, "=")
		if name == "" {
			return d.errorf(in.Line, "ARG %s: the name is empty", word)
		}
		if !hasDefault {
			value = global[name]
		}
		set[name] = value
	}
	return nil
}

// stage finds an earlier stage by name before the stage at index.
func (d *Dockerfile) stage(name string, before int) (int, bool) {
	for i := before - 1; i >= 0; i-- {
		if d.Stages[i].Name != "" && d.Stages[i].Name == strings.ToLower(name) {
			return i, true
		}
	}
	return 0, false
}

// execForm reads the JSON form ["a", "b"]; ok is false for the shell form.
func execForm(text string) (words []string, ok bool) {
	if !strings.HasPrefix(text, "[") {
		return nil, false
	}
	return words, json.Unmarshal([]byte(text), &words) == nil && words != nil
}
