package dataset

import (
	"strings"
	"unicode/utf8"

	"github.com/sluice-ml/sluice/shared/fault"
)

// CheckKey says whether a dataset may hold an object of that key: whether the key
// can be a file's path below a folder, so that every version can be checked out.
// S3 allows more. What may not be: an empty key or one of more than 1,024 bytes;
// text that is no UTF-8, or has a NUL; and between the slashes, also before the
// first and after the last, nothing, "." or "..". Invalid names the key.
func CheckKey(key string) error {
	why := wrongKey(key)
	if why == "" {
		return nil
	}
	if len(key) > 100 {
		key = strings.ToValidUTF8(key[:100], "") + "…"
	}
	return fault.New(fault.Invalid, "commit "+key, "its key %q %s, so it could not be checked out as a file", key, why).
		WithHint(`copy the object to a key that can be a file's path, e.g. raw/MODEL/part.csv, and take that; or take a prefix that leaves it out`)
}

func wrongKey(key string) string {
	switch {
	case key == "":
		return "is empty"
	case len(key) > mostKey:
		return "is longer than 1024 bytes"
	case !utf8.ValidString(key):
		return "is no UTF-8"
	case strings.Contains(key, "\x00"):
		return "has a NUL"
	}
	for part := range strings.SplitSeq(key, "/") {
		switch part {
		case "":
			return `begins or ends with "/", or has "//"`
		case ".", "..":
			return `has the part "` + part + `"`
		}
	}
	return ""
}

// Left out of listings: folder markers (empty objects whose keys end with "/",
// which consoles make), and files that Sluice itself keeps in folders.
func leftOut(e Entry) bool {
	name := e.Key[strings.LastIndexByte(e.Key, '/')+1:]
	return name == "" && e.Size == 0 || strings.HasPrefix(name, ".sluice-") || strings.HasSuffix(name, partial)
}
