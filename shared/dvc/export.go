package dvc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"path"
	"strings"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
)

// Export says what a .dvc file is written for.
type Export struct {
	Bucket string
	// Prefix is the folder of the bucket that the file tracks, ending in "/", or
	// the key of the one object that it tracks; "" is the whole bucket.
	Prefix string
	Out    string // the path that DVC gives the data, beside the file
	Desc   string // a note, e.g. the commit; may be ""
}

// Format gives a .dvc file that pins entries, which come in key order and all
// lie at the prefix. It is the file that `dvc import-url --version-aware
// --no-download` writes: `dvc pull` fetches just these versions, and `dvc
// update` moves on to the bucket's latest. Invalid names a key that cannot be a
// file's path below the folder.
func Format(x Export, entries iter.Seq2[dataset.Entry, error]) ([]byte, error) {
	if err := x.check(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	folder := x.Prefix == "" || strings.HasSuffix(x.Prefix, "/")
	sum := newStageSum(x, folder)
	if folder {
		fmt.Fprintf(&b, "- hash: md5\n  path: %s\n  fs_config:\n    version_aware: true\n  files:\n", quote("s3://"+x.Bucket+"/"+x.Prefix))
	}
	count := 0
	for e, err := range entries {
		if err == nil {
			err = x.write(&b, e, folder)
		}
		if err != nil {
			return nil, err
		}
		sum.add(e, count)
		count++
	}
	if count == 0 || (!folder && count > 1) {
		return nil, fault.New(fault.Invalid, "export "+x.Prefix, "the version holds %d objects there", count).
			WithHint(`give the prefix of a folder, ending in "/", or the key of one object; see: sluice data ls`)
	}
	if b.Len() > MaxBytes {
		return nil, fault.New(fault.Invalid, "export "+x.Prefix, "%d objects make a file of %d bytes, more than %d", count, b.Len(), MaxBytes).
			WithHint("export the folders below it, each to a file of its own")
	}
	fmt.Fprintf(&b, "outs:\n- hash: md5\n  path: %s\n  push: false\n", quote(x.Out))
	head := "md5: " + quote(sum.close()) + "\nfrozen: true\ndeps:\n"
	if x.Desc != "" {
		head = "desc: " + quote(x.Desc) + "\n" + head
	}
	return append([]byte(head), b.Bytes()...), nil
}

func (x Export) check() error {
	if x.Out == "" || strings.ContainsAny(x.Out, "/\\\x00") || x.Out == "." || x.Out == ".." {
		return fault.New(fault.Invalid, "export "+x.Prefix, "%q cannot be the name of what DVC tracks: want a name without a folder", x.Out).
			WithHint("name the file after it, e.g. train.dvc for train")
	}
	return nil
}

func (x Export) write(b *bytes.Buffer, e dataset.Entry, folder bool) error {
	if !folder {
		fmt.Fprintf(b, "- %s\n  size: %d\n  version_id: %s\n  hash: md5\n  path: %s\n  fs_config:\n    version_aware: true\n", etagOf(e), e.Size, quote(e.VersionID),
			quote("s3://"+x.Bucket+"/"+e.Key))
		return nil
	}
	rel, below := strings.CutPrefix(e.Key, x.Prefix)
	if !below || !clean(rel) {
		return fault.New(fault.Invalid, "export "+e.Key, "%q cannot be a file's path below %s", rel, path.Base("/"+x.Prefix)).
			WithHint("export a --prefix that leaves it out")
	}
	fmt.Fprintf(b, "  - relpath: %s\n    %s\n    size: %d\n    version_id: %s\n", quote(rel), etagOf(e), e.Size, quote(e.VersionID))
	return nil
}

func etagOf(e dataset.Entry) string { return "etag: " + quote(e.ETag) }

// quote writes text as a double-quoted YAML scalar, which takes JSON's escapes.
func quote(text string) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(text); err != nil {
		return `""` // a string always encodes
	}
	return strings.TrimSuffix(b.String(), "\n")
}
