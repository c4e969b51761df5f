"""Makes shared/gbdt/testdata/matrix.zip: models over the matrix of XGBoost's
features, saved by nine of its versions, with what XGBoost predicts for 10,000
rows.

Run it from the repository's root, on glibc 2.28 to 2.40, first once with each
version that writes models (Python 3.11; numpy 1.26.4 up to XGBoost 2.1, 2.4.6
after), then with XGBoost 3.2.0 to pack them:

    python scripts/golden/gbdt_matrix.py train DIR     # each version
    python scripts/golden/gbdt_matrix.py pack DIR      # xgboost-cpu 3.2.0

The rows are not kept: rows() and the test's own generator make the same ones
from SplitMix64 (Steele, Lea and Flood 2014) in exact arithmetic. In the archive:
<version>/<name>.json or .ubj as that version saved it, and expected.json: for
each model the SHA-256 of its little-endian float32 margins, its predictions and
its margins after the first two rounds, as XGBoost 3.2.0 gives them of that
file, the first four of each in hexadecimal, and whether the version that wrote
the file gives the same bits. XGBoost 3.2.0 crashes on the vector leaves of
earlier versions: there the expected values are the writer's. It takes the base
score of gblinear files before 1.6 for a margin, which it was not: there it is
given the margin.
"""

import hashlib
import json
import os
import sys
import warnings
import zipfile

import numpy as np
import xgboost as xgb

warnings.filterwarnings("ignore")
OUT = "shared/gbdt/testdata/matrix.zip"
ROWS, FEATURES = 10_000, 10
LEVELS = {5: 12, 6: 56, 8: 300}
TYPES = ["c" if f in LEVELS else "q" for f in range(FEATURES)]
VERSION = tuple(int(p) for p in xgb.__version__.split(".")[:2])
STRANGE = np.array([-3e38, 3e38, 1e-45, -1e-45, -0.0, 0.0, 3.7, 16777215], "f4")


def hashes(seed, n):
    """SplitMix64's numbers seed·2³² + 1 … n."""
    with np.errstate(over="ignore"):
        z = (np.uint64(seed << 32) + np.arange(1, n + 1, dtype="u8")) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def rows(seed, n, strange=True):
    """n rows: numbers on grids coarse enough to meet thresholds, magnitudes
    from 2⁻³² to 2³¹, categories, a tenth missing, and one row in 64 of oddities."""
    h = hashes(seed, n * FEATURES).reshape(n, FEATURES)
    part = lambda bits: ((h >> np.uint64(24)) & np.uint64((1 << bits) - 1)).astype("i8")
    grid = (part(12) - 2048).astype("f4") / np.float32(512)
    x = grid.copy()
    x[:, 3] = part(32)[:, 3] % 5
    x[:, 4] = part(20)[:, 4] - (1 << 19)
    x[:, 7] = part(3)[:, 7] - 4
    for f, levels in LEVELS.items():
        x[:, f] = part(32)[:, f] % levels
    x[:, 9] = np.ldexp((part(10)[:, 9] + 1024).astype("f8"), (h[:, 9] >> np.uint64(58)).astype("i8") - 42)
    x[(h & np.uint64(1023)) < 102] = np.nan
    if strange:
        odd = np.arange(n) % 64 == 63
        x[odd] = STRANGE[(h[odd] >> np.uint64(61)).astype("i8")]
    return x.astype("f4")


def signal(x, rng):
    z = np.nan_to_num(x.astype("f8"))
    return (z[:, 0] + 0.3 * z[:, 1] * z[:, 2] + 0.4 * (z[:, 3] > 2) + np.isin(z[:, 5], [1, 4, 7])
            - 0.6 * (z[:, 6] % 3 == 1) + 0.02 * np.log2(1 + z[:, 9]) + 0.5 * (z[:, 8] % 7 < 3)
            + 0.2 * z[:, 7] + 0.5 * rng.normal(size=len(x)))


