"""Writes shared/evaluation/testdata/golden.json: what scikit-learn, fairlearn,
scipy, statsmodels and plain numpy say about a few samples.

    python scripts/golden/evaluation.py
    (scikit-learn 1.9.1, fairlearn 0.15.0, scipy 1.17.1, statsmodels 0.15.0, numpy 2.4.6)
"""
import json

import numpy as np
from fairlearn import metrics as fair
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


def sample(name, n, ties, weighted):
    y = (rng.random(n) < 0.3).astype(int)
    s = np.clip(rng.normal(0.35 + 0.2 * y, 0.2), 0, 1)
    t = np.clip(s + rng.normal(0, 0.1, n), 0, 1)
    if ties:
        s, t = np.round(s, 1), np.round(t, 1)
    w = rng.integers(0, 4, n).astype(float) if weighted else None
    sex = rng.choice(["Female", "Male"], n)
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
    }
    if w is None:
        case |= {
            "partial": [m.roc_auc_score(y, s, max_fpr=f) for f in (0.01, 0.1, 0.5)],
            "calibration": calibration(y, s),
            "delong": delong(y, s), "paired": paired(y, s, t),
            "ci95": [x + k * norm.ppf(0.975) * v**0.5 for x, v in [delong(y, s)] for k in (-1, 1)],
            "demographic_parity_difference": fair.demographic_parity_difference(y, hat, sensitive_features=sex),
            "demographic_parity_ratio": fair.demographic_parity_ratio(y, hat, sensitive_features=sex),
            "equalised_odds_difference": fair.equalized_odds_difference(y, hat, sensitive_features=sex),
            "equal_opportunity_difference": fair.equal_opportunity_difference(y, hat, sensitive_features=sex),
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
