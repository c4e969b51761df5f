"""The trees of package dataset, built a second time and from their description.

Writes the roots of a few trees, with checksums of S3's algorithms, to
shared/dataset/testdata/golden.json. Needs only Python 3.9 or later.

    python3 scripts/golden/prolly.py > shared/dataset/testdata/golden.json
"""
import base64
import hashlib
import json
import platform
import sys
import zlib

FORMAT = 2
MAX32 = 2**32 - 1
LEAF = (512, 1024, 2048, MAX32 // 1024, MAX32 // 256)
INDEX = (128, 256, 512, MAX32 // 256, MAX32 // 64)
INLINE = 64


def varint(n):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def texts(column):
    return b"".join(varint(len(c)) for c in column) + b"".join(column)


def runs(column):
    out, at = b"", 0
    while at < len(column):
        end = at
        while end < len(column) and column[end] == column[at]:
            end += 1
        out += varint(end - at) + varint(len(column[at])) + column[at]
        at = end
    return out


def leaf(entries):
    column = lambda name: [e[name].encode() for e in entries]
    out = b"L" + bytes([FORMAT, 0]) + varint(len(entries))
    for name in ("key", "version_id", "etag", "checksum"):
        out += texts(column(name))
    for name in ("checksum_algorithm", "checksum_type", "schema"):
        out += runs(column(name))
    out += b"".join(varint(e["size"]) for e in entries) + b"".join(varint(e["rows"]) for e in entries)
    for e in entries:
        out += varint(len(e["metadata"]))
        for name in sorted(e["metadata"]):
            for text in (name, e["metadata"][name]):
                out += varint(len(text)) + text.encode()
    return out


def index(level, children):
    out = b"I" + bytes([FORMAT]) + varint(level) + varint(len(children))
    out += texts([c["last"].encode() for c in children]) + b"".join(c["hash"] for c in children)
    return out + b"".join(varint(n) for c in children for n in c["sums"])


def ends(level, count, key):
    least, mean, most, early, late = INDEX if level else LEAF
    if count < least:
        return False
    if count >= most:
        return True
    digest = hashlib.sha256(key.encode()).digest()
    word = int.from_bytes(digest[4 * (level % 8) : 4 * (level % 8) + 4], "big")
    return word < (early if count < mean else late)


def cut(level, items, key):
    nodes, open_ = [], []
    for item in items:
        open_.append(item)
        if ends(level, len(open_), key(item)):
            nodes.append(open_)
            open_ = []
    return nodes + [open_] if open_ else nodes


def child(payload, last, sums):
    return {"hash": hashlib.sha256(payload).digest(), "last": last, "sums": sums}


def tree(entries):
    """The root's hash and level."""
    if len(entries) <= INLINE:
        return hashlib.sha256(leaf(entries)).hexdigest(), 0
    nodes = [
        child(leaf(n), n[-1]["key"], (len(n), sum(e["size"] for e in n), sum(e["rows"] for e in n), sum(e["rows"] > 0 for e in n)))
        for n in cut(0, entries, lambda e: e["key"])
    ]
    level = 0
    while len(nodes) > 1:
        level += 1
        nodes = [
            child(index(level, n), n[-1]["last"], tuple(map(sum, zip(*(c["sums"] for c in n)))))
            for n in cut(level, nodes, lambda c: c["last"])
        ]
    return nodes[0]["hash"].hex(), level


def entry(n):
    return {
        "key": f"raw/m/part-{n:07d}.csv", "version_id": f"v{n * 7919 % 104729}", "etag": f"e{n % 13}", "size": n * n % 100003,
        "checksum": "AAAAAA==" if n % 3 else "", "checksum_algorithm": "CRC32" if n % 3 else "", "checksum_type": "FULL_OBJECT" if n % 3 else "",
        "rows": n % 5, "schema": f"s{n // 1000}", "metadata": {"origin": "lab", "n": str(n)} if n % 100 == 0 else {},
    }


def reflected(data, width, polynomial):
    """A CRC bit by bit: reflected, all ones at first and at last."""
    ones = crc = 2**width - 1
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (polynomial if crc & 1 else 0)
    return (crc ^ ones).to_bytes(width // 8, "big")


def checksums(data):
    assert reflected(data, 32, 0xEDB88320) == zlib.crc32(data).to_bytes(4, "big")
    sums = {
        "CRC32": reflected(data, 32, 0xEDB88320), "CRC32C": reflected(data, 32, 0x82F63B78), "CRC64NVME": reflected(data, 64, 0x9A6C9329AC4BC9B5),
        "SHA1": hashlib.sha1(data).digest(), "SHA256": hashlib.sha256(data).digest(),
    }
    return {name: base64.b64encode(value).decode() for name, value in sums.items()}


# The check values that Greg Cook's catalogue of CRCs gives for "123456789".
assert reflected(b"123456789", 64, 0x9A6C9329AC4BC9B5).hex() == "ae8b14860a799888"
assert reflected(b"123456789", 32, 0x82F63B78).hex() == "e3069283"

roots = []
for count in (1, 64, 65, 3000, 20000, 400000):
    root, level = tree([entry(n) for n in range(count)])
    roots.append({"entries": count, "root": root, "level": level})
text = "The quick brown fox jumps over the lazy dog\n" * 99
json.dump({"made_with": "Python " + platform.python_version(), "trees": roots, "text": text, "checksums": checksums(text.encode())},
          sys.stdout, indent=2)
print()
