package main

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/sluice-ml/sluice/shared/profile"
)

const (
	// readAhead is how many profiles are read at once, and held.
	readAhead = 32
	// mostSingle bounds the findings of single objects: 10⁵ broken files need not
	// be told one by one. What is cut is counted in one more.
	mostSingle = 1000
)

// unreadable makes a finding of every object that is no table.
func unreadable(parts []profile.Part) []profile.Finding {
	found := singles{}
	for _, part := range parts {
		for _, o := range part.Objects {
			if o.Problem != "" {
				found.add(profile.Finding{Scope: o.Key, Measure: "readable", Limit: 1, Verdict: profile.Fail, Text: o.Problem})
			}
		}
	}
	return found.all("cannot be read as tables")
}

// singles are findings of single objects, as many as are worth keeping.
type singles struct {
	kept []profile.Finding
	cut  int
}

func (s *singles) add(findings ...profile.Finding) {
	n := min(len(findings), mostSingle-len(s.kept))
	s.kept, s.cut = append(s.kept, findings[:n]...), s.cut+len(findings)-n
}

func (s *singles) all(what string) []profile.Finding {
	if s.cut == 0 {
		return slices.Concat([]profile.Finding{}, s.kept)
	}
	return append(s.kept, profile.Finding{Scope: "single objects", Measure: "not_listed", Value: float64(s.cut), Verdict: profile.Fail,
		Text: fmt.Sprintf("%d more findings, of objects that %s, are not listed", s.cut, what)})
}

// readable are the added objects that could be read, in the order of the parts.
func (v *validation) readable(added []string) []profile.PartObject {
	var objects []profile.PartObject
	for _, part := range v.parts {
		for _, o := range part.Objects {
			if _, is := slices.BinarySearch(added, o.Key); is && o.Problem == "" {
				objects = append(objects, o)
			}
		}
	}
	return objects
}

// objects merges the profiles of objects, and says what fails in each where there
// are several. It holds a few of them at a time: 10⁵ would not fit.
func (v *validation) objects(ctx context.Context, judge *profile.Judge, objects []profile.PartObject) (profile.Profile, []profile.Finding, error) {
	var added running
	var single singles
	read := func(ctx context.Context, o profile.PartObject) (profile.Scope, error) {
		data, _, err := v.store.GetURI(ctx, o.Profile)
		if err != nil {
			return profile.Scope{}, err
		}
		p, err := profile.Decode(data)
		return profile.Scope{Name: o.Key, Profile: p, Kind: profile.Object}, err
	}
	err := batches(ctx, objects, read, func(scope profile.Scope) error {
		if len(objects) > 1 {
			single.add(judge.Failures(scope)...)
		}
		return added.add(scope.Profile)
	})
	if err != nil {
		return profile.Profile{}, nil, err
	}
	return *added.profile, single.all("fail on their own"), nil
}

// batches reads items, readAhead at once, and takes what was read in the items'
// order.
func batches[T, R any](ctx context.Context, items []T, read func(context.Context, T) (R, error), take func(R) error) error {
	for batch := range slices.Chunk(items, readAhead) {
		results, errs := make([]R, len(batch)), make([]error, len(batch))
		var wait sync.WaitGroup
		for i, item := range batch {
			wait.Go(func() { results[i], errs[i] = read(ctx, item) })
		}
		wait.Wait()
		for i, result := range results {
			if errs[i] != nil {
				return errs[i]
			}
			if err := take(result); err != nil {
				return err
			}
		}
	}
	return nil
}
