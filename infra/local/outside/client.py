"""AWS's Python client against a running stack: every answer must parse, be what
the service's model says, and carry the values we expect; every error must be
the ClientError that a program would catch.

usage: AWS_ENDPOINT_URL=... client.py '{"outputs": ..., "model": FILE, "assets": FILE, "readme": FILE}'
"""

import datetime
import hashlib
import http.server
import io
import json
import os
import re
import sys
import threading
import time
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

import strict

CALLS = []
ACCOUNT, REGION = "000000000000", "us-east-1"
PRODUCTION = "sluice-production"


def client(service, **options):
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, **options)
    return strict.watch(boto3.client(service, config=config), CALLS)


def fails(code, call, **arguments):
    """The call must fail with the error code; gives its message."""
    try:
        answer = call(**arguments)
    except ClientError as error:
        got = error.response["Error"]
        assert got["Code"] == code, f"{call.__name__}: want the error {code}, got {got}"
        assert got["Message"], f"{call.__name__}: {code} has no message"
        return got["Message"]
    raise AssertionError(f"{call.__name__}({arguments}) must fail with {code}, got {answer}")


def until(what, ask, seconds=60):
    """Ask until the answer is not None."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = ask()
        if answer is not None:
            return answer
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come about in {seconds} s")


def admin(path):
    with urllib.request.urlopen(f"{os.environ['AWS_ENDPOINT_URL']}/_sluice/{path}") as answer:
        return json.load(answer)


def resources(kind):
    return {r["logical_id"]: r for r in admin("resources")["resources"] if r["type"] == kind}


def test_identity(_):
    caller = client("sts").get_caller_identity()
    assert caller["Account"] == ACCOUNT, caller


def test_objects(given):
    """Versions, conditions, copies, multipart uploads, listings."""
    s3, bucket = client("s3"), given["outputs"]["StoreBucketOutput"]
    assert bucket in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    s3.head_bucket(Bucket=bucket)
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    key = "outside/über & + space.json"

    first = s3.put_object(Bucket=bucket, Key=key, Body=b"1", IfNoneMatch="*", Metadata={"Write": "a"}, ContentType="application/json")
    fails("PreconditionFailed", s3.put_object, Bucket=bucket, Key=key, Body=b"2", IfNoneMatch="*")
    fails("PreconditionFailed", s3.put_object, Bucket=bucket, Key=key, Body=b"2", IfMatch='"0123456789abcdef0123456789abcdef"')
    second = s3.put_object(Bucket=bucket, Key=key, Body=b"22", IfMatch=first["ETag"])
    assert first["VersionId"] != second["VersionId"]
    got = s3.get_object(Bucket=bucket, Key=key)
    assert (got["Body"].read(), got["VersionId"], got["ETag"]) == (b"22", second["VersionId"], second["ETag"]), got
    old = s3.get_object(Bucket=bucket, Key=key, VersionId=first["VersionId"])
    assert (old["Body"].read(), old["Metadata"], old["ContentType"]) == (b"1", {"write": "a"}, "application/json"), old
    assert s3.get_object(Bucket=bucket, Key=key, IfMatch=second["ETag"])["Body"].read() == b"22"
    fails("PreconditionFailed", s3.get_object, Bucket=bucket, Key=key, IfMatch=first["ETag"])
    fails("304", s3.get_object, Bucket=bucket, Key=key, IfNoneMatch=second["ETag"])
    assert s3.get_object(Bucket=bucket, Key=key, Range="bytes=1-1")["ContentRange"] == "bytes 1-1/2"
    assert s3.head_object(Bucket=bucket, Key=key)["ContentLength"] == 2

    sha = s3.put_object(Bucket=bucket, Key=key, Body=b"333", ChecksumAlgorithm="SHA256")
    head = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == sha["ChecksumSHA256"], head
    fails("BadDigest", s3.put_object, Bucket=bucket, Key=key, Body=b"4", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")

    s3.delete_object(Bucket=bucket, Key=key)
    fails("NoSuchKey", s3.get_object, Bucket=bucket, Key=key)
    fails("404", s3.head_object, Bucket=bucket, Key=key)
    listed = s3.list_object_versions(Bucket=bucket, Prefix="outside/")
    assert [v["VersionId"] for v in listed["Versions"]] == [sha["VersionId"], second["VersionId"], first["VersionId"]], listed
    assert [m["IsLatest"] for m in listed["DeleteMarkers"]] == [True], listed
    fails("NoSuchBucket", s3.get_object, Bucket="sluice-nobody", Key=key)
    assert fails("NoSuchVersion", s3.get_object, Bucket=bucket, Key=key, VersionId="01BX5ZZKBKACTAV9WEVGEMMVS0")
    objects_many(s3, bucket)


def objects_many(s3, bucket):
    for i in range(5):
        s3.put_object(Bucket=bucket, Key=f"outside/list/{i}/x", Body=b"x")
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="outside/list/", PaginationConfig={"PageSize": 2}))
    assert [len(p["Contents"]) for p in pages] == [2, 2, 1], pages
    folders = s3.list_objects_v2(Bucket=bucket, Prefix="outside/list/", Delimiter="/")["CommonPrefixes"]
    assert [f["Prefix"] for f in folders] == [f"outside/list/{i}/" for i in range(5)], folders
    s3.copy_object(Bucket=bucket, Key="outside/list/copy", CopySource={"Bucket": bucket, "Key": "outside/list/0/x"})
    body = bytes(range(256)) * (24 << 10)  # 6 MiB: two parts
    s3.upload_fileobj(io.BytesIO(body), bucket, "outside/large", Config=boto3.s3.transfer.TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20))
    got = s3.get_object(Bucket=bucket, Key="outside/large")
    assert hashlib.sha256(got["Body"].read()).digest() == hashlib.sha256(body).digest() and got["ETag"].endswith('-2"'), got["ETag"]
    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": f"outside/list/{i}/x"} for i in range(5)]})
    assert len(gone["Deleted"]) == 5, gone
    for signer in (s3, client("s3", signature_version="s3v4")):  # boto3 presigns for us-east-1 with Version 2 unless told
        url = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "outside/list/copy"})
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == b"x"
        url = signer.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "outside/put here", "ContentType": "text/csv"})
        put = urllib.request.Request(url, data=b"p", method="PUT", headers={"Content-Type": "text/csv"})
        with urllib.request.urlopen(put) as answer:
            assert answer.status == 200


def test_object_details(given):
    """Storage classes, tags, attributes, conditional copies, lifecycle rules, object locks, odd keys."""
    s3, bucket = client("s3"), given["outputs"]["StoreBucketOutput"]
    odd = "details/\x01 +%é"
    put = s3.put_object(Bucket=bucket, Key=odd, Body=b"1", StorageClass="STANDARD_IA", Tagging="team=ml")
    assert s3.head_object(Bucket=bucket, Key=odd)["StorageClass"] == "STANDARD_IA"
    for listing in (s3.list_objects, s3.list_objects_v2):
        listed = listing(Bucket=bucket, Prefix="details/")["Contents"]
        assert [(o["Key"], o["StorageClass"]) for o in listed] == [(odd, "STANDARD_IA")], listed
    versions = s3.list_object_versions(Bucket=bucket, Prefix="details/")["Versions"]
    assert [(v["Key"], v["StorageClass"]) for v in versions] == [(odd, "STANDARD_IA")], versions
    assert s3.get_object_tagging(Bucket=bucket, Key=odd)["TagSet"] == [{"Key": "team", "Value": "ml"}]
    s3.put_object_tagging(Bucket=bucket, Key=odd, Tagging={"TagSet": [{"Key": "team", "Value": "data"}]})
    s3.delete_object_tagging(Bucket=bucket, Key=odd)
    assert s3.get_object_tagging(Bucket=bucket, Key=odd)["TagSet"] == []
    attributes = s3.get_object_attributes(Bucket=bucket, Key=odd, ObjectAttributes=["ETag", "ObjectSize", "StorageClass"])
    assert (attributes["ObjectSize"], attributes["StorageClass"]) == (1, "STANDARD_IA"), attributes

    source = {"Bucket": bucket, "Key": odd, "VersionId": put["VersionId"]}
    s3.copy_object(Bucket=bucket, Key="details/cold", CopySource=source, CopySourceIfMatch=put["ETag"], StorageClass="GLACIER", IfNoneMatch="*")
    fails("PreconditionFailed", s3.copy_object, Bucket=bucket, Key="details/x", CopySource=source, CopySourceIfNoneMatch=put["ETag"])
    fails("PreconditionFailed", s3.copy_object, Bucket=bucket, Key="details/cold", CopySource=source, IfNoneMatch="*")
    fails("InvalidObjectState", s3.get_object, Bucket=bucket, Key="details/cold")
    fails("InvalidStorageClass", s3.put_object, Bucket=bucket, Key=odd, Body=b"", StorageClass="COLD")
    assert "signature_version='s3v4'" in fails("InvalidRequest", client("s3", signature_version="s3").list_buckets)

    before = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    rule = {"ID": "cool", "Status": "Enabled", "Filter": {"Prefix": "raw/"}, "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}]}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": before + [rule]})
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == before + [rule]
    s3.delete_bucket_lifecycle(Bucket=bucket)
    fails("NoSuchLifecycleConfiguration", s3.get_bucket_lifecycle_configuration, Bucket=bucket)
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": before})

    s3.create_bucket(Bucket="outside-vault", ObjectLockEnabledForBucket=True)
    held = s3.put_object(Bucket="outside-vault", Key="k", Body=b"1", ObjectLockLegalHoldStatus="ON")
    named = {"Bucket": "outside-vault", "Key": "k", "VersionId": held["VersionId"]}
    assert s3.get_object_legal_hold(**named)["LegalHold"] == {"Status": "ON"}
    fails("AccessDenied", s3.delete_object, **named, BypassGovernanceRetention=True)
    s3.put_object_legal_hold(**named, LegalHold={"Status": "OFF"})
    end = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(days=1)
    s3.put_object_retention(**named, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": end})
    retention = s3.get_object_retention(**named)["Retention"]
    assert (retention["Mode"], retention["RetainUntilDate"]) == ("GOVERNANCE", end), retention
    fails("AccessDenied", s3.delete_object, **named)
    s3.put_object_lock_configuration(Bucket="outside-vault", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled",
        "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}})
    assert s3.get_object_lock_configuration(Bucket="outside-vault")["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]["Days"] == 1
    s3.delete_object(**named, BypassGovernanceRetention=True)
    upload = s3.create_multipart_upload(Bucket="outside-vault", Key="m", StorageClass="GLACIER_IR")
    uploads = s3.list_multipart_uploads(Bucket="outside-vault")["Uploads"]
    assert [(u["Key"], u["StorageClass"]) for u in uploads] == [("m", "GLACIER_IR")], uploads
    s3.upload_part(Bucket="outside-vault", Key="m", UploadId=upload["UploadId"], PartNumber=1, Body=b"x")
    assert s3.list_parts(Bucket="outside-vault", Key="m", UploadId=upload["UploadId"])["StorageClass"] == "GLACIER_IR"
    s3.abort_multipart_upload(Bucket="outside-vault", Key="m", UploadId=upload["UploadId"])
    s3.delete_bucket(Bucket="outside-vault")


NAP = {
    "QueryLanguage": "JSONata",
    "StartAt": "Check",
    "States": {
        "Check": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $states.input.wait > 0 %}", "Next": "Nap"}],
            "Default": "Call",
        },
        "Nap": {"Type": "Wait", "Seconds": "{% $states.input.wait %}", "Next": "Done"},
        "Call": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": {"FunctionName": f"{PRODUCTION}-plan", "Payload": {"model": 7}},
            "Catch": [{"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput %}", "Next": "Done"}],
            "Next": "Done",
        },
        "Done": {"Type": "Succeed"},
    },
}


def test_executions(given):
    states = client("stepfunctions")
    role = f"arn:aws:iam::{ACCOUNT}:role/outside"
    machine = states.create_state_machine(name="outside", definition=json.dumps(NAP), roleArn=role)["stateMachineArn"]
    assert json.loads(states.describe_state_machine(stateMachineArn=machine)["definition"]) == NAP
    names = {m["name"] for p in states.get_paginator("list_state_machines").paginate() for m in p["stateMachines"]}
    assert names == {"outside"} | {f"{PRODUCTION}-{n}" for n in ("lifecycle", "rollout", "monitor")}, names

    started = states.start_execution(stateMachineArn=machine, name="calls", input='{"wait": 0}')
    arn = started["executionArn"]
    ended = until("the end of the execution", lambda: over(states, arn))
    assert ended["status"] == "SUCCEEDED" and "Error" in json.loads(ended["output"]), ended
    pages = states.get_paginator("get_execution_history").paginate(executionArn=arn, PaginationConfig={"PageSize": 3})
    history = [e for p in pages for e in p["events"]]
    assert [e["id"] for e in history] == list(range(1, len(history) + 1)), history
    types = [e["type"] for e in history]
    assert types[0] == "ExecutionStarted" and types[-1] == "ExecutionSucceeded" and "TaskFailed" in types, types
    backwards = states.get_execution_history(executionArn=arn, reverseOrder=True, maxResults=1)["events"]
    assert backwards[0]["id"] == len(history), backwards

    again = states.start_execution(stateMachineArn=machine, name="naps", input='{"wait": 3600}')
    same = states.start_execution(stateMachineArn=machine, name="naps", input='{"wait": 3600}')
    assert same["executionArn"] == again["executionArn"] and same["startDate"] == again["startDate"], (same, again)
    fails("ExecutionAlreadyExists", states.start_execution, stateMachineArn=machine, name="naps", input='{"wait": 1}')
    running = states.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"]
    assert [e["name"] for e in running] == ["naps"], running
    states.stop_execution(executionArn=again["executionArn"], error="Outside.Enough", cause="seen enough")
    stopped = until("the stop", lambda: over(states, again["executionArn"]))
    assert (stopped["status"], stopped["error"], stopped["cause"]) == ("ABORTED", "Outside.Enough", "seen enough"), stopped
    fails("ExecutionAlreadyExists", states.start_execution, stateMachineArn=machine, name="calls", input='{"wait": 0}')

    lacking = f"{machine}-not"
    fails("StateMachineDoesNotExist", states.start_execution, stateMachineArn=lacking)
    fails("StateMachineDoesNotExist", states.describe_state_machine, stateMachineArn=lacking)
    fails("ExecutionDoesNotExist", states.describe_execution, executionArn=arn + "x")
    fails("InvalidExecutionInput", states.start_execution, stateMachineArn=machine, input="{")
    fails("InvalidName", states.start_execution, stateMachineArn=machine, name="a b")
    fails("InvalidDefinition", states.create_state_machine, name="wrong", definition='{"StartAt": "A", "States": {}}', roleArn=role)
    fails("StateMachineAlreadyExists", states.create_state_machine, name="outside", definition=json.dumps(NAP | {"Comment": "x"}), roleArn=role)
    checked = states.validate_state_machine_definition(definition=json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}))
    assert checked["result"] == "FAIL" and checked["diagnostics"][0]["location"].startswith("/States/A"), checked
    assert states.validate_state_machine_definition(definition=json.dumps(NAP))["result"] == "OK"
    fails("InvalidToken", states.send_task_success, taskToken="nobody", output="{}")
    fails("TaskTimedOut", states.send_task_failure, taskToken="A" * 43)
    fails("InvalidToken", states.send_task_heartbeat, taskToken="nobody")
    template_executions(states, given["outputs"]["LifecycleOutput"].replace("lifecycle", "monitor"))


def template_executions(states, machine):
    """A machine of the template, with nothing to watch yet."""
    arn = states.start_execution(stateMachineArn=machine, input='{"models": ["adult-income"]}')["executionArn"]
    ended = until("the monitor's end", lambda: over(states, arn))
    assert ended["status"] == "SUCCEEDED", ended


def task(resource, arguments, **more):
    return {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Arguments": arguments, **more}


def test_machines(given):
    """Calls by aws-sdk, a redrive, and a machine's life."""
    states, bucket = client("stepfunctions"), given["outputs"]["StoreBucketOutput"]
    definition = {
        "QueryLanguage": "JSONata",
        "StartAt": "Both",
        "States": {
            "Both": {
                "Type": "Parallel",
                "End": True,
                "Branches": [
                    {"StartAt": "Lists", "States": {"Lists": task("aws-sdk:s3:listObjectsV2", {"Bucket": bucket, "MaxKeys": 1}, Output="{% $states.result.Name %}", End=True)}},
                    {"StartAt": "Reads", "States": {"Reads": task("aws-sdk:s3:getObject", {"Bucket": bucket, "Key": "outside/redrive"}, Output="{% $states.result.Body %}", End=True)}},
                ],
            }
        },
    }
    machine = states.create_state_machine(name="outside-calls", definition=json.dumps(definition), roleArn=f"arn:aws:iam::{ACCOUNT}:role/outside")["stateMachineArn"]
    arn = states.start_execution(stateMachineArn=machine, name="redriven")["executionArn"]
    failed = until("the failure", lambda: over(states, arn))
    assert (failed["status"], failed["error"], failed["redriveStatus"], failed["redriveCount"]) == ("FAILED", "S3.NoSuchKeyException", "REDRIVABLE", 0), failed
    client("s3").put_object(Bucket=bucket, Key="outside/redrive", Body=b"mended")
    redriven = states.redrive_execution(executionArn=arn, clientToken="once")
    assert states.redrive_execution(executionArn=arn, clientToken="once")["redriveDate"] == redriven["redriveDate"], redriven
    ended = until("the end of the redrive", lambda: over(states, arn))
    assert (ended["status"], json.loads(ended["output"]), ended["redriveCount"]) == ("SUCCEEDED", [bucket, "mended"], 1), ended
    fails("ExecutionNotRedrivable", states.redrive_execution, executionArn=arn)
    types = [e["type"] for e in states.get_execution_history(executionArn=arn)["events"]]
    assert types.count("ExecutionRedriven") == 1 and types.count("TaskSucceeded") == 2, types

    states.update_state_machine(stateMachineArn=machine, definition=json.dumps(definition | {"Comment": "second"}))
    assert "Comment" in states.describe_state_machine(stateMachineArn=machine)["definition"]
    assert json.loads(states.describe_state_machine_for_execution(executionArn=arn)["definition"]) == definition
    states.tag_resource(resourceArn=machine, tags=[{"key": "a", "value": "1"}, {"key": "b", "value": "2"}])
    states.untag_resource(resourceArn=machine, tagKeys=["a"])
    assert states.list_tags_for_resource(resourceArn=machine)["tags"] == [{"key": "b", "value": "2"}]
    states.delete_state_machine(stateMachineArn=machine)
    fails("StateMachineDoesNotExist", states.start_execution, stateMachineArn=machine)
    wrong = definition | {"States": {"Both": task("aws-sdk:s3:listObject", {}, End=True)}}
    assert "listObjects" in fails("InvalidDefinition", states.create_state_machine, name="wrong", definition=json.dumps(wrong), roleArn="arn:role")


