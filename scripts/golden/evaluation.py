"""Writes shared/evaluation/testdata/golden.json: what scikit-learn, fairlearn,
scipy, statsmodels and plain numpy say about a few samples.

    python scripts/golden/evaluation.py
    (scikit-learn 1.9.1, fairlearn 0.15.0, scipy 1.17.1, statsmodels 0.15.0, numpy 2.4.6)
"""
import json

import numpy as np
from fairlearn import metrics as fair
from scipy.special import expit, logit
from scipy.stats import binomtest, norm
from sklearn import metrics as m
from statsmodels.stats.multitest import multipletests

rng = np.random.default_rng(11)


def components(y, s):
    """DeLong's structural components by the definition: every pair."""
    p, n = s[y == 1], s[y == 0]
    wins = (p[:, None] > n[None, :]) + 0.5 * (p[:, None] == n[None, :])
    return wins.mean(1), wins.mean(0)


def delong(y, s):
    a, b = components(y, s)
    return a.mean(), a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)


def paired(y, s, t):
    (a, b), (c, d) = components(y, s), components(y, t)
    return a.mean() - c.mean(), (a - c).var(ddof=1) / len(a) + (b - d).var(ddof=1) / len(b)


def calibration(y, s, bins=10):
    which = np.minimum((s * bins).astype(int), bins - 1)
    return float(sum(abs(s[which == b].sum() - y[which == b].sum()) for b in range(bins)) / len(y))


def by_mass(y, s, w, bins=10):
    """Cut by the weight that lies under each score, by the definition."""
    total = w.sum()
    under = np.array([w[s < v].sum() for v in s])
    which = np.minimum((bins * under / total).astype(int), bins - 1)
    return float(sum(abs((w * (s - y))[which == b].sum()) for b in range(bins)) / total)


def weighted_delong(y, s, t, w):
    """The linearised variance of the weighted AUC, and of a paired difference."""

    def placements(s):
        p, n = y == 1, y == 0
        wins = (s[p][:, None] > s[n][None, :]) + 0.5 * (s[p][:, None] == s[n][None, :])
        return (wins * w[n]).sum(1) / w[n].sum(), (wins * w[p][:, None]).sum(0) / w[p].sum()

    def mean(v, w):
        m, rows = (v * w).sum() / w.sum(), (w > 0).sum()
        return m, (w**2 * (v - m) ** 2).sum() / w.sum() ** 2 * rows / (rows - 1)

    (a, b), (c, d) = placements(s), placements(t)
    wp, wn = w[y == 1], w[y == 0]
    return [[mean(x, wp)[0], mean(x, wp)[1] + mean(z, wn)[1]] for x, z in [(a, b), (a - c, b - d)]]


def fairness(y, hat, who, w):
    given = {"sensitive_features": who, "sample_weight": w}
    return {
        "demographic_parity_difference": fair.demographic_parity_difference(y, hat, **given),
        "demographic_parity_ratio": fair.demographic_parity_ratio(y, hat, **given),
        "equalised_odds_difference": fair.equalized_odds_difference(y, hat, **given),
        "equalised_odds_ratio": fair.equalized_odds_ratio(y, hat, **given),
        "equal_opportunity_difference": fair.equal_opportunity_difference(y, hat, **given),
    }


def intervals(y, s, hat):
    """By the exact interval of a share of rows, and the normal one of a mean."""
    tp, fp, fn = ((y * hat).sum(), ((1 - y) * hat).sum(), (y * (1 - hat)).sum())
    exact = lambda k, n: list(binomtest(int(k), int(n)).proportion_ci(0.95, "exact"))
    out = {"precision": exact(tp, tp + fp), "recall": exact(tp, tp + fn), "accuracy": exact((y == hat).sum(), len(y))}
    out["f1_score"] = [2 * j / (1 + j) for j in exact(tp, tp + fp + fn)]
    value, variance = delong(y, s)
    half = norm.ppf(0.975) * variance**0.5 / (value * (1 - value))
    out["auc_roc"] = [float(expit(logit(value) + k * half)) for k in (-1, 1)]
    p = np.clip(s, 2.0**-52, 1 - 2.0**-52)
    for name, loss in [("log_loss", -np.log(np.where(y == 1, p, 1 - p))), ("brier", (s - y) ** 2)]:
        half = norm.ppf(0.975) * loss.std(ddof=1) / len(y) ** 0.5
        out[name] = [max(0, loss.mean() - half), loss.mean() + half]
    return out


