package image

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Image is what an image runs.
type Image struct {
	Context    string            // the context folder
	Entrypoint []string          // in the image's own paths
	Command    []string          // default arguments; the whole command without an entry point
	Env        []string          // "NAME=value", in the order they are set
	WorkDir    string            // in the image
	User       string            // recorded; the program runs as the stack's user
	Ports      []string          // e.g. "8080/tcp"
	Labels     map[string]string // of the final stage

	copies []copied
	origin func(line int, format string, args ...any) error
	line   int // of ENTRYPOINT or CMD
}

// copied is one COPY from the context (from is empty) or from elsewhere.
type copied struct {
	line  int
	from  string
	host  string // the source on this machine; "" when from elsewhere
	isDir bool
	dest  string // in the image; where a folder's content or a file itself lies
}

// Resolve reads the Dockerfile of a context folder. Errors name the file and
// the line, and say what to do.
func Resolve(context string) (*Image, error) {
	context, err := filepath.Abs(context)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(context, "Dockerfile")
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read an image's context: %w", err)
	}
	d, err := Parse(file, text)
	if err != nil {
		return nil, err
	}
	return d.Image(context)
}

// Image evaluates the final stage over a context folder.
func (d *Dockerfile) Image(context string) (*Image, error) {
	im := &Image{Context: context, WorkDir: "/", Labels: map[string]string{}, origin: d.errorf}
	if err := d.evaluate(len(d.Stages)-1, im); err != nil {
		return nil, err
	}
	if len(im.Entrypoint) == 0 && len(im.Command) == 0 {
		return nil, d.errorf(d.Stages[len(d.Stages)-1].From.Line,
			`the final stage names no program: add ENTRYPOINT ["/path/of/the/program"]`)
	}
	if _, _, err := im.Program(nil); err != nil {
		return nil, err
	}
	return im, nil
}

// evaluate applies a stage, after the earlier stage that it is FROM.
func (d *Dockerfile) evaluate(index int, im *Image) error {
	stage := d.Stages[index]
	if base, ok := d.stage(stage.Base, index); ok {
		if err := d.evaluate(base, im); err != nil {
			return err
		}
	}
	vars := map[string]string{}
	for _, variable := range im.Env {
		name, value, _ := strings.Cut(variable, "=")
		vars[name] = value
	}
	for _, in := range stage.Instructions {
		if err := d.apply(in, im, vars); err != nil {
			return err
		}
	}
	return nil
}

func (d *Dockerfile) apply(in Instruction, im *Image, vars map[string]string) error {
	switch in.Name {
	case "ARG":
		return d.arg(in, d.Args, vars)
	case "ENV", "LABEL":
		return d.pairs(in, im, vars)
	case "WORKDIR", "USER":
		return d.single(in, im, vars)
	case "EXPOSE":
		words, err := d.words(in, vars)
		im.Ports = append(im.Ports, words...)
		return err
	case "COPY":
		return d.copy(in, im, vars)
	case "ENTRYPOINT", "CMD":
		return d.command(in, im)
	case "RUN":
		return d.errorf(in.Line, "RUN in the final stage: the local stack runs no build steps; do it in an earlier stage and COPY --from it, or before the image is built")
	}
	return d.errorf(in.Line, "%s in the final stage: the local stack cannot honour it; it reads FROM, COPY, ENV, ENTRYPOINT, CMD, EXPOSE, LABEL, USER, WORKDIR and ARG", in.Name)
}

// pairs reads NAME=value… or the old form NAME value.
func (d *Dockerfile) pairs(in Instruction, im *Image, vars map[string]string) error {
	words, err := d.words(in, vars)
	if err != nil {
		return err
	}
	if len(words) > 1 && !strings.Contains(words[0], "=") {
		words = []string{words[0] + "=" + strings.Join(words[1:], " ")}
	}
	for _, word := range words {
		name, value, ok := strings.Cut(word, "=")
		if !ok || name == "" {
			return d.errorf(in.Line, "%s %s: want NAME=value", in.Name, word)
		}
		if in.Name == "LABEL" {
			im.Labels[name] = value
			continue
		}
		vars[name] = value
		im.Env = slices.DeleteFunc(im.Env, func(v string) bool { return strings.HasPrefix(v, name+"=") })
		im.Env = append(im.Env, name+"="+value)
	}
	return nil
}