def mapping(bucket, seconds):
    """A distributed Map over the CSV file given, in batches of two rows."""
    return {
        "QueryLanguage": "JSONata",
        "StartAt": "Each",
        "States": {
            "Each": {
                "Type": "Map",
                "Label": "rows",
                "ItemReader": {
                    "Resource": "arn:aws:states:::s3:getObject",
                    "Arguments": {"Bucket": bucket, "Key": "outside/rows.csv"},
                    "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "CSVDelimiter": "SEMICOLON"},
                },
                "ItemSelector": {"n": "{% $number($states.context.Map.Item.Value.n) %}", "i": "{% $states.context.Map.Item.Index %}"},
                "ItemBatcher": {"MaxItemsPerBatch": 2, "BatchInput": {"seconds": seconds}},
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                    "StartAt": "Nap",
                    "States": {
                        "Nap": {"Type": "Wait", "Seconds": "{% $states.input.BatchInput.seconds %}", "Next": "Even"},
                        "Even": {"Type": "Choice", "Choices": [{"Condition": "{% $states.input.Items[0].n = 4 %}", "Next": "Bad"}], "Default": "Sum"},
                        "Bad": {"Type": "Fail", "Error": "Outside.Four", "Cause": "it is 4"},
                        "Sum": {"Type": "Succeed", "Output": "{% $sum($states.input.Items.n) %}"},
                    },
                },
                "ToleratedFailureCount": 2,
                "ResultWriter": {
                    "Resource": "arn:aws:states:::s3:putObject",
                    "Arguments": {"Bucket": bucket, "Prefix": "outside/results"},
                    "WriterConfig": {"OutputType": "JSON", "Transformation": "COMPACT"},
                },
                "End": True,
            }
        },
    }


