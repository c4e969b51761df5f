package query

import (
	"context"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type paging struct{ Marker string }

type inner struct {
	Key    string
	Weight *int
}

type structIn struct {
	Name    string
	Port    *int
	On      bool
	Items   []inner
	Names   []string
	Config  *inner
	Missing *inner
	paging
}

func TestDecode(t *testing.T) {
	var got structIn
	act := Struct(func(_ context.Context, in structIn) (*echoOut, error) {
		got = in
		return &echoOut{in.Name}, nil
	})
	h := Handler("Echo", "urn:echo", map[string]Operation{"Echo": act})
	status, body := post(t, h, "Action=Echo&Version=1&Name=n&Port=80&On=true&Items.member.1.Key=a&Items.member.1.Weight=0&Items.member.2.Key=b&Names=&Config.Key=c&Marker=m")
	require.Equal(t, http.StatusOK, status, body)
	zero, port := 0, 80
	require.Equal(t, structIn{Name: "n", Port: &port, On: true, Items: []inner{{"a", &zero}, {"b", nil}}, Names: []string{}, Config: &inner{Key: "c"}, paging: paging{"m"}}, got)
	for form, want := range map[string]string{
		"Port=x":                  "Value 'x' at 'Port' failed to satisfy constraint: want an integer",
		"Port=99999999999":        "want an integer",
		"On=yes":                  "want true or false",
		"Items.member.1.Weight=":  "at 'Items.member.1.Weight'",
		"Items.member.1.Other=1":  "does not support Items.member.1.Other",
		"Items.member.2.Key=1":    "does not support Items.member.2.Key",
		"Items.1.Key=1":           "does not support Items.1.Key",
		"Name.X=1":                "does not support Name.X",
		"Config=1":                "does not support Config",
		"Names=1":                 "does not support Names",
		"paging.Marker=1":         "does not support paging.Marker",
		strings.Repeat("a.", 600): "does not support a.a.",
	} {
		status, body := post(t, h, "Action=Echo&"+form)
		require.Equal(t, http.StatusBadRequest, status, form)
		require.Contains(t, strings.ReplaceAll(body, "&#39;", "'"), want, form)
	}
}

// FuzzDecode: no form panics, and what is decoded was sent.
func FuzzDecode(f *testing.F) {
	f.Add("Name=n&Port=80&Items.member.1.Key=a&Items.member.01.Key=b&Names=&.=1&Config.=2")
	f.Fuzz(func(t *testing.T, form string) {
		values, err := url.ParseQuery(form)
		if err != nil {
			return
		}
		var in structIn
		p := NewParams(values)
		if err := p.Decode(&in); err != nil {
			return
		}
		if len(values) == 0 && !reflect.DeepEqual(in, structIn{}) {
			t.Fatalf("%+v of nothing", in)
		}
		if in.Name != values.Get("Name") {
			t.Fatalf("Name is %q", in.Name)
		}
	})
}
