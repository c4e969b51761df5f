package cloudwatch

import (
	"slices"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// MetricAlarm is an alarm's configuration: of PutMetricAlarm, of the template's
// AWS::CloudWatch::Alarm, and of DescribeAlarms. It watches one metric
// (MetricName and its neighbours) or the one query in Metrics that returns data.
type MetricAlarm struct {
	AlarmName                        string            `json:"AlarmName"`
	AlarmDescription                 string            `json:"AlarmDescription,omitempty"`
	ActionsEnabled                   *bool             `json:"ActionsEnabled,omitempty"` // nil is true
	OKActions                        []string          `json:"OKActions,omitempty"`
	AlarmActions                     []string          `json:"AlarmActions,omitempty"`
	InsufficientDataActions          []string          `json:"InsufficientDataActions,omitempty"`
	MetricName                       string            `json:"MetricName,omitempty"`
	Namespace                        string            `json:"Namespace,omitempty"`
	Statistic                        string            `json:"Statistic,omitempty"`
	ExtendedStatistic                string            `json:"ExtendedStatistic,omitempty"`
	Dimensions                       []Dimension       `json:"Dimensions,omitempty"`
	Period                           int               `json:"Period,omitempty"` // seconds
	Unit                             string            `json:"Unit,omitempty"`
	EvaluationPeriods                int               `json:"EvaluationPeriods"`
	DatapointsToAlarm                int               `json:"DatapointsToAlarm,omitempty"` // 0 is EvaluationPeriods
	Threshold                        *float64          `json:"Threshold,omitempty"`
	ComparisonOperator               string            `json:"ComparisonOperator"`
	TreatMissingData                 string            `json:"TreatMissingData,omitempty"` // "" is missing
	EvaluateLowSampleCountPercentile string            `json:"EvaluateLowSampleCountPercentile,omitempty"`
	Metrics                          []MetricDataQuery `json:"Metrics,omitempty"`
}

// alarmRecord is an alarm with its state, as kept on disk.
type alarmRecord struct {
	Alarm   MetricAlarm `json:"alarm"`
	Updated time.Time   `json:"updated"`
	Tags    tags        `json:"tags,omitempty"`
	status

	queries *queries // parsed from Alarm; nil until first used
}

// status is an alarm's state and what is still to be told about it.
type status struct {
	State        State          `json:"state"`
	Reason       string         `json:"reason"`
	ReasonData   string         `json:"reason_data,omitempty"`
	StateUpdated time.Time      `json:"state_updated"`
	Pending      []notification `json:"pending,omitempty"`
}

func newStatus(now time.Time) status {
	return status{State: InsufficientData, Reason: "Unchecked: Initial alarm creation", StateUpdated: now}
}

var operators = []string{"GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold"}

// simpleID is the id of the query that stands for the simple form.
const simpleID = "m1"

func (a *MetricAlarm) simple() bool { return len(a.Metrics) == 0 }

// list is the alarm's queries, whichever form it has.
func (a *MetricAlarm) list() []MetricDataQuery {
	if !a.simple() {
		return a.Metrics
	}
	stat := a.Statistic
	if stat == "" {
		stat = a.ExtendedStatistic
	}
	return []MetricDataQuery{{ID: simpleID, MetricStat: &MetricStat{
		Metric: Metric{a.Namespace, a.MetricName, a.Dimensions}, Period: a.Period, Stat: stat, Unit: a.Unit}}}
}

// watched is the id of the query the alarm judges.
func (a *MetricAlarm) watched() string {
	for _, q := range a.list() {
		if q.returned() {
			return q.ID
		}
	}
	return ""
}

func (a *MetricAlarm) actionsEnabled() bool { return a.ActionsEnabled == nil || *a.ActionsEnabled }

func (a *MetricAlarm) actions(s State) []string {
	switch s {
	case Alarm:
		return a.AlarmActions
	case OK:
		return a.OKActions
	default:
		return a.InsufficientDataActions
	}
}

// check validates the alarm and gives its parsed queries.
func (a *MetricAlarm) check() (*queries, error) {
	if err := checkAlarmName(a.AlarmName); err != nil {
		return nil, err
	}
	if err := checkActions(a.OKActions, a.AlarmActions, a.InsufficientDataActions); err != nil {
		return nil, err
	}
	m := a.m()
	switch {
	case !slices.Contains(operators, a.ComparisonOperator):
		return nil, refused("alarm %s: ComparisonOperator %q: the local stack has %s (no anomaly detection)", a.AlarmName, a.ComparisonOperator, strings.Join(operators, ", "))
	case a.Threshold == nil:
		return nil, wire.Errorf("MissingParameter", "alarm %s: Threshold is required", a.AlarmName)
	case !finite(*a.Threshold):
		return nil, refused("alarm %s: Threshold %g is not finite", a.AlarmName, *a.Threshold)
	case a.EvaluationPeriods < 1:
		return nil, refused("alarm %s: EvaluationPeriods %d: want at least 1", a.AlarmName, a.EvaluationPeriods)
	case m < 1 || m > a.EvaluationPeriods:
		return nil, refused("alarm %s: DatapointsToAlarm %d: want 1 to EvaluationPeriods (%d)", a.AlarmName, m, a.EvaluationPeriods)
	case !slices.Contains([]string{"", "missing", "ignore", "breaching", "notBreaching"}, a.TreatMissingData):
		return nil, refused("alarm %s: TreatMissingData %q: want breaching, notBreaching, ignore or missing", a.AlarmName, a.TreatMissingData)
	case !slices.Contains([]string{"", "evaluate", "ignore"}, a.EvaluateLowSampleCountPercentile):
		return nil, refused("alarm %s: EvaluateLowSampleCountPercentile %q: want evaluate or ignore", a.AlarmName, a.EvaluateLowSampleCountPercentile)
	}
	return a.checkQueries()
}

func (a *MetricAlarm) checkQueries() (*queries, error) {
	if err := a.checkForm(); err != nil {
		return nil, err
	}
	q, err := parseQueries(a.list())
	if err != nil {
		return nil, err
	}
	if len(q.finds) > 0 {
		return nil, refused("alarm %s: an alarm cannot be on a SEARCH expression: name its metrics", a.AlarmName)
	}
	returned := 0
	for _, one := range q.list {
		if one.returned() {
			returned++
		}
	}
	if returned != 1 {
		return nil, refused("alarm %s: %d of its Metrics return data: exactly one may (set ReturnData to false in the others)", a.AlarmName, returned)
	}
	period, err := q.period(a.watched())
	if err != nil {
		return nil, err
	}
	if span := period * a.EvaluationPeriods; period >= 3600 && span > 7*86400 || period < 3600 && span > 86400 {
		return nil, refused("alarm %s: Period × EvaluationPeriods is %d seconds: at most a day (a week for periods of an hour or more)", a.AlarmName, span)
	}
	return q, nil
}

func (a *MetricAlarm) checkForm() error {
	simple := a.MetricName != "" || a.Namespace != "" || a.Statistic != "" || a.ExtendedStatistic != "" || len(a.Dimensions) > 0 || a.Period != 0 || a.Unit != ""
	switch {
	case !a.simple() && simple:
		return wire.Errorf("InvalidParameterCombination", "alarm %s: Metrics excludes MetricName, Namespace, Statistic, ExtendedStatistic, Dimensions, Period and Unit", a.AlarmName)
	case a.simple() && (a.MetricName == "" || a.Namespace == ""):
		return wire.Errorf("MissingParameter", "alarm %s: give Metrics, or MetricName and Namespace", a.AlarmName)
	case a.simple() && (a.Statistic == "") == (a.ExtendedStatistic == ""):
		return wire.Errorf("InvalidParameterCombination", "alarm %s: give either Statistic or ExtendedStatistic", a.AlarmName)
	case a.EvaluateLowSampleCountPercentile != "" && a.ExtendedStatistic == "":
		return wire.Errorf("InvalidParameterCombination", "alarm %s: EvaluateLowSampleCountPercentile is for percentile alarms", a.AlarmName)
	}
	return nil
}

func (a *MetricAlarm) m() int {
	if a.DatapointsToAlarm == 0 {
		return a.EvaluationPeriods
	}
	return a.DatapointsToAlarm
}

func (a *MetricAlarm) rule(q *queries) rule {
	r := rule{operator: a.ComparisonOperator, threshold: *a.Threshold, n: a.EvaluationPeriods, m: a.m(), treat: a.TreatMissingData}
	if a.EvaluateLowSampleCountPercentile == "ignore" {
		r.lowSample = q.stats[a.watched()].significantSamples()
	}
	return r
}

func checkAlarmName(name string) error {
	if name == "" || len(name) > 255 {
		return refused("AlarmName %q: want 1 to 255 characters", name)
	}
	return nil
}

// checkActions refuses what the local stack could not carry out.
func checkActions(lists ...[]string) error {
	for _, arn := range slices.Concat(lists...) {
		if actionService(arn) == "" {
			return refused("alarm action %q: the local stack carries out SNS topics (arn:aws:sns:…) and Lambda functions (arn:aws:lambda:…)", arn)
		}
	}
	for _, list := range lists {
		if len(list) > 5 {
			return refused("an alarm has at most 5 actions for each state, not %d", len(list))
		}
	}
	return nil
}

func actionService(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) == 6 && parts[0] == "arn" && (parts[2] == "sns" || parts[2] == "lambda") {
		return parts[2]
	}
	return ""
}
