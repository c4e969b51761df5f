#!/usr/bin/env bash
# Measures shared/dataset and prints the README's table: what commits, diffs,
# merges and reads cost for 10^4 to 10^7 entries, on a store in memory.
#   SLUICE_BENCH_ENTRIES=1000000   the greatest dataset (default 10^7: 4 GB of memory)
#   SLUICE_BENCH_SEQUENCE=yes      the long run at every size, too (a quarter of an hour)
# Each operation is done twice, once over latency: three times as often took more
# than twice as long and told the same requests and bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
go test -run '^$' -bench 'FirstCommit|AsOf|Writers' ./shared/dataset | grep -E '^(Benchmark|FAIL|---|panic)'
echo
go test -run '^$' -bench Dataset -benchtime 1x -timeout 40m ./shared/dataset | awk '
  /^(FAIL|---|panic)/ {print; failed = 1}
  !/^BenchmarkDataset\// {next}
  {
    split($1, part, "/"); sub(/entries=/, "", part[2]); sub(/-[0-9]+$/, "", $1)
    what = $1; sub(/^[^\/]*\/[^\/]*\//, "", what); gsub(/\//, " ", what)
    delete m
    for (i = 3; i < NF; i += 2) m[$(i + 1)] = $i
    if (what ~ /^import/) {
      printf "\n%s entries: imported in %.1f s\n\n| operation | reads | writes | kB read | kB written | round trips | ms |\n|---|---|---|---|---|---|---|\n", part[2], m["s"]
    } else if (what ~ /^(single|sequence)/) {
      late = late sprintf("| %s | %.1f | %.1f | %s |\n", part[2] " " what, m["kB-written-mean"], m["kB-written-most"], "requests-mean" in m ? sprintf("%.1f / %d", m["requests-mean"], m["requests-most"]) : "")
    } else {
      printf "| %s | %.0f | %.0f | %.1f | %.1f | %d | %.2f |\n", what, m["reads/op"], m["writes/op"], m["kB-read/op"], m["kB-written/op"], m["trips"], m["ns/op"] / 1e6
    }
  }
  END {
    printf "\n| entries, one commit after the other | kB written, mean | the most | requests, mean / most |\n|---|---|---|---|\n%s", late
    exit failed
  }'