def test_map_runs(given):
    """A distributed Map over a file in S3, its map run and its children."""
    states, s3, bucket = client("stepfunctions"), client("s3"), given["outputs"]["StoreBucketOutput"]
    s3.put_object(Bucket=bucket, Key="outside/rows.csv", Body=b'n;text\n2;"a;b"\n3;\n4;x\n5;y\n6;z\n')
    role = f"arn:aws:iam::{ACCOUNT}:role/outside"
    machine = states.create_state_machine(name="outside-map", definition=json.dumps(mapping(bucket, 0)), roleArn=role)["stateMachineArn"]
    arn = states.start_execution(stateMachineArn=machine, name="maps")["executionArn"]
    ended = until("the end of the map", lambda: over(states, arn))
    assert ended["status"] == "SUCCEEDED", ended
    result = json.loads(ended["output"])
    manifest = json.loads(s3.get_object(Bucket=bucket, Key=result["ResultWriterDetails"]["Key"])["Body"].read())
    files = manifest["ResultFiles"]
    assert manifest["MapRunArn"] == result["MapRunArn"] and files["PENDING"] == [], manifest
    assert json.loads(s3.get_object(Bucket=bucket, Key=files["SUCCEEDED"][0]["Key"])["Body"].read()) == [5, 6]
    (failed,) = json.loads(s3.get_object(Bucket=bucket, Key=files["FAILED"][0]["Key"])["Body"].read())
    assert (failed["Error"], failed["Cause"], failed["Status"]) == ("Outside.Four", "it is 4", "FAILED"), failed
    assert json.loads(failed["Input"]) == {"BatchInput": {"seconds": 0}, "Items": [{"n": 4, "i": 2}, {"n": 5, "i": 3}]}, failed

    (run,) = [r for p in states.get_paginator("list_map_runs").paginate(executionArn=arn) for r in p["mapRuns"]]
    assert run["mapRunArn"] == result["MapRunArn"] and run["stateMachineArn"] == machine + "/rows" and run["stopDate"] >= run["startDate"], run
    described = states.describe_map_run(mapRunArn=run["mapRunArn"])
    counts = {k: (described["itemCounts"][k], described["executionCounts"][k]) for k in ("succeeded", "failed", "total", "resultsWritten", "pending", "running")}
    assert counts == {"succeeded": (3, 2), "failed": (2, 1), "total": (5, 3), "resultsWritten": (5, 3), "pending": (0, 0), "running": (0, 0)}, counts
    assert (described["status"], described["toleratedFailureCount"], described["maxConcurrency"]) == ("SUCCEEDED", 2, 2**31 - 1), described
    children = [e for p in states.get_paginator("list_executions").paginate(mapRunArn=run["mapRunArn"], PaginationConfig={"PageSize": 2}) for e in p["executions"]]
    assert sorted((e["status"], e["itemCount"]) for e in children) == [("FAILED", 2), ("SUCCEEDED", 1), ("SUCCEEDED", 2)], children
    child = states.describe_execution(executionArn=failed["ExecutionArn"])
    assert child["mapRunArn"] == run["mapRunArn"] and child["error"] == "Outside.Four", child
    history = states.get_execution_history(executionArn=failed["ExecutionArn"])["events"]
    assert [e["type"] for e in history][-2:] == ["FailStateEntered", "ExecutionFailed"], history
    started = [e for e in states.get_execution_history(executionArn=arn)["events"] if e["type"] == "MapRunStarted"]
    assert started[0]["mapRunStartedEventDetails"]["mapRunArn"] == run["mapRunArn"], started

    slow = states.create_state_machine(name="outside-slow-map", definition=json.dumps(mapping(bucket, 3600)), roleArn=role)["stateMachineArn"]
    arn = states.start_execution(stateMachineArn=slow, name="maps")["executionArn"]
    run = until("the map run", lambda: states.list_map_runs(executionArn=arn)["mapRuns"] or None)[0]["mapRunArn"]
    until("the children", lambda: len(states.list_executions(mapRunArn=run, statusFilter="RUNNING")["executions"]) == 3 or None)
    states.update_map_run(mapRunArn=run, maxConcurrency=1, toleratedFailurePercentage=50.5)
    described = states.describe_map_run(mapRunArn=run)
    assert (described["maxConcurrency"], described["toleratedFailurePercentage"], described["status"]) == (1, 50.5, "RUNNING"), described
    child = states.list_executions(mapRunArn=run, statusFilter="RUNNING")["executions"][0]["executionArn"]
    states.stop_execution(executionArn=child, error="Outside.Enough")
    assert states.describe_execution(executionArn=child)["status"] == "ABORTED"
    states.stop_execution(executionArn=arn)
    described = states.describe_map_run(mapRunArn=run)
    assert (described["status"], described["executionCounts"]["aborted"], described["itemCounts"]["aborted"]) == ("ABORTED", 3, 5), described
    fails("ValidationException", states.update_map_run, mapRunArn=run, maxConcurrency=1)
    fails("ResourceNotFound", states.describe_map_run, mapRunArn=run + "x")
    fails("ExecutionDoesNotExist", states.list_map_runs, executionArn=arn + "x")
    wrong = mapping(bucket, 0)
    del wrong["States"]["Each"]["ItemReader"]["ReaderConfig"]["CSVHeaderLocation"]
    message = fails("InvalidDefinition", states.create_state_machine, name="wrong", definition=json.dumps(wrong), roleArn=role)
    assert "/States/Each/ItemReader/ReaderConfig" in message, message


def over(states, arn):
    described = states.describe_execution(executionArn=arn)
    return None if described["status"] == "RUNNING" else described


def test_functions(_):
    functions = client("lambda")
    names = [f["FunctionName"] for p in functions.get_paginator("list_functions").paginate() for f in p["Functions"]]
    assert len(names) == 19 and f"{PRODUCTION}-plan" in names, names
    described = functions.get_function(FunctionName=f"{PRODUCTION}-plan")["Configuration"]
    assert described["Environment"]["Variables"]["SLUICE_ENVIRONMENT"] == "production", described
    functions.get_function_configuration(FunctionName=described["FunctionArn"])
    answer = functions.invoke(FunctionName=f"{PRODUCTION}-plan", Payload=b'{"model": 7}', LogType="Tail")
    failed = json.loads(answer["Payload"].read())
    assert answer["FunctionError"] == "Unhandled" and failed["errorMessage"] and answer["LogResult"], (answer, failed)
    assert functions.invoke(FunctionName=f"{PRODUCTION}-plan", Payload=b"{}", InvocationType="DryRun")["StatusCode"] == 204
    assert functions.invoke(FunctionName=f"{PRODUCTION}-monitor", Payload=b"{}", InvocationType="Event")["StatusCode"] == 202
    name = f"{PRODUCTION}-monitor"
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    assert functions.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"] == 0
    fails("TooManyRequestsException", functions.invoke, FunctionName=name, Payload=b"{}")
    functions.delete_function_concurrency(FunctionName=name)
    updated = functions.update_function_configuration(FunctionName=name, Description="outside")
    assert updated["Description"] == "outside", updated
    added = functions.add_permission(FunctionName=name, StatementId="outside", Action="lambda:InvokeFunction", Principal="events.amazonaws.com")
    assert json.loads(added["Statement"])["Sid"] == "outside", added
    policy = functions.get_policy(FunctionName=name)
    functions.remove_permission(FunctionName=name, StatementId="outside", RevisionId=policy["RevisionId"])
    functions.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1)
    functions.update_function_event_invoke_config(FunctionName=name, MaximumEventAgeInSeconds=60)
    assert functions.get_function_event_invoke_config(FunctionName=name)["MaximumRetryAttempts"] == 1
    assert functions.list_function_event_invoke_configs(FunctionName=name)["FunctionEventInvokeConfigs"]
    functions.delete_function_event_invoke_config(FunctionName=name)
    fails("ResourceNotFoundException", functions.invoke, FunctionName="nobody", Payload=b"{}")
    fails("ResourceNotFoundException", functions.get_function, FunctionName="nobody")
    fails("InvalidRequestContentException", functions.invoke, FunctionName=f"{PRODUCTION}-plan", Payload=b"{")


