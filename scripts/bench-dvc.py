"""The same files, on the same machine and in one run, through DVC and through
sluice: N small files from a disk to S3 and back, and N objects that lie on S3.
Prints a Markdown table. scripts/bench.sh dvc calls it.

usage: bench-dvc.py SLUICE ASSEMBLY LIBRARY
    N=100000   how many files (default)
    JOBS=32    how many transfers DVC makes at once (sluice makes 32)
"""

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import dvc

SLUICE, ASSEMBLY, LIBRARY = (str(pathlib.Path(p).resolve()) for p in sys.argv[1:4])
N, JOBS = int(os.environ.get("N", 100_000)), os.environ.get("JOBS", "32")
BIN = pathlib.Path(sys.executable).parent
LIMIT = int(os.environ.get("LIMIT", 1800))  # seconds that one command may take
ROWS = []


def timed(*command, cwd=None):
    """Runs a command; gives its seconds and the most memory it held, in MiB."""
    began = time.monotonic()
    log = tempfile.TemporaryFile()
    child = subprocess.Popen([str(c) for c in command], cwd=cwd, stdout=log, stderr=subprocess.STDOUT)
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            break
        if time.monotonic() - began > LIMIT:
            child.kill()
            child.wait()
            return f"over {LIMIT} s", 0
        time.sleep(0.005)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        log.seek(0)
        sys.exit(f"{command}: {child.returncode}\n{log.read().decode()[-3000:]}")
    return time.monotonic() - began, usage.ru_maxrss / 1024


def both(title, theirs, ours):
    """A row: each side is a list of (command, folder) that together do the same."""
    cells = []
    for side in (theirs, ours):
        seconds, memory = 0.0, 0.0
        for command, cwd in side:
            took, held = timed(*command, cwd=cwd)
            memory = max(memory, held)
            seconds = took if isinstance(took, str) else seconds + took
            if isinstance(took, str):
                break
        cells.append((seconds, memory))
    shown = [f"{s:.1f} s, {m:.0f} MiB" if isinstance(s, float) else s for s, m in cells]
    ROWS.append((title, *shown))
    print(f"| {title} | {shown[0]} | {shown[1]} |", flush=True)


