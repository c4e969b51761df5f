package delta

import "math"

// row reads fields one after the other and keeps the first error.
type row struct {
	fields
	at  int
	err error
}

func take[T any](r *row, read func(string, int) (T, error), name string) T {
	value, err := read(name, r.at)
	if r.err == nil {
		r.err = err
	}
	return value
}

func (r *row) string(name string) string { return take(r, r.fields.text, name) }

func (r *row) whole(name string) int64 {
	if n := take(r, r.fields.number, name); n != nil {
		return *n
	}
	return 0
}

func (r *row) small(name string) int32 {
	return int32(max(math.MinInt32, min(math.MaxInt32, r.whole(name))))
}

// action reads a row of a checkpoint.
func (f fields) action(at int, a *action) error {
	r := &row{fields: f, at: at}
	if f.has("add.path", at) {
		a.Add = r.add()
	}
	if f.has("protocol.minReaderVersion", at) {
		a.Protocol = &Protocol{MinReaderVersion: r.small("protocol.minReaderVersion"), MinWriterVersion: r.small("protocol.minWriterVersion"),
			ReaderFeatures: take(r, f.list, "protocol.readerFeatures")}
	}
	if f.has("metaData.id", at) {
		a.MetaData = r.metaData()
	}
	if f.has("sidecar.path", at) {
		a.Sidecar = &sidecar{Path: r.string("sidecar.path"), Size: r.whole("sidecar.sizeInBytes")}
	}
	if f.has("checkpointMetadata.version", at) {
		a.Checkpoint = &checkpointMetadata{Version: r.whole("checkpointMetadata.version")}
	}
	return r.err
}

func (r *row) add() *add {
	a := &add{Path: r.string("add.path"), PartitionValues: take(r, r.mapping, "add.partitionValues"), Size: take(r, r.number, "add.size"),
		parsed: take(r, r.number, "add.stats_parsed.numRecords")}
	if r.has("add.stats", r.at) {
		stats := r.string("add.stats")
		a.Stats = &stats
	}
	if r.has("add.deletionVector.storageType", r.at) {
		a.Vector = &DeletionVector{StorageType: r.string("add.deletionVector.storageType"), PathOrInlineDv: r.string("add.deletionVector.pathOrInlineDv"),
			Offset: take(r, r.number, "add.deletionVector.offset"), SizeInBytes: r.whole("add.deletionVector.sizeInBytes"),
			Cardinality: r.whole("add.deletionVector.cardinality")}
	}
	return a
}

func (r *row) metaData() *metaData {
	m := &metaData{ID: r.string("metaData.id"), Name: r.string("metaData.name"), Format: format{r.string("metaData.format.provider")},
		SchemaString: r.string("metaData.schemaString"), PartitionColumns: take(r, r.list, "metaData.partitionColumns"), Configuration: map[string]string{}}
	for name, value := range take(r, r.mapping, "metaData.configuration") {
		if value != nil {
			m.Configuration[name] = *value
		}
	}
	return m
}
