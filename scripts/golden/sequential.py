"""Golden values for shared/sequential, from definitions and scipy's solvers.

    python3 scripts/golden/sequential.py > shared/sequential/testdata/golden.json

Made with scipy 1.15.3 and numpy 2.2.6. Nothing here shares code or closed forms with the
Go package: the nearest null pair comes from a bounded scalar minimiser, the
interval from numerical root finding on the mixture integral, the bets from a
product over single requests.
"""
import json
import math

import numpy as np
import scipy
from scipy import integrate, optimize, stats

RATIOS = [1.1, 1.3, 1.7, 2.5, 4, 8, 20, 80]
BETS = [0.01, 0.03, 0.1, 0.2, 0.4, 0.7, 0.95]
random = np.random.default_rng(20261123)


def odds(p, ratio):
    o = ratio * p / (1 - p)
    return o / (1 + o)


def log_likelihood(bad, n, p):
    return stats.binom.logpmf(bad, n, p)


def log_mean_exp(values):
    return float(np.logaddexp.reduce(values) - math.log(len(values)))


def limit(most, counts):
    seen, out = np.zeros(2, int), []
    for bad, n in counts:
        seen += (bad, n)
        out.append(log_mean_exp([log_likelihood(*seen, odds(most, r)) - log_likelihood(*seen, most) for r in RATIOS]))
    return out


def bernoulli_kl(p, q):
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))


def rates(margin, guess, looks):
    wealth, seen, out = np.zeros(len(RATIOS) + 1), np.zeros(2), []  # the last is never bet
    for (ca, na), (cb, nb) in looks:
        # A fiftieth of the whole is dealt out anew, in equal parts.
        wealth = np.logaddexp(wealth + math.log(0.98), log_mean_exp(wealth) + math.log(0.02))
        champion = (seen[0] + 1) / (seen[1] + 1 / guess)
        for i, r in enumerate(RATIOS):
            candidate = odds(champion + margin, r)
            t = optimize.minimize_scalar(
                lambda t: na * bernoulli_kl(candidate, t + margin) + nb * bernoulli_kl(champion, t),
                bounds=(1e-12, 1 - margin - 1e-12), method="bounded", options={"xatol": 1e-14, "maxiter": 5000}).x
            wealth[i] += (log_likelihood(ca, na, candidate) - log_likelihood(ca, na, t + margin)
                          + log_likelihood(cb, nb, champion) - log_likelihood(cb, nb, t))
        seen += (cb, nb)
        out.append(log_mean_exp(wealth))
    return out


def harmless(effect, guess, looks):
    hopes = [0, 0.1 * effect]
    wealth, seen, out = np.zeros(len(hopes) + 1), np.zeros(2), []
    for (ca, na), (cb, nb) in looks:
        wealth = np.logaddexp(wealth + math.log(0.98), log_mean_exp(wealth) + math.log(0.02))
        champion = (seen[0] + 1) / (seen[1] + 1 / guess)
        for i, hope in enumerate(hopes):
            candidate = champion + hope
            t = optimize.minimize_scalar(
                lambda t: na * bernoulli_kl(candidate, t + effect) + nb * bernoulli_kl(champion, t),
                bounds=(1e-12, 1 - effect - 1e-12), method="bounded", options={"xatol": 1e-14, "maxiter": 5000}).x
            wealth[i] += (log_likelihood(ca, na, candidate) - log_likelihood(ca, na, t + effect)
                          + log_likelihood(cb, nb, champion) - log_likelihood(cb, nb, t))
        seen += (cb, nb)
        out.append(log_mean_exp(wealth))
    return out


def interval(bad, n, alpha):
    """Where the mean likelihood over a Beta(1/2, 1/2) prior is below 1/alpha times the likelihood."""
    peak = bad / n
    scale = log_likelihood(bad, n, min(max(peak, 1e-12), 1 - 1e-12))
    # p = sin²(x) turns the prior into the uniform one on x.
    centre = math.asin(math.sqrt(peak))
    mixed = integrate.quad(lambda x: math.exp(log_likelihood(bad, n, math.sin(x) ** 2) - scale), 0, math.pi / 2,
                           points=[centre], limit=500, epsabs=0, epsrel=1e-11)[0] / (math.pi / 2)
    height = math.log(mixed) + scale + math.log(alpha)

    def f(p):
        return log_likelihood(bad, n, p) - height
    low = 0.0 if bad == 0 else optimize.brentq(f, 1e-15, peak, xtol=1e-15)
    high = 1.0 if bad == n else optimize.brentq(f, peak if peak else 1e-15, 1 - 1e-15, xtol=1e-15)
    return [low, high]


def paired(margin, worse, better, same):
    wealth = []
    for share in BETS:
        stake, product = share / (1 + margin), 1.0
        for d in [1] * worse + [-1] * better + [0] * same:
            product *= 1 + stake * (d - margin)
        wealth.append(product)
    return math.log(sum(wealth) / len(wealth))


def draw(n, p):
    return [int(random.binomial(n, p)), int(n)]


golden = {"made_with": f"scipy {scipy.__version__}, numpy {np.__version__}", "limit": [], "rates": [], "interval": [], "paired": []}
for most, p in [(0.01, 0.01), (0.01, 0.05), (0.3, 0.2), (0.001, 0.002)]:
    counts = [draw(int(random.integers(1, 4000)), p) for _ in range(6)]
    golden["limit"].append({"max": most, "looks": counts, "evidence": limit(most, counts)})
for margin, guess, pa, pb in [(0, 0.01, 0.01, 0.01), (0, 0.01, 0.05, 0.01), (0.02, 0.01, 0.05, 0.02), (0.05, 0.2, 0.3, 0.3), (0.005, 0.01, 0.2, 0.001)]:
    looks = [[draw(int(random.integers(1, 2000)), pa), draw(int(random.integers(1, 5000)), pb)] for _ in range(6)]
    golden["rates"].append({"margin": margin, "guess": guess, "looks": looks, "evidence": rates(margin, guess, looks)})
for bad, n in [(0, 1), (1, 1), (0, 50), (3, 50), (50, 50), (700, 1000), (13, 100000)]:
    for alpha in (0.05, 0.001):
        golden["interval"].append({"bad": bad, "all": n, "alpha": alpha, "interval": interval(bad, n, alpha)})
for margin in (0, 0.01, 0.2):
    for worse, better, same in [(0, 0, 5), (10, 0, 0), (0, 10, 3), (40, 22, 300), (30, 31, 10)]:
        golden["paired"].append({"margin": margin, "only_candidate": worse, "only_champion": better, "same": same,
                                 "evidence": paired(margin, worse, better, same)})
golden["harmless"] = []
for effect, guess, pa, pb in [(0.035, 0.01, 0.01, 0.01), (0.035, 0.01, 0.05, 0.01), (0.07, 0.1, 0.15, 0.15), (0.5, 0.1, 0.3, 0.2)]:
    looks = [[draw(int(random.integers(1, 500)), pa), draw(int(random.integers(1, 1500)), pb)] for _ in range(6)]
    golden["harmless"].append({"effect": effect, "guess": guess, "looks": looks, "evidence": harmless(effect, guess, looks)})
print(json.dumps(golden, indent=1))
