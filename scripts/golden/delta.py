"""Writes shared/delta/testdata: the logs of Delta tables, and what delta-rs says
of each of their versions.

delta-rs writes the tables with classic checkpoints, deletes, overwrites, schema
evolution, partition columns, a vacuum and a clean-up of the log. What it does not
write (multi-part and V2 checkpoints, deletion vectors, column mapping) is built
here from Delta's transaction log protocol; what delta-rs can read of those, it is
asked about as well.

Made with deltalake 1.6.6, pyarrow 26.0.1:
    python3 scripts/golden/delta.py shared/delta/testdata
"""

import json
import pathlib
import shutil
import sys
import tempfile
import urllib.parse
import uuid

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, QueryBuilder, write_deltalake

Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def rows(first, count, **more):
    table = pa.table({"id": pa.array(range(first, first + count), pa.int64()), "x": pa.array([float(n) for n in range(count)])})
    for name, values in more.items():
        table = table.append_column(name, pa.array([values[n % len(values)] for n in range(count)]))
    return table


def state(path, version):
    """A version as delta-rs tells it: files, and the rows that a scan counts."""
    t = DeltaTable(path, version=version)
    actions = pa.table(t.get_add_actions(flatten=True))
    names = [urllib.parse.unquote(p) for p in actions["path"].to_pylist()]
    files = {name: {"size": size, "rows": count} for name, size, count in
             zip(names, actions["size_bytes"].to_pylist(), actions["num_records"].to_pylist())}
    for column in actions.column_names:
        if column.startswith("partition."):
            for name, value in zip(names, actions[column].to_pylist()):
                files[name].setdefault("partition", {})[column.removeprefix("partition.")] = value
    try:
        answer = pa.table(QueryBuilder().register("t", t).execute("SELECT count(id) AS n FROM t").read_all())
        count = answer["n"][0].as_py()
    except Exception as problem:  # vacuumed, or not readable by delta-rs
        count = None
        print(f"{path} version {version}: {type(problem).__name__}: {str(problem)[:120]}", file=sys.stderr)
    return {"version": version, "files": dict(sorted(files.items())), "rows": count}


def keep(path, out, name, expected):
    """Keeps the log and the answers; the data files are not needed."""
    shutil.copytree(pathlib.Path(path) / "_delta_log", out / name / "_delta_log")
    (out / name / "expected.json").write_text(json.dumps({"deltalake": deltalake.__version__, "versions": expected}, indent=1, default=str) + "\n")


def history(path):
    return [state(path, v) for v in range(DeltaTable(path).version() + 1)]


def plain(work, out):
    """Appends, deletes, overwrites, a wider schema and checkpoints."""
    path = str(work / "plain")
    for n in range(12):
        write_deltalake(path, rows(n * 10, 10), mode="append" if n else "error")
        if n % 5 == 4:
            DeltaTable(path).create_checkpoint()
    DeltaTable(path).delete("id < 25")
    write_deltalake(path, rows(500, 7, y=["a", "b"]), mode="append", schema_mode="merge")
    DeltaTable(path).update({"x": "-1.0"}, predicate="id > 100")
    DeltaTable(path).optimize.compact()
    write_deltalake(path, rows(900, 33, y=["c"]), mode="overwrite", schema_mode="overwrite")
    DeltaTable(path).create_checkpoint()
    write_deltalake(path, rows(1000, 5, y=["d"]), mode="append")
    expected = history(path)
    DeltaTable(path).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    expected.append(state(path, DeltaTable(path).version()))
    keep(path, out, "plain", expected)


def partitioned(work, out):
    """Partition columns whose values need encoding, and null ones."""
    path = str(work / "partitioned")
    hard = ["plain", "a b", "50%", "x/y", "größe", "k=v", "", None, "a+b", "#1", "it's"]
    for n in range(3):
        write_deltalake(path, rows(n * 40, 40, day=hard, n=[1, 2, None]), partition_by=["day", "n"], mode="append" if n else "error")
    DeltaTable(path).create_checkpoint()
    DeltaTable(path).delete("day = 'a b'")
    write_deltalake(path, rows(9000, 4, day=["50%"], n=[1]), mode="overwrite", predicate="day = '50%'")
    keep(path, out, "partitioned", history(path))


