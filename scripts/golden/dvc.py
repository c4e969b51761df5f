"""Writes shared/dvc/testdata with DVC itself: what an import of versions writes,
what a push to a version-aware remote writes, and where the bucket then says the
versions lie.

Made with dvc 3.67.1, dvc-s3 3.3.0, against the local stack:
    make up
    AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_ACCESS_KEY_ID=sluice \
    AWS_SECRET_ACCESS_KEY=sluice-local AWS_DEFAULT_REGION=us-east-1 \
    .sluice/cache/peers/bin/python scripts/golden/dvc.py shared/dvc/testdata
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import botocore.session

BUCKET = "golden-dvc"
# Names that YAML could take for something else, and one that ruamel would fold.
NAMES = ["plain.csv", "123", "1e5", "true", "null", "~", "a b.csv", "x: y.csv", "-dash", "#hash", "it's", 'say "hi"', "größe.csv", "データ.csv",
         "[1]", "{a}", "&anchor", "*star", "!tag", "%percent", "@at", "2020-01-01", "0x1f", "1_000", "sub/deep/q.csv", "long " * 30 + ".csv"]


def dvc(*arguments):
    subprocess.run([str(pathlib.Path(sys.executable).parent / "dvc"), *arguments], check=True, stdout=subprocess.DEVNULL)


def main(out):
    out = pathlib.Path(out).resolve()
    s3 = botocore.session.get_session().create_client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for name in NAMES:
        s3.put_object(Bucket=BUCKET, Key="source/" + name, Body=("first " + name).encode())
    os.chdir(tempfile.mkdtemp())
    os.environ["DVC_NO_ANALYTICS"] = "1"
    subprocess.run(["git", "init", "-q"], check=True)
    dvc("init", "-q")
    dvc("remote", "add", "-d", "lake", f"s3://{BUCKET}/remote")
    dvc("remote", "modify", "lake", "version_aware", "true")
    dvc("remote", "modify", "lake", "endpointurl", os.environ["AWS_ENDPOINT_URL"])
    dvc("import-url", "--version-aware", f"s3://{BUCKET}/source/", "imported")
    dvc("import-url", "--version-aware", "--no-download", f"s3://{BUCKET}/source/", "later")
    dvc("import-url", "--version-aware", "--no-download", f"s3://{BUCKET}/source/größe.csv", "one")
    folder = pathlib.Path("sub/pushed")
    for name in NAMES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("local " + name)
    pathlib.Path("single.csv").write_text("single\n")
    dvc("add", "-q", str(folder), "single.csv")
    pathlib.Path("dvc.yaml").write_text(
        "stages:\n  copy:\n    cmd: mkdir -p out && cp single.csv out/o.csv && cp single.csv res.csv && cp single.csv metrics.json\n"
        "    deps: [single.csv]\n    outs:\n    - out\n    - res.csv\n    metrics:\n    - metrics.json: {cache: false}\n")
    dvc("repro", "-q")
    dvc("push", "-q")
    # By hash alone: what an import must refuse.
    pathlib.Path("unpushed.csv").write_text("unpushed\n")
    dvc("add", "-q", "unpushed.csv")
    out.mkdir(exist_ok=True)
    for name in ["imported.dvc", "later.dvc", "one.dvc", "sub/pushed.dvc", "single.csv.dvc", "unpushed.csv.dvc", "dvc.lock", ".dvc/config"]:
        shutil.copy(name, out / pathlib.Path(name).name)
    versions = s3.list_object_versions(Bucket=BUCKET)["Versions"]
    stored = {v["Key"]: {"version_id": v["VersionId"], "etag": v["ETag"].strip('"'), "size": v["Size"]} for v in versions}
    (out / "bucket.json").write_text(json.dumps(stored, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
