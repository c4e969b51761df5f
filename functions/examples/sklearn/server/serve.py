"""Serves a model of train.py as Sluice's serving contract asks.

GET /ping is 200 while requests are taken. POST /invocations takes text/csv,
application/json and application/x-ndjson and answers in the same form. What a
client sent wrong is 400, 413 or 415 with {"error": …}. SIGTERM drains.
"""
import csv
import io
import json
import math
import os
import pickle
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

MAX_BODY = 25 << 20
CSV, JSON, LINES = "text/csv", "application/json", ("application/x-ndjson", "application/jsonlines", "application/jsonl")


class Refused(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class Model:
    def __init__(self, folder):
        with open(os.path.join(folder, "model.pickle"), "rb") as file:
            kept = pickle.load(file)
        self.features, self.prepare = kept["features"], kept["prepare"]
        self.trees, self.logistic = [pickle.loads(t) for t in kept.get("trees", [])], kept.get("logistic")
        self.names = [f["name"] for f in self.features]

    def score(self, rows):
        x = self.prepare.transform(np.array(rows, dtype=object))
        if self.logistic is not None:
            return self.logistic.predict_proba(x)[:, 1]
        return sum(t.predict_proba(x)[:, 1] for t in self.trees) / len(self.trees)

    def row(self, values, where):
        if len(values) != len(self.features):
            raise Refused(400, f"{where}: {len(values)} values: want {len(self.features)}, the features in order: {', '.join(self.names)}")
        return [self.value(v, f, where) for v, f in zip(values, self.features)]

    def value(self, v, feature, where):
        if feature["kind"] == "categorical":
            if v is None or isinstance(v, str):
                return v or ""
            if isinstance(v, (int, float)) and not isinstance(v, bool):
                return str(v)
            raise Refused(400, f"{where}: feature {feature['name']} is {v!r}: want a text")
        if v is None or v == "":
            return math.nan
        try:
            if isinstance(v, bool):
                raise ValueError
            number = float(v)
        except (TypeError, ValueError):
            raise Refused(400, f"{where}: feature {feature['name']} is {v!r}: want a number")
        if math.isinf(number):
            raise Refused(400, f"{where}: feature {feature['name']} is infinite")
        return number

    def instance(self, v, where):
        if isinstance(v, dict):
            absent = [name for name in self.names if name not in v]
            if absent:
                raise Refused(400, f"{where}: feature {absent[0]} is absent: send null when it is missing")
            v = [v[name] for name in self.names]
        if not isinstance(v, list):
            raise Refused(400, f"{where}: want an array or an object")
        return self.row(v, where)


def parse(text, where):
    try:
        return json.loads(text)
    except ValueError as error:
        raise Refused(400, f"{where}: it is no JSON: {error}")


def read(model, form, body):
    """The rows of a request."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(400, f"the body is not UTF-8: {error}")
    if form == CSV:
        lines = list(csv.reader(io.StringIO(text)))
        lines = [line for line in lines if line]
        if lines and set(model.names) <= set(lines[0]):
            order = [lines[0].index(name) for name in model.names]
            width = len(lines[0])
            for i, line in enumerate(lines[1:], 2):
                if len(line) != width:
                    raise Refused(400, f"line {i}: {len(line)} values: want {width}, as the header has")
            lines = [[line[i] for i in order] for line in lines[1:]]
        rows = [model.row(line, f"line {i}") for i, line in enumerate(lines, 1)]
    elif form == JSON:
        request = parse(text, "the body")
        if not isinstance(request, dict) or not isinstance(request.get("instances"), list):
            raise Refused(400, 'the body is not {"instances": […]}')
        rows = [model.instance(v, f"instance {i}") for i, v in enumerate(request["instances"])]
    elif form in LINES:
        rows = [model.instance(parse(line, f"line {i}"), f"line {i}") for i, line in enumerate(text.splitlines(), 1) if line.strip()]
    else:
        raise Refused(415, f"content type {form!r}: want {CSV}, {JSON} or {LINES[0]}")
    if not rows:
        raise Refused(400, "there are no instances")
    return rows


def write(form, scores):
    if form == CSV:
        return "".join(f"{score!r}\n" for score in scores)
    if form == JSON:
        return json.dumps({"predictions": [{"score": score} for score in scores]}) + "\n"
    return "".join(json.dumps({"score": score}) + "\n" for score in scores)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, format, *args):
        pass

    def answer(self, status, body, form="application/json"):
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", form)
        self.send_header("Content-Length", str(len(data)))
        if status >= 400:
            self.send_header("Connection", "close")  # some of the body may be unread
            self.close_connection = True
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status, text):
        self.answer(status, json.dumps({"error": text}) + "\n")

    def do_GET(self):
        if self.path != "/ping":
            return self.refuse(404, f"{self.path} is not here: /ping and /invocations are")
        if self.server.draining:
            return self.refuse(503, "shutting down")
        self.answer(200, "")

    def do_POST(self):
        if self.path != "/invocations":
            return self.refuse(404, f"{self.path} is not here: /ping and /invocations are")
        self.server.count(1)
        try:
            form = (self.headers.get("Content-Type") or "").split(";")[0].strip().lower()
            scores = self.server.model.score(read(self.server.model, form, self.body()))
            self.answer(200, write(form, [float(s) for s in scores]), form)
        except Refused as refused:
            self.refuse(refused.status, str(refused))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        except Exception as error:  # a bug: an answer that is counted, not a connection that just ends
            self.refuse(500, f"the server failed on this request: {error}")
        finally:
            self.server.count(-1)

    def body(self):
        if "chunked" in (self.headers.get("Transfer-Encoding") or ""):
            return self.chunks()
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            raise Refused(400, "Content-Length is no number")
        if length > MAX_BODY:
            raise Refused(413, f"the body has more than {MAX_BODY} bytes: send fewer instances at once")
        data = self.rfile.read(length)
        if len(data) < length:
            raise Refused(400, "the body ended early")
        return data

    def chunks(self):
        data = b""
        while True:
            try:
                size = int(self.rfile.readline().split(b";")[0], 16)
            except ValueError:
                raise Refused(400, "a chunk's length is no number")
            if len(data) + size > MAX_BODY:
                raise Refused(413, f"the body has more than {MAX_BODY} bytes: send fewer instances at once")
            data += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return data


class Server(ThreadingHTTPServer):
    daemon_threads = True  # an idle connection must not keep the process
    block_on_close = False
    request_queue_size = 128
    draining = False

    def __init__(self, address, handler):
        super().__init__(address, handler)
        self.busy, self.idle = 0, threading.Condition()

    def count(self, change):
        with self.idle:
            self.busy += change
            self.idle.notify_all()

    def drain(self):
        with self.idle:
            self.idle.wait_for(lambda: self.busy == 0, timeout=25)


def main(arguments):
    if arguments != ["serve"]:
        sys.exit(f"serve: the arguments are {arguments}: want serve")
    model = Model(os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))
    address = (os.environ.get("SLUICE_BIND_HOST", ""), int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080")))
    server = Server(address, Handler)
    server.model = model

    def drain(signum, frame):
        server.draining = True
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, drain)
    signal.signal(signal.SIGINT, drain)
    print(f"serving {len(model.features)} features on {server.server_address}", flush=True)
    server.serve_forever(poll_interval=0.05)
    server.server_close()
    server.drain()


if __name__ == "__main__":
    main(sys.argv[1:])