def test_metrics(_):
    """What was put comes back, at the right minute."""
    metrics = client("cloudwatch")
    now = datetime.datetime.now(datetime.timezone.utc)
    minute = now.replace(second=0, microsecond=0) - datetime.timedelta(minutes=2)
    dimensions = [{"Name": "Model", "Value": "outside"}]
    metrics.put_metric_data(
        Namespace="Outside",
        MetricData=[
            {"MetricName": "Seen", "Dimensions": dimensions, "Timestamp": minute, "Value": v, "Unit": "Count"} for v in (1.0, 2.0, 6.0)
        ]
        + [{"MetricName": "Counted", "Timestamp": minute, "Values": [5.0, 7.0], "Counts": [3.0, 1.0]}],
    )
    metric = {"Namespace": "Outside", "MetricName": "Seen", "Dimensions": dimensions}
    window = {"StartTime": minute - datetime.timedelta(minutes=1), "EndTime": minute + datetime.timedelta(minutes=1)}
    got = metrics.get_metric_data(
        MetricDataQueries=[
            {"Id": "s", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}},
            {"Id": "p", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "p50"}, "ReturnData": False},
            {"Id": "twice", "Expression": "s * 2", "Label": "Twice"},
        ],
        **window,
    )
    results = {r["Id"]: r for r in got["MetricDataResults"]}
    assert results["s"]["Values"] == [9.0] and results["twice"]["Values"] == [18.0] and results["s"]["Timestamps"] == [minute], results
    found = metrics.get_metric_data(MetricDataQueries=[{"Id": "f", "Expression": "SEARCH('{Outside,Model} MetricName=\"Seen\"', 'tm90', 60)"}], **window)
    assert [(r["Label"], r["Values"]) for r in found["MetricDataResults"]] == [("outside Seen", [3.0])], found
    extended = metrics.get_metric_statistics(**metric, Period=60, ExtendedStatistics=["p99", "TM(10%:90%)", "PR(:2)"], **window)["Datapoints"]
    assert round(extended[0]["ExtendedStatistics"]["PR(:2)"], 3) == 66.667, extended
    points = metrics.get_metric_statistics(**metric, Period=60, Statistics=["Average", "Maximum", "SampleCount"], **window)["Datapoints"]
    assert [(p["Average"], p["Maximum"], p["SampleCount"], p["Timestamp"]) for p in points] == [(3.0, 6.0, 3.0, minute)], points
    listed = metrics.list_metrics(Namespace="Outside")["Metrics"]
    assert {m["MetricName"] for m in listed} == {"Seen", "Counted"}, listed
    fails("InvalidParameterValue", metrics.put_metric_data, Namespace="AWS/Outside", MetricData=[{"MetricName": "x", "Value": 1}])
    fails("InvalidParameterCombination", metrics.put_metric_data, Namespace="Outside", MetricData=[{"MetricName": "x", "Value": 1, "Values": [1]}])
    fails("InvalidParameterValue", metrics.get_metric_data, MetricDataQueries=[{"Id": "S", "Expression": "s"}], **window)


def test_alarms(_):
    metrics = client("cloudwatch")
    ours = metrics.describe_alarms(AlarmNamePrefix=PRODUCTION)["MetricAlarms"]
    assert len(ours) == 6 and all(a["StateValue"] in ("OK", "INSUFFICIENT_DATA") for a in ours), ours
    metrics.put_metric_alarm(
        AlarmName="outside", Namespace="Outside", MetricName="Seen", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore",
    )
    metrics.set_alarm_state(AlarmName="outside", StateValue="ALARM", StateReason="by hand", StateReasonData='{"x": 1}')
    alarm = metrics.describe_alarms(AlarmNames=["outside"])["MetricAlarms"][0]
    assert (alarm["StateValue"], alarm["StateReason"]) == ("ALARM", "by hand"), alarm
    metrics.put_composite_alarm(AlarmName="outside-any", AlarmRule='ALARM("outside")')
    until("the composite alarm", lambda: metrics.describe_alarms(AlarmNames=["outside-any"], AlarmTypes=["CompositeAlarm"], StateValue="ALARM")["CompositeAlarms"] or None)
    metrics.tag_resource(ResourceARN=alarm["AlarmArn"], Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    metrics.untag_resource(ResourceARN=alarm["AlarmArn"], TagKeys=["a"])
    assert metrics.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"] == [{"Key": "b", "Value": "2"}]
    named = metrics.describe_alarms_for_metric(Namespace="Outside", MetricName="Seen")["MetricAlarms"]
    assert [a["AlarmName"] for a in named] == ["outside"], named
    history = metrics.describe_alarm_history(AlarmName="outside", ScanBy="TimestampAscending")["AlarmHistoryItems"]
    assert [h["HistoryItemType"] for h in history] == ["ConfigurationUpdate", "StateUpdate"], history
    metrics.disable_alarm_actions(AlarmNames=["outside"])
    assert metrics.describe_alarms(AlarmNames=["outside"])["MetricAlarms"][0]["ActionsEnabled"] is False
    metrics.enable_alarm_actions(AlarmNames=["outside"])
    metrics.delete_alarms(AlarmNames=["outside-any"])
    metrics.delete_alarms(AlarmNames=["outside"])
    fails("ResourceNotFound", metrics.set_alarm_state, AlarmName="outside", StateValue="OK", StateReason="gone")


def test_endpoint(given):
    """A model from upload to answer, shifted between two variants."""
    sagemaker, runtime = client("sagemaker"), client("sagemaker-runtime")
    bucket = given["outputs"]["StoreBucketOutput"]
    with open(given["model"], "rb") as archive:
        client("s3").put_object(Bucket=bucket, Key="outside/model.tar.gz", Body=archive.read())
    role = f"arn:aws:iam::{ACCOUNT}:role/outside"
    container = {"Image": server_image(given["assets"]), "ModelDataUrl": f"s3://{bucket}/outside/model.tar.gz"}
    sagemaker.create_model(ModelName="outside", PrimaryContainer=container, ExecutionRoleArn=role)
    assert sagemaker.describe_model(ModelName="outside")["PrimaryContainer"]["Image"] == container["Image"]
    variants = [
        {"VariantName": n, "ModelName": "outside", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1, "InitialVariantWeight": w}
        for n, w in (("blue", 1.0), ("green", 0.0))
    ]
    sagemaker.create_endpoint_config(EndpointConfigName="outside", ProductionVariants=variants)
    sagemaker.describe_endpoint_config(EndpointConfigName="outside")
    sagemaker.create_endpoint(EndpointName="outside", EndpointConfigName="outside")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="outside", WaiterConfig={"Delay": 1, "MaxAttempts": 60})

    answer = runtime.invoke_endpoint(EndpointName="outside", ContentType="text/csv", Accept="text/csv", Body=b"40,Male\n")
    high = float(answer["Body"].read())
    assert answer["InvokedProductionVariant"] == "blue" and 0.8 < high < 1, (answer, high)
    aimed = runtime.invoke_endpoint(EndpointName="outside", ContentType="text/csv", Accept="text/csv", Body=b"20,Male\n", TargetVariant="green")
    assert aimed["InvokedProductionVariant"] == "green" and float(aimed["Body"].read()) < 0.5, aimed
    refused = fails("ModelError", runtime.invoke_endpoint, EndpointName="outside", ContentType="text/csv", Body=b"old,Male\n")
    assert "400" in refused, refused
    fails("ValidationError", runtime.invoke_endpoint, EndpointName="nobody", Body=b"")
    fails("ValidationError", runtime.invoke_endpoint, EndpointName="outside", TargetVariant="red", Body=b"")

    sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="outside",
        DesiredWeightsAndCapacities=[{"VariantName": "blue", "DesiredWeight": 0.0}, {"VariantName": "green", "DesiredWeight": 3.0}],
    )
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="outside", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    weights = {v["VariantName"]: v["CurrentWeight"] for v in sagemaker.describe_endpoint(EndpointName="outside")["ProductionVariants"]}
    assert weights == {"blue": 0.0, "green": 3.0}, weights
    assert runtime.invoke_endpoint(EndpointName="outside", ContentType="text/csv", Body=b"40,Male\n")["InvokedProductionVariant"] == "green"
    sagemaker.create_endpoint_config(EndpointConfigName="outside-2", ProductionVariants=variants[:1])
    sagemaker.update_endpoint(EndpointName="outside", EndpointConfigName="outside-2")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="outside", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    endpoint_end(sagemaker)