def cleaned(work, out):
    """A log whose first commits are gone, behind a checkpoint."""
    path = str(work / "cleaned")
    for n in range(8):
        write_deltalake(path, rows(n * 10, 10), mode="append" if n else "error")
    DeltaTable(path, version=4).create_checkpoint()
    for n in range(4):
        (pathlib.Path(path) / "_delta_log" / f"{n:020}.json").unlink()
    keep(path, out, "cleaned", [state(path, v) for v in range(4, 8)])


# What follows is built by the protocol.

PROTOCOL = pa.struct([("minReaderVersion", pa.int32()), ("minWriterVersion", pa.int32()), ("readerFeatures", pa.list_(pa.string())),
                      ("writerFeatures", pa.list_(pa.string()))])
METADATA = pa.struct([("id", pa.string()), ("name", pa.string()), ("description", pa.string()),
                      ("format", pa.struct([("provider", pa.string()), ("options", pa.map_(pa.string(), pa.string()))])),
                      ("schemaString", pa.string()), ("partitionColumns", pa.list_(pa.string())), ("configuration", pa.map_(pa.string(), pa.string())),
                      ("createdTime", pa.int64())])
VECTOR = pa.struct([("storageType", pa.string()), ("pathOrInlineDv", pa.string()), ("offset", pa.int32()), ("sizeInBytes", pa.int32()),
                    ("cardinality", pa.int64())])
ADD = pa.struct([("path", pa.string()), ("partitionValues", pa.map_(pa.string(), pa.string())), ("size", pa.int64()), ("modificationTime", pa.int64()),
                 ("dataChange", pa.bool_()), ("stats", pa.string()), ("deletionVector", VECTOR)])
REMOVE = pa.struct([("path", pa.string()), ("deletionTimestamp", pa.int64()), ("dataChange", pa.bool_()), ("deletionVector", VECTOR)])
SIDECAR = pa.struct([("path", pa.string()), ("sizeInBytes", pa.int64()), ("modificationTime", pa.int64())])
CHECKPOINT = pa.struct([("version", pa.int64())])
SCHEMA = json.dumps({"type": "struct", "fields": [{"name": "id", "type": "long", "nullable": True, "metadata": {}},
                                                  {"name": "x", "type": "double", "nullable": True, "metadata": {}}]})


class Table:
    """A table whose log is written by hand."""

    def __init__(self, work, name, reader_features=(), writer_features=(), configuration=None):
        self.path = work / name
        self.log = self.path / "_delta_log"
        (self.log / "_sidecars").mkdir(parents=True)
        self.protocol = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": list(reader_features),
                         "writerFeatures": list(reader_features) + list(writer_features)}
        self.metadata = {"id": str(uuid.UUID(int=7)), "name": name, "description": None, "format": {"provider": "parquet", "options": {}},
                         "schemaString": SCHEMA, "partitionColumns": [], "configuration": configuration or {}, "createdTime": 1700000000000}
        self.live, self.version = {}, -1

    def data(self, name, count):
        path = self.path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        pq.write_table(rows(0, count), path)
        return {"path": urllib.parse.quote(name), "partitionValues": {}, "size": path.stat().st_size, "modificationTime": 1700000000000,
                "dataChange": True, "stats": json.dumps({"numRecords": count}), "deletionVector": None}

    def commit(self, adds=(), removes=(), **more):
        self.version += 1
        actions = [{"commitInfo": {"timestamp": 1700000000000 + self.version, "operation": "WRITE"}}]
        if self.version == 0:
            actions += [{"protocol": self.protocol}, {"metaData": {k: v for k, v in self.metadata.items() if v is not None}}]
        for a in removes:
            del self.live[a["path"]]
            removed = {"path": a["path"], "deletionTimestamp": 1700000000000, "dataChange": True}
            if a["deletionVector"]:
                removed["deletionVector"] = a["deletionVector"]
            actions.append({"remove": removed})
        for a in adds:
            self.live[a["path"]] = a
            actions.append({"add": {k: v for k, v in a.items() if v is not None}})
        actions += [{k: v} for k, v in more.items()]
        (self.log / f"{self.version:020}.json").write_text("".join(json.dumps(a) + "\n" for a in actions))

    def head(self):
        return [{"protocol": self.protocol}, {"metaData": self.metadata}]

    def write(self, name, actions, kinds):
        arrays = [pa.array([a.get(kind) for a in actions], kind_type) for kind, kind_type in kinds.items()]
        pq.write_table(pa.table(arrays, names=list(kinds)), self.log / name, row_group_size=3)
        return (self.log / name).stat().st_size

    def files(self):
        return [{"add": a} for a in self.live.values()]

    def expected(self):
        out = {}
        for a in self.live.values():
            count = json.loads(a["stats"])["numRecords"] - (a["deletionVector"] or {}).get("cardinality", 0)
            out[urllib.parse.unquote(a["path"])] = {"size": a["size"], "rows": count}
        return {"version": self.version, "files": dict(sorted(out.items())), "rows": sum(f["rows"] for f in out.values())}


