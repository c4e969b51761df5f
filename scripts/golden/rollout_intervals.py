"""Golden values for shared/rollout's intervals, from statsmodels.

Run: python rollout_intervals.py > shared/rollout/testdata/intervals.json
Made with statsmodels 0.14.5.
"""
import json
import sys

import statsmodels
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

counts = [(0, 1), (1, 1), (0, 50), (1, 50), (3, 50), (50, 50), (17, 40), (4, 400), (40, 4000), (8500, 10000), (999999, 1000000)]
single = []
for hits, n in counts:
    low, high = proportion_confint(hits, n, alpha=0.05, method="wilson")
    single.append({"hits": hits, "n": n, "low": low, "high": high})
drop = []
for a in counts:
    for b in counts:
        low, high = confint_proportions_2indep(a[0], a[1], b[0], b[1], method="newcomb", compare="diff", alpha=0.05)
        drop.append({"a": a, "b": b, "low": low, "high": high})
json.dump({"statsmodels": statsmodels.__version__, "wilson": single, "newcombe": drop}, sys.stdout, indent=1)
