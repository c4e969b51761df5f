#!/usr/bin/env bash
# Makes .sluice/cache/outside, once: a Python environment with AWS's own Python
# client (boto3) and moto, whose CloudFormation is another reader of our
# template. Needs python3 with venv. Prints the interpreter.
set -euo pipefail
packages=(boto3==1.43.127 botocore==1.43.127 'moto[cloudformation,server]==5.2.4')
cache="$(cd "$(dirname "$0")/.." && pwd)/.sluice/cache"
made="$cache/outside/PACKAGES"

if [ "$(cat "$made" 2>/dev/null)" != "${packages[*]}" ]; then
	mkdir -p "$cache"
	rm -rf "$cache/outside"
	python3 -m venv "$cache/outside"
	"$cache/outside/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}" >&2
	# Written last, so that a cut-off fetch is done again.
	printf '%s' "${packages[*]}" > "$made"
fi
echo "$cache/outside/bin/python"
