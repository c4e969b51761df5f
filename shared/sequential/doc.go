// Package sequential has tests that may be looked at any time: after every
// look, or whenever somebody is curious, and still keep the bound that was
// stated for the whole. A test with a fixed sample size does not: looked at
// twenty times, five in a hundred becomes one in four.
//
// The words:
//
//   - A null hypothesis is what must not be rejected wrongly, here always "the
//     candidate is no worse than allowed".
//   - An e-process starts at 1 and is, while the null is true, a game that
//     cannot be won on average. So the chance that it is ever 1/α or more is at
//     most α (Ville's inequality), however often one looks and whenever one
//     stops. Evidence is its natural logarithm.
//   - A look brings counts that are new since the look before.
//   - Power is the chance of noticing a given effect; the sample floor is how
//     many requests that takes, so that a step's length is computed, not guessed.
//
// The tests:
//
//   - Limit: one rate against a fixed limit.
//   - Rates: the candidate's rate against the champion's in the same time, with
//     a non-inferiority margin. A latency quantile is a rate too: that of
//     requests slower than its limit.
//   - Harmless: the mirror of Rates, whether an effect that one wanted to notice
//     is shown not to be there, so that a good candidate need not wait for the floor.
//   - Paired: both versions answered the same requests.
//   - Interval and MeanInterval: confidence sequences, to show.
//
// Several tests at once keep a bound together when their α add up to it: the
// union bound, which holds however the metrics depend on each other.
//
// Sources: Wald, "Sequential tests of statistical hypotheses" (1945); Herbster,
// Warmuth, "Tracking the best expert" (1998); Howard, Ramdas, McAuliffe, Sekhon, "Time-uniform, nonparametric,
// nonasymptotic confidence sequences" (2021); Turner, Ly, Grünwald, "Generic
// E-variables for exact sequential k-sample tests that allow for optional
// stopping" (2024); Waudby-Smith, Ramdas, "Estimating means of bounded random
// variables by betting" (2024); Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas,
// "Time-uniform central limit theory and asymptotic confidence sequences" (2024).
//
// It is pure: no clock, no I/O, and no error that a retry could cure.
package sequential
