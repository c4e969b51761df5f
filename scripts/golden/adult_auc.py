"""Trains XGBoost's own Python package on the Adult data the way the reference
trainer does, and writes shared/training/testdata/adult_auc.json.

The split, the folds, the encoding and the rounds are worked out here anew from
their descriptions (packages split, model and training), so that the Go trainer
is compared with an independent one. It also keeps the final model and a hash
of its predictions of all 48,842 rows in shared/gbdt/testdata, for the Go
predictor.

Needs Python 3.11, xgboost-cpu 3.2.0, numpy 2.4.6, scikit-learn 1.9.1. Run it
from the repository's root, after scripts/golden/adult.py.
"""

import csv
import gzip
import hashlib
import io
import json
import math
import os

import numpy as np
import xgboost as xgb
from sklearn.metrics import log_loss, roc_auc_score

SEED, FOLDS, PATIENCE, ROUNDS = 7, 5, 20, 400
TRAIN = 0.8
FEATURES = ["age", "workclass", "education_num", "marital_status", "occupation", "relationship", "race", "sex",
            "capital_gain", "capital_loss", "hours_per_week", "native_country"]
PARAMS = {"objective": "binary:logistic", "eval_metric": "auc", "seed": SEED, "seed_per_iteration": 1, "nthread": 2,
          "max_depth": 5, "eta": 0.1, "subsample": 0.9, "colsample_bytree": 0.8, "lambda": 1.5}


def read(name):
    with gzip.open(f"events/adult/{name}", "rt", newline="") as f:
        return list(csv.DictReader(f))


def digest(salt, content):
    return hashlib.sha256(SEED.to_bytes(8, "big") + salt + content).digest()


def main():
    rows = read("part-0.csv.gz") + read("part-1.csv.gz")
    numeric = {c for c in rows[0] if all(r[c] == "" or r[c].lstrip("-").isdigit() for r in rows)}

    def content(row):
        cell = lambda c: "" if row[c] == "" else str(int(row[c])) if c in numeric else f'"{row[c]}"'
        return ",".join(f'"{c}"={cell(c)}' for c in sorted(row)).encode()

    contents = [content(r) for r in rows]
    place = [(int.from_bytes(digest(b"", c)[:8], "big") >> 11) / 2**53 for c in contents]
    train = [i for i, p in enumerate(place) if p < TRAIN]
    test = [i for i, p in enumerate(place) if p >= TRAIN]
    y = np.array([r["income"] == ">50K" for r in rows], dtype="f4")

    fold = {}
    for label in (0, 1):
        members = sorted((digest(b"fold", contents[i]), i) for i in train if y[i] == label)
        for n, (hashed, i) in enumerate(members):
            same = n > 0 and hashed == members[n - 1][0]
            fold[i] = fold[members[n - 1][1]] if same else n * FOLDS // len(members)

    categories = {c: sorted({rows[i][c] for i in train} - {""}) for c in FEATURES if c not in numeric}

    def encode(table):
        x = np.full((len(table), len(FEATURES)), np.nan, dtype="f4")
        for j, c in enumerate(FEATURES):
            codes = {v: k for k, v in enumerate(categories.get(c, []))}
            for i, r in enumerate(table):
                if r[c] != "":
                    x[i, j] = float(r[c]) if c in numeric else codes.get(r[c], np.nan)
        return x

    types = ["q" if c in numeric else "c" for c in FEATURES]
    x = encode(rows)

    def matrix(which):
        return xgb.DMatrix(x[which], y[which], feature_types=types, enable_categorical=True, nthread=2)

    folds = []
    for k in range(FOLDS):
        inside = matrix([i for i in train if fold[i] != k])
        held = matrix([i for i in train if fold[i] == k])
        b = xgb.train(PARAMS, inside, ROUNDS, evals=[(held, "held")], early_stopping_rounds=PATIENCE, verbose_eval=False)
        folds.append({"rows": int(held.num_row()), "rounds": b.best_iteration + 1, "best": b.best_score})
    rounds = math.floor(sum(f["rounds"] for f in folds) / FOLDS + 0.5)
    final = xgb.train(PARAMS, matrix(train), rounds)
    p = final.predict(matrix(test))
    saved = bytes(final.save_raw("ubj"))
    result = {
        "xgboost": xgb.__version__, "train_rows": len(train), "test_rows": len(test), "folds": folds, "rounds": rounds,
        "test_auc": roc_auc_score(y[test], p), "test_log_loss": log_loss(y[test], p.astype("f8")),
        "model_sha256": hashlib.sha256(saved).hexdigest(),
        "test_predictions_sha256": hashlib.sha256(p.astype("<f4").tobytes()).hexdigest(),
    }
    os.makedirs("shared/training/testdata", exist_ok=True)
    with open("shared/training/testdata/adult_auc.json", "w") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    print(json.dumps(result, indent=1))

    every = rows + read("holdout.csv.gz")
    d = xgb.DMatrix(encode(every), feature_types=types, enable_categorical=True, nthread=2)
    schema = {"format": 1, "model": "adult-income", "target": "income", "positive": ">50K", "objective": "binary:logistic",
              "features": [{"name": c, "kind": "numeric"} if c in numeric else
                           {"name": c, "kind": "categorical", "categories": categories[c]} for c in FEATURES]}
    golden = {"xgboost": xgb.__version__, "rows": len(every), "schema": schema,
              "margins_sha256": hashlib.sha256(final.predict(d, output_margin=True).astype("<f4").tobytes()).hexdigest(),
              "predictions_sha256": hashlib.sha256(final.predict(d).astype("<f4").tobytes()).hexdigest()}
    with open("shared/gbdt/testdata/adult.json", "w") as f:
        json.dump(golden, f, indent=1)
        f.write("\n")
    with open("shared/gbdt/testdata/adult.ubj.gz", "wb") as f:
        with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=f, mtime=0) as z:
            z.write(saved)


if __name__ == "__main__":
    main()
