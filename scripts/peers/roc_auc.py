"""Times scikit-learn's roc_auc_score on the rows that BenchmarkDeLong10M wrote.

    python scripts/peers/roc_auc.py ROWS
"""
import sys
import time

import numpy as np
import sklearn
from sklearn.metrics import roc_auc_score

data = np.fromfile(sys.argv[1], dtype="<f8")
score, label = data[: len(data) // 2].copy(), data[len(data) // 2 :].copy()
took = []
for _ in range(3):
    begin = time.perf_counter()
    auc = roc_auc_score(label, score)
    took.append(time.perf_counter() - begin)
print(f"scikit-learn {sklearn.__version__} roc_auc_score, {len(score)} rows: best of 3 {min(took):.3f} s, AUC {auc:.12f}, no interval")
