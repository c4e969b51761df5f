"""Golden values for shared/evaluation of regression, several classes and ranking.

Versions: Python 3.13, numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1, xgboost-cpu 3.2.0.
map@k is XGBoost's own, of scores given as margins, and of tied scores the mean over
all orders of the tied rows, counted out one by one.
Run: python scripts/golden/goals.py > shared/evaluation/testdata/goals.json
"""

import itertools
import json
import sys

import numpy as np
import xgboost as xgb
from scipy import stats
from sklearn import metrics as m

Z = stats.norm.ppf(0.975)


def mean_interval(values):
    mean, se = np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))
    return [mean - Z * se, mean + Z * se]


def weighted_interval(values, weight):
    """A weighted mean and the variance of it by linearisation; rows of weight 0 are none."""
    here = weight > 0
    values, weight = values[here], weight[here]
    n, mean = len(values), np.average(values, weights=weight)
    se = np.sqrt(np.sum((weight * (values - mean)) ** 2) * n / (n - 1)) / np.sum(weight)
    return mean, se


def regression_weighted(name, label, score, weight):
    here = weight > 0
    how = {"sample_weight": weight}
    out = {
        "rmse": m.root_mean_squared_error(label, score, **how),
        "mae": m.mean_absolute_error(label, score, **how),
        "mse": m.mean_squared_error(label, score, **how),
        "median_absolute_error": m.median_absolute_error(label, score, **how),
        "r2": m.r2_score(label, score, **how),
        "explained_variance": m.explained_variance_score(label, score, **how),
    }
    if np.all(label[here] != 0):
        out["mape"] = m.mean_absolute_percentage_error(label, score, **how)
    if np.all(label > -1) and np.all(score > -1):
        out["rmsle"] = m.root_mean_squared_log_error(label, score, **how)
    mae, mae_se = weighted_interval(np.abs(label - score), weight)
    mse, mse_se = weighted_interval((label - score) ** 2, weight)
    return {
        "name": name, "label": label.tolist(), "score": score.tolist(), "weight": weight.tolist(), "metrics": out,
        "variance": {"mae": mae_se**2, "mse": mse_se**2, "rmse": mse_se**2 / (4 * mse)},
        "intervals": {"mae": [mae - Z * mae_se, mae + Z * mae_se]},
    }


def multiclass_weighted(name, label, probability, weight):
    names = [f"c{k}" for k in range(probability.shape[1])]
    guess = probability.argmax(axis=1)
    how = {"sample_weight": weight}
    loss, loss_se = weighted_interval(-np.log(np.clip(probability[np.arange(len(label)), label], 2**-52, 1 - 2**-52)), weight)
    right, right_se = weighted_interval((guess == label).astype(float), weight)
    return {
        "name": name, "names": names, "label": [float(v) for v in label], "probability": probability.T.tolist(),
        "weight": weight.tolist(), "table": m.confusion_matrix(label, guess).tolist(),
        "metrics": {
            "accuracy": m.accuracy_score(label, guess, **how),
            "balanced_accuracy": m.balanced_accuracy_score(label, guess, **how),
            "precision_macro": m.precision_score(label, guess, average="macro", **how),
            "f1_macro": m.f1_score(label, guess, average="macro", **how),
            "f1_weighted": m.f1_score(label, guess, average="weighted", **how),
            "auc_roc_ovr": m.roc_auc_score(label, probability, multi_class="ovr", average="macro", **how),
            "log_loss": m.log_loss(label, probability, **how),
        },
        "variance": {"log_loss": loss_se**2, "accuracy": right_se**2},
        "intervals": {"log_loss": [loss - Z * loss_se, loss + Z * loss_se]},
    }


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


def average_precision_at(relevant, k):
    hits = np.cumsum(relevant)
    places = np.arange(1, len(relevant) + 1)
    return float(np.sum((relevant * hits / places)[:k]) / min(np.sum(relevant), k))


def over_orders(relevant, score, k):
    """The mean of the average precision at k over all orders of rows of equal score."""
    order = np.argsort(-score, kind="stable")
    relevant, score = relevant[order].astype(float), score[order]
    runs = [relevant[score == v] for v in dict.fromkeys(score)]
    values, counts = [], []
    orders = [[(np.array(p), 1) for p in set(itertools.permutations(run))] for run in runs]
    for chosen in itertools.product(*orders):
        values.append(average_precision_at(np.concatenate([run for run, _ in chosen]), k))
        counts.append(np.prod([times for _, times in chosen]))
    return float(np.average(values, weights=counts))


