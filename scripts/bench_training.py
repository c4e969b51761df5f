"""Trains the same model by the reference trainer and by Python (xgboost with
pandas), each in a process of its own, and prints wall time and peak memory.

Both read the same CSV files (the trainer contract's), make the same number of
stratified folds with the same parameters and rounds, train on all rows at the
end, and write a model; both use libxgboost 3.2.0 with the same threads. Neither
stops early, so both do the same work. They run in turns.

    python scripts/bench_training.py TRAINER LIBRARY [rows columns]

TRAINER is the built trainer and LIBRARY libxgboost.so. Without rows and columns it
is the Adult data. ROUNDS and FOLDS change the work, REPEAT how often it is done.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

REPEAT, ROUNDS, FOLDS = int(os.environ.get("REPEAT", 3)), int(os.environ.get("ROUNDS", 100)), int(os.environ.get("FOLDS", 5))
PARAMS = {"max_depth": 6, "learning_rate": 0.1, "subsample": 0.8, "tree_method": "hist"}


def python_side():
    """The same training as one would write it in Python."""
    import numpy as np
    import pandas as pd
    import xgboost as xgb
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold

    with open(os.environ["SLUICE_JOB"]) as file:
        job = json.load(file)
    frame = pd.read_csv(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "train.csv"))
    y = (frame.pop(job["target"]).astype(str) == job["positive"]).to_numpy(dtype="f4")
    for name in frame.columns[frame.dtypes == object]:
        frame[name] = frame[name].astype("category")
    params = {"objective": "binary:logistic", "eval_metric": "auc", "seed": job["seed"], "nthread": job["cpus"], "max_depth": PARAMS["max_depth"],
              "eta": PARAMS["learning_rate"], "subsample": PARAMS["subsample"], "tree_method": "hist"}
    out = np.zeros(len(y), dtype="f4")
    for train, held in StratifiedKFold(FOLDS, shuffle=True, random_state=job["seed"]).split(frame, y):
        d = xgb.DMatrix(frame.iloc[train], y[train], enable_categorical=True, nthread=job["cpus"])
        h = xgb.DMatrix(frame.iloc[held], y[held], enable_categorical=True, nthread=job["cpus"])
        booster = xgb.train(params, d, ROUNDS, evals=[(h, "held")], verbose_eval=False)
        out[held] = booster.predict(h)
    booster = xgb.train(params, xgb.DMatrix(frame, y, enable_categorical=True, nthread=job["cpus"]), ROUNDS)
    booster.save_model(os.path.join(os.environ["SM_MODEL_DIR"], "model.ubj"))
    with open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "metrics.json"), "w") as file:
        json.dump({"out_of_fold": {"auc_roc": float(roc_auc_score(y, out))}}, file)


def adult(path):
    import pandas as pd
    features = ["age", "workclass", "education_num", "marital_status", "occupation", "relationship", "capital_gain", "capital_loss", "hours_per_week"]
    frame = pd.concat([pd.read_csv(f"events/adult/{part}") for part in ("part-0.csv.gz", "part-1.csv.gz")])
    frame[features + ["income"]].to_csv(path, index=False)
    return features, "income", ">50K", len(frame)


def made_up(path, rows, columns):
    import numpy as np
    import pandas as pd
    random = np.random.default_rng(5)
    x = random.normal(size=(rows, columns)).astype("f4").round(4)
    z = x[:, :5] @ np.array([1, -0.8, 0.6, -0.4, 0.2]) + np.abs(x[:, 5]) * x[:, 6] + random.normal(size=rows)
    features = [f"x{i}" for i in range(columns)]
    frame = pd.DataFrame(x, columns=features)
    frame["y"] = (z > 0).astype(int)
    frame.to_csv(path, index=False)
    return features, "y", "1", rows


def job(features, target, positive, rows):
    config = {"experiment": {"name": "bench", "seed": 7}, "data": {"target": target, "positive": positive, "features": features},
              "model": {"type": "image", "params": {**PARAMS, "n_estimators": ROUNDS}},
              "training": {"folds": FOLDS, "early_stopping_rounds": 0, "eval_metric": "auc"}}
    return {"format": 1, "model": "bench", "run": "bench-1", "attempt": 1, "seed": 7, "cpus": os.cpu_count(), "target": target,
            "positive": positive, "features": [], "train_rows": rows, "validation_rows": 0, "params": config["model"]["params"],
            "commit": "c", "plan_hash": "sha256:p", "config_hash": "sha256:c", "config": config}


def run(command, folder, environment):
    """Seconds of wall time and of both processors, peak memory in MiB, and the out-of-fold AUC."""
    for name in ("model", "output", "checkpoints"):
        shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
        os.mkdir(os.path.join(folder, name))
    environment = {**os.environ, **environment, "SLUICE_JOB": os.path.join(folder, "job.json"), "SM_CHANNEL_TRAIN": folder,
                   "SM_MODEL_DIR": os.path.join(folder, "model"), "SM_OUTPUT_DATA_DIR": os.path.join(folder, "output"),
                   "SM_CHECKPOINT_DIR": os.path.join(folder, "checkpoints")}
    begin = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    took = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} ended with {process.returncode}")
    with open(os.path.join(folder, "output", "metrics.json")) as file:
        auc = json.load(file)["out_of_fold"]["auc_roc"]
    return took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, auc


def main(trainer, library, *size):
    folder = tempfile.mkdtemp(prefix="bench-training-")
    try:
        path = os.path.join(folder, "train.csv")
        described = made_up(path, int(size[0]), int(size[1])) if size else adult(path)
        with open(os.path.join(folder, "job.json"), "w") as file:
            json.dump(job(*described), file)
        print(f"{described[3]} rows, {len(described[0])} columns, {FOLDS} folds and a final model of {ROUNDS} rounds, {os.cpu_count()} threads; "
              f"load {os.getloadavg()[0]:.1f} before", flush=True)
        sides = {"Python (xgboost, pandas)": ([sys.executable, os.path.abspath(__file__), "python-side"], {}),
                 "the trainer": ([os.path.abspath(trainer), "train"], {"SLUICE_XGBOOST_LIB": os.path.abspath(library)})}
        measured = {name: [] for name in sides}
        for _ in range(REPEAT):
            for name, (command, environment) in sides.items():
                measured[name].append(run(command, folder, environment))
        print(f"{'':<26} {'wall s':>8} {'least':>8} {'CPU s':>8} {'peak MiB':>9} {'AUC':>8}")
        for name, list_ in measured.items():
            walls = sorted(m[0] for m in list_)
            print(f"{name:<26} {walls[len(walls) // 2]:>8.2f} {walls[0]:>8.2f} {min(m[1] for m in list_):>8.2f} {max(m[2] for m in list_):>9.0f} {list_[0][3]:>8.4f}")
        print(f"load {os.getloadavg()[0]:.1f} after")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    python_side() if sys.argv[1:] == ["python-side"] else main(*sys.argv[1:])
