package launch

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheLastLineIsKept(t *testing.T) {
	for written, want := range map[string]string{
		"":                         "",
		"a\nb":                     "b",
		"a\nb\n\n \t\n":            "b",
		"a\n\xff!\n":               "\uFFFD!",
		strings.Repeat("x", 10000): strings.Repeat("x", longestLine),
		"first\r\nlast\r\n":        "last",
	} {
		for _, piece := range []int{1, 3, len(written) + 1} { // however it arrives
			var all bytes.Buffer
			l := &lastLine{out: &all}
			for rest := written; rest != ""; {
				n, err := l.Write([]byte(rest[:min(piece, len(rest))]))
				require.NoError(t, err)
				rest = rest[n:]
			}
			require.Equal(t, want, l.String())
			require.Equal(t, written, all.String())
		}
	}
	n, err := io.WriteString(new(lastLine), "nobody reads it")
	require.NoError(t, err)
	require.Equal(t, 15, n)
}
