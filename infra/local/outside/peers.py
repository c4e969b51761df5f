"""DVC and delta-rs against the lake of a running stack: what they write imports,
and what sluice writes they accept.

usage: AWS_ENDPOINT_URL=... peers.py SLUICE LAKE FOLDER
"""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import time
import traceback
import urllib.parse

import botocore.session
import deltalake
import dvc
from arro3.core import Array, DataType, Table
from deltalake import DeltaTable, QueryBuilder, write_deltalake

SLUICE, LAKE, FOLDER = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
BIN = pathlib.Path(sys.executable).parent
S3 = botocore.session.get_session().create_client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])


def run(*command, cwd=None, fails=None):
    """Runs a program; with fails it must fail and say so."""
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True)
    if fails is None:
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout
    assert done.returncode != 0 and fails in done.stderr, f"{command}: want the error {fails}, got {done.returncode}\n{done.stderr}"
    return done.stderr


def sluice(*command, **how):
    out = run(SLUICE, "data", *command, "--json", "--endpoint", os.environ["AWS_ENDPOINT_URL"], **how)
    return out if "fails" in how else json.loads(out)


def put(key, body):
    return S3.put_object(Bucket=LAKE, Key=key, Body=body.encode())["VersionId"]


def pinned(model, ref="main"):
    return {e["key"]: e["version_id"] for e in sluice("show", model, ref)["entries"]}


def project(name):
    path = FOLDER / name
    path.mkdir()
    run("git", "init", "-q", cwd=path)
    run(BIN / "dvc", "init", "-q", cwd=path)
    return path


def status(path, *names):
    return json.loads(run(BIN / "dvc", "status", "--json", *names, cwd=path))


def test_import():
    """What dvc import-url --version-aware pins, sluice pins; also after the bucket moved on."""
    want = {f"dvc/in/{name}": put(f"dvc/in/{name}", name) for name in ["a.csv", "sub/b c.csv", "größe.csv", "123"]}
    path = project("import")
    run(BIN / "dvc", "import-url", "--version-aware", f"s3://{LAKE}/dvc/in/", "data", cwd=path)
    run(BIN / "dvc", "import-url", "--version-aware", f"s3://{LAKE}/dvc/in/a.csv", "one", cwd=path)
    put("dvc/in/a.csv", "newer and longer")
    made = sluice("import", "dvc", "dvcin", "main", path / "data.dvc")
    assert made["stats"]["objects"] == 4, made
    assert pinned("dvcin") == want
    assert sluice("import", "dvc", "dvcin", "main", path / "data.dvc")["id"] == made["id"]
    sluice("import", "dvc", "dvcin", "one", path / "one.dvc")
    assert pinned("dvcin", "one") == {"dvc/in/a.csv": want["dvc/in/a.csv"]}
    plain = path / "plain.dvc"
    (path / "plain").write_text("by hash alone")
    run(BIN / "dvc", "add", "-q", "plain", cwd=path)
    sluice("import", "dvc", "dvcin", "bad", plain, fails="has no version ids")


def test_push():
    """What a push to a version-aware remote pins, from .dvc files and dvc.lock."""
    path = project("push")
    run(BIN / "dvc", "remote", "add", "-d", "lake", f"s3://{LAKE}/dvc/remote", cwd=path)
    run(BIN / "dvc", "remote", "modify", "lake", "version_aware", "true", cwd=path)
    (path / "data/sub").mkdir(parents=True)
    for name in ["a.csv", "sub/b.csv", "empty"]:
        (path / "data" / name).write_text("" if name == "empty" else name)
    run(BIN / "dvc", "add", "-q", "data", cwd=path)
    (path / "dvc.yaml").write_text("stages:\n  count:\n    cmd: wc -c data/a.csv > count.txt\n    deps: [data]\n    outs: [count.txt]\n")
    run(BIN / "dvc", "repro", "-q", cwd=path)
    run(BIN / "dvc", "push", "-q", cwd=path)
    sluice("import", "dvc", "dvcpush", "main", path / "data.dvc", path / "dvc.lock")
    versions = S3.list_object_versions(Bucket=LAKE, Prefix="dvc/remote/")["Versions"]
    assert pinned("dvcpush") == {v["Key"]: v["VersionId"] for v in versions}
    folder = FOLDER / "pushed"
    sluice("checkout", "dvcpush", "main", folder, "--prefix", "dvc/remote/")
    assert (folder / "data/sub/b.csv").read_text() == "sub/b.csv" and (folder / "count.txt").exists()


