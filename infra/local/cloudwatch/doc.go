// Package cloudwatch is the local stack's CloudWatch: metrics, metric math and
// alarms, over the wire protocols that the Go SDK (RPC v2 CBOR) and the AWS CLI
// and Python client (AWS JSON 1.0) speak.
//
// The words:
//
//   - a metric is a namespace, a name and a set of dimensions;
//   - a datum is one publication to a metric: a value, values with counts, or a
//     statistic set. Its storage resolution is 60 seconds, or 1 for a
//     high-resolution metric; its time is cut to that;
//   - a period is the width of the buckets a query asks for, a statistic is what
//     it asks of each bucket (Sum, p99, …), a data point is one answer;
//   - an alarm compares the data points of a metric, or of a metric math
//     expression, with a threshold. M of the last N data points must breach
//     (DatapointsToAlarm of EvaluationPeriods). It is in state OK, ALARM or
//     INSUFFICIENT_DATA, and acts on a change of state only;
//   - the evaluation range is what an alarm looks at: the last N+2 complete
//     periods, so that late or missing data can be bridged (AWS documents 5 for
//     N = 3 and leaves the rest open).
//
// As on AWS, sub-minute data is kept for three hours and then rolled up to
// minutes, which are kept for 15 days. Percentiles are exact here (nearest
// rank); AWS's are approximations of the same.
//
// What is not built is refused by name: anomaly detection, SEARCH and METRICS
// in expressions, trimmed means, cross-account queries, dashboards, metric
// streams, action suppressors and actions other than SNS topics and Lambda
// functions.
package cloudwatch
