"""Measures functions/server beside MLflow's scoring server: one model of 500
trees, one row a request, over keep-alive connections on the loopback, in one
run. Needs xgboost, mlflow and scikit-learn; prints a table.

    CGO_ENABLED=0 go build -o server ./functions/server
    python scripts/bench_serving.py ./server
"""

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

import mlflow.xgboost
import numpy as np
import pandas as pd
import xgboost as xgb

FEATURES = 12


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def make(folder):
    rng = np.random.default_rng(3)
    names = [f"f{i}" for i in range(FEATURES)]
    x = pd.DataFrame(rng.normal(size=(4000, FEATURES)), columns=names)
    y = (x.f0 + x.f1 * x.f2 + rng.normal(size=len(x)) > 0).astype(int)
    model = xgb.XGBClassifier(n_estimators=500, max_depth=6, learning_rate=0.05, n_jobs=1).fit(x, y)
    os.makedirs(f"{folder}/sluice")
    model.get_booster().save_model(f"{folder}/sluice/model.ubj")
    schema = {"format": 1, "model": "bench", "target": "y", "positive": "1", "objective": "binary:logistic", "train_rows": 4000,
              "commit": "", "plan_hash": "", "versions": {"xgboost": xgb.__version__, "go": ""},
              "features": [{"name": n, "kind": "numeric"} for n in names]}
    json.dump(schema, open(f"{folder}/sluice/schema.json", "w"))
    mlflow.xgboost.save_model(model.get_booster(), f"{folder}/mlflow")
    return names, x.iloc[:200].round(4).values.tolist()


def answers(port):
    try:
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        c.request("GET", "/ping")
        return c.getresponse().status == 200
    except OSError:
        return False


def start(command, port, env):
    begin = time.perf_counter()
    process = subprocess.Popen(command, env=os.environ | env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not answers(port):
        if process.poll() is not None or time.perf_counter() - begin > 90:
            process.terminate()
            sys.exit(f"{command[0]} does not answer /ping")
        time.sleep(0.001)
    return process, time.perf_counter() - begin


def load(port, bodies, workers, seconds):
    times, end = [], time.perf_counter() + seconds

    def worker(k):
        c, i = http.client.HTTPConnection("127.0.0.1", port), k
        c.connect()
        c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while time.perf_counter() < end:
            begin = time.perf_counter()
            c.request("POST", "/invocations", bodies[i % len(bodies)], {"Content-Type": "application/json"})
            r = c.getresponse()
            text = r.read()
            assert r.status == 200, text
            times.append(time.perf_counter() - begin)
            i += 1

    threads = [threading.Thread(target=worker, args=(k,)) for k in range(workers)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    p50, p99 = np.percentile(times, [50, 99]) * 1000
    return f"p50 {p50:8.2f} ms  p99 {p99:8.2f} ms  {len(times) / seconds:8.0f} requests/s"


def main(server):
    with tempfile.TemporaryDirectory() as folder:
        names, rows = make(folder)
        for name in ("sluice", "mlflow"):
            port = free_port()
            if name == "sluice":
                command, env = [server, "serve"], {"SM_MODEL_DIR": f"{folder}/sluice", "SLUICE_BIND_HOST": "127.0.0.1", "SAGEMAKER_BIND_TO_PORT": str(port)}
                starts = []
                for _ in range(5):
                    process, took = start(command, port, env)
                    starts.append(took)
                    process.terminate()
                    process.wait()
                print("sluice  process start to /ping, 5 times:", ", ".join(f"{s * 1000:.0f} ms" for s in starts), flush=True)
                bodies = [json.dumps({"instances": [dict(zip(names, row))]}) for row in rows]
            else:
                command = [sys.executable, "-m", "uvicorn", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", "mlflow.pyfunc.scoring_server.app:app"]
                env = {"__pyfunc_model_path__": f"{folder}/mlflow"}
                bodies = [json.dumps({"dataframe_split": {"columns": names, "data": [row]}}) for row in rows]
            process, took = start(command, port, env)
            print(f"{name:7} /ping after {took * 1000:.0f} ms", flush=True)
            try:
                load(port, bodies, 1, 1)
                for workers in (1, 8):
                    print(f"{name:7} {workers} at once: {load(port, bodies, workers, 5)}", flush=True)
            finally:
                process.terminate()
                process.wait()


if __name__ == "__main__":
    main(sys.argv[1])
