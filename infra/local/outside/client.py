"""AWS's Python client against a running stack: every answer must parse, be what
the service's model says, and carry the values we expect; every error must be
the ClientError that a program would catch.

usage: AWS_ENDPOINT_URL=... client.py '{"outputs": ..., "model": FILE, "assets": FILE, "readme": FILE}'
"""

import datetime
import hashlib
import io
import json
import os
import re
import sys
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
    signer = client("s3", signature_version="s3v4")  # boto3 presigns for us-east-1 with Version 2 otherwise
    url = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "outside/list/copy"})
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"x"


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
    assert "listObjectsV2" in fails("InvalidDefinition", states.create_state_machine, name="wrong", definition=json.dumps(wrong), roleArn="arn:role")


def over(states, arn):
    described = states.describe_execution(executionArn=arn)
    return None if described["status"] == "RUNNING" else described


def test_functions(_):
    functions = client("lambda")
    names = [f["FunctionName"] for p in functions.get_paginator("list_functions").paginate() for f in p["Functions"]]
    assert len(names) == 18 and f"{PRODUCTION}-plan" in names, names
    described = functions.get_function(FunctionName=f"{PRODUCTION}-plan")["Configuration"]
    assert described["Environment"]["Variables"]["SLUICE_ENVIRONMENT"] == "production", described
    functions.get_function_configuration(FunctionName=described["FunctionArn"])
    answer = functions.invoke(FunctionName=f"{PRODUCTION}-plan", Payload=b'{"model": 7}', LogType="Tail")
    failed = json.loads(answer["Payload"].read())
    assert answer["FunctionError"] == "Unhandled" and failed["errorMessage"] and answer["LogResult"], (answer, failed)
    assert functions.invoke(FunctionName=f"{PRODUCTION}-plan", Payload=b"{}", InvocationType="DryRun")["StatusCode"] == 204
    assert functions.invoke(FunctionName=f"{PRODUCTION}-monitor", Payload=b"{}", InvocationType="Event")["StatusCode"] == 202
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
    batch.terminate_job(jobId=job, reason="over")
    batch.cancel_job(jobId=job, reason="over")
    fails("ClientException", batch.submit_job, jobName="outside", jobQueue="nobody", jobDefinition=definition)
    fails("ClientException", batch.submit_job, jobName="outside", jobQueue=queue, jobDefinition="nobody")
    fails("ClientException", batch.list_jobs, jobQueue="nobody")


def test_bus(given):
    """An event that a rule matches reaches a queue, by way of the rule."""
    events, queue = client("events"), dead_letters()
    names = {r["Name"] for r in events.list_rules(NamePrefix=PRODUCTION)["Rules"]}
    assert names == {f"{PRODUCTION}-{n}" for n in ("uploads", "labels", "alarm-fired", "execution-failed")}, names
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
    fails("NotFound", sns.publish, TopicArn=topic + "-not", Message="x")
    fails("InvalidParameter", sns.publish, TopicArn=topic, Message="")


def test_queue(_):
    queue = dead_letters()
    sqs, url = queue["sqs"], queue["url"]
    sent = sqs.send_message(QueueUrl=url, MessageBody="outside", MessageAttributes={"k": {"DataType": "String", "StringValue": "v"}})
    assert sent["MD5OfMessageBody"] == hashlib.md5(b"outside").hexdigest(), sent
    (got,) = receive(queue, 1)
    assert got["MessageAttributes"]["k"]["StringValue"] == "v" and got["Attributes"]["ApproximateReceiveCount"] == "1", got
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
    refused = fails("InvalidParameterException", logs.filter_log_events, logGroupName="outside", filterPattern='{ $.level = "error" }')
    assert "plain terms" in refused, refused
    found = logs.filter_log_events(logGroupName="outside", filterPattern='"error"')["events"]
    assert [e["message"] for e in found] == ['{"level": "error", "n": 3}'], found
    assert len(logs.get_log_events(logGroupName="outside", logStreamName="s", startFromHead=True)["events"]) == 2
    fails("ResourceAlreadyExistsException", logs.create_log_group, logGroupName="outside")
    fails("ResourceNotFoundException", logs.filter_log_events, logGroupName="nobody")


def test_schedules(given):
    scheduler = client("scheduler")
    got = scheduler.get_schedule(Name=f"{PRODUCTION}-monitor")
    assert got["ScheduleExpression"] == "rate(15 minutes)" and got["State"] == "ENABLED", got
    assert {s["Name"] for s in scheduler.list_schedules()["Schedules"]} == {f"{PRODUCTION}-monitor", f"{PRODUCTION}-daily-adult-income"}
    queue = dead_letters()
    target = {"Arn": queue["arn"], "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/outside", "Input": '"fired"'}
    past = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)).strftime("at(%Y-%m-%dT%H:%M:%S)")
    scheduler.create_schedule(Name="outside", ScheduleExpression=past, FlexibleTimeWindow={"Mode": "OFF"}, Target=target, ActionAfterCompletion="NONE")
    assert receive(queue, 1)[0]["Body"] == '"fired"'
    scheduler.update_schedule(Name="outside", ScheduleExpression="cron(0 2 ? * MON-FRI *)", ScheduleExpressionTimezone="Europe/Berlin", FlexibleTimeWindow={"Mode": "OFF"}, Target=target)
    assert scheduler.get_schedule(Name="outside")["ScheduleExpressionTimezone"] == "Europe/Berlin"
    fails("ConflictException", scheduler.create_schedule, Name="outside", ScheduleExpression=past, FlexibleTimeWindow={"Mode": "OFF"}, Target=target)
    fails("ValidationException", scheduler.create_schedule, Name="wrong", ScheduleExpression="cron(* * * * *)", FlexibleTimeWindow={"Mode": "OFF"}, Target=target)
    scheduler.delete_schedule(Name="outside")
    fails("ResourceNotFoundException", scheduler.get_schedule, Name="outside")


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
