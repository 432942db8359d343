#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A server's usual work, and a leak in it that begins when told.

    tests/profiles/leak.py SOCKET SEED

Prints "leak PREFIX COMMAND" at once: which it will be. Works until stdin ends; a line on stdin
begins the leak. The work is on a fixed set of keys, whose memory does not grow for long.
"""
import random
import select
import socket
import sys

BATCH = 64
KEYS = 50  # of each kind of work but the last, which only reads

path, seed = sys.argv[1], int(sys.argv[2])
rng = random.Random(seed)
work = rng.sample(["page", "user", "feed", "cart", "score", "tag", "quota", "token"], 5)
leak = rng.choice(["session", "job", "audit", "temp", "metric", "event"])
size = rng.choice([40, 100, 300, 1000, 3000])
form = rng.choice(["set", "hset", "rpush", "sadd", "zadd", "append", "xadd"])
share = rng.uniform(0.1, 0.3)  # of the commands


def command(*words):
    out = [b"*%d\r\n" % len(words)]
    for word in words:
        word = word.encode() if isinstance(word, str) else word
        out.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(out)


def value(bytes_):
    return "%016x" % rng.getrandbits(64) + "x" * max(0, bytes_ - 16)


def usual(kind):
    """What is sent, and how many replies come."""
    key = f"{work[kind]}:{rng.randrange(KEYS)}"
    if kind == 0:
        return command("SET", key, value(400)), 1
    if kind == 1:
        return command("HSET", key, f"f{rng.randrange(10)}", value(60)), 1
    if kind == 2:  # pushed at one end, trimmed at the other
        return command("LPUSH", key, value(80)) + command("LTRIM", key, "0", "20"), 2
    if kind == 3:
        return command("SET", key, value(200), "EX", "100"), 1
    return command("GET", key), 1


made = 0


def more():
    """One more of what never goes away: a new key, or something new in one of a few."""
    global made
    made += 1
    few = f"{leak}:{made % 50}"
    if form == "set":
        return command("SET", f"{leak}:{made}", value(size))
    if form == "hset":
        return command("HSET", few, f"f{made}", value(size))
    if form == "rpush":
        return command("RPUSH", few, value(size))
    if form == "sadd":
        return command("SADD", few, value(size))
    if form == "zadd":
        return command("ZADD", few, str(made), value(size))
    if form == "append":
        return command("APPEND", f"{leak}:{made % 5000}", value(size))
    return command("XADD", few, "*", "f", value(size))


def main():
    leaking = False
    server = socket.socket(socket.AF_UNIX)
    server.connect(path)
    replies = server.makefile("rb")
    print("leak", leak, form, flush=True)
    while True:
        batch, expected = [], 0
        for _ in range(BATCH):
            sent, replied = (more(), 1) if leaking and rng.random() < share else usual(rng.randrange(5))
            batch.append(sent)
            expected += replied
        server.sendall(b"".join(batch))
        for _ in range(expected):
            line = replies.readline()
            if line[:1] == b"-":
                raise SystemExit(f"leak: {line.decode()}")
            if line[:1] == b"$" and line[1:2] != b"-":
                replies.read(int(line[1:]) + 2)
        ready, _, _ = select.select([sys.stdin], [], [], 0.002)
        if ready:
            if not sys.stdin.readline():
                return
            leaking = True


main()
