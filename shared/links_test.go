package shared

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var markdownLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestDocumentsLinkToWhatIsThere: every relative link of every document.
func TestDocumentsLinkToWhatIsThere(t *testing.T) {
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	links := 0
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "cdk.out" || entry.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, found := range markdownLink.FindAllStringSubmatch(string(text), -1) {
			target, err := url.Parse(found[1])
			if err != nil || target.Scheme != "" || target.Path == "" {
				continue
			}
			links++
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), target.Path)); err != nil {
				name, _ := filepath.Rel(root, path)
				t.Errorf("%s links to %s, which is not there", name, found[1])
			}
		}
		return nil
	}))
	require.NotZero(t, links)
}
