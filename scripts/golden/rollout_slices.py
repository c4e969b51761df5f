"""Golden decisions for shared/rollout's slices: one-sided p-values of "the share
dropped by at most a margin", which are the levels at which Newcombe's interval
(method 10) just reaches the margin, and Holm's decisions over them.

    python3 -m venv venv && venv/bin/pip install statsmodels==0.14.5
    venv/bin/python scripts/golden/rollout_slices.py > shared/rollout/testdata/slices.json
"""

import json
import random

import statsmodels
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep

ALPHA = 0.025


def p_value(champion, candidate, margin):
    """The least one-sided level whose lower limit lies above the margin."""
    if champion[0] / champion[1] - candidate[0] / candidate[1] <= margin:
        return 1.0
    low, high = 1e-300, 0.5
    for _ in range(2000):
        middle = (low * high) ** 0.5
        limit, _ = confint_proportions_2indep(*champion, *candidate, method="newcomb", compare="diff", alpha=2 * middle)
        if limit > margin:
            high = middle
        else:
            low = middle
        if high / low < 1 + 1e-14:
            break
    return high


random.seed(7)
families = []
for parts in [1, 2, 3, 5, 8, 12] * 4:
    margin = random.choice([0.0, 0.02, 0.05])
    family = []
    for _ in range(parts):
        n, m = random.randint(50, 800), random.randint(50, 800)
        rate = random.uniform(0.6, 0.95)
        worse = random.choice([0, 0, 0.05, 0.12, 0.2])
        champion = [sum(random.random() < rate for _ in range(n)), n]
        candidate = [sum(random.random() < rate - worse for _ in range(m)), m]
        family.append({"candidate": candidate, "champion": champion, "p": p_value(champion, candidate, margin)})
    rejected, *_ = multipletests([f["p"] for f in family], alpha=ALPHA, method="holm")
    for f, r in zip(family, rejected):
        f["rejected"] = bool(r)
    families.append({"margin": margin, "parts": family})
print(json.dumps({"statsmodels": statsmodels.__version__, "families": families}, indent=1))