def endpoint_end(sagemaker):
    assert sagemaker.list_endpoints(NameContains="outside")["Endpoints"][0]["EndpointStatus"] == "InService"
    assert len(sagemaker.list_endpoint_configs(NameContains="outside")["EndpointConfigs"]) == 2
    fails("ValidationException", sagemaker.describe_endpoint, EndpointName="nobody")
    fails("ValidationException", sagemaker.create_endpoint, EndpointName="outside", EndpointConfigName="outside")
    sagemaker.delete_endpoint(EndpointName="outside")
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="outside", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    for name in ("outside", "outside-2"):
        sagemaker.delete_endpoint_config(EndpointConfigName=name)
    sagemaker.delete_model(ModelName="outside")
    fails("ValidationException", sagemaker.delete_model, ModelName="outside")


def server_image(assets):
    with open(assets) as file:
        images = json.load(file)["dockerImages"]
    (place,) = next(i for i in images.values() if i["displayName"] == "ServerImage")["destinations"].values()
    name = place["repositoryName"].replace("${AWS::AccountId}", ACCOUNT).replace("${AWS::Region}", REGION)
    return f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{name}:{place['imageTag']}"


def test_tasks(given):
    """Our model server as a service of ECS: it fetches its model from S3, answers
    its health check, is replaced by another deployment, and goes away."""
    ecs, bucket = client("ecs"), given["outputs"]["StoreBucketOutput"]
    with open(given["model"], "rb") as archive:
        version = client("s3").put_object(Bucket=bucket, Key="outside/served.tar.gz", Body=archive.read())["VersionId"]
    made = ecs.create_cluster(clusterName="outside", tags=[{"key": "a", "value": "b"}])["cluster"]
    assert made["status"] == "ACTIVE" and made["clusterArn"] in ecs.list_clusters()["clusterArns"], made
    definition = ecs.register_task_definition(**task_of(given["assets"], f"s3://{bucket}/outside/served.tar.gz?versionId={version}"))["taskDefinition"]
    assert (definition["revision"], definition["cpu"], definition["compatibilities"]) == (1, "256", ["EC2", "FARGATE"]), definition
    assert ecs.describe_task_definition(taskDefinition="outside")["taskDefinition"]["taskDefinitionArn"] == definition["taskDefinitionArn"]
    assert ecs.list_task_definitions(familyPrefix="outside")["taskDefinitionArns"] == [definition["taskDefinitionArn"]]
    assert "outside" in ecs.list_task_definition_families(status="ACTIVE")["families"]

    where = {"cluster": "outside", "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}}
    service = ecs.create_service(serviceName="web", taskDefinition="outside", desiredCount=1, launchType="FARGATE", **where)["service"]
    assert service["deployments"][0]["rolloutState"] == "IN_PROGRESS", service
    wait = {"cluster": "outside", "services": ["web"], "WaiterConfig": {"Delay": 1, "MaxAttempts": 60}}
    ecs.get_waiter("services_stable").wait(**wait)
    assert ecs.list_services(cluster="outside")["serviceArns"] == [service["serviceArn"]]
    first = service_events(ecs, "has reached a steady state")
    (arn,) = ecs.list_tasks(cluster="outside", serviceName="web")["taskArns"]
    (task,) = ecs.describe_tasks(cluster="outside", tasks=[arn], include=["TAGS"])["tasks"]
    assert (task["lastStatus"], task["startedBy"]) == ("RUNNING", first["deployments"][0]["id"]), task
    stream = f"web/server/{arn.rsplit('/', 1)[1]}"
    printed = client("logs").get_log_events(logGroupName="outside-tasks", logStreamName=stream, startFromHead=True)["events"]
    assert "serving model" in printed[0]["message"], printed

    ecs.update_service(cluster="outside", service="web", forceNewDeployment=True)
    ecs.get_waiter("services_stable").wait(**wait)
    assert service_events(ecs, "deployment completed", times=2)["deployments"][0]["id"] != first["deployments"][0]["id"]
    alone = ecs.run_task(taskDefinition="outside", launchType="FARGATE", startedBy="outside", overrides={"containerOverrides": [{"name": "server", "command": ["wrong"]}]}, **where)["tasks"][0]["taskArn"]
    ecs.get_waiter("tasks_stopped").wait(cluster="outside", tasks=[alone], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    (ended,) = ecs.describe_tasks(cluster="outside", tasks=[alone])["tasks"]
    assert (ended["stopCode"], ended["containers"][0]["exitCode"]) == ("EssentialContainerExited", 1), ended
    tasks_end(ecs, service["serviceArn"], where)


def tasks_end(ecs, service, where):
    ecs.tag_resource(resourceArn=service, tags=[{"key": "x", "value": "y"}])
    ecs.untag_resource(resourceArn=service, tagKeys=["x"])
    assert ecs.list_tags_for_resource(resourceArn=service)["tags"] == []
    (arn,) = ecs.list_tasks(cluster="outside", serviceName="web")["taskArns"]
    assert ecs.stop_task(cluster="outside", task=arn, reason="enough")["task"]["desiredStatus"] == "STOPPED"
    fails("InvalidParameterException", ecs.delete_service, cluster="outside", service="web")
    fails("InvalidParameterException", ecs.create_service, serviceName="web", taskDefinition="outside", desiredCount=1, **where)
    refused = fails("InvalidParameterException", ecs.create_service, serviceName="blue", taskDefinition="outside", desiredCount=1, deploymentConfiguration={"strategy": "BLUE_GREEN"}, **where)
    assert "ROLLING" in refused, refused
    fails("ClusterContainsServicesException", ecs.delete_cluster, cluster="outside")
    assert ecs.delete_service(cluster="outside", service="web", force=True)["service"]["status"] == "DRAINING"
    ecs.get_waiter("services_inactive").wait(cluster="outside", services=["web"], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    assert ecs.describe_services(cluster="outside", services=["nobody"])["failures"][0]["reason"] == "MISSING"
    fails("ServiceNotFoundException", ecs.update_service, cluster="outside", service="nobody")
    fails("ClientException", ecs.run_task, taskDefinition="nobody", **where)
    assert ecs.deregister_task_definition(taskDefinition="outside:1")["taskDefinition"]["status"] == "INACTIVE"
    assert ecs.delete_cluster(cluster="outside")["cluster"]["status"] == "INACTIVE"
    assert ecs.describe_clusters(clusters=["outside", "nobody"])["failures"], "nobody is missing"
    fails("ClusterNotFoundException", ecs.list_tasks, cluster="nobody")


def service_events(ecs, text, times=1):
    """The service, once its log of events holds the text so many times."""

    def told():
        (service,) = ecs.describe_services(cluster="outside", services=["web"])["services"]
        return service if sum(text in e["message"] for e in service["events"]) == times else None

    return until(f"{times} x {text!r}", told)


def task_of(assets, model):
    """The model server as a task definition."""
    options = {"awslogs-group": "outside-tasks", "awslogs-region": REGION, "awslogs-stream-prefix": "web", "awslogs-create-group": "true"}
    server = {
        "name": "server", "image": server_image(assets), "command": ["serve"], "portMappings": [{"containerPort": 8080}],
        "environment": [{"name": "SLUICE_MODEL", "value": model}], "logConfiguration": {"logDriver": "awslogs", "options": options},
        "healthCheck": {"command": ["CMD-SHELL", 'python3 -c "import urllib.request as u; u.urlopen(\'http://127.0.0.1:${PORT:-8080}/ping\')"'], "interval": 5},
    }
    return {
        "family": "outside", "cpu": "256", "memory": "512", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
        "executionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/outside", "containerDefinitions": [server],
    }


def test_registry(given):
    sagemaker = client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="outside", ModelPackageGroupDescription="x")
    assert sagemaker.describe_model_package_group(ModelPackageGroupName="outside")["ModelPackageGroupStatus"] == "Completed"
    fails("ValidationException", sagemaker.describe_model_package_group, ModelPackageGroupName="nobody")
    container = {"Image": server_image(given["assets"]), "ModelDataUrl": f"s3://{given['outputs']['StoreBucketOutput']}/outside/model.tar.gz"}
    arn = sagemaker.create_model_package(
        ModelPackageGroupName="outside", ModelApprovalStatus="PendingManualApproval", CustomerMetadataProperties={"run": "outside-1"},
        InferenceSpecification={"Containers": [container], "SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"]},
    )["ModelPackageArn"]
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    described = sagemaker.describe_model_package(ModelPackageName=arn)
    assert (described["ModelApprovalStatus"], described["ModelPackageVersion"]) == ("Approved", 1), described
    listed = sagemaker.list_model_packages(ModelPackageGroupName="outside")["ModelPackageSummaryList"]
    assert [p["ModelPackageArn"] for p in listed] == [arn], listed


def test_jobs(_):
    """The trainer without a plan: configured wrongly, so it is not retried."""
    batch, queue = client("batch"), f"{PRODUCTION}-training"
    definition = resources("AWS::Batch::JobDefinition")["TrainerJob"]["ref"]
    job = batch.submit_job(jobName="outside", jobQueue=queue, jobDefinition=definition)["jobId"]

    def ended():
        (detail,) = batch.describe_jobs(jobs=[job])["jobs"]
        return detail if detail["status"] in ("SUCCEEDED", "FAILED") else None

    detail = until("the job's end", ended)
    assert detail["status"] == "FAILED" and detail["container"]["exitCode"] == 64 and len(detail["attempts"]) == 1, detail
    listed = batch.list_jobs(jobQueue=queue, jobStatus="FAILED")["jobSummaryList"]
    assert [j["jobId"] for j in listed] == [job], listed
    listed = [j for p in batch.get_paginator("list_jobs").paginate(jobQueue=queue, filters=[{"name": "JOB_NAME", "values": ["out*"]}]) for j in p["jobSummaryList"]]
    assert [j["jobId"] for j in listed] == [job], listed
    stream = detail["container"]["logStreamName"]
    logged = client("logs").get_log_events(logGroupName="/sluice/production/jobs", logStreamName=stream, startFromHead=True)["events"]
    assert any("SLUICE_PLAN" in e["message"] for e in logged), logged
    assert batch.describe_jobs(jobs=["nobody"])["jobs"] == []
    job_arrays_and_resources(batch, queue, definition)
    batch.terminate_job(jobId=job, reason="over")
    batch.cancel_job(jobId=job, reason="over")
    fails("ClientException", batch.submit_job, jobName="outside", jobQueue="nobody", jobDefinition=definition)
    fails("ClientException", batch.submit_job, jobName="outside", jobQueue=queue, jobDefinition="nobody")
    fails("ClientException", batch.list_jobs, jobQueue="nobody")


def job_arrays_and_resources(batch, queue, definition):
    array = batch.submit_job(jobName="outside-array", jobQueue=queue, jobDefinition=definition, arrayProperties={"size": 2},
                             dependsOn=[{"type": "SEQUENTIAL"}], tags={"a": "1"})

    def ended():
        (detail,) = batch.describe_jobs(jobs=[array["jobId"]])["jobs"]
        return detail if detail["status"] in ("SUCCEEDED", "FAILED") else None

    detail = until("the end of the array job", ended)
    assert detail["statusReason"] == "Array Child Job failed" and detail["arrayProperties"]["statusSummary"]["FAILED"] == 2, detail
    children = batch.list_jobs(arrayJobId=array["jobId"], jobStatus="FAILED")["jobSummaryList"]
    assert [c["arrayProperties"]["index"] for c in children] == [0, 1], children
    newest = batch.list_jobs(jobQueue=queue, filters=[{"name": "AFTER_CREATED_AT", "values": ["0"]}])["jobSummaryList"]
    assert [j["jobName"] for j in newest] == ["outside-array", "outside"], newest

    (described,) = batch.describe_job_queues(jobQueues=[queue])["jobQueues"]
    assert (described["state"], described["status"]) == ("ENABLED", "VALID"), described
    environments = batch.describe_compute_environments(computeEnvironments=[described["computeEnvironmentOrder"][0]["computeEnvironment"]])
    assert environments["computeEnvironments"][0]["status"] == "VALID", environments
    batch.update_job_queue(jobQueue=queue, priority=described["priority"], state="ENABLED")
    revision = batch.register_job_definition(jobDefinitionName="outside", type="container", containerProperties={"image": "none",
        "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}]}, tags={"b": "2"})
    batch.deregister_job_definition(jobDefinition=revision["jobDefinitionArn"])
    (inactive,) = batch.describe_job_definitions(jobDefinitionName="outside")["jobDefinitions"]
    assert (inactive["status"], inactive["revision"]) == ("INACTIVE", 1), inactive
    batch.tag_resource(resourceArn=array["jobArn"], tags={"c": "3"})
    batch.untag_resource(resourceArn=array["jobArn"], tagKeys=["a"])
    assert batch.list_tags_for_resource(resourceArn=array["jobArn"])["tags"] == {"c": "3"}
    fails("ClientException", batch.submit_job, jobName="outside", jobQueue=queue, jobDefinition=definition, arrayProperties={"size": 1})


def test_bus(given):
    """An event that a rule matches reaches a queue, by way of the rule."""
    events, queue = client("events"), dead_letters()
    names = {r["Name"] for r in events.list_rules(NamePrefix=PRODUCTION)["Rules"]}
    assert names == {f"{PRODUCTION}-{n}" for n in ("uploads", "labels", "alarm-fired", "execution-failed", "run-ended", "configured")}, names
    pattern = json.dumps({"source": ["outside"], "detail": {"n": [{"numeric": [">", 1]}]}})
    events.put_rule(Name="outside", EventPattern=pattern)
    put = events.put_targets(Rule="outside", Targets=[{"Id": "q", "Arn": queue["arn"], "InputPath": "$.detail"}])
    assert put["FailedEntryCount"] == 0, put
    assert events.list_targets_by_rule(Rule="outside")["Targets"][0]["Id"] == "q"
    assert events.describe_rule(Name="outside")["EventPattern"] == pattern
    answer = events.put_events(
        Entries=[
            {"Source": "outside", "DetailType": "T", "Detail": '{"n": 2}'},
            {"Source": "outside", "DetailType": "T", "Detail": '{"n": 1}'},
            {"Source": "outside", "DetailType": "T", "Detail": "{"},
        ]
    )
    assert answer["FailedEntryCount"] == 1 and answer["Entries"][2]["ErrorCode"] == "MalformedDetail", answer
    (message,) = receive(queue, 1)
    assert json.loads(message["Body"]) == {"n": 2}, message
    event = {"id": "1", "account": ACCOUNT, "source": "outside", "time": "2026-01-01T00:00:00Z", "region": REGION, "resources": [], "detail-type": "T", "detail": {"n": 5}}
    assert events.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))["Result"] is True
    events.disable_rule(Name="outside")
    assert events.describe_rule(Name="outside")["State"] == "DISABLED"
    events.enable_rule(Name="outside")
    fails("ValidationException", events.delete_rule, Name="outside")
    events.remove_targets(Rule="outside", Ids=["q"])
    events.delete_rule(Name="outside")
    fails("ResourceNotFoundException", events.describe_rule, Name="outside")
    fails("InvalidEventPatternException", events.put_rule, Name="outside", EventPattern='{"source": "outside"}')


def dead_letters():
    sqs = client("sqs")
    url = sqs.get_queue_url(QueueName=f"{PRODUCTION}-dead-letters")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return {"sqs": sqs, "url": url, "arn": attributes["QueueArn"]}


def receive(queue, most):
    """Take messages off the queue once they are there."""
    arguments = {"QueueUrl": queue["url"], "MaxNumberOfMessages": most, "WaitTimeSeconds": 5, "MessageSystemAttributeNames": ["All"], "MessageAttributeNames": ["All"]}
    messages = until("a message", lambda: queue["sqs"].receive_message(**arguments).get("Messages"))
    for m in messages:
        assert hashlib.md5(m["Body"].encode()).hexdigest() == m["MD5OfBody"]
        queue["sqs"].delete_message(QueueUrl=queue["url"], ReceiptHandle=m["ReceiptHandle"])
    return messages


def test_topic(given):
    """A message to the alerts' topic reaches a queue that subscribes to it."""
    sns, queue, topic = client("sns"), dead_letters(), given["outputs"]["AlertsTopicOutput"]
    assert topic in [t["TopicArn"] for t in sns.list_topics()["Topics"]]
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue["arn"], ReturnSubscriptionArn=True)["SubscriptionArn"]
    assert subscription in [s["SubscriptionArn"] for s in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]]
    sent = sns.publish(TopicArn=topic, Subject="outside", Message="hello", MessageAttributes={"kind": {"DataType": "String", "StringValue": "x"}})
    (message,) = receive(queue, 1)
    body = json.loads(message["Body"])
    assert (body["Type"], body["Message"], body["Subject"], body["MessageId"]) == ("Notification", "hello", "outside", sent["MessageId"]), body
    assert body["MessageAttributes"] == {"kind": {"Type": "String", "Value": "x"}}, body
    raw = sns.create_topic(Name="outside")["TopicArn"]
    sns.subscribe(TopicArn=raw, Protocol="sqs", Endpoint=queue["arn"], Attributes={"RawMessageDelivery": "true"})
    sns.publish(TopicArn=raw, Message="plain")
    assert receive(queue, 1)[0]["Body"] == "plain"
    plain = sns.list_subscriptions_by_topic(TopicArn=raw)["Subscriptions"][0]["SubscriptionArn"]
    sns.set_subscription_attributes(SubscriptionArn=plain, AttributeName="FilterPolicy", AttributeValue='{"n": [{"numeric": [">", 2]}]}')
    assert sns.get_subscription_attributes(SubscriptionArn=plain)["Attributes"]["FilterPolicyScope"] == "MessageAttributes"
    for n in (1, 3):
        sns.publish(TopicArn=raw, Message=f"n is {n}", MessageAttributes={"n": {"DataType": "Number", "StringValue": str(n)}})
    assert receive(queue, 1)[0]["Body"] == "n is 3"
    sns.unsubscribe(SubscriptionArn=plain)
    fails("NotFound", sns.get_subscription_attributes, SubscriptionArn=plain)
    fails("NotFound", sns.publish, TopicArn=topic + "-not", Message="x")
    fails("InvalidParameter", sns.publish, TopicArn=topic, Message="")


