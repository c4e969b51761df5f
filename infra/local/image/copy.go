package image

import (
	"os"
	"path"
	"path/filepath"
	"strings"
)

// copy records a COPY: sources come from the context folder, or, with --from,
// from a stage or an image that the local stack does not build.
func (d *Dockerfile) copy(in Instruction, im *Image, vars map[string]string) error {
	words, err := d.copyWords(in, vars)
	if err != nil {
		return err
	}
	from, words, err := d.copyFlags(in, words)
	if err != nil {
		return err
	}
	if len(words) < 2 {
		return d.errorf(in.Line, "COPY %s: want COPY source… destination", in.Text)
	}
	sources, last := words[:len(words)-1], words[len(words)-1]
	dest := absolute(last, im.WorkDir)
	intoDir := strings.HasSuffix(last, "/") || last == "." || len(sources) > 1
	if from != "" {
		im.copies = append(im.copies, copied{line: in.Line, from: from, dest: dest, isDir: true})
		return nil
	}
	for _, source := range sources {
		matches, err := d.sources(in, im.Context, source)
		if err != nil {
			return err
		}
		for _, host := range matches {
			if err := d.copyOne(in, im, host, dest, intoDir || len(matches) > 1); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyWords reads the list form, flags before it included, or plain words.
func (d *Dockerfile) copyWords(in Instruction, vars map[string]string) ([]string, error) {
	if at := strings.IndexByte(in.Text, '['); at >= 0 {
		if list, ok := execForm(in.Text[at:]); ok {
			flags, err := d.words(Instruction{in.Line, in.Name, in.Text[:at]}, vars)
			return append(flags, list...), err
		}
	}
	return d.words(in, vars)
}

func (d *Dockerfile) copyFlags(in Instruction, words []string) (from string, rest []string, err error) {
	for len(words) > 0 && strings.HasPrefix(words[0], "--") {
		flag, value, _ := strings.Cut(words[0], "=")
		switch flag {
		case "--from":
			if value == "" {
				return "", nil, d.errorf(in.Line, "COPY --from is empty: name a stage or an image")
			}
			from = value
		case "--chown", "--chmod", "--link": // about the image's own file system
		default:
			return "", nil, d.errorf(in.Line, "COPY %s: the local stack knows --from, --chown, --chmod and --link", flag)
		}
		words = words[1:]
	}
	return from, words, nil
}

// sources gives the host paths that a source names; it must name at least one,
// inside the context.
func (d *Dockerfile) sources(in Instruction, context, source string) ([]string, error) {
	pattern := filepath.Join(context, filepath.FromSlash(path.Clean("/"+source)))
	if rel := path.Clean(strings.TrimPrefix(source, "/")); rel == ".." || strings.HasPrefix(rel, "../") {
		return nil, d.errorf(in.Line, "COPY %s: the source lies outside the context folder", source)
	}
	if !strings.ContainsAny(source, "*?[") {
		if _, err := os.Stat(pattern); err != nil {
			return nil, d.errorf(in.Line, "COPY %s: the context folder has no such file; was it built?", source)
		}
		return []string{pattern}, nil
	}
	matches, err := filepath.Glob(pattern)
	if err != nil || len(matches) == 0 {
		return nil, d.errorf(in.Line, "COPY %s: nothing in the context folder matches", source)
	}
	return matches, nil
}

func (d *Dockerfile) copyOne(in Instruction, im *Image, host, dest string, intoDir bool) error {
	real, err := filepath.EvalSymlinks(host)
	if err != nil {
		return d.errorf(in.Line, "COPY %s: %v", filepath.Base(host), err)
	}
	context, err := filepath.EvalSymlinks(im.Context)
	if err != nil {
		return d.errorf(in.Line, "COPY: %v", err)
	}
	if _, ok := below(filepath.ToSlash(context), filepath.ToSlash(real)); !ok {
		return d.errorf(in.Line, "COPY %s: it links to %s, outside the context folder", filepath.Base(host), real)
	}
	info, err := os.Stat(real)
	if err != nil {
		return d.errorf(in.Line, "COPY %s: %v", filepath.Base(host), err)
	}
	if !info.IsDir() && (intoDir || im.isDir(dest)) {
		dest = path.Join(dest, filepath.Base(host))
	}
	im.copies = append(im.copies, copied{line: in.Line, host: real, isDir: info.IsDir(), dest: dest})
	return nil
}

// isDir says whether dest is known to be a folder of the image.
func (im *Image) isDir(dest string) bool {
	if dest == "/" || dest == im.WorkDir {
		return true
	}
	for _, c := range im.copies {
		if c.isDir && c.dest == dest {
			return true
		}
		if rest, under := below(dest, c.dest); under && rest != "" {
			return true
		}
	}
	return false
}