def git(folder, *command):
    subprocess.run(["git", "-c", "user.name=bench", "-c", "user.email=bench@localhost", *command], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def d(*command):
    return [BIN / "dvc", *command]


def files(folder):
    """N files of 100 to 400 bytes in folders of 1,000."""
    random.seed(7)
    for n in range(N):
        path = folder / f"d{n // 1000:04}"
        if n % 1000 == 0:
            path.mkdir(parents=True)
        (path / f"f{n:07}.csv").write_text("".join(f"{random.random():.6f}\n" for _ in range(random.randint(11, 44))))


def change(folder):
    """Changes one file, in a way that breaks a link to a cache."""
    path = folder / "d0000" / "f0000007.csv"
    text = path.read_text() + "0.5\n"
    path.unlink()
    path.write_text(text)
    time.sleep(1.1)  # both judge by times that a file system keeps coarsely


def on_disk(work, data, endpoint, bucket):
    project, ours = work / "project", work / "ours"
    project.mkdir()
    shutil.copytree(data, project / "data")
    shutil.copytree(data, ours)
    time.sleep(1.1)
    git(project, "init", "-q")
    for command in (["init", "-q"], ["config", "core.analytics", "false"], ["config", "cache.type", "hardlink,symlink"],
                    ["remote", "add", "-d", "s3", f"s3://{bucket}/bench/remote"], ["remote", "modify", "s3", "endpointurl", endpoint],
                    ["remote", "modify", "s3", "jobs", JOBS]):
        subprocess.run([str(c) for c in d(*command)], cwd=project, check=True, stdout=subprocess.DEVNULL)
    git(project, "add", ".dvc", ".dvcignore"), git(project, "commit", "-qm", "empty")

    def add(message, *more):
        return [([SLUICE, "data", "add", "disk", "main", str(ours), "--prefix", "bench/disk/", "-m", message, "--endpoint", endpoint, *more], None)]

    both("disk: first version, stored on S3", [(d("add", "-q", "data"), project), (d("push", "-q"), project)], add("first"))
    git(project, "add", "."), git(project, "commit", "-qm", "first")
    both("disk: status, nothing changed", [(d("status", "-q"), project)], add("", "--dry-run"))
    change(project / "data"), change(ours)
    both("disk: status, one file changed", [(d("data", "status"), project)], add("", "--dry-run"))
    both("disk: next version, stored on S3", [(d("add", "-q", "data"), project), (d("push", "-q"), project)], add("second"))
    git(project, "add", "."), git(project, "commit", "-qm", "second")
    both("disk: diff of the two versions", [(d("diff", "HEAD~1"), project)], [([SLUICE, "data", "diff", "disk", "main~1", "main", "--endpoint", endpoint], None)])
    git(work, "clone", "-q", "project", "clone")
    out = work / "out"
    checkout = [SLUICE, "data", "checkout", "disk", "main", str(out), "--prefix", "bench/disk/", "--endpoint", endpoint]
    both("disk: check out to an empty folder", [(d("pull", "-q"), work / "clone")], [(checkout, None)])
    same(work / "clone" / "data", out)
    git(work / "clone", "checkout", "-q", "HEAD~1")
    both("disk: go back to the first version", [(d("pull", "-q"), work / "clone")], [([a if a != "main" else "main~1" for a in checkout], None)])
    same(work / "clone" / "data", out)
    for folder in (project, ours, work / "clone", out):
        shutil.rmtree(folder)


def on_s3(work, endpoint, bucket, s3):
    """The objects that sluice data add just wrote serve as the bucket's own."""
    project, prefix = work / "imported", "bench/disk/"
    project.mkdir()
    git(project, "init", "-q")
    for command in (["init", "-q"], ["config", "core.analytics", "false"]):
        subprocess.run([str(c) for c in d(*command)], cwd=project, check=True, stdout=subprocess.DEVNULL)
    git(project, "add", ".dvc", ".dvcignore"), git(project, "commit", "-qm", "empty")
    commit = [SLUICE, "data", "commit", "lake", "main", "--prefix", prefix, "--endpoint", endpoint]
    both("S3: first version of objects that lie there", [(d("import-url", "-q", "--version-aware", "--no-download", f"s3://{bucket}/{prefix}", "data"), project)], [(commit, None)])
    both("S3: look again, nothing changed", [(d("status", "data.dvc"), project)], [(commit, None)])
    git(project, "add", "."), git(project, "commit", "-qm", "first")
    s3.put_object(Bucket=bucket, Key=prefix + "d0000/f0000009.csv", Body=b"0.25\n")
    both("S3: next version, one object changed", [(d("update", "-q", "--no-download", "data.dvc"), project)], [(commit, None)])
    git(project, "add", "."), git(project, "commit", "-qm", "second")
    both("S3: diff of the two versions", [(d("diff", "HEAD~1"), project)], [([SLUICE, "data", "diff", "lake", "main~1", "main", "--endpoint", endpoint], None)])
    out = work / "lake"
    both("S3: check out to an empty folder", [(d("pull", "-q", "-j", JOBS), project)],
         [([SLUICE, "data", "checkout", "lake", "main", str(out), "--prefix", prefix, "--endpoint", endpoint], None)])
    same(project / "data", out)


def same(theirs, ours):
    """Both sides must have made the same files, or the times compare nothing."""
    lists = [sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and not p.name.startswith(".sluice-")) for root in (theirs, ours)]
    assert lists[0] == lists[1] and len(lists[0]) == N, (len(lists[0]), len(lists[1]))
    for name in lists[0][:: max(1, N // 1000)]:
        assert (theirs / name).read_bytes() == (ours / name).read_bytes(), name


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    work = pathlib.Path(tempfile.mkdtemp(prefix="bench-dvc-"))
    stack = subprocess.Popen([SLUICE, "up", "--json", "--port", "0", "--dir", str(work / "stack"), "--assembly", ASSEMBLY, "--library", LIBRARY],
                             stdout=subprocess.PIPE, stderr=open(work / "stack.log", "w"))
    try:
        text = b""
        while True:
            text += stack.stdout.readline()
            try:
                ready = json.loads(text)
                break
            except json.JSONDecodeError:
                assert stack.poll() is None, (work / "stack.log").read_text()[-2000:]
        endpoint, bucket = ready["url"], ready["outputs"]["LakeBucketOutput"]
        os.environ.update({"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "sluice", "AWS_SECRET_ACCESS_KEY": "sluice-local", "AWS_DEFAULT_REGION": "us-east-1",
                           "AWS_REGION": "us-east-1", "DVC_NO_ANALYTICS": "1", "HOME": str(work)})
        files(work / "data")
        import botocore.session
        print(f"{N} files of 100 to 400 bytes, DVC {dvc.__version__} with {JOBS} jobs and linked caches, {os.cpu_count()} cores; load before: {os.getloadavg()[0]:.1f}\n")
        print("| what | DVC | sluice |\n|---|---|---|", flush=True)
        on_disk(work, work / "data", endpoint, bucket)
        on_s3(work, endpoint, bucket, botocore.session.get_session().create_client("s3", endpoint_url=endpoint))
        print(f"\nload after: {os.getloadavg()[0]:.1f}")
    finally:
        stack.terminate()
        stack.wait()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
