"""Makes shared/gbdt/testdata/models.zip: small models of many kinds, as
XGBoost saved them, with XGBoost's own margins and predictions.

Needs Python 3.11, xgboost-cpu 3.2.0, numpy 2.4.6 and glibc 2.28 to 2.40.
Run it from the repository's root. It writes the same bytes every time.

In the archive: libm.f32 (inputs, then the C library's expf and logf of them),
rows.f32 (rows x features, little-endian float32), and for each
model <name>.json or <name>.ubj, <name>.margin and <name>.prediction.
"""

import ctypes
import json
import os
import zipfile

import numpy as np
import xgboost as xgb

OUT = "shared/gbdt/testdata/models.zip"
FEATURES = 8
CATEGORICAL = {5: 12, 6: 60}
TYPES = ["c" if f in CATEGORICAL else "q" for f in range(FEATURES)]


def table(rng, rows, missing=0.1):
    x = rng.normal(size=(rows, FEATURES)).astype("f4")
    x[:, 3] = rng.integers(0, 5, rows)
    x[:, 4] = np.round(x[:, 4] * 1000)
    x[:, 7] = np.exp(3 * x[:, 7])
    for f, levels in CATEGORICAL.items():
        x[:, f] = rng.integers(0, levels, rows)
    x[rng.random(x.shape) < missing] = np.nan
    return x


def signal(rng, x):
    z = np.nan_to_num(x.astype("f8"))
    return (z[:, 0] + 0.5 * z[:, 1] * z[:, 2] + 0.3 * (z[:, 3] > 2) + 0.8 * np.isin(z[:, 5], [1, 4, 7])
            - 0.6 * (z[:, 6] % 3 == 1) + 0.05 * np.log1p(z[:, 7]) + 0.5 * rng.normal(size=len(x)))


def labels(objective, s):
    r = np.argsort(np.argsort(s))
    if objective.startswith("binary"):
        return (s > 0.5).astype("f4")
    if objective == "reg:logistic":
        return (1 / (1 + np.exp(-s))).astype("f4")
    if objective.startswith("multi"):
        return (r * 4 // len(s)).astype("f4")
    if objective.startswith("rank"):
        return (r * 3 // len(s)).astype("f4")
    if objective in ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "reg:squaredlogerror"):
        return np.exp(np.clip(s, -2, 2)).astype("f4")
    return s.astype("f4")


def cases():
    """Yields (name, parameters, rounds, options)."""
    objectives = ["binary:logistic", "binary:logitraw", "binary:hinge", "reg:logistic", "reg:squarederror",
                  "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror", "reg:gamma", "reg:tweedie",
                  "count:poisson", "survival:cox", "survival:aft", "multi:softprob", "multi:softmax",
                  "rank:pairwise", "rank:ndcg", "rank:map"]
    for o in objectives:
        yield o.replace(":", "-"), {"objective": o}, 6, {}
        yield o.replace(":", "-") + "-json", {"objective": o, "max_depth": 2}, 3, {"format": "json"}
    yield "quantile", {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9]}, 4, {}
    yield "two-targets", {"objective": "reg:squarederror"}, 4, {"targets": 2}
    yield "two-labels", {"objective": "binary:logistic"}, 4, {"targets": 2}
    logistic = {"objective": "binary:logistic"}
    for score in (0.01, 0.2401, 0.5, 0.73, 0.999):
        yield f"base-{score}", logistic | {"base_score": score}, 4, {}
    yield "base-poisson", {"objective": "count:poisson", "base_score": 3.7}, 4, {}
    yield "base-negative", {"objective": "reg:squarederror", "base_score": -7.25}, 4, {"format": "json"}
    for depth in (1, 3, 9):
        yield f"depth-{depth}", logistic | {"max_depth": depth}, 5, {}
    yield "lossguide", logistic | {"grow_policy": "lossguide", "max_leaves": 25, "max_depth": 0}, 5, {}
    yield "exact", logistic | {"tree_method": "exact"}, 5, {"numeric": True}
    yield "approx", logistic | {"tree_method": "approx"}, 5, {}
    yield "no-missing", logistic, 5, {"missing": 0}
    yield "one-hot", logistic | {"max_cat_to_onehot": 100}, 8, {}
    yield "partition", logistic | {"max_cat_to_onehot": 1}, 8, {"format": "json"}
    yield "wide-categories", logistic | {"max_cat_to_onehot": 1}, 5, {"spread": 700}
    yield "forest", logistic | {"num_parallel_tree": 4, "subsample": 0.6, "colsample_bynode": 0.6}, 2, {}
    yield "pruned", logistic | {"gamma": 1.5, "max_depth": 7}, 6, {}
    yield "monotone", logistic | {"monotone_constraints": "(1,0,-1,0,0,0,0,0)"}, 6, {}
    yield "eta-lambda", logistic | {"eta": 0.03, "lambda": 3, "alpha": 0.5, "min_child_weight": 0.01}, 12, {}
    yield "stumps-only-root", logistic | {"gamma": 1e9}, 3, {}
    for kind in ("tree", "forest"):
        yield f"dart-{kind}", logistic | {"booster": "dart", "rate_drop": 0.4, "normalize_type": kind}, 12, {}
    yield "dart-softprob", {"objective": "multi:softprob", "booster": "dart", "rate_drop": 0.4}, 8, {"format": "json"}
    yield "linear", {"objective": "reg:squarederror", "booster": "gblinear"}, 6, {"numeric": True}
    yield "linear-logistic", logistic | {"booster": "gblinear"}, 6, {"numeric": True, "format": "json"}
    yield "linear-softprob", {"objective": "multi:softprob", "booster": "gblinear"}, 6, {"numeric": True}


