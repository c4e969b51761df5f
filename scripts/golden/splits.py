"""Folds as scikit-learn deals them, for shared/split, and its class weights,
for shared/training.

    python scripts/golden/splits.py shared/split/testdata/sklearn.json

Written with scikit-learn 1.9.1 and numpy.
"""
import json
import sys

import numpy as np
import sklearn
from sklearn.model_selection import GroupKFold, TimeSeriesSplit
from sklearn.utils.class_weight import compute_class_weight

rng = np.random.default_rng(5)
out = {"sklearn": sklearn.__version__, "time": [], "group": [], "class_weight": []}

for n, k, gap in [(6, 2, 0), (12, 3, 0), (13, 3, 2), (100, 5, 0), (101, 5, 7), (57, 9, 1)]:
    at = rng.permutation(n)  # rows are in no order of time
    order = np.argsort(at)
    folds = [
        {"train": sorted(int(order[i]) for i in train), "test": sorted(int(order[i]) for i in test)}
        for train, test in TimeSeriesSplit(n_splits=k, gap=gap).split(np.zeros((n, 1)))
    ]
    out["time"].append({"at": [int(v) for v in at], "k": k, "gap": gap, "folds": folds})

for sizes, k in [([1, 2, 3], 2), ([5, 9, 1, 2, 7, 3], 3), (list(range(1, 31)), 5)]:
    # No two groups are of one size: there scikit-learn's order is not defined.
    group = rng.permutation([f"g{i}" for i, size in enumerate(sizes) for _ in range(size)])
    held = np.empty(len(group), dtype=int)
    for fold, (_, test) in enumerate(GroupKFold(n_splits=k).split(np.zeros((len(group), 1)), groups=group)):
        held[test] = fold
    out["group"].append({"group": [str(g) for g in group], "k": k, "held": [int(v) for v in held]})

for counts in [(10, 90), (1, 2), (50, 50), (7, 12345)]:
    y = np.repeat([0, 1], counts)
    out["class_weight"].append({"counts": counts, "balanced": [float(w) for w in compute_class_weight("balanced", classes=np.array([0, 1]), y=y)]})

with open(sys.argv[1], "w") as f:
    json.dump(out, f)
    f.write("\n")
