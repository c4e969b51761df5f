// Package simulation rolls candidates out over made-up traffic, in virtual time,
// to say beforehand what a policy would do and to compare rules with each other.
//
// The words:
//
//   - A scene is the made-up production: requests a second, what the champion is
//     like, what the candidate changes (the effect), how late and how complete
//     metrics and labels are, and what goes wrong outside.
//   - A world is a scene under way: a clock, a seeded random source, and the
//     ledger of what was served and measured, period by period.
//   - A rule steers one rollout over a world: it serves traffic at a weight until
//     it wants to look, looks, and decides. Its ending is promoted, rolled back
//     on evidence, or expired: given up at a deadline without evidence.
//   - A bad answer is an error, an answer slower than the limit, or a wrong one.
//     A run's excess is how many more of them users got until the scene's horizon
//     than if the champion had served everything. A bad candidate that was
//     promoted goes on serving until then, so missing it has its price.
//
// The rules: Sluice drives the real machine of shared/rollout with the looks and
// windows that its controller would take. ThreeStrikes, Flagger and Kayenta are
// the rules that others use, written from their documentation; each says which
// constants are theirs.
//
// Requests arrive by a Poisson process whose rate may follow the hour. Whether a
// request fails, is slow or answered wrongly is independent of everything else:
// real services fail in bursts, which is harder for every rule, and the incident
// of a scene is the one burst there is.
//
// It is pure: no clock, no I/O. The same scene, rule and seed give the same run.
package simulation
