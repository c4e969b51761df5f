// Package gates runs a gate as a function: it opens the run, reads what the
// gate judges, writes the whole verdict to verdicts/<gate>.json and answers a
// summary. What each reads is in shared/judging, the judgements themselves are in
// shared/gate.
package gates

import (
	"context"
	"os"

	"github.com/sluice-ml/sluice/shared/aws/lambdafn"
	"github.com/sluice-ml/sluice/shared/aws/runstore"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/judging"
	"github.com/sluice-ml/sluice/shared/settings"
)

// Gate is one of trainconfig.Gates.
type Gate struct{ Name string }

// Main serves a gate. It does not return.
func Main(g Gate) {
	lambdafn.Main(func(ctx context.Context) (lambdafn.Handler[contract.StepInput, contract.VerdictSummary], error) {
		env := settings.Env(os.LookupEnv)
		bucket := env.Require(contract.EnvStore)
		if err := env.Err(); err != nil {
			return nil, err
		}
		store, err := s3store.FromEnvironment(ctx)
		if err != nil {
			return nil, err
		}
		return Handler{Gate: g, Store: store, Bucket: bucket}.Handle, nil
	})
}

// Handler answers one gate's invocations.
type Handler struct {
	Gate   Gate
	Store  *s3store.Store
	Bucket string // the store bucket
}

// Handle judges a run. Equal files give equal verdicts, so a retry is harmless.
// Measurements that are not there or cannot be read are a verdict
// (insufficient); only storage that fails is an error, which a retry may help.
func (h Handler) Handle(ctx context.Context, in contract.StepInput) (contract.VerdictSummary, error) {
	if in.Gate != "" && in.Gate != h.Gate.Name {
		return contract.VerdictSummary{}, fault.New(fault.Invalid, "judge run "+in.Run, "this is the gate %s, the input asks for %q", h.Gate.Name, in.Gate)
	}
	run, err := runstore.Open(ctx, h.Store, h.Bucket, in)
	if err != nil {
		return contract.VerdictSummary{}, err
	}
	verdict, err := judging.Judge(ctx, h.Gate.Name, judging.Run{Plan: run.Plan, Config: run.Config, Read: run.Read})
	if err != nil {
		return contract.VerdictSummary{}, err
	}
	uri, err := run.WriteJSON(ctx, contract.VerdictFile(h.Gate.Name), judging.Keep(verdict, run.Plan))
	return verdict.Summary(uri), err
}
