#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Which of the planted names are in files: in their bytes, in what is compressed in them (gzip,
zstd, also as parts of a file), in base64, and in any case of letters.

    tests/redaction/search.py NAMES FILE...

Prints a line a file: how many names, its path, and the first of them where.
"""
import base64
import binascii
import re
import subprocess
import sys
import tempfile
import zlib

GZIP, ZSTD = b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"
names = {line.strip().lower().encode() for line in open(sys.argv[1], encoding="ascii")}
length = min(map(len, names))
heads = {name[:length] for name in names}
sqlite = b"SQLite format 3\0"


def inflated(data):
    for found in re.finditer(re.escape(GZIP), data):
        try:
            yield zlib.decompressobj(31).decompress(data[found.start():])
        except zlib.error:
            pass
    for found in re.finditer(re.escape(ZSTD), data):
        yield subprocess.run(["zstd", "-dcq"], input=data[found.start():], capture_output=True,
                             check=False).stdout


def unbased(data):
    for found in re.finditer(rb"[A-Za-z0-9+/]{24,}={0,2}", data):
        text = found.group()
        try:
            yield base64.b64decode(text[:len(text) // 4 * 4])
        except binascii.Error:
            pass


def rows(path, query):
    said = subprocess.run(["sqlite3", "-quote", "-separator", " ", path, query],
                          capture_output=True, check=True, text=True).stdout
    return [line.split() for line in said.splitlines()]


def blob(quoted):
    return binascii.unhexlify(quoted[2:-1])


def unpacked(data, before):
    with tempfile.TemporaryDirectory() as folder:
        for name, bytes_ in ("prefix", before), ("packed", data):
            with open(f"{folder}/{name}", "wb") as file:
                file.write(bytes_)
        patch = [f"--patch-from={folder}/prefix"] if before else []
        return subprocess.run(["zstd", "-dcq", *patch, f"{folder}/packed"],
                              capture_output=True, check=True).stdout


def history(path):
    """What redmem-history(5) has: texts as they are, and chunks as src/history/pack.c packs them."""
    for table, in rows(path, "SELECT name FROM sqlite_master WHERE type = 'table'"):
        yield subprocess.run(["sqlite3", path, f"SELECT * FROM {table}"], capture_output=True,
                             check=True).stdout
    keys = {id_: unpacked(blob(data), b"") for id_, data in rows(path, "SELECT id, data FROM keychunk")}
    chunks = {"NULL": b""}
    yield from keys.values()
    for window, key, before, data in rows(path, "SELECT window, keychunk, before, data FROM chunk ORDER BY window"):
        chunks[window] = unpacked(blob(data), keys[key] + chunks[before])
        yield chunks[window]


def search(data, depth, met):
    lower = data.lower()
    # Names are of letters: what is no run of so many has none.
    for run in re.finditer(rb"[a-z]{%d,}" % length, lower):
        text = run.group()
        for at in range(len(text) - length + 1):
            if text[at:at + length] in heads:
                met.update(name for name in names if name in text[at:at + 40])
    if depth == 0:
        return
    for part in inflated(data):
        search(part, depth - 1, met)
    for part in unbased(data):
        search(part, depth - 1, met)


for path in sys.argv[2:]:
    met = set()
    with open(path, "rb") as file:
        content = file.read()
    search(content, 3, met)
    if content.startswith(sqlite):
        for part in history(path):
            search(part, 3, met)
    print(len(met), path, (min(met).decode() if met else "-"))
