// Package events is the local stack's EventBridge: one event bus, "default".
//
// A rule listens with an event pattern, a schedule, or both, and has up to five
// targets. Publishing an event matches it against every enabled rule and queues
// one delivery per target, journaled before Publish returns; the delivery queue
// does the rest. Rules that the template declares are created again at each
// start and keep the state (enabled or disabled) they were last given; rules
// made through the API are kept on disk. A schedule that came due while the
// stack was down is not caught up.
package events
