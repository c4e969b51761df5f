"""Makes shared/gbdt/testdata/importance.json: what XGBoost's own get_score says
of the models in models.zip and adult.ubj.gz: total_gain and weight by feature.

Needs Python 3.11 and xgboost-cpu 3.2.0. Run it from the repository's root. A
model that has no such score (gblinear) is left out. XGBoost sums in float32,
so the tests compare to a few parts in a million.
"""

import gzip
import json
import zipfile

import xgboost as xgb

TESTDATA = "shared/gbdt/testdata/"
result = {}


def score(name, data):
    booster = xgb.Booster()
    booster.load_model(bytearray(data))
    booster.feature_names = None
    try:
        gain = booster.get_score(importance_type="total_gain")
        splits = booster.get_score(importance_type="weight")
    except xgb.core.XGBoostError:
        return
    if any(isinstance(v, list) for v in gain.values()):
        return
    result[name] = {f[1:]: [gain[f], int(splits[f])] for f in sorted(splits)}


with zipfile.ZipFile(TESTDATA + "models.zip") as archive:
    for name in sorted(archive.namelist()):
        if name.endswith((".json", ".ubj")):
            score(name, archive.read(name))
score("adult.ubj", gzip.open(TESTDATA + "adult.ubj.gz").read())
with open(TESTDATA + "importance.json", "w") as f:
    json.dump(result, f, indent=0, sort_keys=True)
    f.write("\n")
print(len(result), "models")
