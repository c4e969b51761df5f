"""Makes botocore strict about answers: it is only strict about requests.

Every answer is checked against the service's model as a request would be:
types, required members, enumerations; and an answer's JSON may hold no member
that the model does not know, which botocore would drop in silence.
"""

import json
import re

from botocore.response import StreamingBody
from botocore.validate import ParamValidator

# Members that AWS leaves out although its model requires them: the AWS CLI's
# own example of describe-jobs shows a submitted job without startedAt.
LEFT_OUT = re.compile(r'Missing required parameter in jobs\[\d+\]: "startedAt"')

# S3 lists versions in any storage class; its model knows STANDARD alone.
OLD_ENUMERATION = re.compile(r"ListObjectVersions\.Versions\[\d+\]\.StorageClass")


def watch(client, calls):
    """Check every answer of a client; count the operations in calls."""

    def after(http_response, parsed, model, **_):
        calls.append(f"{model.service_model.service_name}.{model.name}")
        if http_response.status_code >= 300 or model.output_shape is None:
            return
        problems = list(_problems(http_response, parsed, model))
        assert not problems, f"{calls[-1]} answered outside its model: {'; '.join(problems)}"

    client.meta.events.register("after-call", after)
    return client


def _problems(http_response, parsed, model):
    shape = model.output_shape
    answer = {k: v for k, v in parsed.items() if k != "ResponseMetadata" and not isinstance(v, StreamingBody)}
    if model.has_streaming_output:
        shape = None
    if shape is not None:
        report = ParamValidator().validate(answer, shape)
        if report.has_errors():
            yield from (line for line in report.generate_report().splitlines() if not LEFT_OUT.fullmatch(line))
        yield from _enumerations(answer, shape, model.name)
    protocol = model.service_model.resolved_protocol
    if protocol in ("json", "rest-json") and shape is not None and not shape.serialization.get("payload"):
        yield from _unknown(json.loads(http_response.content or b"{}"), shape, model.name)


def _enumerations(value, shape, path):
    if shape.type_name == "structure":
        for name, member in (value or {}).items():
            if name in shape.members:
                yield from _enumerations(member, shape.members[name], f"{path}.{name}")
    elif shape.type_name == "list":
        for i, member in enumerate(value):
            yield from _enumerations(member, shape.member, f"{path}[{i}]")
    elif shape.type_name == "map":
        for name, member in value.items():
            yield from _enumerations(member, shape.value, f"{path}.{name}")
    elif shape.type_name == "string" and getattr(shape, "enum", None) and value not in shape.enum:
        if value and not OLD_ENUMERATION.fullmatch(path):  # an empty XML element is an absent one
            yield f"{path} is {value!r}, want one of {shape.enum}"


def _unknown(value, shape, path):
    if value is None:
        return
    if shape.type_name == "structure" and not getattr(shape, "is_document_type", False):
        known = {m.serialization.get("name", n): m for n, m in shape.members.items()}
        for name, member in value.items():
            if name in known:
                yield from _unknown(member, known[name], f"{path}.{name}")
            else:
                yield f"{path} has the unknown member {name!r}"
    elif shape.type_name == "list":
        for i, member in enumerate(value):
            yield from _unknown(member, shape.member, f"{path}[{i}]")
    elif shape.type_name == "map":
        for name, member in value.items():
            yield from _unknown(member, shape.value, f"{path}.{name}")
