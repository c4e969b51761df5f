#!/usr/bin/env bash
# Makes .sluice/cache/sklearn, once: the Python environment of the example that
# brings its own model (functions/examples/sklearn), with the versions that its
# images install. The local stack runs Python images by it (SLUICE_PYTHON).
# Needs python3 with venv. Prints the Python interpreter.
set -euo pipefail
top="$(cd "$(dirname "$0")/.." && pwd)"
mapfile -t packages < <(grep -v '^#' "$top/functions/examples/sklearn/server/requirements.txt")
cache="$top/.sluice/cache"
made="$cache/sklearn/PACKAGES"

if [ "$(cat "$made" 2>/dev/null)" != "${packages[*]}" ]; then
	mkdir -p "$cache"
	rm -rf "$cache/sklearn"
	python3 -m venv "$cache/sklearn"
	"$cache/sklearn/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}" >&2
	# Written last, so that a cut-off fetch is done again.
	printf '%s' "${packages[*]}" > "$made"
fi
echo "$cache/sklearn/bin/python"
