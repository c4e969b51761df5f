package command

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/scripts/sluice/cost"
	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
)

// tierView is what moving cold versions would do, or did.
type tierView struct {
	To      string    `json:"to"`
	Applied bool      `json:"applied"`
	Move    cost.Move `json:"move"`
	Marked  int       `json:"marked"` // tagged now
	Before  int       `json:"before"` // tagged by an earlier try
	Small   int       `json:"small"`  // below 128 KiB: S3 does not move them, and they would cost more
	Warm    int       `json:"warm"`   // a branch's head holds them
	Young   int       `json:"young"`  // stored more recently than --older-than
	There   int       `json:"there"`  // in that class or a cheaper one
	Unable  []string  `json:"unable"` // have no room for another tag
}

func dataTier(s *settings) *cobra.Command {
	var to, prefix string
	older := 90 * 24 * time.Hour
	var apply, install, dry bool
	c := &cobra.Command{
		Use: "tier MODEL [REF]", Short: "Move versions that only older commits pin to a cheaper storage class, in place", Args: between(1, 2),
		Long: `Move the versions that REF (default: any commit) pins, that no branch's head of
any dataset holds, and that were stored longer than --older-than ago, to STANDARD_IA
or GLACIER_IR. Without --apply it only tells.

A version cannot be given another class by a request: copying it makes a new
version, with a VersionId that no commit pins, and leaves the old one where it was.
A lifecycle rule does it in place. So --apply tags the versions (sluice-tier=CLASS,
which makes no new versions), and a rule of the bucket for that tag moves them,
within a day or two for GLACIER_IR and 30 days for STANDARD_IA. The VersionIds stay,
and so does every pin. --install-rule adds the rule to the bucket's others; in a
bucket that a template manages, put it there too, or the next change of the
template's rules takes it away. It may be cut off and run again.

Both classes can be read at once, for a price per byte. Each object is billed as at
least 128 KiB and for at least 30 (STANDARD_IA) or 90 days (GLACIER_IR), also when gc
deletes it sooner.

` + addresses,
		RunE: func(c *cobra.Command, args []string) error {
			if dry && apply {
				return usageError{fmt.Errorf("want at most one of --dry-run and --apply")}
			}
			if err := s3store.CheckClass(to); err != nil {
				return usageError{fmt.Errorf("--to %q: %w", to, err)}
			}
			client, repository, err := s.openExisting(c, args)
			if err != nil {
				return err
			}
			if prefix == "" {
				prefix = contract.RawPrefix(args[0])
			}
			if install && apply {
				if err := client.Tiers.Install(c.Context(), to); err != nil {
					return err
				}
			}
			if apply {
				if err := client.Tiers.Ready(c.Context(), to); err != nil {
					return err
				}
			}
			view := tierView{To: to, Applied: apply, Unable: []string{}}
			cold, err := coldVersions(c, client, repository, args, prefix, older, &view)
			if err == nil && apply {
				err = markAll(c, client, cold, &view)
			}
			if err != nil {
				return err
			}
			return s.print(c, view, func(w io.Writer) { printTier(w, view, older) })
		},
	}
	f := c.Flags()
	f.StringVar(&to, "to", "", "STANDARD_IA or GLACIER_IR")
	f.Var((*days)(&older), "older-than", "how long ago they were stored, e.g. 90d or 2160h")
	f.StringVar(&prefix, "prefix", "", "the lake's prefix (default: raw/MODEL/)")
	f.BoolVar(&apply, "apply", false, "tag them")
	f.BoolVar(&dry, "dry-run", false, "only tell, as without --apply")
	f.BoolVar(&install, "install-rule", false, "with --apply: add the lifecycle rule to the bucket's")
	return c
}

// coldVersions finds what is to be moved and counts what is not.
func coldVersions(c *cobra.Command, client *operator.Client, repository *dataset.Repository, args []string, prefix string, older time.Duration, view *tierView) ([]dataset.LakeVersion, error) {
	ctx, now := c.Context(), time.Now()
	to, _ := cost.ClassOf(view.To)
	pinned, err := pinnedBy(c, repository, args, prefix, now)
	if err != nil {
		return nil, err
	}
	heads, err := client.SharedLake().Heads(ctx, prefix)
	if err != nil {
		return nil, err
	}
	var cold []dataset.LakeVersion
	for v, err := range client.LakeSweeper().Each(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		from, priced := cost.ClassOf(v.Class)
		switch {
		case !pinned(v.Key, v.VersionID):
		case heads.Of(v.Key, v.VersionID) != 0:
			view.Warm++
		case v.Stored.After(now.Add(-older)):
			view.Young++
		case !priced || !from.Instant || from.PerMonth <= to.PerMonth:
			view.There++
		case v.Size < to.LeastBytes:
			view.Small++
		default:
			view.Move.Add(from, to, v.Size)
			cold = append(cold, v)
		}
	}
	return cold, nil
}

