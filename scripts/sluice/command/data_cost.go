package command

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/scripts/sluice/cost"
	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
)

// share is a part of what is stored.
type share struct {
	Name    string  `json:"name"`
	Objects int     `json:"objects"`
	Bytes   int64   `json:"bytes"`
	USD     float64 `json:"usd_a_month"`
}

func (x *share) add(bytes int64, usd float64) {
	x.Objects++
	x.Bytes += bytes
	x.USD += usd
}

// storageView is where a dataset's storage goes. Every version counts in one of
// Classes and in one of Reach.
type storageView struct {
	Prefix   string   `json:"prefix"`
	Total    share    `json:"total"`
	Classes  []share  `json:"classes"`
	Reach    []share  `json:"reach"`
	Unpriced []string `json:"unpriced"` // classes that have no price here
	// Freed is what gc --lake would free if it were allowed to; Commits is the
	// store's own objects, and FreedCommits what gc would free of them.
	Freed        share  `json:"freed"`
	Commits      share  `json:"commits"`
	FreedCommits share  `json:"freed_commits"`
	Prices       string `json:"prices"`
}

// The shares by reach. A version counts in the first that holds it.
var reaches = [...]struct {
	name string
	from dataset.Reach
}{
	{"branches", dataset.ByBranch},
	{"tags, no branch", dataset.ByTag},
	{"holds and running plans only", dataset.ByPin},
	{"commits that no ref leads to", dataset.ByCommit},
}

const (
	byOthers  = "other datasets only"
	byNobody  = "nothing: current"
	byGarbage = "nothing: replaced or deleted"
)

func dataCost(s *settings) *cobra.Command {
	var prefix string
	var grace time.Duration
	var runs bool
	c := &cobra.Command{
		Use: "cost MODEL", Short: "Tell what a dataset's versions cost, by storage class and by what pins them", Args: exactly(1),
		Long: `Tell how many bytes and objects lie below raw/MODEL/ (or --prefix), all versions
counted, by storage class and by what they can be reached from, what gc would free,
and an estimate of what it costs in a month, from the list prices of ` + cost.StorageSource + `
of ` + cost.Date + `. It lists the bucket: one request for 1,000 versions.`,
		RunE: func(c *cobra.Command, args []string) error {
			if grace < dataset.LeastGrace {
				return usageError{fmt.Errorf("--grace %s: want at least %s", grace, dataset.LeastGrace)}
			}
			client, repository, err := s.openExisting(c, args)
			if err != nil {
				return err
			}
			if prefix == "" {
				prefix = contract.RawPrefix(args[0])
			}
			view, err := storageOf(c, client, repository, args[0], prefix, grace, runs)
			if err != nil {
				return err
			}
			return s.print(c, view, func(w io.Writer) { printStorage(w, view) })
		},
	}
	c.Flags().StringVar(&prefix, "prefix", "", "the lake's prefix (default: raw/MODEL/)")
	grace = 7 * 24 * time.Hour
	c.Flags().Var((*days)(&grace), "grace", "as gc's: e.g. 7d or 36h, at least 1h")
	c.Flags().BoolVar(&runs, "runs", true, "keep what runs under way learn from")
	return c
}

func storageOf(c *cobra.Command, client *operator.Client, repository *dataset.Repository, model, prefix string, grace time.Duration, runs bool) (storageView, error) {
	ctx, now := c.Context(), time.Now()
	view := storageView{Prefix: contract.URI(client.Lake, prefix), Unpriced: []string{}, Prices: cost.StorageSource + ", " + cost.Date}
	q := dataset.CollectRequest{Now: now, Grace: grace}
	var err error
	if runs {
		if q.Pins, err = client.RunningCommits(ctx, model); err != nil {
			return view, err
		}
	}
	waiting, err := client.WaitingUploads(ctx, runs)
	if err != nil {
		return view, err
	}
	mine, err := repository.Pins(ctx, prefix, q)
	if err != nil {
		return view, err
	}
	all, err := client.SharedLake().Pins(ctx, prefix, dataset.LakeRequest{Now: now, Grace: grace, Keep: waiting})
	if err != nil {
		return view, err
	}
	b := books{view: &view, classes: map[string]*share{}, reach: map[string]*share{}}
	for v, err := range client.LakeSweeper().Each(ctx, prefix) {
		if err != nil {
			return view, err
		}
		b.book(v, mine.Of(v.Key, v.VersionID), all.Of(v.Key, v.VersionID), v.Stored.Before(now.Add(-grace)))
	}
	b.close()
	return view, commitsOf(c, client, repository, model, q, &view)
}

