// Package feedback learns from what an endpoint was asked: it joins captured
// predictions with labels, however late, into accuracy by slot and time, and
// compares captured inputs with the data that the champion learned from.
//
// The words:
//
//   - A capture is one request and its answer, as SageMaker writes them to
//     capture/<endpoint>/<slot>/yyyy/mm/dd/hh/….jsonl.
//
//   - An inference id is the name that the caller gave a request. A request of
//     one row has one prediction of that id; row i of a longer one is <id>#<i>,
//     from 0. A request without an id can never get a label.
//
//   - A label is the truth about one inference id: a line of
//     labels/<model>/….jsonl in the lake.
//
//   - The ledger is a model's memory: predictions that wait for labels, labels
//     that wait for predictions, ids that are done, and which files were read.
//     It is one pointer, moved by compare-and-swap.
//
//   - The outbox is the part of the ledger that was counted but perhaps not
//     published.
//
//   - A part is some of the rows: those with one value, or joint value, of the
//     columns of a slice, e.g. "sex=Female".
//
//   - A pair is what a champion and its shadow answered to the same row.
//
// Each id counts once for a slot: a file read twice, a line written twice, a
// capture delivered twice or a label sent again changes nothing. A champion and
// its shadow are both asked, so there the label counts for both. A second label that
// says otherwise is counted as a contradiction and the first one stands. A
// point has the time of its predictions, so a late label counts for the version
// that was asked, and a rollout that asks "since the candidate served" gets
// just the candidate's.
//
// What was counted is saved before it is published, with the outbox; a crash in
// between publishes it in the next call. A crash between publishing and
// emptying the outbox publishes a few points twice, which changes their weight
// but not their accuracy.
//
// Ids are remembered for Retention, at most MaxIDs of them: what is forgotten
// earlier is counted as Dropped.
package feedback
