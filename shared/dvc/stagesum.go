package dvc

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"
	"unicode/utf16"

	"github.com/sluice-ml/sluice/shared/dataset"
)

// stageSum is the md5 that DVC gives a stage and compares to see whether
// somebody edited its file: of the stage as Python's json.dumps writes it with
// sorted keys, without sizes and notes.
type stageSum struct {
	x      Export
	folder bool
	sum    hash.Hash
}

func newStageSum(x Export, folder bool) *stageSum {
	s := &stageSum{x, folder, md5.New()}
	s.write(`{"deps": [{`)
	if folder {
		s.write(`"files": [`)
	}
	return s
}

func (s *stageSum) write(text string) { _, _ = io.WriteString(s.sum, text) } // a hash takes all

func (s *stageSum) add(e dataset.Entry, before int) {
	if before > 0 {
		s.write(", ")
	}
	if s.folder {
		s.write(fmt.Sprintf(`{"etag": %s, "relpath": %s, "version_id": %s}`, python(e.ETag), python(strings.TrimPrefix(e.Key, s.x.Prefix)), python(e.VersionID)))
		return
	}
	s.write(fmt.Sprintf(`"etag": %s, "fs_config": {"version_aware": true}, "hash": "md5", "path": %s, "version_id": %s`,
		python(e.ETag), python("s3://"+s.x.Bucket+"/"+e.Key), python(e.VersionID)))
}

func (s *stageSum) close() string {
	if s.folder {
		s.write(`], "fs_config": {"version_aware": true}, "hash": "md5", "path": ` + python("s3://"+s.x.Bucket+"/"+s.x.Prefix))
	}
	s.write(`}], "outs": [{"hash": "md5", "path": ` + python(s.x.Out) + `, "push": false}]}`)
	return hex.EncodeToString(s.sum.Sum(nil))
}

// python writes a string as Python's json does: ASCII alone.
func python(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case strings.ContainsRune("\b\f\n\r\t", c):
			b.WriteByte('\\')
			b.WriteByte("btnvfr"[c-'\b'])
		case c >= ' ' && c <= '~':
			b.WriteRune(c)
		case c > 0xffff:
			high, low := utf16.EncodeRune(c)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
