#!/usr/bin/env bash
# Says what this machine lacks for `make run` and `make test`, and how to get it.
set -uo pipefail
missing=0
check() { # check NAME WANTED HAVE HINT
  if [[ -n $3 ]]; then printf '  ok       %-10s %s\n' "$1" "$3"; return; fi
  printf '  MISSING  %-10s want %s: %s\n' "$1" "$2" "$4"
  missing=1
}
version() { command -v "$1" >/dev/null 2>&1 && "$@" 2>/dev/null | head -n 1; }
newer() { # newer HAVE LEAST: prints HAVE when it is at least LEAST
  [[ -n $1 && $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]] && echo "$1"
}
echo "Sluice on this machine:"
go=$(version go env GOVERSION); go=${go#go}
check go '1.26 or later' "$(newer "$go" 1.26)" 'install Go (it fetches the module dependencies by itself)'
node=$(version node --version); node=${node#v}
check node '20 or later' "$(newer "$node" 20)" 'install Node.js: the CDK runs on it'
check python3 '3.9 or later with venv' "$(python3 -c 'import sys, venv; v = sys.version_info; print("%d.%d" % v[:2]) if v >= (3, 9) else None' 2>/dev/null | grep -v None)" 'install Python 3 with venv and pip: it fetches the XGBoost library and cfn-lint'
check make 'GNU make' "$(version make --version)" 'install GNU make'
[[ $(uname -s) == Linux ]] && os=Linux || os=
check system Linux "$os" 'the local stack runs function binaries natively; use a Linux machine or VM'
free=$(df -Pk . | awk 'NR == 2 {print int($4 / 1048576)}')
[[ ${free:-0} -ge 5 ]] && room="$free GiB" || room=
check disk '5 GiB free here' "$room" 'make room: the module and build caches need it'
if [[ $missing == 1 ]]; then echo "Then run make doctor again."; exit 1; fi
echo "All there. Next: make run"
