package report

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// browser finds headless Chromium; the checks of the page's structure need none.
func browser(t *testing.T) string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no Chromium is installed")
	return ""
}

// chromium runs it on a file and gives its standard output.
func chromium(t *testing.T, page string, args ...string) string {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	args = append([]string{"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--allow-file-access-from-files", "--user-data-dir=" + t.TempDir()}, args...)
	command := exec.CommandContext(ctx, browser(t), append(args, "file://"+page)...)
	out, err := command.Output()
	require.NoError(t, err)
	return string(out)
}

// probe is a page that holds the report in a frame of a width, and writes down
// what the browser made of it. The report itself needs no script: this is the
// test's.
const probe = `<!doctype html><body><iframe id="f" src="page.html" style="width:WIDTHpx;height:900px;border:0"></iframe><script>
onload = () => {
  const d = document.getElementById('f').contentDocument, w = d.documentElement
  const problems = []
  if (w.scrollWidth > WIDTH) problems.push('the page is ' + w.scrollWidth + ' px wide')
  for (const e of d.querySelectorAll('h1, h2, h3, p, figure, dl, nav, .verdict, .scroll')) {
    const box = e.getBoundingClientRect()
    if (box.width > 0 && (box.right > WIDTH + 0.5 || box.left < -0.5)) problems.push(e.tagName + ' ' + e.textContent.slice(0, 30) + ' leaves the page')
  }
  let plots = 0
  for (const e of d.querySelectorAll('.plot > svg')) {
    const box = e.getBoundingClientRect()
    if (box.width > 150 && box.height > 100) plots++
    for (const t of e.querySelectorAll('text')) if (parseFloat(d.defaultView.getComputedStyle(t).fontSize) < 11) problems.push('text of a plot is too small')
  }
  if (d.scripts.length || d.images.length || d.querySelector('link, iframe, object, embed')) problems.push('the page has parts that are not its own')
  if (d.defaultView.performance.getEntriesByType('resource').length) problems.push('the page asked for something')
  const seen = s => d.querySelector(s).getBoundingClientRect().height > 20
  for (const s of d.querySelectorAll('section')) if (!seen('#' + s.id)) problems.push(s.id + ' is not to be seen')
  document.body.textContent = 'PLOTS ' + plots + ' SECTIONS ' + d.querySelectorAll('section').length + ' PROBLEMS ' + JSON.stringify(problems) + ' END'
}
</script>`

// TestThePageInABrowser lays the page out in headless Chromium on a phone and a
// desk: nothing leaves the page, plots are drawn, texts can be read, nothing is
// fetched; and prints it.
func TestThePageInABrowser(t *testing.T) {
	folder := t.TempDir()
	write := func(name, body string) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, []byte(body), 0o600))
		return path
	}
	page := write("page.html", render(t, full()))
	for _, width := range []string{"390", "1280"} {
		seen := chromium(t, write("probe.html", strings.ReplaceAll(probe, "WIDTH", width)), "--window-size=1400,1000", "--virtual-time-budget=5000", "--dump-dom")
		result := regexp.MustCompile(`PLOTS (\d+) SECTIONS (\d+) PROBLEMS (.*) END`).FindStringSubmatch(seen)
		require.NotNil(t, result, "%.400s", seen)
		require.Equal(t, "[]", result[3], "%s px wide", width)
		require.Equal(t, "10", result[1], "plots that are drawn")
		require.Equal(t, "14", result[2], "sections")
	}
	printed := filepath.Join(folder, "page.pdf")
	chromium(t, page, "--no-pdf-header-footer", "--print-to-pdf="+printed)
	pdf, err := os.ReadFile(printed)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(pdf), "%PDF"))
	require.Greater(t, len(regexp.MustCompile(`/Type\s*/Page\b`).FindAll(pdf, -1)), 3, "pages")
}
