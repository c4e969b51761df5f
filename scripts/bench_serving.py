"""Serves one model of 500 trees by functions/server and by MLflow's own scoring
server, and predicts with it by shared/gbdt and by XGBoost's inplace_predict, in
one run; prints latencies, requests a second, times to start and ratios.

    python scripts/bench_serving.py SERVER INVOKE

SERVER is the built server, INVOKE the built scripts/peers/invoke, which is the one
client of both servers. The model is XGBoost's on the Adult data (12 columns as
numbers). Both servers are asked for the same rows first and must give the same
scores. N changes how many requests are sent, ROUNDS how many turns they take.
"""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import numpy as np
import pandas as pd
import xgboost as xgb

N, ROUNDS, TREES = int(os.environ.get("N", 600)), int(os.environ.get("ROUNDS", 3)), 500
FEATURES = ["age", "workclass", "education_num", "marital_status", "occupation", "relationship", "race", "sex",
            "capital_gain", "capital_loss", "hours_per_week", "native_country"]


def model(folder):
    """The model in both servers' formats, and its rows."""
    import mlflow.xgboost
    frame = pd.concat([pd.read_csv(f"events/adult/{part}") for part in ("part-0.csv.gz", "part-1.csv.gz")], ignore_index=True)
    y = (frame["income"] == ">50K").to_numpy(dtype="f4")
    x = frame[FEATURES].copy()
    for name in FEATURES:
        if x[name].dtype == object:
            x[name] = x[name].astype("category").cat.codes
    x = x.astype("f8")
    booster = xgb.train({"objective": "binary:logistic", "max_depth": 6, "eta": 0.05, "tree_method": "hist", "seed": 7}, xgb.DMatrix(x, y), TREES)
    ours = os.path.join(folder, "ours")
    os.mkdir(ours)
    booster.save_model(os.path.join(ours, "model.ubj"))
    features = [{"name": name, "kind": "numeric", "mean": float(x[name].mean()), "std_dev": float(x[name].std())} for name in FEATURES]
    with open(os.path.join(ours, "schema.json"), "w") as file:
        json.dump({"format": 1, "model": "adult", "features": features, "target": "income", "positive": ">50K",
                   "objective": "binary:logistic", "train_rows": len(y)}, file)
    mlflow.xgboost.save_model(booster, os.path.join(folder, "mlflow"))
    return booster, x


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def await_ping(port, process):
    for _ in range(6000):
        if process.poll() is not None:
            sys.exit(f"a server ended by itself: {process.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=1) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.01)
    sys.exit("a server does not answer /ping")


def serve(server, folder):
    """Both servers' processes, ports and seconds to start."""
    commands = {
        "functions/server": lambda port: ([server, "serve"], {"SM_MODEL_DIR": os.path.join(folder, "ours"), "SAGEMAKER_BIND_TO_PORT": str(port), "SLUICE_BIND_HOST": "127.0.0.1"}),
        "MLflow": lambda port: ([sys.executable, "-m", "uvicorn", "mlflow.pyfunc.scoring_server.app:app", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--log-level", "warning"],
                                {"__pyfunc_model_path__": os.path.join(folder, "mlflow"), "MLFLOW_TRACKING_URI": "file:" + folder}),
    }
    running = {}
    for name, command in commands.items():
        port = free_port()
        argv, environment = command(port)
        begin = time.perf_counter()
        process = subprocess.Popen(argv, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, cwd=folder)
        running[name] = (process, port)
        await_ping(port, process)
        print(f"{name} answers /ping after {1000 * (time.perf_counter() - begin):.0f} ms")
    return running


def bodies(folder, x, rows):
    """The same rows as each server wants them."""
    part = x.iloc[:rows]
    ours, theirs = os.path.join(folder, f"ours-{rows}"), os.path.join(folder, f"mlflow-{rows}")
    with open(ours, "w") as file:
        json.dump({"instances": part.values.tolist()}, file)
    with open(theirs, "w") as file:
        json.dump({"dataframe_split": {"columns": FEATURES, "data": part.values.tolist()}}, file)
    return {"functions/server": ours, "MLflow": theirs}


def scores(port, body):
    with open(body, "rb") as file:
        request = urllib.request.Request(f"http://127.0.0.1:{port}/invocations", file.read(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return [p["score"] if isinstance(p, dict) else p for p in json.load(answer)["predictions"]]


def invoke(program, *arguments):
    return json.loads(subprocess.run([program, *map(str, arguments)], check=True, capture_output=True).stdout)


def serving(program, running, folder, x):
    same = {name: np.array(scores(port, bodies(folder, x, 100)[name])) for name, (_, port) in running.items()}
    difference = np.abs(same["functions/server"] - same["MLflow"]).max()
    assert difference < 1e-6, f"the servers' scores differ by {difference}"
    print(f"the same 100 rows: the scores differ by {difference:.1g} at most")
    print(f"{'':<34} {'p50 ms':>9} {'p99 ms':>9} {'requests/s':>11}")
    for rows, connections in ((1, 1), (1, 8), (100, 1)):
        body, measured = bodies(folder, x, rows), {name: [] for name in running}
        for _ in range(ROUNDS):
            for name, (_, port) in running.items():
                count = N * 10 if name == "functions/server" else N
                measured[name].append(invoke(program, "ask", "-n", count, "-c", connections, f"http://127.0.0.1:{port}/invocations", "application/json", body[name]))
        middle = {name: [sorted(m[key] for m in list_)[len(list_) // 2] for key in ("p50", "p99", "per_second")] for name, list_ in measured.items()}
        for name, (p50, p99, rate) in middle.items():
            print(f"{rows:>4} rows, {connections} connections: {name:<16} {p50 / 1000:>9.3f} {p99 / 1000:>9.3f} {rate:>11.0f}".replace(": ", " ", 1))
        ours, theirs = middle["functions/server"], middle["MLflow"]
        print(f"{'':>8} ratio: p50 {theirs[0] / ours[0]:.0f}×, p99 {theirs[1] / ours[1]:.0f}×, requests/s {ours[2] / theirs[2]:.0f}×")


def predicting(program, booster, folder, x):
    """shared/gbdt and inplace_predict in turns, one thread each."""
    values = np.ascontiguousarray(x.iloc[:10000].to_numpy(dtype="f4"))
    rows = os.path.join(folder, "rows.f4")
    values.tofile(rows)
    booster.set_param({"nthread": 1})
    single, one, all_ = values[:1], [], []
    ours = []
    for _ in range(ROUNDS):
        os.environ["GOMAXPROCS"] = "1"
        ours.append(invoke(program, "predict", "-n", 10, os.path.join(folder, "ours", "model.ubj"), rows, len(FEATURES)))
        del os.environ["GOMAXPROCS"]
        for i in range(1000):
            begin = time.perf_counter()
            booster.inplace_predict(values[i:i + 1])
            one.append(time.perf_counter() - begin)
        for _ in range(10):
            begin = time.perf_counter()
            booster.inplace_predict(values)
            all_.append(time.perf_counter() - begin)
    for what, theirs, key in (("1 row", one, "one"), ("10,000 rows", all_, "all")):
        least, middle = min(o[key]["min"] for o in ours), sorted(o[key]["p50"] for o in ours)[len(ours) // 2]
        print(f"{what:<12} shared/gbdt {least:>10.2f} µs least {middle:>10.2f} median; inplace_predict {1e6 * min(theirs):>10.2f} least {1e6 * float(np.median(theirs)):>10.2f} median; "
              f"ratio {1e6 * min(theirs) / least:.1f}× of the least, {1e6 * float(np.median(theirs)) / middle:.1f}× of the medians")
    print(f"loading the model: {min(o['load']['min'] for o in ours) / 1000:.1f} ms least")


def main(server, program):
    server, program = os.path.abspath(server), os.path.abspath(program)
    folder, running = tempfile.mkdtemp(prefix="bench-serving-"), {}
    try:
        booster, x = model(folder)
        print(f"{booster.num_boosted_rounds()} trees, {os.path.getsize(os.path.join(folder, 'ours', 'model.ubj'))} bytes of UBJSON; {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
        starts = invoke(program, "start", "-n", 20, server, os.path.join(folder, "ours"))
        print(f"functions/server, start to the first /ping 200 of 20: least {starts['min'] / 1000:.1f} ms, median {starts['p50'] / 1000:.1f} ms")
        predicting(program, booster, folder, x)
        running = serve(server, folder)
        serving(program, running, folder, x)
        print(f"load {os.getloadavg()[0]:.1f} after")
    finally:
        for process, _ in running.values():
            process.terminate()
            process.wait()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
