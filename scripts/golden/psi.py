"""Writes shared/drift/testdata/psi.json: population stability indices computed
with numpy on its own: decile edges by order statistics, half a row added to
every bin, missing values and (for text) other values in bins of their own.

    python scripts/golden/psi.py    (numpy 2.4.6)
"""
import json

import numpy as np

rng = np.random.default_rng(5)


def index(e, a):
    e, a = np.array(e) + 0.5, np.array(a) + 0.5
    e, a = e / e.sum(), a / a.sum()
    return float(((a - e) * np.log(a / e)).sum())


def number(expected, actual):
    e = np.sort(np.array([v for v in expected if v is not None], float))
    a = np.array([v for v in actual if v is not None], float)
    edges = np.unique(np.quantile(e, np.arange(1, 10) / 10, method="inverted_cdf"))
    edges = edges[edges < e[-1]]
    bins = lambda v: np.bincount(np.searchsorted(edges, v, side="left"), minlength=len(edges) + 1).tolist()
    return index(bins(e) + [len(expected) - len(e)], bins(a) + [len(actual) - len(a)])


def text(expected, actual):
    known = [v for v in expected if v is not None]
    names = sorted(set(known), key=lambda v: (-known.count(v), v))[:20]
    count = lambda rows: [rows.count(n) for n in names] + [
        sum(v is not None and v not in names for v in rows), rows.count(None)]
    return index(count(expected), count(actual))


cases = []
for name, e, a in [
    ("same", rng.integers(0, 100, 2000).tolist(), rng.integers(0, 100, 2000).tolist()),
    ("shifted", rng.integers(0, 100, 2000).tolist(), rng.integers(20, 120, 2000).tolist()),
    ("mostly zero", [0] * 900 + list(range(1, 101)), [0] * 700 + list(range(1, 301))),
    ("now missing", rng.integers(0, 9, 1000).tolist(), rng.integers(0, 9, 800).tolist() + [None] * 200),
]:
    cases.append({"name": name, "expected": e, "actual": a, "psi": number(e, a)})
letters = [chr(97 + i) * 2 for i in range(26)]
for name, e, a in [
    ("text same", rng.choice(letters, 3000).tolist(), rng.choice(letters, 3000).tolist()),
    ("text moved", rng.choice(letters[:5], 1000).tolist(), rng.choice(letters[2:8], 1000).tolist() + [None] * 50),
]:
    cases.append({"name": name, "expected": e, "actual": a, "psi": text(e, a)})
json.dump(cases, open("shared/drift/testdata/psi.json", "w"))
