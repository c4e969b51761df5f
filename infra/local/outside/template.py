"""Deploys a synthesized template into moto's CloudFormation, served over HTTP.

moto is another reader of the template: what it cannot resolve, or refuses, is
likely wrong. Where moto itself is wrong, LACKS says so, and each of its entries
must still be needed: without it the deployment must fail as it says.

usage: template.py CDK_OUT STACK [prove]: prove tries LACKS one by one
"""

import hashlib
import io
import json
import logging
import os
import pathlib
import queue
import re
import sys
import urllib.request
import warnings
import zipfile

os.environ.update(AWS_ACCESS_KEY_ID="outside", AWS_SECRET_ACCESS_KEY="outside", AWS_DEFAULT_REGION="us-east-1")
os.environ["AWS_MAX_ATTEMPTS"] = "1"  # a 500 of moto's is a finding, not a hiccup

import boto3  # noqa: E402
from botocore.exceptions import BotoCoreError, ClientError  # noqa: E402
from botocore.parsers import ResponseParserError  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402

REGION = "us-east-1"


class Crashes(logging.Handler):
    """Keeps what moto's server says about its last exception: a client only
    sees a 500."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.said = queue.Queue()

    def emit(self, record):
        self.said.put(record.getMessage().strip().splitlines()[-1])

    def explain(self, error):
        """What was behind an answer that is no AWS error."""
        return self.said.get(timeout=10) if isinstance(error, ResponseParserError) else str(error)


CRASHES = Crashes()
logging.getLogger("werkzeug").handlers = [CRASHES]
logging.getLogger("werkzeug").propagate = False


def attribute_is_ref(kind, attribute):
    """Ask for Ref where moto lacks an attribute that CloudFormation has, and
    whose value is the same as Ref's."""

    def walk(value, resources):
        if isinstance(value, dict):
            got = value.get("Fn::GetAtt")
            if got and got[1] == attribute and resources.get(got[0], {}).get("Type") == kind:
                return {"Ref": got[0]}
            return {k: walk(v, resources) for k, v in value.items()}
        if isinstance(value, list):
            return [walk(v, resources) for v in value]
        return value

    return lambda template: template.update(walk(template, template["Resources"]))


def each(kind, change):
    """Change the properties of every resource of a type."""

    def apply(template):
        for resource in template["Resources"].values():
            if resource["Type"] == kind:
                change(resource["Properties"])

    return apply


# What moto cannot do that CloudFormation can: (what, why, the failure without
# it, what we change in the template for moto).
LACKS = [
    (
        "AWS::StepFunctions::StateMachine has no attribute Arn",
        "CloudFormation documents Arn, Name and StateMachineRevisionId",
        r"StateMachine does not support attribute type Arn",
        attribute_is_ref("AWS::StepFunctions::StateMachine", "Arn"),
    ),
    (
        "AWS::EC2::Subnet has no attribute SubnetId",
        "CloudFormation documents SubnetId",
        r"does not support attribute type SubnetId",
        attribute_is_ref("AWS::EC2::Subnet", "SubnetId"),
    ),
    (
        "AWS::EC2::InternetGateway has no attribute InternetGatewayId",
        "CloudFormation documents InternetGatewayId",
        r"'InternetGateway' object has no attribute 'get_cfn_attribute'",
        attribute_is_ref("AWS::EC2::InternetGateway", "InternetGatewayId"),
    ),
    (
        "AWS::EC2::RouteTable has no attribute RouteTableId",
        "CloudFormation documents RouteTableId",
        r"'RouteTable' object has no attribute 'get_cfn_attribute'",
        attribute_is_ref("AWS::EC2::RouteTable", "RouteTableId"),
    ),
    (
        "AWS::Batch::ComputeEnvironment needs a ServiceRole",
        "CloudFormation has it optional: without it AWS uses the service-linked role",
        r"KeyError: 'ServiceRole'",
        each("AWS::Batch::ComputeEnvironment", lambda p: p.update(ServiceRole={"Fn::GetAtt": ["TrainingInstanceRole", "Arn"]})),
    ),
    (
        "AWS::Batch::ComputeEnvironment has no attribute ComputeEnvironmentArn",
        "CloudFormation documents ComputeEnvironmentArn",
        r"'ComputeEnvironment' object has no attribute 'get_cfn_attribute'",
        attribute_is_ref("AWS::Batch::ComputeEnvironment", "ComputeEnvironmentArn"),
    ),
    (
        "AWS::Batch::JobQueue has no attribute JobQueueArn",
        "CloudFormation documents JobQueueArn",
        r"'JobQueue' object has no attribute 'get_cfn_attribute'",
        attribute_is_ref("AWS::Batch::JobQueue", "JobQueueArn"),
    ),
]

