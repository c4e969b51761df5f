"""A model, and how important Python's XGBoost says its features are.

    python scripts/golden/importance.py shared/xgboost/testdata

Written with xgboost-cpu 3.2.0.
"""
import json
import pathlib
import sys

import numpy as np
import xgboost as xgb

out = pathlib.Path(sys.argv[1])
rng = np.random.default_rng(8)
X = rng.normal(size=(2000, 6)).astype(np.float32)
X[:, 5] = 0  # no split can be on it
y = (X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=2000) / 2 > 0).astype(int)
booster = xgb.train({"objective": "binary:logistic", "max_depth": 4, "nthread": 1}, xgb.DMatrix(X, y, weight=rng.random(2000)), 20)
booster.save_model(out / "importance.ubj")
scores = {kind: booster.get_score(importance_type=kind) for kind in ["weight", "gain", "cover", "total_gain", "total_cover"]}
(out / "importance.json").write_text(json.dumps({"xgboost": xgb.__version__, "scores": scores}, indent=1) + "\n")