def compared(y, s, t):
    """Mean differences of losses, and McNemar's exact test."""
    clip = lambda v: np.clip(v, 2.0**-52, 1 - 2.0**-52)
    loss = lambda v: -np.log(np.where(y == 1, clip(v), 1 - clip(v)))
    right = lambda v: ((v >= 0.5) == y).astype(float)
    out = {}
    for name, d in [("log_loss", loss(s) - loss(t)), ("brier", (s - y) ** 2 - (t - y) ** 2), ("accuracy", right(s) - right(t))]:
        se = d.std(ddof=1) / len(y) ** 0.5
        out[name] = [d.mean(), d.mean() - norm.ppf(0.975) * se, d.mean() + norm.ppf(0.975) * se, 2 * norm.sf(abs(d.mean()) / se)]
    only, other = int((right(s) > right(t)).sum()), int((right(s) < right(t)).sum())
    out["accuracy"][3] = binomtest(only, only + other).pvalue
    return out


def sample(name, n, ties, weighted):
    y = (rng.random(n) < 0.3).astype(int)
    s = np.clip(rng.normal(0.35 + 0.2 * y, 0.2), 0, 1)
    t = np.clip(s + rng.normal(0, 0.1, n), 0, 1)
    if ties:
        s, t = np.round(s, 1), np.round(t, 1)
    w = rng.integers(0, 4, n).astype(float) if weighted else None
    sex = rng.choice(["Female", "Male"], n)
    race = np.array([["a", "b"][i % 2] for i in range(n)])
    hat = (s >= 0.5).astype(int)
    fpr, tpr, _ = m.roc_curve(y, s, sample_weight=w)
    case = {
        "name": name, "label": y.tolist(), "score": s.tolist(), "other": t.tolist(), "sex": sex.tolist(),
        "weight": None if w is None else w.tolist(),
        "auc_roc": m.roc_auc_score(y, s, sample_weight=w),
        "pr_auc": m.average_precision_score(y, s, sample_weight=w),
        "precision": m.precision_score(y, hat, sample_weight=w),
        "recall": m.recall_score(y, hat, sample_weight=w),
        "f1_score": m.f1_score(y, hat, sample_weight=w),
        "accuracy": m.accuracy_score(y, hat, sample_weight=w),
        "log_loss": m.log_loss(y, s, sample_weight=w),
        "brier": m.brier_score_loss(y, s, sample_weight=w),
        "curve_area": m.auc(fpr, tpr),
        "partial": [m.roc_auc_score(y, s, max_fpr=f, sample_weight=w) for f in (0.01, 0.1, 0.5)],
        "by_mass": by_mass(y, s, np.ones(n) if w is None else w),
        "weighted_delong": weighted_delong(y, s, t, np.ones(n) if w is None else w),
        "parity": fairness(y, hat, sex, w),
        "joint_parity": fairness(y, hat, np.char.add(sex, race), w),
    }
    if w is None:
        case |= {
            "calibration": calibration(y, s),
            "delong": delong(y, s), "paired": paired(y, s, t),
            "ci95": [x + k * norm.ppf(0.975) * v**0.5 for x, v in [delong(y, s)] for k in (-1, 1)],
            "intervals": intervals(y, s, hat),
            "compared": compared(y, s, t),
        }
    return case


def shares():
    for k, n, c in [(0, 10, 0.95), (10, 10, 0.95), (3, 10, 0.95), (1, 1000, 0.99), (450, 1000, 0.9), (49999, 50000, 0.999)]:
        w, e = (binomtest(k, n).proportion_ci(c, method) for method in ("wilson", "exact"))
        yield {"k": k, "n": n, "confidence": c, "wilson": list(w), "exact": list(e)}


ps = [0.01, 0.02, 0.03, 0.005, 0.5, 0.02, 1.0, 0.0]
golden = {
    "samples": [sample("plain", 500, False, False), sample("ties", 400, True, False), sample("weights", 300, True, True)],
    "shares": list(shares()),
    "p": ps,
    "holm": multipletests(ps, method="holm")[1].tolist(),
    "bh": multipletests(ps, method="fdr_bh")[1].tolist(),
}
json.dump(golden, open("shared/evaluation/testdata/golden.json", "w"), default=float)
