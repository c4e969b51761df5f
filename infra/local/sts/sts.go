// Package sts is the local stack's STS: it says who is calling. There is one
// caller, the account itself; every other operation is refused by name.
package sts

import (
	"context"
	"net/http"

	"github.com/sluice-ml/sluice/infra/local/query"
)

type nothing struct{}

type identity struct {
	Account string `xml:"Account"`
	Arn     string `xml:"Arn"`
	UserID  string `xml:"UserId"`
}

// Handler serves GetCallerIdentity for the account (twelve digits).
func Handler(account string) http.Handler {
	return query.Handler("STS", "https://sts.amazonaws.com/doc/2011-06-15/", map[string]query.Operation{
		"GetCallerIdentity": query.Op(
			func(*query.Params) nothing { return nothing{} },
			func(context.Context, nothing) (*identity, error) {
				return &identity{account, "arn:aws:iam::" + account + ":root", account}, nil
			}),
	})
}