def test_queue(_):
    queue = dead_letters()
    sqs, url = queue["sqs"], queue["url"]
    sent = sqs.send_message(QueueUrl=url, MessageBody="outside", MessageAttributes={"k": {"DataType": "String", "StringValue": "v"}})
    assert sent["MD5OfMessageBody"] == hashlib.md5(b"outside").hexdigest(), sent
    (got,) = receive(queue, 1)
    assert got["MessageAttributes"]["k"]["StringValue"] == "v" and got["Attributes"]["ApproximateReceiveCount"] == "1", got
    batch = sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "1"}, {"Id": "b", "MessageBody": "2", "DelaySeconds": 900}])
    assert [e["Id"] for e in batch["Successful"]] == ["a", "b"], batch
    (seen,) = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=60)["Messages"]
    handle = seen["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=120)
    changed = sqs.change_message_visibility_batch(QueueUrl=url, Entries=[{"Id": "x", "ReceiptHandle": handle, "VisibilityTimeout": 60}, {"Id": "y", "ReceiptHandle": "nobody", "VisibilityTimeout": 1}])
    assert ([e["Id"] for e in changed["Successful"]], changed["Failed"][0]["Code"]) == (["x"], "ReceiptHandleIsInvalid"), changed
    assert len(sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": "x", "ReceiptHandle": handle}])["Successful"]) == 1
    fails("AWS.SimpleQueueService.EmptyBatchRequest", sqs.send_message_batch, QueueUrl=url, Entries=[])
    sqs.purge_queue(QueueUrl=url)
    fails("AWS.SimpleQueueService.NonExistentQueue", sqs.get_queue_url, QueueName="nobody")
    fails("ReceiptHandleIsInvalid", sqs.delete_message, QueueUrl=url, ReceiptHandle="nobody")


def test_keys(_):
    """A signature verifies, and a changed message does not."""
    kms, key = client("kms"), f"alias/{PRODUCTION}-decisions"
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeySpec"] == "ECC_NIST_P256"
    signed = kms.sign(KeyId=key, Message=b"promote", MessageType="RAW", SigningAlgorithm="ECDSA_SHA_256")
    digest = hashlib.sha256(b"promote").digest()
    assert kms.verify(KeyId=key, Message=digest, MessageType="DIGEST", Signature=signed["Signature"], SigningAlgorithm="ECDSA_SHA_256")["SignatureValid"]
    verify_elsewhere(kms.get_public_key(KeyId=key)["PublicKey"], signed["Signature"])
    fails("KMSInvalidSignatureException", kms.verify, KeyId=key, Message=b"demote", Signature=signed["Signature"], SigningAlgorithm="ECDSA_SHA_256")
    fails("NotFoundException", kms.sign, KeyId="alias/nobody", Message=b"x", SigningAlgorithm="ECDSA_SHA_256")
    fails("ValidationException", kms.sign, KeyId=key, Message=b"short", MessageType="DIGEST", SigningAlgorithm="ECDSA_SHA_256")


def verify_elsewhere(public_key, signature):
    """OpenSSL, by way of the cryptography package, accepts the signature too."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    serialization.load_der_public_key(public_key).verify(signature, b"promote", ec.ECDSA(hashes.SHA256()))


def test_logs(_):
    logs, group = client("logs"), f"/aws/lambda/{PRODUCTION}-plan"
    client("lambda").invoke(FunctionName=f"{PRODUCTION}-plan", Payload=b'{"model": "outside-logs"}')
    groups = {g["logGroupName"]: g for p in logs.get_paginator("describe_log_groups").paginate() for g in p["logGroups"]}
    assert group in groups and groups[group]["retentionInDays"] > 0, groups.get(group)
    streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert streams, streams
    found = until("a report", lambda: [e for p in logs.get_paginator("filter_log_events").paginate(logGroupName=group, filterPattern="REPORT") for e in p["events"]] or None)
    assert all("REPORT RequestId" in e["message"] for e in found), found
    logs.create_log_group(logGroupName="outside")
    logs.create_log_stream(logGroupName="outside", logStreamName="s")
    now = int(time.time() * 1000)
    logs.put_log_events(logGroupName="outside", logStreamName="s", logEvents=[{"timestamp": now, "message": '{"level": "error", "n": 3}'}, {"timestamp": now + 1, "message": "other"}])
    refused = fails("InvalidParameterException", logs.filter_log_events, logGroupName="outside", filterPattern="[first, second]")
    assert "plain terms" in refused, refused
    found = logs.filter_log_events(logGroupName="outside", filterPattern='{ $.level = "err*" && $.n >= 3 }')["events"]
    assert [e["message"] for e in found] == ['{"level": "error", "n": 3}'], found
    found = logs.filter_log_events(logGroupName="outside", filterPattern='"error"')["events"]
    assert [e["message"] for e in found] == ['{"level": "error", "n": 3}'], found
    assert len(logs.get_log_events(logGroupName="outside", logStreamName="s", startFromHead=True)["events"]) == 2
    fails("ResourceAlreadyExistsException", logs.create_log_group, logGroupName="outside")
    fails("ResourceNotFoundException", logs.filter_log_events, logGroupName="nobody")


def test_schedules(given):
    scheduler = client("scheduler")
    got = scheduler.get_schedule(Name=f"{PRODUCTION}-monitor")
    assert got["ScheduleExpression"] == "rate(15 minutes)" and got["State"] == "ENABLED", got
    assert {s["Name"] for s in scheduler.list_schedules()["Schedules"]} == {f"{PRODUCTION}-monitor", f"{PRODUCTION}-track", f"{PRODUCTION}-daily-adult-income"}
    queue = dead_letters()
    target = {"Arn": queue["arn"], "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/outside", "Input": '"fired"'}
    past = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)).strftime("at(%Y-%m-%dT%H:%M:%S)")
    scheduler.create_schedule(Name="outside", ScheduleExpression=past, FlexibleTimeWindow={"Mode": "OFF"}, Target=target, ActionAfterCompletion="NONE")
    assert receive(queue, 1)[0]["Body"] == '"fired"'
    scheduler.update_schedule(Name="outside", ScheduleExpression="cron(0 2 ? * MON-FRI *)", ScheduleExpressionTimezone="Europe/Berlin", FlexibleTimeWindow={"Mode": "OFF"}, Target=target)
    assert scheduler.get_schedule(Name="outside")["ScheduleExpressionTimezone"] == "Europe/Berlin"
    fails("ConflictException", scheduler.create_schedule, Name="outside", ScheduleExpression=past, FlexibleTimeWindow={"Mode": "OFF"}, Target=target)
    fails("ValidationException", scheduler.create_schedule, Name="wrong", ScheduleExpression="cron(* * * * *)", FlexibleTimeWindow={"Mode": "OFF"}, Target=target)
    group = scheduler.create_schedule_group(Name="outside", Tags=[{"Key": "a", "Value": "1"}])["ScheduleGroupArn"]
    scheduler.tag_resource(ResourceArn=group, Tags=[{"Key": "b", "Value": "2"}])
    scheduler.untag_resource(ResourceArn=group, TagKeys=["a"])
    assert scheduler.list_tags_for_resource(ResourceArn=group)["Tags"] == [{"Key": "b", "Value": "2"}]
    window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}
    scheduler.create_schedule(Name="outside", GroupName="outside", ScheduleExpression="rate(1 day)", FlexibleTimeWindow=window, Target=target)
    assert scheduler.get_schedule(Name="outside", GroupName="outside")["FlexibleTimeWindow"] == window
    assert [s["Name"] for s in scheduler.list_schedules(GroupName="outside")["Schedules"]] == ["outside"]
    assert scheduler.get_schedule_group(Name="outside")["State"] == "ACTIVE"
    assert {g["Name"] for g in scheduler.list_schedule_groups()["ScheduleGroups"]} == {"default", "outside"}
    scheduler.delete_schedule_group(Name="outside")
    fails("ResourceNotFoundException", scheduler.get_schedule, Name="outside", GroupName="outside")
    scheduler.delete_schedule(Name="outside")
    fails("ResourceNotFoundException", scheduler.get_schedule, Name="outside")


class Target(http.server.BaseHTTPRequestHandler):
    """A target that is healthy and answers with its group's name."""

    def do_GET(self):
        body = self.server.name.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def target(name):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target)
    server.name = name
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return {"Id": "127.0.0.1", "Port": server.server_address[1]}


def test_balancing(_):
    """Two groups behind a listener, by weight, and every error of AWS's."""
    elb = client("elbv2")
    subnets = [r["ref"] for r in resources("AWS::EC2::Subnet").values()]
    vpc = resources("AWS::EC2::VPC")["TrainingVpc"]["ref"]
    group = resources("AWS::EC2::SecurityGroup")["TrainingSecurityGroup"]["ref"]
    made = elb.create_load_balancer(Name="outside", Subnets=subnets, SecurityGroups=[group], Scheme="internal")["LoadBalancers"][0]
    balancer = made["LoadBalancerArn"]
    elb.get_waiter("load_balancer_available").wait(LoadBalancerArns=[balancer], WaiterConfig={"Delay": 1, "MaxAttempts": 5})
    assert elb.describe_load_balancers(Names=["outside"])["LoadBalancers"][0]["VpcId"] == vpc
    elb.modify_load_balancer_attributes(LoadBalancerArn=balancer, Attributes=[{"Key": "idle_timeout.timeout_seconds", "Value": "30"}])
    attributes = {a["Key"]: a["Value"] for a in elb.describe_load_balancer_attributes(LoadBalancerArn=balancer)["Attributes"]}
    assert attributes["idle_timeout.timeout_seconds"] == "30" and attributes["routing.http.desync_mitigation_mode"] == "defensive", attributes
    arns = {}
    for name in ("blue", "green"):
        check = {"HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 2, "HealthCheckPath": "/ping"}
        created = elb.create_target_group(Name=name, Protocol="HTTP", Port=8080, TargetType="ip", VpcId=vpc, **check)
        arns[name] = created["TargetGroups"][0]["TargetGroupArn"]
        elb.register_targets(TargetGroupArn=arns[name], Targets=[target(name)])
        assert health(elb, arns[name]) == ["unused Target.NotInUse"]
    elb.modify_target_group(TargetGroupArn=arns["blue"], Matcher={"HttpCode": "200-299"})
    elb.modify_target_group_attributes(TargetGroupArn=arns["blue"], Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "1"}])
    assert elb.describe_target_group_attributes(TargetGroupArn=arns["blue"])["Attributes"]
    assert elb.describe_target_groups(Names=["blue"])["TargetGroups"][0]["Matcher"] == {"HttpCode": "200-299"}

    listener = elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=forward(arns, 100, 0))["Listeners"][0]["ListenerArn"]
    for arn in arns.values():
        elb.get_waiter("target_in_service").wait(TargetGroupArn=arn, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    balancing_traffic(elb, balancer, listener, arns)
    balancing_refusals(elb, balancer, listener, arns)
    balancing_end(elb, balancer, listener, arns)


def health(elb, arn):
    found = [t["TargetHealth"] for t in elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]]
    return [f"{h['State']} {h.get('Reason', '')}".strip() for h in found]


