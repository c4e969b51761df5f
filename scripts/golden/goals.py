"""Golden values for shared/evaluation of regression, several classes and ranking.

Versions: Python 3.13, numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1.
Run: python scripts/golden/goals.py > shared/evaluation/testdata/goals.json
"""

import json
import sys

import numpy as np
from scipy import stats
from sklearn import metrics as m

Z = stats.norm.ppf(0.975)


def mean_interval(values):
    mean, se = np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))
    return [mean - Z * se, mean + Z * se]


def regression(name, label, score):
    error = np.abs(label - score)
    median = stats.quantile_test(error, p=0.5, alternative="two-sided").confidence_interval(0.95)
    squares = (label - score) ** 2
    square = mean_interval(squares)
    spread = np.std(squares, ddof=1) / np.sqrt(len(squares)) / (2 * np.mean(squares))  # of ln(rmse)
    rmse = np.sqrt(np.mean(squares))
    out = {
        "rmse": m.root_mean_squared_error(label, score),
        "mae": m.mean_absolute_error(label, score),
        "mse": m.mean_squared_error(label, score),
        "median_absolute_error": m.median_absolute_error(label, score),
        "r2": m.r2_score(label, score),
        "explained_variance": m.explained_variance_score(label, score),
    }
    intervals = {
        "mae": mean_interval(error),
        "mse": [max(0.0, square[0]), square[1]],
        "rmse": [float(rmse * np.exp(-Z * spread)), float(rmse * np.exp(Z * spread))],
        "median_absolute_error": [median.low, median.high],
    }
    if np.all(label != 0):
        out["mape"] = m.mean_absolute_percentage_error(label, score)
    if np.all(label > -1) and np.all(score > -1):
        out["rmsle"] = m.root_mean_squared_log_error(label, score)
    return {"name": name, "label": label.tolist(), "score": score.tolist(), "metrics": out, "intervals": intervals}


def multiclass(name, label, probability):
    names = [f"c{k}" for k in range(probability.shape[1])]
    guess = probability.argmax(axis=1)
    table = m.confusion_matrix(label, guess)
    right, n = int(np.trace(table)), len(label)
    exact = stats.binomtest(right, n).proportion_ci(0.95, "exact")
    down = up = 0.0
    for k, row in enumerate(table):
        share = row[k] / row.sum()
        wilson = stats.binomtest(int(row[k]), int(row.sum())).proportion_ci(0.95, "wilson")
        down += (share - wilson.low) ** 2
        up += (wilson.high - share) ** 2
    balanced = m.balanced_accuracy_score(label, guess)
    loss = -np.log(np.clip(probability[np.arange(n), label], 2**-52, 1 - 2**-52))
    return {
        "name": name, "names": names, "label": [float(v) for v in label], "probability": probability.T.tolist(),
        "table": table.tolist(),
        "metrics": {
            "accuracy": m.accuracy_score(label, guess),
            "balanced_accuracy": balanced,
            "precision_macro": m.precision_score(label, guess, average="macro"),
            "f1_macro": m.f1_score(label, guess, average="macro"),
            "f1_weighted": m.f1_score(label, guess, average="weighted"),
            "auc_roc_ovr": m.roc_auc_score(label, probability, multi_class="ovr", average="macro"),
            "log_loss": m.log_loss(label, probability),
        },
        "variance": {"auc_roc_ovr": delong_macro(label, probability)},
        "intervals": {
            "accuracy": [exact.low, exact.high],
            "balanced_accuracy": [balanced - np.sqrt(down) / len(names), min(1, balanced + np.sqrt(up) / len(names))],
            "log_loss": mean_interval(loss),
        },
    }


def delong_macro(label, probability):
    """The variance of the mean of the classes' AUCs, from the placements' definition, O(n²)."""
    influence = np.zeros(len(label))
    classes = probability.shape[1]
    for k in range(classes):
        score, is_k = probability[:, k], label == k
        x, y = score[is_k], score[~is_k]
        wins = (x[:, None] > y[None, :]) + 0.5 * (x[:, None] == y[None, :])
        up, down = wins.mean(axis=1), wins.mean(axis=0)
        for where, placed in ((is_k, up), (~is_k, down)):
            size = len(placed)
            influence[where] += (placed - wins.mean()) / size * np.sqrt(size / (size - 1)) / classes
    return float(np.sum(influence**2))


def ranking(name, label, score, query):
    out = {"ndcg": [], "ndcg@3": [], "ndcg@10": [], "map": []}
    for q in dict.fromkeys(query):
        here = query == q
        y, s = label[here], score[here]
        if len(y) < 2 or not np.any(y > 0):
            continue
        out["ndcg"].append(m.ndcg_score([y], [s]))
        out["ndcg@3"].append(m.ndcg_score([y], [s], k=3))
        out["ndcg@10"].append(m.ndcg_score([y], [s], k=10))
        out["map"].append(m.average_precision_score(y > 0, s))
    intervals = {}
    for key, values in out.items():
        half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
        intervals[key] = [max(0.0, np.mean(values) - half), min(1.0, np.mean(values) + half)]
    return {
        "name": name, "label": label.tolist(), "score": score.tolist(), "query": query.tolist(),
        "queries": len(out["ndcg"]), "metrics": {k: float(np.mean(v)) for k, v in out.items()}, "intervals": intervals,
    }


def main():
    r = np.random.default_rng(20261123)
    x = r.normal(size=400)
    skewed = np.exp(r.normal(size=301))
    softmax = lambda z: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    label3 = r.integers(0, 3, 500)
    label5 = r.choice(5, 800, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    rounded = np.round(softmax(r.normal(size=(800, 5)) + 1.5 * np.eye(5)[label5]), 2)
    rounded[:, 0] += 1 - rounded.sum(axis=1)
    rounded = np.abs(rounded) / np.abs(rounded).sum(axis=1, keepdims=True)
    query = np.array([f"q{i}" for i in r.integers(0, 60, 700)])
    relevance = r.integers(0, 5, 700) * (r.random(700) < 0.6)
    json.dump({
        "regression": [
            regression("normal", x, 0.8 * x + 0.1 + 0.4 * r.normal(size=400)),
            regression("skewed, positive", skewed, skewed * np.exp(0.3 * r.normal(size=301))),
            regression("worse than the mean", x, 0.5 - x + r.normal(size=400)),
            regression("counts with zeros", r.poisson(2.0, 250).astype(float), r.gamma(2, 1, 250)),
        ],
        "multiclass": [
            multiclass("three classes", label3, softmax(r.normal(size=(500, 3)) + 1.2 * np.eye(3)[label3])),
            multiclass("five uneven classes, tied scores", label5, rounded),
        ],
        "ranking": [
            ranking("graded", relevance.astype(float), relevance + 1.5 * r.normal(size=700), query),
            ranking("tied scores", relevance.astype(float), np.round(relevance / 2 + r.normal(size=700)), query),
            ranking("binary", (relevance > 2).astype(float), r.normal(size=700) + (relevance > 2), query),
        ],
    }, sys.stdout)


main()