# Resource types that moto's CloudFormation leaves out without an error. They are
# made through the service's own API instead, where AWS's client checks every
# property's name and type against the service's model, and moto its value.
UNKNOWN_TYPES = {
    "AWS::S3::BucketPolicy": lambda aws, p: aws("s3").put_bucket_policy(Bucket=p["Bucket"], Policy=json.dumps(p["PolicyDocument"])),
    "AWS::SNS::TopicPolicy": lambda aws, p: [
        aws("sns").set_topic_attributes(TopicArn=t, AttributeName="Policy", AttributeValue=json.dumps(p["PolicyDocument"]))
        for t in p["Topics"]
    ],
    "AWS::SQS::QueuePolicy": lambda aws, p: [
        aws("sqs").set_queue_attributes(QueueUrl=q, Attributes={"Policy": json.dumps(p["PolicyDocument"])}) for q in p["Queues"]
    ],
    "AWS::Scheduler::Schedule": lambda aws, p: aws("scheduler").create_schedule(**p),
    "AWS::CloudWatch::Alarm": lambda aws, p: aws("cloudwatch").put_metric_alarm(**p),
}
warnings.filterwarnings("ignore", "Tried to parse")  # check() compares them with UNKNOWN_TYPES



def server():
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    return moto, f"http://{host}:{port}"


def bootstrap(url, account, folder, stack):
    """Do what cdk bootstrap and cdk deploy do before CreateStack: put every file
    asset where the manifest says."""
    s3 = boto3.client("s3", endpoint_url=url)
    manifest = json.loads((folder / f"{stack}.assets.json").read_text())
    for asset in manifest["files"].values():
        for place in asset["destinations"].values():
            bucket = place["bucketName"].replace("${AWS::AccountId}", account).replace("${AWS::Region}", REGION)
            s3.create_bucket(Bucket=bucket)
            s3.put_object(Bucket=bucket, Key=place["objectKey"], Body=pack(folder / asset["source"]["path"]))
    boto3.client("ssm", endpoint_url=url).put_parameter(
        Name="/cdk-bootstrap/hnb659fds/version", Type="String", Value="21"
    )
    return bucket


def pack(path):
    """A file as it is; a folder as a zip of its files' names, which is all that
    moto looks at."""
    if path.is_file():
        return path.read_bytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for file in sorted(path.iterdir()):
            archive.writestr(file.name, "")
    return buffer.getvalue()