def asked(table, expected):
    """Compares with delta-rs, where it can read the table."""
    for e in expected:
        try:
            theirs = state(str(table.path), e["version"])
        except Exception as problem:
            print(f"{table.path.name} version {e['version']}: delta-rs cannot: {str(problem)[:150]}", file=sys.stderr)
            continue
        assert theirs["files"].keys() == e["files"].keys(), (table.path.name, theirs, e)
        e["delta_rs_rows"] = theirs["rows"]
        if theirs["rows"] is not None:
            assert theirs["rows"] == e["rows"], (table.path.name, theirs, e)


V1 = {"protocol": PROTOCOL, "metaData": METADATA, "add": ADD, "remove": REMOVE}
V2 = {"protocol": PROTOCOL, "metaData": METADATA, "add": ADD, "remove": REMOVE, "sidecar": SIDECAR, "checkpointMetadata": CHECKPOINT}


def without_commits(table, below):
    for n in range(below):
        (table.log / f"{n:020}.json").unlink()


def multipart(work, out):
    t = Table(work, "multipart", ["timestampNtz"])
    for n in range(4):
        t.commit([t.data(f"part-{n}.parquet", n + 1)], [list(t.live.values())[0]] if n == 2 else [])
    at3 = t.expected()
    parts = [t.head() + t.files()[:1], t.files()[1:2], t.files()[2:]]
    for n, actions in enumerate(parts):
        t.write(f"{3:020}.checkpoint.{n + 1:010}.{3:010}.parquet", actions, V1)
    (t.log / "_last_checkpoint").write_text(json.dumps({"version": 3, "size": 5, "parts": 3}))
    t.commit([t.data("part-4.parquet", 9)])
    at4 = t.expected()
    # A second multi-part checkpoint whose writer died: to be ignored.
    t.write(f"{4:020}.checkpoint.{1:010}.{2:010}.parquet", t.head(), V1)
    without_commits(t, 3)
    asked(t, [at3, at4])
    keep(t.path, out, "multipart", [at3, at4])


def v2(work, out, name, form):
    t = Table(work, name, ["v2Checkpoint", "deletionVectors"], configuration={"delta.checkpointPolicy": "v2"})
    for n in range(5):
        t.commit([t.data(f"part {n}.parquet", n + 1)])
    sidecars = []
    for n, files in enumerate([t.files()[:2], t.files()[2:]]):
        side = f"_sidecars/{uuid.UUID(int=n + 1)}.parquet"
        size = t.write(side, files, {"add": ADD, "remove": REMOVE})
        sidecars.append({"sidecar": {"path": pathlib.Path(side).name if n else f"s3://bucket/tables/{name}/_delta_log/{side}", "sizeInBytes": size,
                                     "modificationTime": 1700000000000}})
    sidecars[0]["sidecar"]["path"] = pathlib.Path(sidecars[0]["sidecar"]["path"]).name
    actions = [{"checkpointMetadata": {"version": 4}}, *t.head(), *sidecars]
    if form == "json":
        lines = [json.dumps({k: {f: x for f, x in v.items() if x is not None} for k, v in a.items()}) for a in actions]
        (t.log / f"{4:020}.checkpoint.{uuid.UUID(int=99)}.json").write_text("\n".join(lines) + "\n")
    elif form == "parquet":
        t.write(f"{4:020}.checkpoint.{uuid.UUID(int=99)}.parquet", actions, V2)
    else:
        t.write(f"{4:020}.checkpoint.parquet", actions, V2)
    at4 = t.expected()
    t.commit([t.data("part-5.parquet", 50)], [t.live[urllib.parse.quote("part 1.parquet")]])
    at5 = t.expected()
    without_commits(t, 4)
    asked(t, [at4, at5])
    keep(t.path, out, name, [at4, at5])


