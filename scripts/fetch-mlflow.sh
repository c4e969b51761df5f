#!/usr/bin/env bash
# Makes .sluice/cache/mlflow, once: a Python environment with an MLflow tracking
# server and its own client, which the tests write to and read back with. It is
# mlflow-skinny with what the server needs beside it: 170 MB instead of 850. Needs
# python3 with venv. Prints the Python interpreter.
set -euo pipefail
packages=(mlflow-skinny==2.22.1 flask==3.1.1 sqlalchemy==2.0.41 alembic==1.16.1 gunicorn==23.0.0 graphene==3.4.3)
cache="$(cd "$(dirname "$0")/.." && pwd)/.sluice/cache"
made="$cache/mlflow/PACKAGES"

if [ "$(cat "$made" 2>/dev/null)" != "${packages[*]}" ]; then
	mkdir -p "$cache"
	rm -rf "$cache/mlflow"
	python3 -m venv "$cache/mlflow"
	"$cache/mlflow/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}" >&2
	# Written last, so that a cut-off fetch is done again.
	printf '%s' "${packages[*]}" > "$made"
fi
echo "$cache/mlflow/bin/python"