def labels(objective, s):
    r = np.argsort(np.argsort(s))
    if objective.startswith("binary"):
        return (s > 0.5).astype("f4")
    if objective == "reg:logistic":
        return (1 / (1 + np.exp(-s))).astype("f4")
    if objective.startswith("multi"):
        return (r * 4 // len(s)).astype("f4")
    if objective == "rank:map":
        return (r * 3 // len(s) > 1).astype("f4")
    if objective.startswith("rank"):
        return (r * 3 // len(s)).astype("f4")
    if objective in ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "reg:squaredlogerror"):
        return np.exp(np.clip(s, -2, 2)).astype("f4")
    return s.astype("f4")


OBJECTIVES = {"binary:logistic": (0, 0), "binary:logitraw": (0, 0), "binary:hinge": (0, 0), "reg:logistic": (0, 0),
              "reg:squarederror": (0, 0), "reg:squaredlogerror": (1, 0), "reg:pseudohubererror": (1, 6),
              "reg:absoluteerror": (1, 7), "reg:quantileerror": (2, 0), "reg:gamma": (0, 0), "reg:tweedie": (0, 0),
              "count:poisson": (0, 0), "survival:cox": (0, 0), "survival:aft": (1, 2), "multi:softprob": (0, 0),
              "multi:softmax": (0, 0), "rank:pairwise": (0, 0), "rank:ndcg": (0, 0), "rank:map": (0, 0)}
LOGISTIC = {"objective": "binary:logistic"}


def cases():
    """Yields (name, parameters, rounds, options)."""
    known = [o for o, since in OBJECTIVES.items() if VERSION >= since]
    for o in known:
        yield o.replace(":", "-"), {"objective": o}, 4, {}
    for score in (0.02, 0.5, 0.83):
        yield f"base-{score}", LOGISTIC | {"base_score": score}, 3, {}
        yield f"logitraw-base-{score}", {"objective": "binary:logitraw", "base_score": score}, 3, {}
    yield "softprob-base", {"objective": "multi:softprob", "base_score": 0.7}, 3, {}
    yield "squarederror-base", {"objective": "reg:squarederror", "base_score": -7.25}, 3, {}
    for o in ("binary:logistic", "multi:softprob"):
        yield "dart-" + o[-8:], {"objective": o, "booster": "dart", "rate_drop": 0.4}, 8, {}
        yield "forest-" + o[-8:], {"objective": o, "num_parallel_tree": 3, "subsample": 0.6}, 3, {}
    yield "linear", LOGISTIC | {"booster": "gblinear", "updater": "coord_descent"}, 4, {}
    if VERSION >= (1, 6):
        yield "one-hot", LOGISTIC | {"max_cat_to_onehot": 1000}, 6, {"categorical": True}
    if VERSION >= (1, 7):
        yield "partition", LOGISTIC | {"max_cat_to_onehot": 1}, 6, {"categorical": True}
        yield "partition-softmax", {"objective": "multi:softmax", "max_cat_to_onehot": 4}, 3, {"categorical": True}
    if VERSION >= (2, 0):
        yield "quantiles", {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9]}, 3, {}
        yield "vector-leaves", {"objective": "reg:squarederror", "multi_strategy": "multi_output_tree"}, 4, {"targets": 3}
    if VERSION == (3, 2):
        yield from pinned(known)


def pinned(known):
    """The wider matrix of the version that the trainer uses."""
    for o in known:
        short = o.replace(":", "-")
        yield f"wide/{short}-dart", {"objective": o, "booster": "dart", "rate_drop": 0.5, "max_depth": 3}, 6, {"categorical": True}
        yield f"wide/{short}-forest", {"objective": o, "num_parallel_tree": 2, "subsample": 0.5, "max_depth": 3}, 2, {"categorical": True}
    for depth in (1, 2, 6, 10):
        for cats in (1, 1000):
            for missing in (False, True):
                yield (f"wide/depth-{depth}-{cats}-{missing}", LOGISTIC | {"max_depth": depth, "max_cat_to_onehot": cats},
                       3, {"categorical": True, "full": not missing})
    for method in ("exact", "approx"):
        yield f"wide/{method}", LOGISTIC | {"tree_method": method}, 4, {}
    yield "wide/lossguide", LOGISTIC | {"grow_policy": "lossguide", "max_leaves": 40, "max_depth": 0}, 4, {"categorical": True}
    yield "wide/pruned", LOGISTIC | {"gamma": 3, "max_depth": 8}, 4, {}
    yield "wide/only-roots", LOGISTIC | {"gamma": 1e9}, 3, {}
    yield "wide/hundred-trees", LOGISTIC | {"max_depth": 3}, 100, {"categorical": True}
    for o in ("reg:squarederror", "binary:logistic"):
        for strategy in ("one_output_per_tree", "multi_output_tree"):
            yield f"wide/{o[:3]}-targets-{strategy}", {"objective": o, "multi_strategy": strategy}, 4, {"targets": 3, "categorical": True}
    yield "wide/softprob-multi-output", {"objective": "multi:softprob", "multi_strategy": "multi_output_tree"}, 4, {}


def train(params, rounds, options):
    rng = np.random.default_rng(rounds)
    x = rows(7, 1200, strange=False)
    if options.get("full"):
        x = np.where(np.isnan(x), np.float32(1), x)
    s = signal(x, rng)
    y = labels(params["objective"], s)
    if "targets" in options:
        y = np.stack([labels(params["objective"], k * s) for k in (1, -1, 0.3)], 1)
    d = matrix(x, options, y)
    if params["objective"].startswith("rank"):
        d.set_group([40] * 30)
    if params["objective"] == "survival:aft":
        low = np.exp(np.clip(s, -2, 2))
        d.set_float_info("label_lower_bound", low)
        d.set_float_info("label_upper_bound", np.where(s > 1, np.inf, low))
    base = {"max_depth": 4, "eta": 0.3, "nthread": 2, "seed": 7, "verbosity": 0}
    if params.get("booster") != "gblinear":
        base["tree_method"] = "hist"
    if params["objective"].startswith("multi"):
        base["num_class"] = 4
    if params["objective"] == "reg:quantileerror" and "quantile_alpha" not in params:
        base["quantile_alpha"] = 0.3
    return xgb.train({**base, **params}, d, rounds)


def matrix(x, options, y=None):
    more = {"feature_types": TYPES, "enable_categorical": True} if options.get("categorical") else {}
    if "margin" in options:
        more["base_margin"] = np.full(len(x), options["margin"], "f4")
    return xgb.DMatrix(x, y, nthread=2, **more)


def predictions(model, x, options):
    d = matrix(x, options)
    head = {"iteration_range": (0, 2)} if VERSION >= (1, 4) else {}
    values = [model.predict(d, output_margin=True), model.predict(d)]
    if head and options.get("booster") != "gblinear":
        values.append(model.predict(matrix(x, options), output_margin=True, **head))
    return [np.ascontiguousarray(v, "<f4") for v in values]


def sha(v):
    return hashlib.sha256(v.tobytes()).hexdigest()


def first(v):
    return v.ravel()[:4].tobytes().hex()


def train_all(folder):
    form = "ubj" if VERSION >= (1, 6) else "json"
    x, index = rows(1, ROWS), {}
    for number, (name, params, rounds, options) in enumerate(cases()):
        try:
            model = train(params, rounds, options)
        except xgb.core.XGBoostError as e:
            print(xgb.__version__, name, "is not trained:", str(e).split("\n")[0][:150])
            continue
        options = options | {"booster": params.get("booster", "gbtree")}
        key = f"{xgb.__version__}/{name}.{'json' if number % 5 == 0 else form}"
        os.makedirs(os.path.dirname(f"{folder}/{key}"), exist_ok=True)
        model.save_model(f"{folder}/{key}")
        values = predictions(model, x, options)
        index[key] = {"options": options, "own": [sha(v) for v in values], "first": [first(v) for v in values]}
    with open(f"{folder}/{xgb.__version__}.index", "w") as f:
        json.dump(index, f)
    print(xgb.__version__, len(index), "models")


def pack(folder):
    assert xgb.__version__ == "3.2.0", xgb.__version__
    x, expected, differ = rows(1, ROWS), {}, []
    with zipfile.ZipFile(OUT, "w") as z:
        def put(name, data):
            info = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            z.writestr(info, data, compresslevel=9)

        for part in sorted(p for p in os.listdir(folder) if p.endswith(".index")):
            for key, entry in json.load(open(f"{folder}/{part}")).items():
                data = open(f"{folder}/{key}", "rb").read()
                sums, firsts = entry["own"], entry["first"]
                if key.startswith("3.2.0") or "vector-leaves" not in key:
                    options = entry["options"]
                    if key in ("1.0.2/linear.json", "1.4.2/linear.json"):
                        options = options | {"margin": 0.0}
                    values = predictions(xgb.Booster(params={"nthread": 2}, model_file=bytearray(data)), x, options)
                    sums, firsts = [sha(v) for v in values], [first(v) for v in values]
                same = sums[:2] == entry["own"][:2]
                if not same:
                    differ.append(key)
                expected[key] = {"sha256": sums, "first": firsts, "writer_agrees": same}
                put(key, data)
        put("expected.json", json.dumps({"xgboost": xgb.__version__, "rows": ROWS, "rows_sha256": sha(x), "models": expected}, indent=1, sort_keys=True))
    print(len(expected), "models,", os.path.getsize(OUT), "bytes; their writers predict otherwise:", differ)


if __name__ == "__main__":
    {"train": train_all, "pack": pack}[sys.argv[1]](sys.argv[2])
