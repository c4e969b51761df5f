#!/usr/bin/env bash
# Fetches libxgboost into .sluice/cache, once: the shared library out of the
# pinned xgboost-cpu wheel, with the OpenMP runtime that the wheel brings (its
# run path is ../../xgboost_cpu.libs). Needs python3 with pip. Prints the file.
set -euo pipefail
version=3.2.0
cache="$(cd "$(dirname "$0")/.." && pwd)/.sluice/cache"
library="$cache/xgboost/lib/libxgboost.so"

if [ -f "$library" ] && [ "$(cat "$cache/xgboost/VERSION" 2>/dev/null)" = "$version" ]; then
	echo "$library"
	exit 0
fi

mkdir -p "$cache"
work="$(mktemp -d "$cache/fetch.XXXXXX")"
trap 'rm -rf "$work"' EXIT
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
	--dest "$work" "xgboost-cpu==$version" >&2
python3 - "$work" <<'PYTHON'
import glob, os, sys, zipfile
work = sys.argv[1]
wanted = ("xgboost/VERSION", "xgboost/lib/", "xgboost_cpu.libs/")
with zipfile.ZipFile(glob.glob(os.path.join(work, "*.whl"))[0]) as wheel:
    wheel.extractall(work, [n for n in wheel.namelist() if n.startswith(wanted)])
PYTHON
# The library's folder goes in place last, so that a cut-off fetch is done again.
rm -rf "$cache/xgboost" "$cache/xgboost_cpu.libs"
mv "$work/xgboost_cpu.libs" "$cache/xgboost_cpu.libs"
mv "$work/xgboost" "$cache/xgboost"
echo "$library"
