// Package prometheus measures a rollout by Prometheus, through its HTTP query
// API: how many requests each slot answered, how many failed, and how slowly.
//
// It reads the raw samples of the model server's counters (functions/server,
// GET /metrics) and adds up their increments itself, resets included: the
// functions increase() and rate() extrapolate, and what was extrapolated is not a
// count that a test could judge. Every target must carry the labels model and
// slot (relabelling in the scrape configuration gives them).
//
// Labels of predictions and alarms are not Prometheus's: they stay with the
// gauge that it goes on top of.
package prometheus
