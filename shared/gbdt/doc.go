// Package gbdt loads and evaluates gradient-boosted decision trees that
// XGBoost trained, without XGBoost.
//
// A model is a list of trees. Each inner node compares one feature of a row
// with a threshold (or looks a category up in a set) and goes left or right; a
// missing value, written NaN, goes where training found it should. The leaves
// that a row reaches, one per tree, are added to the base score: that sum is
// the margin. The objective's transform turns the margin into the prediction,
// for instance a probability. A model with several outputs (classes, targets)
// has several groups, and each tree adds to one of them.
//
// Every sum and comparison is done in float32 in XGBoost's own order, so the
// margins are XGBoost's, bit for bit; predictions are too where XGBoost runs
// on glibc 2.28 to 2.40, whose expf and logf are reproduced here (other
// versions of the C library may differ in the last bit). survival:aft alone
// takes its exponential in float64, where Go's and the C library's may differ
// by a bit that survives rounding to float32 about once in 10⁸ times.
//
// Load takes the JSON and UBJSON files of XGBoost 1.0 and later. What is not
// supported, such as an objective of one's own, is refused by name.
package gbdt