def forward(arns, blue, green):
    groups = [{"TargetGroupArn": arns["blue"], "Weight": blue}, {"TargetGroupArn": arns["green"], "Weight": green}]
    return [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]


def balancing_traffic(elb, balancer, listener, arns):
    (address,) = [a for a in admin("resources")["listeners"] if a["listener"] == listener]
    name = elb.describe_load_balancers(LoadBalancerArns=[balancer])["LoadBalancers"][0]["DNSName"]
    assert address["dns_name"] == name and name.endswith(".elb.localhost"), (address, name)

    def ask(path="/", base=address["url"]):
        with urllib.request.urlopen(urllib.request.Request(base + path, headers={"Host": name})) as answer:
            return answer.read().decode()

    assert {ask() for _ in range(20)} == {"blue"}
    assert ask(base=os.environ["AWS_ENDPOINT_URL"]) == "blue", "by the Host header, at the stack's own port"
    condition = [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/v2/*"]}}]
    rule = elb.create_rule(ListenerArn=listener, Priority=10, Conditions=condition, Actions=forward(arns, 0, 1))["Rules"][0]["RuleArn"]
    until("the rule", lambda: ask("/v2/x") == "green" or None)
    assert ask() == "blue"
    elb.modify_rule(RuleArn=rule, Actions=forward(arns, 1, 0))
    read = elb.describe_rules(RuleArns=[rule])["Rules"][0]["Actions"][0]["ForwardConfig"]["TargetGroups"]
    assert [g["Weight"] for g in read] == [1, 0], read
    until("the rule's change", lambda: ask("/v2/x") == "blue" or None)
    elb.modify_listener(ListenerArn=listener, DefaultActions=forward(arns, 0, 7))
    until("the listener's change", lambda: ask() == "green" or None)
    elb.set_rule_priorities(RulePriorities=[{"RuleArn": rule, "Priority": 11}])
    assert [r["Priority"] for r in elb.describe_rules(ListenerArn=listener)["Rules"]] == ["11", "default"]
    dimension = {"Name": "LoadBalancer", "Value": balancer.split("loadbalancer/")[1]}
    window = {"StartTime": datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=5), "EndTime": datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=5)}
    counted = lambda: client("cloudwatch").get_metric_statistics(Namespace="AWS/ApplicationELB", MetricName="RequestCount", Dimensions=[dimension], Period=60, Statistics=["Sum"], **window)["Datapoints"]
    until("the requests' count", lambda: sum(d["Sum"] for d in counted()) >= 24 or None)


def balancing_refusals(elb, balancer, listener, arns):
    condition = [{"Field": "path-pattern", "Values": ["/x"]}]
    fails("PriorityInUse", elb.create_rule, ListenerArn=listener, Priority=11, Conditions=condition, Actions=forward(arns, 1, 1))
    fails("TargetGroupNotFound", elb.create_rule, ListenerArn=listener, Priority=1, Conditions=condition, Actions=forward({"blue": "x", "green": "y"}, 1, 1))
    fails("DuplicateListener", elb.create_listener, LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=forward(arns, 1, 1))
    fails("ResourceInUse", elb.delete_target_group, TargetGroupArn=arns["blue"])
    fails("RuleNotFound", elb.delete_rule, RuleArn=listener)
    fails("InvalidConfigurationRequest", elb.modify_target_group_attributes, TargetGroupArn=arns["blue"], Attributes=[{"Key": "slow_start.duration_seconds", "Value": "30"}])
    message = fails("ValidationError", elb.create_listener, LoadBalancerArn=balancer, Protocol="HTTPS", Port=443, DefaultActions=forward(arns, 1, 1))
    assert "HTTPS" in message, message


def balancing_end(elb, balancer, listener, arns):
    elb.add_tags(ResourceArns=[balancer], Tags=[{"Key": "team", "Value": "outside"}])
    assert elb.describe_tags(ResourceArns=[balancer])["TagDescriptions"][0]["Tags"] == [{"Key": "team", "Value": "outside"}]
    elb.remove_tags(ResourceArns=[balancer], TagKeys=["team"])
    (blue,) = elb.describe_target_health(TargetGroupArn=arns["blue"])["TargetHealthDescriptions"]
    elb.deregister_targets(TargetGroupArn=arns["blue"], Targets=[blue["Target"]])
    elb.get_waiter("target_deregistered").wait(TargetGroupArn=arns["blue"], Targets=[blue["Target"]], WaiterConfig={"Delay": 1, "MaxAttempts": 10})
    assert [x["Port"] for x in elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]] == [80]
    rules = elb.describe_rules(ListenerArn=listener)["Rules"]
    elb.delete_rule(RuleArn=rules[0]["RuleArn"])
    elb.delete_listener(ListenerArn=listener)
    for arn in arns.values():
        elb.delete_target_group(TargetGroupArn=arn)
    elb.delete_load_balancer(LoadBalancerArn=balancer)
    elb.get_waiter("load_balancers_deleted").wait(LoadBalancerArns=[balancer], WaiterConfig={"Delay": 1, "MaxAttempts": 5})


def test_unknown(_):
    """What is not served says so by name, and nothing is taken for served."""
    message = fails("NotImplemented", client("dynamodb").list_tables)
    assert '"dynamodb"' in message, message
    message = fails("UnknownOperationException", client("stepfunctions").list_activities)
    assert '"ListActivities"' in message and "; the nearest operation here is" in message, message


def documented(readme):
    """The operations that the table of the local stack's README names."""
    with open(readme) as file:
        rows = [line.split("|") for line in file if re.match(r"\| `[a-z0-9-]+` \| `", line)]
    return {f"{row[1].strip(' `')}.{name}" for row in rows for name in re.findall(r"`(\w+)`", row[2])}


# Operations that are called to see them refused.
REFUSED = {"dynamodb.ListTables", "stepfunctions.ListActivities"}


def compare(readme):
    told, called = documented(readme), set(CALLS) - REFUSED
    return [f"{readme} names {o}, which is not called here" for o in sorted(told - called)] + [
        f"{o} is served and {readme} does not name it" for o in sorted(called - told)
    ]


def main(given):
    tests = {name: value for name, value in globals().items() if name.startswith("test_")}
    broken = []
    for name, test in tests.items():
        began, first = time.monotonic(), len(CALLS)
        try:
            test(given)
            print(f"ok   {name[5:]:12} {len(CALLS) - first:4} calls {time.monotonic() - began:6.2f} s")
        except Exception as error:  # the others are worth running all the same
            import traceback

            broken.append(name)
            lines = traceback.format_exc().strip().splitlines()
            places = [line.strip() for line in lines if "client.py" in line]
            print(f"FAIL {name[5:]}: {type(error).__name__}: {error}\n     {places[-1] if places else ''}")
    print(f"{len(CALLS)} calls of {len(set(CALLS))} operations: {', '.join(sorted(set(CALLS)))}")
    differences = compare(given["readme"]) if not broken else []
    print("\n".join(differences))
    return broken + differences


if __name__ == "__main__":
    sys.exit(bool(main(json.loads(sys.argv[1]))))
