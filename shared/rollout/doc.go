// Package rollout moves an endpoint's traffic from the champion to a candidate
// in steps, and puts the champion back when the candidate is not good enough.
//
// The words:
//
//   - A rollout is one candidate's way to all the traffic. Its id is the
//     execution's name.
//   - A slot is one of the endpoint's two variants. The champion lives in one,
//     the candidate takes the other. A weight is the candidate's percent; the
//     champion gets the rest.
//   - A step is one weight; its bake is the time spent watching it.
//   - A verdict on a bake is pass, fail, or insufficient: not enough evidence,
//     or the champion shows the same breach, so the candidate is not to blame.
//   - A shadow is the candidate while it answers copies of the champion's requests:
//     its answers are measured and compared, and returned to nobody. Its sample is
//     the percent of requests that is copied.
//   - A slice parts the rows by columns; a part is the rows of one value.
//   - Promotion makes the candidate the champion; rollback puts the champion
//     back to 100 percent and reads that back before it believes it.
//
// Decide is the machine: a pure function of the state, one observation and the
// time. Controller is the hands: it reads the endpoint and the metrics, asks
// Decide, saves the state by compare-and-swap, and only then acts. Backend is
// the endpoint; rollouttest has one in memory and the suite every one must pass.
//
// # Transitions
//
// Every state is at rest in a phase; Next says what a phase asks for. An
// observation that does not fit the phase, or was made in an earlier turn,
// changes nothing, so duplicates and late calls are harmless.
//
//	acquired     Prepared                  → preparing     verify
//	             Attached (a shadow first) → attaching     verify
//	attaching    endpoint moving           → attaching     verify again
//	             the shadow is there       → mirroring     bake
//	             update failed             → rolling_back  rollback
//	mirroring    too early                 → mirroring     bake the rest
//	             pass, steps follow        → joining       prepare
//	             pass, nothing follows     → rolling_back  rollback (outcome shadowed)
//	             fail                      → mirroring     bake anew, one failure more
//	             insufficient              → mirroring     bake on: the window grows
//	             champion breaches too     → mirroring     bake anew, people are told
//	             the endpoint changed      → rolling_back  rollback
//	joining      Prepared                  → preparing     verify
//	preparing    endpoint moving           → preparing     verify again
//	             endpoint ready, row served→ shifting      shift (first step)
//	             the same, no champion     → baking        bake at 100 %
//	             update failed, smoke fail → rolling_back  rollback
//	shifting     Shifting                  → verifying     (weights are written)
//	             the weight may not rise   → waiting       look again
//	verifying    endpoint moving           → verifying     verify again
//	             weights as wanted         → baking        bake
//	             other weights             → shifting      shift again, one failure more
//	baking       too early                 → baking        bake the rest
//	             pass, steps left          → shifting      shift (next step)
//	             pass, last step           → promoting     promote
//	             pass, what follows may not→ waiting       look again
//	             fail                      → baking        bake anew, one failure more
//	             insufficient              → baking        bake on: the window grows
//	             champion breaches too     → baking        bake anew, people are told
//	             other weights             → shifting      shift again, one failure more
//	waiting      nothing keeps it any more → what was next
//	             nobody came in time       → rolling_back  rollback
//	             other weights             → shifting      shift again, one failure more
//	promoting    Promoted                  → promoted      release
//	             the same, provisionally   → observing     release; the monitor looks on
//	observing    its time is over, or the  → confirming    the old champion is retired
//	             next release begins
//	             labels fail, alarm, Revert→ reverting     the old champion comes back
//	confirming   it is retired             → promoted      release
//	reverting    Restored                  → rolled_back   release
//	rolling_back Restored                  → rolled_back   release
//
// A candidate that answered users, or copies of their requests, and was rolled
// back is quarantined by the digest of its archive, after the champion is back and
// before the rollout counts as over; Acquire refuses it under any version until a
// person releases it. One whose controller died is not to blame and is not.
//
// From every phase before promoting:
//
//	Pause                                  → the same      no weight rises until Resume
//	Force                                  → shifting      to the last step, then promoting;
//	                                                       from a shadow by way of joining
//	failures in a row reach the limit      → rolling_back  rollback
//	the deadline passes                    → rolling_back  rollback
//	alarm on the candidate's slot          → rolling_back  rollback
//	Abort (an operator, an error)          → rolling_back  rollback
//	the decision does not hold any more    → rolling_back  rollback
//
// The signed decision is checked when the rollout begins, again before the
// candidate is deployed, and again before its promotion is decided: plan, image
// and the artefact's bytes must be those that the gates judged.
//
// # Policy
//
// Promoting is the commit point: entered by one compare-and-swap, after which
// the rollout is finished forwards, whoever calls. An alarm then is the new
// champion's: people are told, nothing is moved.
//
// A weight waits for people (approve_at, a pause) and for the end of a freeze.
// That time counts for no deadline, and people get 24 hours unless the policy
// says otherwise. A weight that was in force is written again even then: only
// rising needs leave. With on_deadline: proceed, a deadline that passes while the
// last look found nothing against the candidate, and no failure stands, goes on
// instead of back.
//
// A shadow comes before the steps where deployment.shadow says so, whatever the
// strategy; it is all there is of the strategy shadow, whose outcome is shadowed
// and which promotes nothing. It is judged at its end, by the limits on errors and
// latency and by how often it decides otherwise than the champion; answers are
// paired by inference id. Rolling back from it moves no traffic, because none was
// moved; what is attached is retired with the outcome. A first release has nobody's
// requests to be copied and begins without, and so does a dry run. Where a backend
// cannot mirror, the policy is refused before anything moves.
//
// Where deployment.slices says so, accuracy is judged in every part of
// evaluation.slices too: the candidate against the champion since it first served.
// By the limits, Holm's step-down over the parts keeps the chance that any healthy
// one fails a look at 2.5 %. By sequential tests, the mean of the parts' values has
// one share of alpha, over all looks. The slices' accuracy limit has another share,
// of which each of twenty parts has a twentieth. A part with too few labels is unknown: it is
// listed, and holds the rollout unless on_unknown is tell, or the candidate has all
// the traffic, so that waiting could not make it known. Below the slices'
// accuracy limit in both versions is the environment's fault.
//
// A dry run ends where the first step would begin: the candidate was deployed at
// weight 0 and answered, and is taken away; its outcome is dry_run.
//
// An observation holds no lease: the next release ends it, and the promotion
// stands. Until then the old champion is kept at weight 0 with its capacity. When
// it is taken back the alias moves first and the traffic second, so that a crash
// between the two leaves a champion with too little traffic, which is put right,
// and never traffic without a champion.
//
// Missing data, too little data and a broken metric source are insufficient:
// the rollout holds until its deadline and then rolls back. Latency and errors
// are judged over the bake; accuracy over all that the candidate served, since
// labels come late. An error rate or accuracy on the wrong side of its limit
// only fails when the 95 % Wilson interval lies beyond the limit too; until
// then it is insufficient.
//
// With deployment.rollback.enabled false, failures and alarms are told and the
// rollout holds; the deadline still ends it.
//
// An alarm on the champion's slot, one from before the rollout, and one with no
// rollout at all are told, never acted on.
//
// A first release has no champion to go back to: its rollback deletes the
// endpoint, because a model that never proved itself must not be the one that
// serves. A call that deletes has 20 seconds, and the state says before it is made
// until when it can take effect; no other rollout begins before that time, so a
// late one cannot remove the next release's endpoint. It has one step, 100 percent. Where nobody asks during its bake it goes
// ahead, and says so: no traffic can come before the endpoint is there, the gates
// have judged the model and it has answered a row. A broken source of
// measurements still holds it.
package rollout
