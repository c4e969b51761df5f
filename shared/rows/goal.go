package rows

import (
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/table"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// labelFor reads the target as the goal takes it. The error is of kind Invalid.
func (s *Set) labelFor(target *table.Column, data trainconfig.Data) (err error) {
	switch s.Goal {
	case goal.Multiclass:
		s.Label, s.Classes, err = table.ClassLabels(target)
	case goal.Regression:
		s.Label, err = table.NumberLabels(target)
	case goal.Ranking:
		if s.Label, err = table.NumberLabels(target); err == nil {
			err = s.queries(target, data)
		}
	default:
		s.Label, s.Positive, err = table.Labels(target, data.Positive)
	}
	return err
}

// mostRelevant bounds the relevance that XGBoost takes: a gain of 2³¹ is no
// longer counted rightly.
const mostRelevant = 31

// queries reads the column that says which query a row belongs to, and checks
// that labels are relevances: whole numbers from 0.
func (s *Set) queries(target *table.Column, data trainconfig.Data) error {
	const op = "read the queries"
	column, ok := s.Table.Column(data.QID)
	if !ok {
		return fault.New(fault.Invalid, op, "there is no column %q among %q", data.QID, s.Table.Names()).WithHint("correct data.qid")
	}
	for i, label := range s.Label {
		if label < 0 || label > mostRelevant || label != float64(int(label)) {
			return fault.New(fault.Invalid, op, "column %q is %v in row %d (%s): want a relevance, a whole number from 0 to %d",
				target.Name, label, i+1, s.ID[i], mostRelevant).WithHint("grade the target, e.g. 0 to 4")
		}
		if column.Null[i] {
			return fault.New(fault.Invalid, op, "column %q has no value in row %d (%s)", column.Name, i+1, s.ID[i]).
				WithHint("drop the rows that belong to no query")
		}
		s.Query = append(s.Query, column.Exact(i))
	}
	return nil
}

// together is what a row's side and fold follow from: rows of one query are on
// the same side, other rows where their content puts them.
func (s *Set) together(content []byte, row int) []byte {
	if s.Query != nil {
		return []byte(s.Query[row])
	}
	return content
}
