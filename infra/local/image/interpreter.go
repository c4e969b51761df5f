package image

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// EnvPython names the interpreter that stands in for the Python of images, with
// the packages that their other stages install; python3 without it.
const EnvPython = "SLUICE_PYTHON"

// onHost gives an entry point in this machine's terms. Its first word is a
// program; a word that is a file which the final stage copies becomes that file;
// and python becomes this machine's interpreter, because the image's own comes
// with its base.
func (im *Image) onHost(entry []string) ([]string, error) {
	words := slices.Clone(entry)
	for i, word := range entry {
		var err error
		switch {
		case isPython(word):
			if words[i], err = im.python(word, entry[i+1:]); err != nil {
				return nil, err
			}
		case i == 0:
			if words[0], err = im.find(word); err != nil {
				return nil, err
			}
		case strings.HasPrefix(word, "/") || strings.HasSuffix(word, ".py"):
			if words[i], err = im.Host(absolute(word, im.WorkDir)); err != nil {
				return nil, err
			}
		}
	}
	return words, nil
}

// isPython says whether a word of an entry point is a Python interpreter, by its
// name alone or in the folder of a base image or a virtual environment.
func isPython(word string) bool {
	base := path.Base(word)
	return base == "python" || base == "python3"
}

// python finds the interpreter, and refuses what it cannot honour: a module or
// code on the command line would be looked for in the image.
func (im *Image) python(word string, rest []string) (string, error) {
	for _, option := range rest {
		if !strings.HasPrefix(option, "-") {
			break
		}
		if option == "-m" || option == "-c" || strings.HasPrefix(option, "-X") || strings.HasPrefix(option, "-W") {
			return "", im.origin(im.line, "%s %s: the local stack runs scripts that the final stage copies; name one, e.g. %s /opt/program/train.py", word, option, word)
		}
	}
	named := os.Getenv(EnvPython)
	if named == "" {
		named = "python3"
	}
	found, err := exec.LookPath(named)
	if err == nil {
		found, err = filepath.Abs(found)
	}
	if err != nil {
		return "", im.origin(im.line, "%s is of the base image, and this machine has none to stand in: %v; set %s to an interpreter with the image's packages", word, err, EnvPython)
	}
	return found, nil
}
