// Package asl runs the Amazon States Language: it parses and checks a
// definition the way AWS does, runs it, and writes the history that
// GetExecutionHistory returns.
//
// The words are AWS's. A machine is a parsed definition. An execution is one
// run of a machine; it enters and exits states, one at a time in a branch. A
// state reads its input with a query language, JSONPath or JSONata, and may
// assign variables. A task calls the world through the Tasks port. Everything
// that happens is an Event with an id and the id of the event that caused it.
//
// An execution is one event loop. Its branches (the branches of a Parallel
// state, the iterations of a Map state) are coroutines of that loop, so one
// branch runs at a time and an execution whose tasks are deterministic is
// deterministic too. Only tasks run elsewhere: each call of the port has its
// own goroutine.
//
// A distributed Map state is a map run: its items, read by package dataset, or
// batches of them are child executions with histories of their own. They are
// branches of the same loop; the MapRuns port keeps what becomes of them, and
// the Objects port is S3.
//
// The limits are AWS's: 262,144 bytes of payload, 25,000 events of history.
// A field, function or integration that this engine does not implement is
// refused when the definition is parsed, by name and place.
package asl