// pinnedBy says whether REF, or without one any commit, pins a version.
func pinnedBy(c *cobra.Command, repository *dataset.Repository, args []string, prefix string, now time.Time) (func(key, version string) bool, error) {
	if len(args) == 1 {
		pins, err := repository.Pins(c.Context(), prefix, dataset.CollectRequest{Now: now})
		return func(key, version string) bool { return pins.Of(key, version) != 0 }, err
	}
	pins, err := repository.Held(c.Context(), args[1], prefix)
	return func(key, version string) bool { return pins.Of(key, version) != 0 }, err
}

// markers is how many versions are tagged at once.
const markers = 16

func markAll(c *cobra.Command, client *operator.Client, cold []dataset.LakeVersion, view *tierView) error {
	var mu sync.Mutex
	var failed error
	var wait sync.WaitGroup
	slots := make(chan struct{}, markers)
	for _, v := range cold {
		slots <- struct{}{}
		mu.Lock()
		stop := failed != nil
		mu.Unlock()
		if stop {
			break
		}
		wait.Go(func() {
			defer func() { <-slots }()
			marked, err := client.Tiers.Mark(c.Context(), v.Key, v.VersionID, view.To)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case fault.Is(err, fault.Invalid):
				view.Unable = append(view.Unable, v.Key+"@"+v.VersionID)
			case err != nil:
				failed = err
			case marked:
				view.Marked++
			default:
				view.Before++
			}
		})
	}
	wait.Wait()
	if failed != nil {
		return cutOff(c, fmt.Errorf("%w; %d of %d versions are tagged: run it again for the others", failed, view.Marked+view.Before, len(cold)),
			"%d of %d versions are tagged; run the same command again for the others", view.Marked+view.Before, len(cold))
	}
	slices.Sort(view.Unable)
	return nil
}

func printTier(w io.Writer, v tierView, older time.Duration) {
	m := v.Move
	fmt.Fprintf(w, "cold versions\t%d, %d bytes\nUSD a month\t%.4f now, %.4f in %s\nUSD once\t%.4f for the transitions\n", m.Objects, m.Bytes, m.NowMonth, m.ThenMonth, v.To, m.Once)
	if m.Objects > 0 {
		if m.Even >= 0 {
			fmt.Fprintf(w, "breaks even after\t%.2f months\n", m.Even)
		} else {
			fmt.Fprintln(w, "breaks even after\tnever: they are too small")
		}
		fmt.Fprintf(w, "a checkout of all\t%.4f USD\nwarning\twhat is deleted within %d days is billed for %d days\n", m.ReadAll, m.LeastDays, m.LeastDays)
	}
	fmt.Fprintf(w, "left\t%d that a branch's head holds, %d younger than %s, %d below 128 KiB, %d in that class or a cheaper one\n", v.Warm, v.Young, older, v.Small, v.There)
	for _, key := range v.Unable {
		fmt.Fprintf(w, "no room for a tag\t%s\n", shown(key))
	}
	if v.Applied {
		fmt.Fprintf(w, "%d versions tagged, %d were; the bucket's lifecycle rule moves them\n", v.Marked, v.Before)
		return
	}
	fmt.Fprintln(w, "nothing was done: --apply does it")
}

// days is a duration that may be given in days.
type days time.Duration

func (d *days) String() string { return time.Duration(*d).String() }
func (d *days) Type() string   { return "duration" }

func (d *days) Set(text string) error {
	if whole, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(whole, 10, 16)
		if err != nil {
			return errDays
		}
		*d = days(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	parsed, err := time.ParseDuration(text)
	if err != nil || parsed < 0 {
		return errDays
	}
	*d = days(parsed)
	return nil
}

// errDays teaches the units; the flag's name and value are told beside it.
var errDays = errors.New("want a number of days such as 90d, up to 65535d, or hours, minutes and seconds such as 2160h or 1h30m")
