"""lakeFS's Python client against the server of our tests: every answer must be
what the client's models, generated from lakeFS's API description, allow.

usage: lakefs.py URL ACCESS_KEY SECRET_KEY OBJECTS
"""

import json
import sys

import lakefs_sdk
from lakefs_sdk.exceptions import NotFoundException, UnauthorizedException

url, access, secret, objects = sys.argv[1:]
expected = {o["Path"]: o for o in json.loads(objects)}


def client(password):
    return lakefs_sdk.ApiClient(lakefs_sdk.Configuration(host=url + "/api/v1", username=access, password=password))


commits = lakefs_sdk.RefsApi(client(secret)).log_commits("census", "main", amount=1)
assert commits.results[0].id == "c0ffee", commits
api, found, after, pages = lakefs_sdk.ObjectsApi(client(secret)), {}, "", 0
while True:
    page = api.list_objects("census", "c0ffee", user_metadata=True, presign=False, after=after, amount=1000, prefix="")
    found.update({o.path: o for o in page.results})
    pages += 1
    if not page.pagination.has_more:
        break
    after = page.pagination.next_offset
assert pages == 3 and found.keys() == expected.keys(), (pages, found)
for path, o in found.items():
    want = expected[path]
    assert (o.physical_address, o.checksum, o.size_bytes, o.metadata) == (want["PhysicalAddress"], want["Checksum"], want["Size"], want["Metadata"]), o
for call, error in [(lambda: api.list_objects("other", "main"), NotFoundException), (lambda: api.list_objects("census", "v9"), NotFoundException),
                    (lambda: lakefs_sdk.ObjectsApi(client("wrong")).list_objects("census", "main"), UnauthorizedException)]:
    try:
        call()
    except error as refused:
        assert "message" in json.loads(refused.body)
    else:
        raise AssertionError(f"it must fail with {error}")
print(f"{len(found)} objects on {pages} pages, lakefs-sdk {lakefs_sdk.__version__}")
