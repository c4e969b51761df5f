"""Prints what an MLflow server holds, read with MLflow's own client, as JSON:
read.py ADDRESS. scripts/fetch-mlflow.sh makes the environment that it runs in."""
import json
import os
import sys

os.environ["MLFLOW_TRACKING_URI"] = address = sys.argv[1]
from mlflow import MlflowClient  # noqa: E402  (reads the variable)

client = MlflowClient(address)
out = {"experiments": {}, "models": {}}
for experiment in client.search_experiments():
    runs = []
    for run in client.search_runs([experiment.experiment_id], max_results=1000):
        metrics = {}
        for name in run.data.metrics:
            history = client.get_metric_history(run.info.run_id, name)
            metrics[name] = sorted([m.step, m.value] for m in history)
        files = {}
        for artifact in client.list_artifacts(run.info.run_id):
            local = client.download_artifacts(run.info.run_id, artifact.path, dst_path=sys.argv[2])
            with open(local, encoding="utf-8") as f:
                files[artifact.path] = f.read()
        runs.append({"id": run.info.run_id, "name": run.info.run_name, "status": run.info.status, "start": run.info.start_time,
                     "end": run.info.end_time, "params": run.data.params, "metrics": metrics, "tags": run.data.tags, "files": files})
    out["experiments"][experiment.name] = runs
for model in client.search_registered_models():
    versions = [{"version": v.version, "run_id": v.run_id, "source": v.source, "tags": v.tags, "description": v.description}
                for v in client.search_model_versions(f"name='{model.name}'")]
    aliases = {name: str(client.get_model_version_by_alias(model.name, name).version) for name in model.aliases}
    out["models"][model.name] = {"versions": versions, "aliases": aliases}
json.dump(out, sys.stdout)