def test_export():
    """A .dvc file of sluice's is DVC's own: pull, commit, status, data status, update."""
    for name in ["x.csv", "d/y.csv"]:
        put(f"dvc/out/{name}", "old " + name)
    old = sluice("commit", "dvcout", "main", "--prefix", "dvc/out/")
    path = project("export")
    told = sluice("export", "dvc", "dvcout", "main", path / "data.dvc")
    assert told["prefix"] == "dvc/out/" and told["total"]["objects"] == 2, told
    run(BIN / "dvc", "pull", cwd=path)
    assert (path / "data/x.csv").read_text() == "old x.csv" and (path / "data/d/y.csv").read_text() == "old d/y.csv"
    # DVC learns the hashes from the files, as after its own --no-download.
    assert status(path) == {"data.dvc": [{"changed outs": {"data": "modified"}}]}, status(path)
    run(BIN / "dvc", "commit", "-f", "data.dvc", cwd=path)
    assert status(path) == {}, status(path)
    told = json.loads(run(BIN / "dvc", "data", "status", "--json", cwd=path))
    assert not told.get("uncommitted") and not told.get("not_in_cache"), told
    assert sluice("import", "dvc", "dvcout", "back", path / "data.dvc")["tree"] == old["tree"]
    # The bucket moves on: DVC sees it and follows; the old version is still to be had.
    put("dvc/out/x.csv", "the new x")
    assert "changed deps" in status(path)["data.dvc"][0], status(path)
    run(BIN / "dvc", "update", "data.dvc", cwd=path)
    assert (path / "data/x.csv").read_text() == "the new x"
    sluice("import", "dvc", "dvcout", "main", path / "data.dvc")
    assert pinned("dvcout")["dvc/out/x.csv"] != pinned("dvcout", old["id"])["dvc/out/x.csv"]
    for prefix, name in [("dvc/out/", "again"), ("dvc/out/x.csv", "single")]:
        sluice("export", "dvc", "dvcout", old["id"], path / (name + ".dvc"), "--prefix", prefix)
        run(BIN / "dvc", "pull", name + ".dvc", cwd=path)
    assert (path / "single").read_text() == (path / "again/x.csv").read_text() == "old x.csv"


OPTIONS = {"conditional_put": "etag", "aws_endpoint": os.environ["AWS_ENDPOINT_URL"]}


def rows(first, count):
    return Table.from_pydict({"id": Array(list(range(first, first + count)), type=DataType.int64()),
                              "day": Array([["a b", "50%", "x"][n % 3] for n in range(count)], type=DataType.string())})


def counted(table):
    answer = QueryBuilder().register("t", table).execute("SELECT count(*) AS n FROM t").read_all()
    return answer["n"][0].as_py()


def test_delta():
    """Every version of a table that delta-rs writes has its files and rows, and still its bytes after a VACUUM."""
    uri = f"s3://{LAKE}/tables/days/"
    for n in range(4):
        write_deltalake(uri, rows(n * 30, 30), mode="append" if n else "error", partition_by=["day"], storage_options=OPTIONS)
    DeltaTable(uri, storage_options=OPTIONS).create_checkpoint()
    DeltaTable(uri, storage_options=OPTIONS).delete("id < 10")
    DeltaTable(uri, storage_options=OPTIONS).optimize.compact()
    write_deltalake(uri, rows(1000, 9), mode="overwrite", storage_options=OPTIONS)
    newest = DeltaTable(uri, storage_options=OPTIONS).version()
    expected, bodies = {}, {}
    for version in range(newest + 1):
        table = DeltaTable(uri, version=version, storage_options=OPTIONS)
        actions = table.get_add_actions(flatten=True)
        keys = {"tables/days/" + urllib.parse.unquote(p) for p in actions["path"].to_pylist()}
        expected[version] = (keys, counted(table))
        bodies.update({k: hashlib.sha256(S3.get_object(Bucket=LAKE, Key=k)["Body"].read()).hexdigest() for k in keys})
    for version in range(0, newest + 1, 2):
        made = sluice("pin", "delta", "days", f"v{version}", uri, "--version", version, "--log")
        assert made["metadata"]["delta.version"] == str(version)
    table = DeltaTable(uri, storage_options=OPTIONS)
    gone = table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert gone, "the vacuum must delete something"
    for version in range(1, newest + 1, 2):  # the others, when their files are vacuumed already
        sluice("pin", "delta", "days", f"v{version}", uri, "--version", version, "--log")
    for version, (keys, count) in expected.items():
        entries = sluice("show", "days", f"v{version}")["entries"]
        data = [e for e in entries if not e["key"].startswith("tables/days/_delta_log/")]
        assert {e["key"] for e in data} == keys, (version, data, keys)
        assert sum(e["rows"] for e in data) == count, (version, data, count)
        folder = FOLDER / f"days-{version}"
        done = sluice("checkout", "days", f"v{version}", folder, "--prefix", "tables/days/")
        assert done["by_size"] == 0, done
        for key in keys:
            body = (folder / key.removeprefix("tables/days/")).read_bytes()
            assert hashlib.sha256(body).hexdigest() == bodies[key], key
        ours = DeltaTable(str(folder))
        assert (ours.version(), counted(ours)) == (version, count), version
    sluice("pin", "delta", "days", "bad", uri, "--version", newest + 100, fails="its latest version is")


def main():
    broken = []
    for name, test in list(globals().items()):
        if not name.startswith("test_"):
            continue
        began = time.monotonic()
        try:
            test()
            print(f"ok   {name[5:]:8} {time.monotonic() - began:6.2f} s")
        except Exception:
            broken.append(name)
            print(f"FAIL {name[5:]}: {traceback.format_exc()}")
    print(f"dvc {dvc.__version__}, deltalake {deltalake.__version__}")
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
