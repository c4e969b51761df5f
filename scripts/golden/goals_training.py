"""Trains regression, multiclass and ranking models for shared/training.

Writes shared/training/testdata/goals.csv.gz (the rows) and goals.json (what
XGBoost's Python package predicts for them after training on them: the SHA-256 of
the float32 bits, and its evaluation metric).

Versions: Python 3.13, numpy 2.4.6, xgboost-cpu 3.2.0.
Run: python scripts/golden/goals_training.py
"""

import gzip
import hashlib
import json
from pathlib import Path

import numpy as np
import xgboost as xgb

FOLDER = Path(__file__).parents[2] / "shared" / "training" / "testdata"
N = 600

r = np.random.default_rng(7)
x = np.round(r.normal(size=(N, 4)), 3)
amount = np.round(np.exp(0.6 * x[:, 0] + 0.3 * x[:, 1] + 0.3 * r.normal(size=N)), 3) + 0.001
kind = np.argmax(x[:, :3] + 0.5 * r.normal(size=(N, 3)), axis=1)
query = np.sort(r.integers(0, 60, N))
grade = np.clip(np.round(x[:, 0] + 0.5 * x[:, 3] + 1 + 0.4 * r.normal(size=N)), 0, 4).astype(int)

weight = 0.5 + query % 4  # of a query, as ranking needs

lines = ["a,b,c,d,amount,count,kind,query,grade,hit,weight"]
for i in range(N):
    lines.append(",".join([*(f"{v:.3f}" for v in x[i]), f"{amount[i]:.3f}", str(int(amount[i] * 2)), f"k{kind[i]}", f"q{query[i]}",
                           str(grade[i]), str(int(grade[i] > 1)), str(weight[i])]))
with gzip.GzipFile(FOLDER / "goals.csv.gz", "wb", mtime=0) as out:
    out.write(("\n".join(lines) + "\n").encode())

X = x.astype(np.float32)
CASES = [
    ("XGBRegressor", "reg:squarederror", "amount", amount, {}),
    ("XGBRegressor", "reg:absoluteerror", "amount", amount, {}),
    ("XGBRegressor", "reg:squaredlogerror", "amount", amount, {}),
    ("XGBRegressor", "reg:pseudohubererror", "amount", amount, {"huber_slope": 0.5}),
    ("XGBRegressor", "count:poisson", "count", (amount * 2).astype(int), {}),
    ("XGBRegressor", "reg:gamma", "amount", amount, {}),
    ("XGBRegressor", "reg:tweedie", "amount", amount, {"tweedie_variance_power": 1.3}),
    ("XGBClassifier", "multi:softprob", "kind", kind, {"subsample": 0.8}),
    ("XGBRanker", "rank:ndcg", "grade", grade, {}),
    ("XGBRanker", "rank:pairwise", "grade", grade, {"lambdarank_pair_method": "mean", "lambdarank_num_pair_per_sample": 4}),
    ("XGBRanker", "rank:map", "hit", (grade > 1).astype(int), {}),
]
WEIGHTED = ("reg:squarederror", "count:poisson", "multi:softprob", "rank:ndcg", "rank:map")
results = []
for (estimator, objective, target, label, more), weighted in [(c, False) for c in CASES] + [(c, True) for c in CASES if c[1] in WEIGHTED]:
    params = {"objective": objective, "eta": 0.2, "max_depth": 4, "seed": 7, "seed_per_iteration": 1, "nthread": 2, **more}
    matrix = xgb.DMatrix(X, label=label.astype(np.float32))
    if objective == "multi:softprob":
        params["num_class"] = 3
    if estimator == "XGBRanker":
        matrix.set_info(qid=query)
    if weighted:  # of ranking XGBoost takes one for each query
        matrix.set_weight(weight[np.unique(query, return_index=True)[1]] if estimator == "XGBRanker" else weight)
    seen = {}
    booster = xgb.train(params, matrix, 20, evals=[(matrix, "train")], evals_result=seen, verbose_eval=False)
    predicted = booster.predict(matrix).astype("<f4")
    metric = list(seen["train"])[-1]
    results.append({"estimator": estimator, "objective": objective, "target": target, "weighted": weighted, "params": more, "metric": metric,
                    "value": seen["train"][metric][-1], "sha256": hashlib.sha256(predicted.tobytes()).hexdigest(),
                    "first": [float(v) for v in predicted.ravel()[:3]]})
(FOLDER / "goals.json").write_text(json.dumps({"xgboost": xgb.__version__, "models": results}, indent=1) + "\n")
