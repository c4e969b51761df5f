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
wall, cpu = [], []
for _ in range(3):
    begin, used = time.perf_counter(), time.process_time()
    auc = roc_auc_score(label, score)
    wall.append(time.perf_counter() - begin)
    cpu.append(time.process_time() - used)
print(f"scikit-learn {sklearn.__version__} roc_auc_score, {len(score)} rows, one core: best of 3 {min(wall):.3f} s ({min(cpu):.3f} cpu-s), AUC {auc:.12f}, no interval")
