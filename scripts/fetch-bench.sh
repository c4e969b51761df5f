#!/usr/bin/env bash
# Makes .sluice/cache/bench, once: the Python side of scripts/bench.sh, that is
# XGBoost with pandas, and MLflow with what its scoring server needs. Needs
# python3 with venv. Prints the Python interpreter.
set -euo pipefail
packages=(xgboost-cpu==3.2.0 numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 pandas==2.3.3 mlflow-skinny==2.22.1 fastapi==0.115.12 uvicorn==0.34.3)
cache="$(cd "$(dirname "$0")/.." && pwd)/.sluice/cache"
made="$cache/bench/PACKAGES"

if [ "$(cat "$made" 2>/dev/null)" != "${packages[*]}" ]; then
	mkdir -p "$cache"
	rm -rf "$cache/bench"
	python3 -m venv "$cache/bench"
	"$cache/bench/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}" >&2
	# Written last, so that a cut-off fetch is done again.
	printf '%s' "${packages[*]}" > "$made"
fi
echo "$cache/bench/bin/python"
