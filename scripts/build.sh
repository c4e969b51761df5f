#!/usr/bin/env bash
# Compiles every program and lays it out as the stack packages it:
#   BUILD/functions/<folder>/bootstrap   one zip asset per Lambda
#   BUILD/images/<name>/                 a build context per container image
#   BUILD/bin/                           the sluice command and the programs
# A file is replaced only when it changed, so unchanged assets keep their hash.
set -euo pipefail
build=${1:?usage: scripts/build.sh BUILD_FOLDER}
cd "$(dirname "$0")/.."
mkdir -p "$build/bin"

# One go command for all: packages compile once and link in parallel. The norpc
# tag leaves out what only the retired go1.x runtime needed.
go build -trimpath -tags lambda.norpc -ldflags='-s -w -buildid=' -o "$build/bin/" ./functions/... ./scripts/sluice

put() { # put FILE TARGET: replace TARGET unless it is the same already
  cmp -s "$1" "$2" && return 0
  mkdir -p "$(dirname "$2")"
  cp "$1" "$2.new" && mv "$2.new" "$2"
}

while read -r main; do
  folder=${main#functions/}
  program=$build/bin/$(basename "$folder")
  if [[ -f $main/Dockerfile ]]; then
    put "$main/Dockerfile" "$build/images/$folder/Dockerfile"
    # An image holds every program that its Dockerfile copies from the context.
    while read -r copied; do
      put "$build/bin/$copied" "$build/images/$folder/$copied"
    done < <(awk '$1 == "COPY" && $2 !~ /^--/ {print $2}' "$main/Dockerfile")
  elif [[ $folder != launcher ]]; then # the launcher goes into images of others
    put "$program" "$build/functions/$folder/bootstrap"
  fi
done < <(go list -f '{{if eq .Name "main"}}{{.Dir}}{{end}}' ./functions/... | sed "s|^$PWD/||")
