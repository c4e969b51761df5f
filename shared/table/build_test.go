package table

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// A builder gives what infer gives of the same cells, whatever comes when.
func TestABuilderIsInfer(t *testing.T) {
	for _, cells := range [][]string{
		{"1", "2.5", "-3"}, {"1", "", "NA", "4"}, {"1", "2.50", "3"}, {"1", "x", "2.50"}, {"1.50", "x"}, {"", "1", "text", "2"},
		{"007", "1"}, {"1e5", "2"}, {"+1", "2"}, {"-0", "1"}, {"0", "-0.0"}, {"0.0000001", "1"}, {"123456789012345678", "1"}, {".5", "5."},
		{"", "", ""}, {"a", "", "a"}, {"0.1234567890123456", "1"}, {"inf", "x"}, {"1", "x", "inf"}, {"-1e400", "text", ""}, {"-"}, {"1", "."}, {"1.2.3"},
	} {
		same(t, cells)
	}
}

// Many odd numbers, then a text: all texts are as they stood.
func TestOddNumbersKeepTheirTexts(t *testing.T) {
	var few, many, late []string
	for i := range 2000 {
		few = append(few, strconv.Itoa(i)+map[bool]string{true: ".0"}[i%20 == 0])
		many = append(many, strconv.Itoa(i)+map[bool]string{true: ".0"}[i%2 == 0])
		late = append(late, few[i])
	}
	same(t, few)
	same(t, many)
	same(t, append(late, "text"))
	columns := [2]Column{}
	for i, cells := range [][]string{few, many} {
		b := newBuilder("c")
		for _, cell := range cells {
			b.add(cell)
		}
		columns[i], _ = b.column()
	}
	require.Nil(t, columns[0].raw)
	require.NotEmpty(t, columns[0].odd)
	require.NotNil(t, columns[1].raw)
	for _, parts := range [][]*Column{{&columns[0], &columns[0]}, {&columns[0], &columns[1]}} {
		joined := concatColumn(parts, 4000)
		for i := range 4000 {
			require.Equal(t, parts[i/2000].Original(i%2000), joined.Original(i))
		}
	}
}

func same(t *testing.T, cells []string) {
	t.Helper()
	b := newBuilder("c")
	for _, cell := range cells {
		b.add(cell)
	}
	got, gotInfinite := b.column()
	want, wantInfinite := infer("c", append([]string{}, cells...))
	require.Equal(t, wantInfinite, gotInfinite, "%q", cells)
	require.Equal(t, want.Kind, got.Kind, "%q", cells)
	require.Equal(t, want.FirstText, got.FirstText, "%q", cells)
	require.Equal(t, want.Null, got.Null, "%q", cells)
	require.Equal(t, want.Text, got.Text, "%q", cells)
	require.Len(t, got.Number, len(want.Number), "%q", cells)
	for i := range cells {
		require.Equal(t, want.Content(i), got.Content(i), "%q", cells)
		require.Equal(t, want.Original(i), got.Original(i), "%q", cells)
	}
}

func FuzzBuilder(f *testing.F) {
	f.Add("1", "2.50", "x")
	f.Add("", "-0.0", "1e21")
	f.Add("0.1", "inf", "NA")
	f.Fuzz(func(t *testing.T, a, b, c string) { same(t, []string{a, b, c}) })
}

// What shortest says is so, for decimals of every shape.
func FuzzShortest(f *testing.F) {
	f.Add(int64(1), uint8(3))
	f.Add(int64(-123456789012345), uint8(20))
	f.Add(int64(999999999999999), uint8(7))
	f.Fuzz(func(t *testing.T, digits int64, places uint8) {
		cell := strconv.FormatFloat(float64(digits)/1000, 'f', int(places%24), 64)
		if v, kind := parseNumber(cell); kind == formNumber && shortest(cell, v) {
			require.Equal(t, FormatNumber(v), cell)
		}
	})
}
