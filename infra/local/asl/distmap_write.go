package asl

import (
	"context"
	"encoding/json"
	"strings"
)

// results gives the state's result: the outputs of the children that
// succeeded, or where they were exported to. An export takes place also when
// the run failed.
func (d *distributed) results(failed bool) (any, *Failure) {
	w := d.a.state.mapping.writer
	if w != nil && w.arguments != nil {
		return d.export(w)
	}
	if failed {
		return nil, nil
	}
	transformation := transformCompact
	if w != nil {
		transformation = w.transformation
	}
	out := []any{}
	for _, c := range d.children {
		if c.End == nil || c.End.Status != Succeeded {
			continue
		}
		text := c.End.Output
		if transformation == transformNone {
			text = string(encodeRecord(d.recordOf(c)))
		}
		v, err := decode([]byte(text))
		if err != nil {
			return nil, d.a.runtime("the local stack cannot read the output of child execution %d: %s", c.Index, err)
		}
		if list, ok := v.([]any); ok && transformation == transformFlatten {
			out = append(out, list...)
			continue
		}
		out = append(out, v)
	}
	return out, nil
}

// maxResultFile is how large a file of results may be, in bytes.
const maxResultFile = 5 << 30

// manifestFile is one of the manifest's files.
type manifestFile struct {
	Key  string
	Size int
}

// export writes the results and their manifest to S3.
func (d *distributed) export(w *resultWriter) (any, *Failure) {
	arguments, f := w.arguments.fill(d.a.newScope(d.effective))
	if f != nil {
		return nil, f
	}
	ref, f := d.objectRef(arguments, "Prefix")
	if f != nil {
		return nil, f
	}
	objects := d.a.exec.engine.Objects
	if objects == nil {
		return nil, d.writerFailed("this local stack has no S3 to write the results to")
	}
	if ref.Key != "" && !strings.HasSuffix(ref.Key, "/") {
		ref.Key += "/"
	}
	ref.Key += d.arn[strings.LastIndexByte(d.arn, ':')+1:] + "/"
	e := &exporting{objects: objects, ref: ref, mapRun: d.arn, lines: w.lines, largest: maxResultFile}
	for _, c := range d.children {
		e.add(c, d.resultText(c, w.transformation))
	}
	if err := d.background(e.run); err != nil {
		return nil, d.writerFailed(err.Error())
	}
	return objectOf("MapRunArn", d.arn, "ResultWriterDetails", objectOf("Bucket", ref.Bucket, "Key", ref.Key+"manifest.json")), nil
}

func (d *distributed) writerFailed(cause string) *Failure {
	d.a.inner = true
	return failure(ErrResultWriterFailed, cause)
}

// resultText gives a child's entries in the file of results. What did not
// succeed is never transformed.
func (d *distributed) resultText(c MapChild, transformation string) []string {
	if transformation == transformNone || c.End.Status != Succeeded {
		return []string{string(encodeRecord(d.recordOf(c)))}
	}
	var list []json.RawMessage
	if transformation == transformFlatten && json.Unmarshal([]byte(c.End.Output), &list) == nil && list != nil {
		out := make([]string, len(list))
		for i, e := range list {
			out[i] = string(e)
		}
		return out
	}
	return []string{c.End.Output}
}

// childRecord is a child execution in a file of results.
type childRecord struct {
	Cause               *string `json:",omitempty"`
	Error               *string `json:",omitempty"`
	ExecutionArn        string
	Input               string
	InputDetails        includedData
	Name                string
	Output              *string       `json:",omitempty"`
	OutputDetails       *includedData `json:",omitempty"`
	RedriveCount        int
	RedriveStatus       string
	RedriveStatusReason string `json:",omitempty"`
	StartDate           string
	StateMachineArn     string
	Status              Status
	StopDate            string
}

type includedData struct{ Included bool }

func (d *distributed) recordOf(c MapChild) childRecord {
	t := d.a.branch.track
	r := childRecord{
		Cause: c.End.Cause, Error: c.End.Error, ExecutionArn: c.ARN, Input: c.Input, InputDetails: includedData{true}, Name: c.Name,
		RedriveStatus: "REDRIVABLE_BY_MAP_RUN", StartDate: timestampText(c.Start), StateMachineArn: t.machineARN + "/" + d.label,
		Status: c.End.Status, StopDate: timestampText(c.End.Stop),
	}
	if c.End.Status == Succeeded {
		r.Output, r.OutputDetails = &c.End.Output, &includedData{true}
		r.RedriveStatus, r.RedriveStatusReason = "NOT_REDRIVABLE", "Execution is SUCCEEDED and cannot be redriven"
	}
	return r
}

func encodeRecord(r childRecord) []byte {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(r) // strings and numbers always encode
	return []byte(strings.TrimSuffix(b.String(), "\n"))
}

// exporting is the work of a ResultWriter.
type exporting struct {
	objects Objects
	ref     ObjectRef // the key is the folder, with its slash
	mapRun  string
	lines   bool // JSON Lines
	largest int  // bytes a file may have

	succeeded, failed, pending []string
}

// add files a child's entries. Pending are those that the run's end cut short.
func (e *exporting) add(c MapChild, entries []string) {
	switch {
	case c.End.WithRun:
		e.pending = append(e.pending, entries...)
	case c.End.Status == Succeeded:
		e.succeeded = append(e.succeeded, entries...)
	default:
		e.failed = append(e.failed, entries...)
	}
}

// run writes the files, the manifest last: who sees it sees what it names.
func (e *exporting) run(ctx context.Context) error {
	manifest := struct {
		DestinationBucket string
		MapRunArn         string
		ResultFiles       struct{ FAILED, PENDING, SUCCEEDED []manifestFile }
	}{DestinationBucket: e.ref.Bucket, MapRunArn: e.mapRun}
	for _, part := range []struct {
		name    string
		entries []string
		files   *[]manifestFile
	}{{"FAILED", e.failed, &manifest.ResultFiles.FAILED}, {"PENDING", e.pending, &manifest.ResultFiles.PENDING}, {"SUCCEEDED", e.succeeded, &manifest.ResultFiles.SUCCEEDED}} {
		*part.files = []manifestFile{}
		for n, body := range e.bodies(part.entries) {
			key := e.ref.Key + part.name + "_" + encode(n) + ".json"
			if err := e.put(ctx, key, body); err != nil {
				return err
			}
			*part.files = append(*part.files, manifestFile{key, len(body)})
		}
	}
	text, err := json.Marshal(manifest)
	if err != nil {
		return err
	}
	return e.put(ctx, e.ref.Key+"manifest.json", text)
}

func (e *exporting) put(ctx context.Context, key string, body []byte) error {
	return e.objects.Put(ctx, ObjectRef{Bucket: e.ref.Bucket, Key: key, Owner: e.ref.Owner}, body)
}

// bodies packs entries into files that are not too large; no entries make no
// file.
func (e *exporting) bodies(entries []string) [][]byte {
	var out [][]byte
	for len(entries) > 0 {
		n, size := 0, 2
		for n < len(entries) && (n == 0 || size+len(entries[n])+1 <= e.largest) {
			size += len(entries[n]) + 1
			n++
		}
		if e.lines {
			out = append(out, []byte(strings.Join(entries[:n], "\n")+"\n"))
		} else {
			out = append(out, []byte("["+strings.Join(entries[:n], ",")+"]"))
		}
		entries = entries[n:]
	}
	return out
}