def xgboost_map_at(label, score, query, k):
    """XGBoost's map@k of each query, of scores that are given as margins."""
    out = []
    for q in dict.fromkeys(query):
        here = query == q
        if np.sum(here) < 2 or not np.any(label[here] > 0):
            continue
        d = xgb.DMatrix(np.zeros((np.sum(here), 1)), label=(label[here] > 0).astype(float), qid=np.zeros(np.sum(here)))
        d.set_base_margin(score[here])
        booster = xgb.Booster({"objective": "rank:map", "eval_metric": f"map@{k}", "base_score": 0.0}, [d])
        out.append(float(booster.eval(d).split(":")[-1]))
    return out


def ranking(name, label, score, query, weight=None):
    out = {"ndcg": [], "ndcg@3": [], "ndcg@10": [], "map": [], "map@3": [], "map@10": []}
    weights = []
    for q in dict.fromkeys(query):
        here = query == q
        y, s = label[here], score[here]
        if len(y) < 2 or not np.any(y > 0):
            continue
        weights.append(1.0 if weight is None else weight[here][0])
        out["ndcg"].append(m.ndcg_score([y], [s]))
        out["ndcg@3"].append(m.ndcg_score([y], [s], k=3))
        out["ndcg@10"].append(m.ndcg_score([y], [s], k=10))
        out["map"].append(m.average_precision_score(y > 0, s))
        out["map@3"].append(over_orders(y > 0, s, 3))
        out["map@10"].append(over_orders(y > 0, s, 10))
    if len(set(score)) == len(score):  # eval prints five digits
        for k in (3, 10):
            assert np.allclose(xgboost_map_at(label, score, query, k), out[f"map@{k}"], atol=1e-5), k
    weights = np.array(weights)
    intervals, metrics = {}, {}
    for key, values in out.items():
        metrics[key], se = weighted_interval(np.array(values), weights)
        half = stats.t.ppf(0.975, np.sum(weights > 0) - 1) * se
        intervals[key] = [max(0.0, metrics[key] - half), min(1.0, metrics[key] + half)]
    found = {
        "name": name, "label": label.tolist(), "score": score.tolist(), "query": query.tolist(),
        "queries": int(np.sum(weights > 0)), "metrics": {k: float(v) for k, v in metrics.items()}, "intervals": intervals,
    }
    if weight is not None:
        found["weight"] = weight.tolist()
    return found


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
    weighing = np.random.default_rng(20261124)
    w400, w301 = weighing.gamma(1, 1, 400) * (weighing.random(400) < 0.9), weighing.integers(0, 4, 301).astype(float)
    w500, w800 = weighing.gamma(2, 1, 500) * (weighing.random(500) < 0.9), weighing.integers(0, 5, 800).astype(float)
    by_query = dict(zip([f"q{i}" for i in range(60)], weighing.gamma(2, 1, 60) * (weighing.random(60) < 0.9)))
    json.dump({
        "regression": [
            regression("normal", x, 0.8 * x + 0.1 + 0.4 * r.normal(size=400)),
            regression("skewed, positive", skewed, skewed * np.exp(0.3 * r.normal(size=301))),
            regression("worse than the mean", x, 0.5 - x + r.normal(size=400)),
            regression("counts with zeros", r.poisson(2.0, 250).astype(float), r.gamma(2, 1, 250)),
            regression_weighted("weighted", x, 0.7 * x + 0.2 + 0.5 * weighing.normal(size=400), w400),
            regression_weighted("whole weights, positive", skewed, skewed * np.exp(0.4 * weighing.normal(size=301)), w301),
        ],
        "multiclass": [
            multiclass("three classes", label3, softmax(r.normal(size=(500, 3)) + 1.2 * np.eye(3)[label3])),
            multiclass("five uneven classes, tied scores", label5, rounded),
            multiclass_weighted("three classes, weighted", label3, softmax(weighing.normal(size=(500, 3)) + 1.2 * np.eye(3)[label3]), w500),
            multiclass_weighted("five classes, whole weights", label5, rounded, w800),
        ],
        "ranking": [
            ranking("graded", relevance.astype(float), relevance + 1.5 * r.normal(size=700), query),
            ranking("tied scores", relevance.astype(float), np.round(relevance / 2 + r.normal(size=700)), query),
            ranking("binary", (relevance > 2).astype(float), r.normal(size=700) + (relevance > 2), query),
            ranking("graded, weighted", relevance.astype(float), relevance + 1.5 * weighing.normal(size=700), query, np.array([by_query[q] for q in query])),
        ],
    }, sys.stdout)


main()