// books sorts versions into the shares of a view.
type books struct {
	view           *storageView
	classes, reach map[string]*share
}

func (b *books) book(v dataset.LakeVersion, mine, all dataset.Reach, old bool) {
	class, priced := cost.ClassOf(v.Class)
	if !priced && !slices.Contains(b.view.Unpriced, class.Name) {
		b.view.Unpriced = append(b.view.Unpriced, class.Name)
	}
	usd := class.Month(v.Size)
	from := reachName(mine, all, v.Latest)
	b.view.Total.add(v.Size, usd)
	shareOf(b.classes, class.Name).add(v.Size, usd)
	shareOf(b.reach, from).add(v.Size, usd)
	if from == byGarbage && old {
		b.view.Freed.add(v.Size, usd)
	}
}

func reachName(mine, all dataset.Reach, latest bool) string {
	for _, r := range reaches {
		if mine&r.from != 0 {
			return r.name
		}
	}
	switch {
	case all != 0:
		return byOthers
	case latest:
		return byNobody
	}
	return byGarbage
}

func shareOf(shares map[string]*share, name string) *share {
	if shares[name] == nil {
		shares[name] = &share{Name: name}
	}
	return shares[name]
}

func (b *books) close() {
	for _, part := range []struct {
		from map[string]*share
		to   *[]share
	}{{b.classes, &b.view.Classes}, {b.reach, &b.view.Reach}} {
		*part.to = []share{}
		for _, x := range part.from {
			*part.to = append(*part.to, *x)
		}
		slices.SortFunc(*part.to, func(a, b share) int { return cmp.Or(-cmp.Compare(a.USD, b.USD), cmp.Compare(a.Name, b.Name)) })
	}
	b.view.Total.Name = "all versions"
}

// commitsOf adds what the store keeps of the dataset itself.
func commitsOf(c *cobra.Command, client *operator.Client, repository *dataset.Repository, model string, q dataset.CollectRequest, view *storageView) error {
	standard, _ := cost.ClassOf("")
	for v, err := range client.Objects.EachVersion(c.Context(), client.Store, contract.DatasetPrefix(model)) {
		if err != nil {
			return err
		}
		view.Commits.add(v.Size, standard.Month(v.Size))
	}
	garbage, err := repository.Survey(c.Context(), client.Sweeper(model), q)
	if err != nil {
		return err
	}
	for _, v := range garbage.Garbage {
		view.FreedCommits.add(v.Size, standard.Month(v.Size))
	}
	return nil
}

func printStorage(w io.Writer, v storageView) {
	line := func(x share) { fmt.Fprintf(w, "%s\t%d\t%d\t%.4f\n", x.Name, x.Objects, x.Bytes, x.USD) }
	fmt.Fprintf(w, "%s\nSTORAGE CLASS\tVERSIONS\tBYTES\tUSD A MONTH\n", v.Prefix)
	for _, x := range v.Classes {
		line(x)
	}
	line(v.Total)
	fmt.Fprintln(w, "\nREACHED FROM\tVERSIONS\tBYTES\tUSD A MONTH")
	for _, x := range v.Reach {
		line(x)
	}
	fmt.Fprintln(w, "\nBESIDE\tOBJECTS\tBYTES\tUSD A MONTH")
	v.Commits.Name = "the dataset's own objects"
	line(v.Commits)
	v.Freed.Name, v.FreedCommits.Name = "gc --lake would free", "gc would free"
	line(v.Freed)
	line(v.FreedCommits)
	for _, name := range v.Unpriced {
		fmt.Fprintf(w, "no price is known for the storage class %s: it counts as nothing\n", name)
	}
	fmt.Fprintf(w, "\nprices: %s; storage only, without requests and transfer\n", v.Prices)
}
