"""The trees and segments of package dataset, built a second time and from their
description.

Writes the roots of a few trees, the ids of commits with and without segments,
and checksums of S3's algorithms, to shared/dataset/testdata/golden.json. Needs only Python 3.9 or later.

    python3 scripts/golden/prolly.py > shared/dataset/testdata/golden.json
"""
import base64
import hashlib
import json
import platform
import sys
import zlib

FORMAT = 2  # of trees, and of commits without segments
SEGMENTS = 3  # of segments, and of commits with some
MAX32 = 2**32 - 1
LEAF = (512, 1024, 2048, MAX32 // 1024, MAX32 // 256)
INDEX = (128, 256, 512, MAX32 // 256, MAX32 // 64)
INLINE = 64
CHANGES = (64, 128, 256, MAX32 // 128, MAX32 // 32)
CHANGES_INLINE = 16


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
    return b"L" + bytes([FORMAT, 0]) + varint(len(entries)) + texts([e["key"].encode() for e in entries]) + columns(entries)


def columns(entries):
    column = lambda name: [e[name].encode() for e in entries]
    out = b""
    for name in ("version_id", "etag", "checksum"):
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


def changes_leaf(changes):
    """changes are (key, old, new); old or new may be None."""
    out = b"C" + bytes([SEGMENTS, 0]) + varint(len(changes)) + texts([key.encode() for key, _, _ in changes])
    out += bytes((new is not None) + 2 * (old is not None) for _, old, new in changes)
    return out + columns([new for _, _, new in changes if new]) + columns([old for _, old, _ in changes if old])


def index(level, children, head=b"I" + bytes([FORMAT])):
    out = head + varint(level) + varint(len(children))
    out += texts([c["last"].encode() for c in children]) + b"".join(c["hash"] for c in children)
    return out + b"".join(varint(n) for c in children for n in c["sums"])


def ends(level, count, key, leaf_cut):
    least, mean, most, early, late = INDEX if level else leaf_cut
    if count < least:
        return False
    if count >= most:
        return True
    digest = hashlib.sha256(key.encode()).digest()
    word = int.from_bytes(digest[4 * (level % 8) : 4 * (level % 8) + 4], "big")
    return word < (early if count < mean else late)


def cut(level, items, key, leaf_cut=LEAF):
    nodes, open_ = [], []
    for item in items:
        open_.append(item)
        if ends(level, len(open_), key(item), leaf_cut):
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


def sums(entries):
    return (len(entries), sum(e["size"] for e in entries), sum(e["rows"] for e in entries), sum(e["rows"] > 0 for e in entries))


def change_sums(changes):
    """Of the new entries, of the old ones, and how many changes there are."""
    return sums([new for _, _, new in changes if new]) + sums([old for _, old, _ in changes if old]) + (len(changes),)


def segment(changes):
    """What a commit says of a segment."""
    total = change_sums(changes)
    named = lambda t: dict(zip(("objects", "bytes", "rows", "counted"), t))
    said = {"level": 0, "changes": len(changes), "now": named(total[:4]), "was": named(total[4:8])}
    if len(changes) <= CHANGES_INLINE:
        shown = [{"key": key} | ({"old": spelt(old)} if old else {}) | ({"new": spelt(new)} if new else {}) for key, old, new in changes]
        return said | {"tree": hashlib.sha256(changes_leaf(changes)).hexdigest(), "inline": shown}
    nodes = [child(changes_leaf(n), n[-1][0], change_sums(n)) for n in cut(0, changes, lambda c: c[0], CHANGES)]
    level = 0
    while len(nodes) > 1:
        level += 1
        nodes = [
            child(index(level, n, b"D" + bytes([SEGMENTS])), n[-1]["last"], tuple(map(sum, zip(*(c["sums"] for c in n)))))
            for n in cut(level, nodes, lambda c: c["last"])
        ]
    return said | {"tree": nodes[0]["hash"].hex(), "level": level}


def spelt(e):
    """An entry's JSON: what is empty is left out, but for the four that never are."""
    return {k: v for k, v in e.items() if v or k in ("key", "version_id", "etag", "size")}


def commit(entries, parent, tree_of, segments, changes):
    """A commit's id, with what its JSON holds. tree_of are the entries of its tree."""
    objects, size, rows, counted = sums(entries)
    root, level = tree(tree_of)
    stats = {"objects": objects, "bytes": size, "rows": rows, "counted": counted, "added": sum(old is None for _, old, _ in changes),
             "changed": sum(bool(old and new) for _, old, new in changes), "removed": sum(new is None for _, _, new in changes)}
    said = {"format": SEGMENTS if segments else FORMAT, "parents": [], "tree": root, "level": level, "message": "golden", "author": "golden",
            "time": "2026-03-01T12:00:00Z", "generation": 1, "depth": 0, "skips": [], "stats": stats}
    if segments:
        said |= {"segments": [segment(s) for s in segments], "appended": True}
    if parent:
        first = {"commit": parent["id"], "depth": parent["depth"], "time": parent["time"]}
        said |= {"parents": [parent["id"]], "generation": parent["generation"] + 1, "depth": parent["depth"] + 1, "skips": [first]}
        far, depths = parent["depth"], set()  # the parent's depth with its low bits cleared, one after the other
        while far:
            far &= far - 1
            depths.add(far)
        said["skips"] += [s for s in parent["skips"] if s["depth"] in depths]
        if len(changes) <= 128:
            puts, deletes = [spelt(new) for _, _, new in changes if new], [key for key, _, new in changes if not new]
            said["changes"] = ({"puts": puts} if puts else {}) | ({"deletes": deletes} if deletes else {})
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return said | {"id": hashlib.sha256(text.encode()).hexdigest()}


def edited(held, step, version):
    """Every step-th key: removed, added beside or put anew, in turn."""
    changes = []
    for i, n in enumerate(range(version, 20000, step)):
        old = held.get(entry(n)["key"])
        new = entry(n) | {"version_id": f"edit{version}-{n}", "rows": n % 3}
        if i % 3 == 0 and old:
            changes.append((old["key"], old, None))
        elif i % 3 == 1:
            new["key"] += ".more"
            changes.append((new["key"], held.get(new["key"]), new))
        else:
            changes.append((new["key"], old, new))
    changes.sort(key=lambda c: c[0].encode())
    for key, _, new in changes:
        held.pop(key, None)
        if new:
            held[key] = new
    return changes


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

# A first commit; two that lay segments over its tree, one inline; and the tree of
# all that when it is compacted.
first = [entry(n) for n in range(20000)]
held = {e["key"]: e for e in first}
in_order = lambda: [held[key] for key in sorted(held, key=str.encode)]
line = [commit(first, None, first, [], [(e["key"], None, e) for e in first])]
segments = []
for step, version in ((40, 3), (61, 7), (1999, 11)):
    segments.append(edited(held, step, version))
    line.append(commit(in_order(), line[-1], first, segments, segments[-1]))
root, level = tree(in_order())
history = {"commits": [c["id"] for c in line], "segments": [s["tree"] for s in line[-1]["segments"]], "levels": [s["level"] for s in line[-1]["segments"]],
           "compacted": root}
text = "The quick brown fox jumps over the lazy dog\n" * 99
json.dump({"made_with": "Python " + platform.python_version(), "trees": roots, "history": history, "text": text, "checksums": checksums(text.encode())},
          sys.stdout, indent=2)
print()
