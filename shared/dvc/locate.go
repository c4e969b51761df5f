package dvc

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/shared/fault"
)

// Object is a pin with the place of its object.
type Object struct {
	Bucket, Key string
	Where       string // file and line, for messages
	Pin
}

// Locate says where a target's objects lie. folder is the folder of the target's
// file below the repository's root, with "/" between its parts; "" or "." is the
// root itself. A remote holds an out under the path that it has below the root.
func (t Target) Locate(folder string, config Config) ([]Object, error) {
	base, err := t.url(folder, config)
	if err != nil {
		return nil, err
	}
	bucket, prefix, err := t.parse(base)
	if err != nil {
		return nil, err
	}
	objects := make([]Object, 0, len(t.Pins))
	for _, p := range t.Pins {
		objects = append(objects, Object{Bucket: bucket, Key: below(prefix, p.Rel), Where: fmt.Sprintf("%s:%d", t.File, p.Line), Pin: p})
	}
	return objects, nil
}

func below(prefix, rel string) string {
	if rel == "" {
		return prefix
	}
	if prefix == "" || strings.HasSuffix(prefix, "/") {
		return prefix + rel
	}
	return prefix + "/" + rel
}

func (t Target) fail(why string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, fmt.Sprintf("read %s:%d: %s", t.File, t.Line, t.Field), why, args...)
}

// url is where a target's file, or its folder, lies.
func (t Target) url(folder string, config Config) (string, error) {
	name, inside := t.Remote, ""
	switch {
	case name != "" && t.isURL():
		return "", t.fail("path %s is a URL, and its versions are of the remote %s: want one of them", t.Path, name)
	case name != "":
		inside = path.Join(folder, t.Dir, t.Path)
		if !clean(inside) || path.IsAbs(t.Path) {
			return "", t.fail("path %s is outside the repository, so the remote %s does not hold it", t.Path, name)
		}
	case strings.HasPrefix(t.Path, "remote://"):
		name, inside, _ = strings.Cut(strings.TrimPrefix(t.Path, "remote://"), "/")
	default:
		return t.Path, nil
	}
	remote, err := config.remote(name)
	if err != nil {
		return "", fault.Wrap(fault.Invalid, fmt.Sprintf("read %s:%d: %s", t.File, t.Line, t.Field), err)
	}
	return strings.TrimSuffix(remote, "/") + "/" + inside, nil
}

func (t Target) parse(url string) (bucket, prefix string, err error) {
	rest, ok := strings.CutPrefix(url, "s3://")
	if !ok {
		scheme, _, is := strings.Cut(url, "://")
		if !is {
			scheme = "a local path"
		}
		return "", "", t.fail("%s is on %s: want an object of S3", url, scheme).WithHint("copy the data to the lake's bucket and let DVC track it there")
	}
	bucket, prefix, _ = strings.Cut(rest, "/")
	if bucket == "" || strings.ContainsAny(bucket, "\x00?#") || (prefix == "" && !t.Folder) {
		return "", "", t.fail("%s: want s3://bucket/key", url)
	}
	return bucket, prefix, nil
}

// Config is what a repository's configuration says of remotes: name to URL.
type Config struct {
	Remotes map[string]string
}

// maxChain bounds how often a remote's URL may name another remote.
const maxChain = 8

func (c Config) remote(name string) (string, error) {
	inside := ""
	for range maxChain {
		url, known := c.Remotes[name]
		if !known {
			return "", fault.New(fault.Invalid, "find the remote "+name, "the configuration has %s", c.names()).
				WithHint("say where it is: --remote %s=s3://BUCKET/PREFIX, or: dvc remote add %s s3://BUCKET/PREFIX", name, name)
		}
		url = below(strings.TrimSuffix(url, "/"), inside)
		rest, chained := strings.CutPrefix(url, "remote://")
		if !chained {
			return url, nil
		}
		name, inside, _ = strings.Cut(rest, "/")
	}
	return "", fault.New(fault.Invalid, "find the remote "+name, "its URL names remotes in a circle").
		WithHint("look at the URLs: dvc remote list")
}

func (c Config) names() string {
	if len(c.Remotes) == 0 {
		return "no remotes"
	}
	return "only " + strings.Join(slices.Sorted(maps.Keys(c.Remotes)), ", ")
}