func (d *Dockerfile) single(in Instruction, im *Image, vars map[string]string) error {
	words, err := d.words(in, vars)
	if err != nil {
		return err
	}
	if len(words) != 1 || words[0] == "" {
		return d.errorf(in.Line, "%s %s: want one value", in.Name, in.Text)
	}
	if in.Name == "USER" {
		im.User = words[0]
		return nil
	}
	im.WorkDir = absolute(words[0], im.WorkDir)
	return nil
}

func absolute(p, workDir string) string {
	if path.IsAbs(p) {
		return path.Clean(p)
	}
	return path.Join(workDir, p)
}

// command reads ENTRYPOINT or CMD; the shell form needs a shell of the image.
func (d *Dockerfile) command(in Instruction, im *Image) error {
	words, ok := execForm(in.Text)
	if !ok {
		return d.errorf(in.Line, `%s %s: the shell form needs the image's own shell; write it as a list, e.g. %s ["/usr/local/bin/program"]`, in.Name, in.Text, in.Name)
	}
	if len(words) > 0 && words[0] == "" {
		return d.errorf(in.Line, "%s %s: the program is empty", in.Name, in.Text)
	}
	im.line = in.Line
	if in.Name == "CMD" {
		im.Command = words
		return nil
	}
	im.Entrypoint, im.Command = words, nil // an ENTRYPOINT resets a CMD set before it
	return nil
}

// Program gives the program on this machine and its arguments; command
// replaces the image's CMD unless it is nil.
func (im *Image) Program(command []string) (program string, args []string, err error) {
	if command == nil {
		command = im.Command
	}
	entry, err := im.onHost(im.Entrypoint)
	if err != nil {
		return "", nil, err
	}
	whole := append(entry, command...)
	if len(whole) == 0 {
		return "", nil, im.origin(im.line, "the image has no entry point and the command is empty")
	}
	if len(entry) > 0 {
		return whole[0], whole[1:], nil
	}
	program, err = im.find(whole[0])
	return program, whole[1:], err
}

// find gives the host path of a program named by ENTRYPOINT or CMD.
func (im *Image) find(program string) (string, error) {
	if strings.Contains(program, "/") {
		return im.executable(absolute(program, im.WorkDir))
	}
	for _, dir := range im.searchPath() {
		if host, err := im.executable(path.Join(dir, program)); err == nil {
			return host, nil
		}
	}
	return "", im.origin(im.line, "program %q: no COPY of the final stage puts it into %s; name it by its full path", program, strings.Join(im.searchPath(), ":"))
}

func (im *Image) searchPath() []string {
	for _, v := range im.Env {
		if value, ok := strings.CutPrefix(v, "PATH="); ok {
			return filepath.SplitList(value)
		}
	}
	return []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}
}

func (im *Image) executable(inImage string) (string, error) {
	host, err := im.Host(inImage)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(host)
	if err != nil {
		return "", im.origin(im.line, "program %s: %v", inImage, err)
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return "", im.origin(im.line, "program %s: %s is not an executable file", inImage, host)
	}
	return host, nil
}

// Host gives the path on this machine of a path in the image. The last COPY
// that puts it there wins.
func (im *Image) Host(inImage string) (string, error) {
	elsewhere := ""
	for _, c := range slices.Backward(im.copies) {
		rest, under := below(c.dest, inImage)
		if !under {
			continue
		}
		if c.from != "" {
			elsewhere = fmt.Sprintf("; COPY --from=%s at line %d may put it there, and the local stack builds no other stage", c.from, c.line)
			if rest == "" {
				break // exactly this path: what an earlier COPY put there is gone
			}
			continue
		}
		if !c.isDir && rest == filepath.Base(c.host) {
			rest = "" // the destination is a folder of the base image
		}
		if !c.isDir && rest != "" {
			continue
		}
		host := filepath.Join(c.host, filepath.FromSlash(rest))
		if _, err := os.Stat(host); err == nil {
			return host, nil
		}
	}
	return "", im.origin(im.line, "%s: no COPY of the final stage brings it from the context folder%s", inImage, elsewhere)
}

// below gives what is left of p under dir.
func below(dir, p string) (rest string, ok bool) {
	if p == dir {
		return "", true
	}
	return strings.CutPrefix(p, strings.TrimSuffix(dir, "/")+"/")
}
