#!/usr/bin/env bash
# Makes .sluice/cache/outside, once: a Python environment with AWS's own Python
# client (boto3) and moto, whose CloudFormation is another reader of our
# template; jsonata, the reference implementation of the language; and Debian's
# Prometheus. And .sluice/cache/peers: DVC, delta-rs and lakeFS's Python client,
# whose versions of AWS's client are their own. Needs python3 with venv, npm, and
# apt-get. Prints the first environment's Python interpreter.
set -euo pipefail
packages=(boto3==1.43.127 botocore==1.43.127 'moto[cloudformation,server]==5.2.4')
peers=('dvc[s3]==3.67.1' dvc-s3==3.3.0 s3fs==2026.9.0 aiobotocore==3.10.0 deltalake==1.6.6 lakefs-sdk==1.88.0)
jsonata=jsonata@2.0.6 # the version that AWS's documentation names
others="$jsonata prometheus"
cache="$(cd "$(dirname "$0")/.." && pwd)/.sluice/cache"
made="$cache/outside/PACKAGES"

if [ "$(cat "$made" 2>/dev/null)" != "${packages[*]} $others" ]; then
	mkdir -p "$cache"
	rm -rf "$cache/outside"
	python3 -m venv "$cache/outside"
	"$cache/outside/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}" >&2
	fetched="$(mktemp -d)"
	(cd "$fetched" && apt-get download --quiet prometheus >&2 && dpkg-deb --extract prometheus_*.deb .)
	mv "$fetched/usr/bin/prometheus" "$cache/outside/prometheus"
	rm -rf "$fetched"
	npm install --silent --no-fund --no-audit --prefix "$cache/outside" "$jsonata" >&2
	# Written last, so that a cut-off fetch is done again.
	printf '%s' "${packages[*]} $others" > "$made"
fi
if [ "$(cat "$cache/peers/PACKAGES" 2>/dev/null)" != "${peers[*]}" ]; then
	rm -rf "$cache/peers"
	python3 -m venv "$cache/peers"
	"$cache/peers/bin/pip" install --quiet --disable-pip-version-check "${peers[@]}" >&2
	printf '%s' "${peers[*]}" > "$cache/peers/PACKAGES"
fi
echo "$cache/outside/bin/python"