def encode85(raw):
    text = ""
    for at in range(0, len(raw), 4):
        word = int.from_bytes(raw[at:at + 4], "big")
        text += "".join(Z85[word // 85 ** n % 85] for n in (4, 3, 2, 1, 0))
    return text


def roaring(deleted):
    """A RoaringBitmapArray in the portable format: one bitmap, one array container (values below 65536)."""
    import struct
    import zlib
    bitmap = struct.pack("<IIHHI", 12346, 1, 0, len(deleted) - 1, 16) + b"".join(struct.pack("<H", n) for n in sorted(deleted))
    body = struct.pack("<iqi", 1681511377, 1, 0) + bitmap
    return body, zlib.crc32(body)


def vectors(work, out):
    """Deletion vectors: in a file, with a prefix, inline; replaced; restored."""
    t = Table(work, "vectors", ["deletionVectors"], configuration={"delta.enableDeletionVectors": "true"})
    one, two, three = t.data("one.parquet", 10), t.data("two.parquet", 20), t.data("three.parquet", 30)
    t.commit([one, two, three])
    expected = [t.expected()]

    def in_file(deleted, prefix=""):
        name = uuid.uuid5(uuid.NAMESPACE_URL, f"{sorted(deleted)}{prefix}")
        body, crc = roaring(deleted)
        path = t.path / prefix / f"deletion_vector_{name}.bin"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"\x01" + len(body).to_bytes(4, "big") + body + crc.to_bytes(4, "big"))
        return {"storageType": "u", "pathOrInlineDv": prefix + encode85(name.bytes), "offset": 1, "sizeInBytes": len(body), "cardinality": len(deleted)}

    def inline(deleted):
        body, _ = roaring(deleted)
        return {"storageType": "i", "pathOrInlineDv": encode85(body + b"\0" * (-len(body) % 4)), "offset": None, "sizeInBytes": len(body),
                "cardinality": len(deleted)}

    def marked(file, vector):
        return {**file, "deletionVector": vector and {k: v for k, v in vector.items() if v is not None}}

    one1, two1, three1 = marked(one, in_file({0, 3})), marked(two, in_file({5}, "ab")), marked(three, inline({1, 2, 3}))
    t.commit([one1], [one])
    expected.append(t.expected())
    t.commit([two1, three1], [two, three])
    expected.append(t.expected())
    one2 = marked(one, in_file({0, 3, 7}))
    t.commit([one2], [one1])
    expected.append(t.expected())
    t.write(f"{3:020}.checkpoint.parquet", t.head() + t.files(), V1)
    t.commit([two], [two1])
    expected.append(t.expected())
    t.commit([], [three1])
    expected.append(t.expected())
    asked(t, expected)
    keep(t.path, out, "vectors", expected)


def mapped(work, out):
    """Column mapping: partition values under physical names."""
    t = Table(work, "mapped", ["columnMapping"], configuration={"delta.columnMapping.mode": "name"})
    schema = {"type": "struct", "fields": [
        {"name": name, "type": kind, "nullable": True, "metadata": {"delta.columnMapping.id": n + 1, "delta.columnMapping.physicalName": f"col-{n}"}}
        for n, (name, kind) in enumerate([("id", "long"), ("x", "double"), ("day", "string")])]}
    t.metadata.update({"schemaString": json.dumps(schema), "partitionColumns": ["day"]})
    a = t.data("Ab/part-0.parquet", 3)
    a["partitionValues"] = {"col-2": "monday"}
    t.commit([a])
    e = t.expected()
    e["files"]["Ab/part-0.parquet"]["partition"] = {"day": "monday"}
    keep(t.path, out, "mapped", [e])


def main(out):
    out = pathlib.Path(out).resolve()
    shutil.rmtree(out, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        for make in (plain, partitioned, cleaned, multipart, vectors, mapped):
            make(work, out)
        for name, form in (("v2-json", "json"), ("v2-parquet", "parquet"), ("v2-classic", "classic")):
            v2(work, out, name, form)


if __name__ == "__main__":
    main(*sys.argv[1:])