def train(params, rounds, options):
    rng = np.random.default_rng(len(params) + rounds)
    x = table(rng, 1200, options.get("missing", 0.1))
    s = signal(rng, x)
    if "spread" in options:
        x[:, 6] *= options["spread"]
    y = labels(params["objective"], s)
    if options.get("targets") == 2:
        y = np.stack([y, labels(params["objective"], -s)], 1)
    types = ["q"] * FEATURES if options.get("numeric") else TYPES
    d = xgb.DMatrix(x, y, feature_types=types, enable_categorical=True, nthread=1)
    if params["objective"].startswith("rank"):
        d.set_group([40] * 30)
        if params["objective"] == "rank:map":
            d.set_label((y > 1).astype("f4"))
    if params["objective"] == "survival:aft":
        low = np.exp(np.clip(s, -2, 2))
        d.set_float_info("label_lower_bound", low)
        d.set_float_info("label_upper_bound", np.where(s > 1, np.inf, low))
    base = {"max_depth": 4, "eta": 0.3, "nthread": 1, "seed": 7, "verbosity": 0, "updater": "coord_descent"}
    if params.get("booster") != "gblinear":
        del base["updater"]
    if params["objective"].startswith("multi"):
        base["num_class"] = 4
    return xgb.train(base | params, d, rounds)


def awkward_rows(models):
    """Ordinary rows, then rows that sit exactly on thresholds, and strange ones."""
    rng = np.random.default_rng(99)
    x = table(rng, 160)
    for model in models[::5]:
        tree = json.loads(model.save_raw("json"))["learner"]["gradient_booster"]
        tree = tree.get("gbtree", tree)["model"].get("trees", [None])[0]
        if not tree:
            continue
        row = table(rng, 1, 0)
        for feature, left, cut in zip(tree["split_indices"], tree["left_children"], tree["split_conditions"]):
            if left >= 0 and TYPES[feature] == "q":
                row[0, feature] = np.float32(cut)
        x = np.concatenate([x, row])
    strange = table(rng, 24, 0)
    strange[0, :] = np.nan
    strange[1, :5] = -3e38
    strange[2, :5] = 3e38
    strange[3, :5] = 1e-45
    strange[4, :5] = -0.0
    strange[5:12, 5] = [12, 99, 63, 64, 3.7, 16777215, 2e7]
    strange[12:19, 6] = [60, 700, 1400, 41300, 5e8, 127.9, 128]
    strange[19, 5:7] = -1
    return np.concatenate([x, strange]).astype("f4")


def libm():
    """Inputs over all magnitudes, then glibc's expf and logf of each."""
    lib = ctypes.CDLL("libm.so.6")
    for f in (lib.expf, lib.logf):
        f.restype, f.argtypes = ctypes.c_float, [ctypes.c_float]
    rng = np.random.default_rng(5)
    x = np.concatenate([rng.normal(size=4000) * 4, rng.uniform(-104, 89, 4000), np.exp(rng.uniform(-104, 88, 4000)),
                        [0, -0.0, 1, -1, 88.72283, 88.72284, -103.97, -103.98, np.inf, -np.inf, 1e-45, 1e-40]])
    x = x.astype("f4")
    return np.concatenate([x, [lib.expf(v) for v in x.tolist()], [lib.logf(v) for v in x.tolist()]]).astype("<f4")


def main():
    made = [(name, train(*rest), rest[2]) for name, *rest in cases()]
    x = awkward_rows([model for _, model, _ in made])
    os.makedirs(os.path.dirname(OUT), exist_ok=True)
    with zipfile.ZipFile(OUT, "w") as z:
        def put(name, data):
            info = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            z.writestr(info, data, compresslevel=9)

        put("libm.f32", libm().tobytes())
        put("rows.f32", x.astype("<f4").tobytes())
        for name, model, options in made:
            types = ["q"] * FEATURES if options.get("numeric") else TYPES
            d = xgb.DMatrix(x, feature_types=types, enable_categorical=True, nthread=1)
            form = options.get("format", "ubj")
            put(f"{name}.{form}", bytes(model.save_raw(form)))
            put(f"{name}.margin", model.predict(d, output_margin=True).astype("<f4").tobytes())
            put(f"{name}.prediction", model.predict(d).astype("<f4").tobytes())
    print(len(made), "models,", len(x), "rows,", os.path.getsize(OUT), "bytes")


if __name__ == "__main__":
    main()
