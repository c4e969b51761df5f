"""Trains a scikit-learn classifier as Sluice's trainer contract asks.

What comes in: the job (SLUICE_JOB, JSON) and the rows (train.csv below
SM_CHANNEL_TRAIN, validation.csv below SM_CHANNEL_VALIDATION where there are
such rows). What goes out: the model's files below SM_MODEL_DIR and
metrics.json below SM_OUTPUT_DATA_DIR. Exit codes: 0 done, 64 configuration or
data are wrong, 75 interrupted (another attempt takes up the checkpoint).

The model is a forest that grows tree by tree from seeds of their own, so that
an interrupted run takes up where it was and still gives the same bytes.
"""
import signal

stopped = False


def stop(signum, frame):
    global stopped
    stopped = True


signal.signal(signal.SIGTERM, stop)  # before the libraries, whose import takes a while

import csv
import json
import os
import pickle
import platform
import sys

import numpy as np
import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

WRONG, TRY_AGAIN = 64, 75


class Wrong(Exception):
    """Configuration or data are wrong: no retry can help."""


def rows(folder, name, job):
    """The features as an array of objects (float, text or None) and the labels."""
    features = job["features"]
    with open(os.path.join(folder, name), newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        x, y = [], []
        for number, row in enumerate(reader, 2):
            x.append([cell(row[f["name"]], f, number) for f in features])
            y.append(label(row[job["target"]], job["positive"]))
    return np.array(x, dtype=object), np.array(y)


def label(text, positive):
    """1.0 and 1 are one class, as the labels are to Sluice."""
    if text == positive:
        return 1
    try:
        return int(float(text) == float(positive))
    except ValueError:
        return 0


def cell(text, feature, line):
    if text == "":
        return None
    if feature["kind"] == "categorical":
        return text
    try:
        return float(text)
    except ValueError:
        raise Wrong(f"line {line}: {feature['name']} is {text!r}, which is no number")


def preparation(features):
    """Numbers are filled in and scaled, texts become a column per known value."""
    numeric = [i for i, f in enumerate(features) if f["kind"] == "numeric"]
    texts = [i for i, f in enumerate(features) if f["kind"] == "categorical"]
    known = [sorted(features[i].get("categories", [])) + [""] for i in texts]
    return ColumnTransformer([
        ("numeric", make_pipeline(SimpleImputer(missing_values=np.nan, strategy="median", keep_empty_features=True), StandardScaler()), numeric),
        ("texts", OneHotEncoder(categories=known, handle_unknown="ignore", sparse_output=False), texts),
    ])


def plain(x, features):
    """None becomes NaN in numbers and "" in texts."""
    out = x.copy()
    for i, f in enumerate(features):
        missing = np.nan if f["kind"] == "numeric" else ""
        out[:, i] = [missing if v is None else v for v in x[:, i]]
    return out


def grow(x, y, depth, seed, number):
    """Tree number of a forest; it depends on the seed and on its number alone."""
    random = np.random.default_rng([seed, number])
    positives = np.flatnonzero(y == 1)
    sample = random.integers(0, len(y), len(y))
    sample[0] = positives[random.integers(len(positives))]  # each tree sees both classes
    sample[1] = np.flatnonzero(y == 0)[0]
    tree = DecisionTreeClassifier(max_depth=depth, max_features="sqrt", random_state=int(random.integers(2**31)))
    return tree.fit(x[sample], y[sample])


def forest(job, x, y):
    """Grows the forest from the checkpoint on, and keeps one when asked to stop.

    Each tree is pickled once, when it has grown: what pickle writes of an object that
    was loaded again can differ from what it wrote of the first one.
    """
    size, depth = int(job["params"].get("n_estimators", 50)), job["params"].get("max_depth", 10)
    path = os.path.join(os.environ["SM_CHECKPOINT_DIR"], "trees.pickle")
    trees = []
    if os.path.exists(path):
        with open(path, "rb") as file:
            trees = pickle.load(file)
        print(f"resumes after {len(trees)} trees", flush=True)
    while len(trees) < size:
        if stopped:
            with open(path + ".new", "wb") as file:
                pickle.dump(trees, file, protocol=5)
            os.replace(path + ".new", path)
            print(f"interrupted after {len(trees)} trees", flush=True)
            sys.exit(TRY_AGAIN)
        trees.append(pickle.dumps(grow(x, y, depth, job["seed"], len(trees)), protocol=5))
    return trees


def train(job):
    features, params = job["features"], job["params"]
    unknown = set(params) - {"algorithm", "n_estimators", "max_depth", "C"}
    if unknown:
        raise Wrong(f"model.params has {sorted(unknown)}: this trainer knows algorithm, n_estimators, max_depth and C")
    algorithm = params.get("algorithm", "forest")
    if algorithm not in ("forest", "logistic"):
        raise Wrong(f"model.params.algorithm is {algorithm!r}: want forest or logistic")
    x, y = rows(os.environ["SM_CHANNEL_TRAIN"], "train.csv", job)
    if len(set(y)) < 2:
        raise Wrong(f"all {len(y)} training rows are of one class")
    prepare = preparation(features)
    numbers = prepare.fit_transform(plain(x, features))
    if algorithm == "forest":
        model = {"trees": forest(job, numbers, y)}
        trees = [pickle.loads(tree) for tree in model["trees"]]
        score = lambda m: sum(t.predict_proba(m)[:, 1] for t in trees) / len(trees)
    else:
        if stopped:
            sys.exit(TRY_AGAIN)
        logistic = LogisticRegression(C=float(params.get("C", 1.0)), max_iter=1000, random_state=job["seed"]).fit(numbers, y)
        model = {"logistic": logistic}
        score = lambda m: logistic.predict_proba(m)[:, 1]
    metrics = {"train_rows": len(y), "train": measure(y, score(numbers))}
    if "SM_CHANNEL_VALIDATION" in os.environ:
        vx, vy = rows(os.environ["SM_CHANNEL_VALIDATION"], "validation.csv", job)
        metrics["validation"] = measure(vy, score(prepare.transform(plain(vx, features))))
    return {"features": features, "prepare": prepare, **model}, metrics


def measure(y, scores):
    if len(set(y)) < 2:
        return {"rows": len(y)}
    return {"rows": len(y), "auc_roc": float(roc_auc_score(y, scores)), "log_loss": float(log_loss(y, scores))}


def write(folder, name, value):
    with open(os.path.join(os.environ[folder], name), "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2, allow_nan=False)


def main(arguments):
    if arguments != ["train"]:
        raise Wrong(f"the arguments are {arguments}: want train")
    with open(os.environ["SLUICE_JOB"], encoding="utf-8") as file:
        job = json.load(file)
    if job["format"] != 1:
        raise Wrong(f"the job is of format {job['format']}: this trainer knows 1")
    print(f"run {job['run']}: {job['train_rows']} rows, {len(job['features'])} features, scikit-learn {sklearn.__version__}", flush=True)
    model, metrics = train(job)
    write("SM_OUTPUT_DATA_DIR", "metrics.json", metrics)
    write("SM_OUTPUT_DATA_DIR", "environment.json", {"python": platform.python_version(), "scikit_learn": sklearn.__version__, "numpy": np.__version__})
    with open(os.path.join(os.environ["SM_MODEL_DIR"], "model.pickle"), "wb") as file:
        pickle.dump(model, file, protocol=5)
    print(f"done: {json.dumps(metrics)}", flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Wrong as wrong:
        print(f"train: {wrong}", file=sys.stderr)
        sys.exit(WRONG)
