// Package states is the Step Functions service of the local stack.
//
// A state machine is a named definition; an execution is one run of it, with
// a name that is unique within its machine. Executions survive a kill of the
// stack: each has a folder with its input, its history, and a checkpoint that
// is written at every entry of a state of its outermost branch. Recover takes
// every execution that was running up again at its checkpoint. The state that
// it was in is entered once more, so tasks may be done twice and must be
// idempotent; a Wait keeps its deadline, a job keeps its attempt's name.
//
// The map run of a distributed Map state has a folder within its execution's,
// with its dataset and one journal for all its child executions. After a kill,
// children that had ended stay as they are and the others go on at their own
// checkpoints; Express children, which have none, start over.
//
// The service does tasks through small ports: Lambda, Batch and SDK. It does
// states:startExecution itself. A definition that uses any other integration
// is refused when the state machine is created.
package states
