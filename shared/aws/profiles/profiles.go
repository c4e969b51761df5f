// Package profiles keeps the profiles of a dataset's objects: each a function of
// an object's version and a configuration, computed once and kept in the store.
package profiles

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/profile"
	"github.com/sluice-ml/sluice/shared/table"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Shelf is where one model's profiles lie.
type Shelf struct {
	Store  *s3store.Store
	Bucket string // the store bucket
	Model  string
	Config *trainconfig.Config
	Hash   string // of the configuration
}

// Object gives an object's profile, from the shelf when it is there. What cannot
// be read as a table has a problem and no profile. Errors are the storage's.
func (s *Shelf) Object(ctx context.Context, lake string, o contract.ObjectVersion) (profile.PartObject, *profile.Profile, error) {
	summary := profile.PartObject{Key: o.Key, VersionID: o.VersionID}
	key, err := profile.ObjectKey(s.Model, o.Key, o.VersionID, s.Hash)
	if err != nil {
		return summary, nil, err
	}
	summary.Profile = contract.URI(s.Bucket, key)
	p, err := s.kept(ctx, key, o.Key)
	if fault.Is(err, fault.NotFound) {
		p, err = s.fresh(ctx, lake, o, key)
	}
	if unreadable, ok := errors.AsType[*problem](err); ok {
		summary.Problem, summary.Profile = unreadable.Error(), ""
		return summary, nil, nil
	}
	if err != nil {
		return summary, nil, err
	}
	summary.Rows = p.Rows
	return summary, p, nil
}

func (s *Shelf) kept(ctx context.Context, key, object string) (*profile.Profile, error) {
	data, _, err := s.Store.Get(ctx, s.Bucket, key, "")
	if err != nil {
		return nil, err
	}
	p, err := profile.Decode(data)
	p.Name(object)
	return &p, err
}

// problem is the content's fault, as opposed to the storage's.
type problem struct{ error }

func (s *Shelf) fresh(ctx context.Context, lake string, o contract.ObjectVersion, key string) (*profile.Profile, error) {
	r, err := s.Store.ReaderAt(ctx, lake, o.Key, o.VersionID)
	if err != nil {
		return nil, err
	}
	t, err := table.Read(ctx, o.Key, r, r.Size(), table.Options{})
	if fault.Is(err, fault.Invalid) {
		return nil, &problem{err}
	}
	if err != nil {
		return nil, err
	}
	p := profile.Of(t, s.Config)
	body, err := json.Marshal(p)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "encode a profile", err)
	}
	_, err = s.Store.PutOnce(ctx, s.Bucket, key, append(body, '\n'))
	return &p, err
}
