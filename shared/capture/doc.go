// Package capture keeps what a model server was asked and answered, where no
// platform does: on ECS there is nothing like SageMaker's data capture.
//
// The words:
//
//   - A record is one request that was answered with success: its inference id,
//     its time, input and output, as a line of JSON in SageMaker's format, which
//     shared/feedback reads. What was refused can get no label and is left out.
//   - The queue holds records in memory, at most Options.MaxBytes of them. A
//     request never waits for it: what does not fit is dropped and counted.
//   - A batch is a file of records: <prefix>yyyy/mm/dd/hh/<time>-<name>-<n>.jsonl,
//     under the hour in which it was first tried. A batch that could not be
//     written is tried again, under the same key, so that an answer that was lost
//     makes no second file. After an hour it gets the key of the present hour,
//     because readers stop looking at hours long gone; should both be there,
//     readers count an id once.
//
// What was answered is in S3 within Options.Every, and at the end (SIGTERM)
// within the time that Close is given. A process that is killed loses what it
// held: those predictions never meet their labels, which makes accuracy rest on
// fewer of them and favours no version.
package capture
