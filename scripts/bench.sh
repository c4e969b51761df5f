#!/usr/bin/env bash
# Measures what the README states. Peers run in the same process or run where
# there is one. `make bench` fetches and builds what this needs.
#   BENCH=regexp   only these Go benchmarks (default: all)
#   STORY=no       leave the story out (it takes two minutes)
#   PEERS=no       leave Python out: scikit-learn, XGBoost, MLflow (fetched once into .sluice/cache)
#   UPLOADS=10000  how many files are put at once; 0 leaves that out
# With the argument dvc, only the comparison with DVC: N=100000 files, and its
# other settings, are in scripts/bench-dvc.py.
set -euo pipefail
cd "$(dirname "$0")/.."
if [[ ${1:-} == dvc ]]; then
  exec .sluice/cache/peers/bin/python scripts/bench-dvc.py .sluice/build/bin/sluice .sluice/cdk.out .sluice/cache/xgboost/lib
fi
echo "machine: $(nproc) cores, $(awk -F': ' '/model name/ {print $2; exit}' /proc/cpuinfo), $(go version | cut -d' ' -f3)"
echo
echo "== Go benchmarks =="
go test -run '^$' -bench "${BENCH:-.}" -benchmem \
  ./infra/local/asl ./infra/local/states ./infra/local/lambda ./infra/local/s3 ./infra/local/cloudwatch ./infra/local/sagemaker ./infra/local/elb ./infra/local/outside \
  ./shared/gbdt ./shared/serving ./shared/scoring ./shared/table ./shared/evaluation |
  grep -E '^(Benchmark|pkg:|ok|FAIL|---)'
if [[ ${BENCH:-Dataset} == *Dataset* ]]; then
  echo
  echo "== dataset versions =="
  scripts/bench-dataset.sh
fi
if [[ ${PEERS:-yes} != no ]]; then
  echo
  echo "== AUC with its interval at 10,000,000 scores, beside scikit-learn, in one run =="
  python=$(scripts/fetch-sklearn.sh)
  rows=$(mktemp -u)
  trap 'rm -f "$rows"' EXIT
  for cores in 1 2; do
    GOMAXPROCS=$cores SLUICE_PEER_ROWS=$rows go test -run '^$' -bench DeLong10M -benchtime 5x -v ./shared/evaluation | grep -E '^Benchmark.*op|AUC' | tail -2
  done
  $python scripts/peers/roc_auc.py "$rows"
  echo
  echo "== serving beside MLflow, predictions beside inplace_predict, start to /ping: 500 trees, in one run =="
  python=$(scripts/fetch-bench.sh)
  go build -o .sluice/build/bin/invoke ./scripts/peers/invoke
  $python -W ignore scripts/bench_serving.py .sluice/build/bin/server .sluice/build/bin/invoke
  echo
  echo "== training beside Python (xgboost, pandas), in turns =="
  $python scripts/bench_training.py .sluice/build/bin/trainer .sluice/cache/xgboost/lib/libxgboost.so
  REPEAT=1 FOLDS=2 ROUNDS=10 $python scripts/bench_training.py .sluice/build/bin/trainer .sluice/cache/xgboost/lib/libxgboost.so 1000000 20
fi
if [[ ${UPLOADS:-10000} != 0 ]]; then
  echo
  echo "== many uploads at once, on the whole stack =="
  SLUICE_BULK_UPLOADS=${UPLOADS:-10000} go test -run UploadsInBulk -timeout 90m -v ./scripts/sluice/e2e | grep -E 'bulk_test|^(ok|FAIL)'
fi
[[ ${STORY:-yes} == no ]] && exit
echo
echo "== the story: orchestration overhead per run, rollback from alarm to verified weight =="
.sluice/build/bin/sluice story --assembly .sluice/cdk.out --port 0 --json 2>/dev/null |
  python3 -c '
import json, sys
print("%-14s %-12s %10s %12s %12s" % ("run", "ended", "seconds", "overhead s", "rollback s"))
for c in json.load(sys.stdin):
    print("%-14s %-12s %10.1f %12.2f %12s" % (c["run"][-14:], c["ending"], c["elapsed_seconds"], c["overhead_seconds"], "%.2f" % c["rollback_seconds"] if "rollback_seconds" in c else ""))'
