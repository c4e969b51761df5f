package gbdt

import "fmt"

// Rounds counts the rounds of boosting, each of which added one tree, or
// several, per output; 0 for gblinear, and for files of XGBoost before 1.6,
// which do not say how many trees a round had.
func (m *Model) Rounds() int { return max(len(m.rounds)-1, 0) }

// BestRound is the round at which early stopping found the best score, from 0;
// ok says whether training kept one. Predict uses all rounds, as XGBoost's own
// predict does: for those up to the best, take Slice(0, best+1).
func (m *Model) BestRound() (round int, ok bool) { return m.best, m.best >= 0 }

// Slice is the model of the rounds from begin up to, not including, end. It
// shares the trees. Rounds outside 0 to Rounds() are an error.
func (m *Model) Slice(begin, end int) (*Model, error) {
	if m.rounds == nil {
		return nil, fmt.Errorf("take rounds %d to %d of the model: its file does not say how many trees a round has (save it again with XGBoost 1.6 or later)", begin, end)
	}
	if begin < 0 || end > m.Rounds() || begin > end {
		return nil, fmt.Errorf("take rounds %d to %d of the model: it has %d", begin, end, m.Rounds())
	}
	part := *m
	first, last := m.rounds[begin], m.rounds[end]
	part.rounds = m.rounds[begin : end+1]
	part.forest = m.forest.slice(first-m.rounds[0], last-m.rounds[0])
	part.best = -1
	return &part, nil
}

// setRounds reads what is known of the rounds.
func (m *Model) setRounds(b *boosterModel, attributes *attributesFile) error {
	if err := m.setTreesOfRounds(b); err != nil {
		return err
	}
	m.best = -1
	if attributes.BestIteration == "" {
		return nil
	}
	best, err := integer("best_iteration", attributes.BestIteration)
	if err != nil {
		return err
	}
	if m.rounds != nil && best >= m.Rounds() {
		return fmt.Errorf("best_iteration is %d: want a round below %d", best, m.Rounds())
	}
	m.best = best
	return nil
}

// setTreesOfRounds reads which trees each round made: since XGBoost 2.0 the
// file says; before, all rounds made as many.
func (m *Model) setTreesOfRounds(b *boosterModel) error {
	if b.Rounds != nil {
		return m.checkRounds(b.Rounds, len(b.Trees))
	}
	parallel, err := integer("num_parallel_tree", b.Param.Parallel)
	if err != nil || parallel == 0 || parallel > len(b.Trees) || len(m.base) > len(b.Trees) {
		return err
	}
	each := parallel * len(m.base)
	for tree := 0; tree <= len(b.Trees); tree += each {
		m.rounds = append(m.rounds, tree)
	}
	if len(b.Trees)%each != 0 {
		return fmt.Errorf("%d trees in rounds of %d", len(b.Trees), each)
	}
	return nil
}

func (m *Model) checkRounds(rounds []int32, trees int) error {
	before := int32(0)
	for i, tree := range rounds {
		if tree < before || int(tree) > trees || i == 0 && tree != 0 {
			return fmt.Errorf("iteration_indptr %d is %d: want 0 and then numbers that do not fall, up to %d", i, tree, trees)
		}
		before = tree
		m.rounds = append(m.rounds, int(tree))
	}
	if int(before) != trees {
		return fmt.Errorf("iteration_indptr ends at %d of %d trees", before, trees)
	}
	return nil
}