def deploy(url, bucket, stack, template):
    """Create the stack; gives what went wrong, or None."""
    boto3.client("s3", endpoint_url=url).put_object(Bucket=bucket, Key="template.json", Body=json.dumps(template))
    cloudformation = boto3.client("cloudformation", endpoint_url=url)
    try:
        cloudformation.create_stack(
            StackName=stack,
            TemplateURL=f"https://s3.amazonaws.com/{bucket}/template.json",
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        status = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except (ClientError, BotoCoreError, ResponseParserError) as error:
        return CRASHES.explain(error)
    if status["StackStatus"] != "CREATE_COMPLETE":
        return f"{status['StackStatus']}: {status.get('StackStatusReason')}"
    return None


def attempt(url, folder, stack, lacks):
    """Deploy into an empty moto; gives what went wrong, and the template."""
    urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", method="POST")).close()
    account = boto3.client("sts", endpoint_url=url).get_caller_identity()["Account"]
    bucket = bootstrap(url, account, folder, stack)
    template = json.loads((folder / f"{stack}.template.json").read_text())
    for _, _, _, change in lacks:
        change(template)
    export(template)
    return deploy(url, bucket, stack, template), template


INTRINSICS = ("Ref", "Fn::GetAtt", "Fn::Join", "Fn::Sub")


def export(template):
    """Make outputs of the references in the resources that moto leaves out, so
    that moto resolves them too."""

    def walk(value):
        if isinstance(value, dict):
            if len(value) == 1 and next(iter(value)) in INTRINSICS:
                template["Outputs"][name_of(value)] = {"Value": value}
                return
            value = list(value.values())
        if isinstance(value, list):
            for member in value:
                walk(member)

    for resource in template["Resources"].values():
        if resource["Type"] in UNKNOWN_TYPES:
            walk(resource["Properties"])


def name_of(reference):
    return "R" + hashlib.sha256(json.dumps(reference, sort_keys=True).encode()).hexdigest()[:20]


def resolve(value, outputs):
    if isinstance(value, dict):
        if len(value) == 1 and next(iter(value)) in INTRINSICS:
            return outputs[name_of(value)]
        return {k: resolve(v, outputs) for k, v in value.items()}
    if isinstance(value, list):
        return [resolve(v, outputs) for v in value]
    return value


def make(url, stack, template):
    """Make what moto left out; gives what went wrong."""

    def aws(service):
        return boto3.client(service, endpoint_url=url)

    described = aws("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    outputs = {o["OutputKey"]: o["OutputValue"] for o in described["Outputs"]}
    problems, made = [], 0
    for name, resource in template["Resources"].items():
        if resource["Type"] in UNKNOWN_TYPES:
            try:
                UNKNOWN_TYPES[resource["Type"]](aws, resolve(resource["Properties"], outputs))
                made += 1
            except (ClientError, BotoCoreError, ResponseParserError) as error:
                problems.append(f"{name} ({resource['Type']}): {CRASHES.explain(error)}")
    print(f"and {made} more through the services' own APIs")
    return problems


def check(url, stack, template):
    """Compare what moto made with what the template declares."""
    cloudformation = boto3.client("cloudformation", endpoint_url=url)
    made = {}
    for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack):
        for r in page["StackResourceSummaries"]:
            if r["LogicalResourceId"]:  # moto also lists one of its own, without a name
                made[r["LogicalResourceId"]] = r
    problems = [f"{n}: {r['ResourceStatus']}" for n, r in made.items() if r["ResourceStatus"] != "CREATE_COMPLETE"]
    missing = {n: r["Type"] for n, r in template["Resources"].items() if n not in made}
    problems += [f"{n} ({kind}) was not made" for n, kind in missing.items() if kind not in UNKNOWN_TYPES]
    problems += [f"UNKNOWN_TYPES has {kind}, which moto makes: take it out" for kind in set(UNKNOWN_TYPES) - set(missing.values())]
    return problems, len(made)


def main(folder, stack, prove):
    moto, url = server()
    try:
        error, template = attempt(url, folder, stack, LACKS)
        if error:
            return [f"moto does not deploy {stack}: {error}"]
        problems, made = check(url, stack, template)
        print(f"moto made {made} of {len(template['Resources'])} resources of {stack}")
        problems += make(url, stack, template)
        for i, (what, why, failure, _) in enumerate(LACKS if prove else []):
            error, _ = attempt(url, folder, stack, LACKS[:i] + LACKS[i + 1 :])
            if error is None or not re.search(failure, error):
                problems.append(f"LACKS says that {what}, but without it moto says {error!r}, not {failure!r}: take it out or mend it")
            else:
                print(f"moto lacks: {what} ({why}); it says: {error}")
        return problems
    finally:
        moto.stop()


if __name__ == "__main__":
    found = main(pathlib.Path(sys.argv[1]), sys.argv[2], "prove" in sys.argv[3:])
    print("\n".join(found))
    sys.exit(bool(found))
