#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Plant names that nobody has in a server, and work with them, until stdin ends.

    tests/redaction/plant.py SOCKET NAMES

NAMES has a name a line, each of letters only. They become keys (also the first part of one, and a
part in the middle), fields and members, users, clients, channels, libraries, functions, scripts,
groups, consumers, and words of errors. Prints "planted" when all are there.
"""
import random
import socket
import sys
import threading
import time

path, names = sys.argv[1], open(sys.argv[2], encoding="ascii").read().split()
drawn = random.Random(len(names))


class Client:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def send(self, *arguments):
        parts = [part if isinstance(part, bytes) else str(part).encode() for part in arguments]
        self.socket.sendall(b"*%d\r\n" % len(parts) +
                            b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts))

    def reply(self):
        line = self.file.readline()
        if not line:
            raise EOFError
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return line[:-2] if kind == b"-" else rest

    def __call__(self, *arguments):
        self.send(*arguments)
        return self.reply()


def take(count):
    taken, names[:] = names[:count], names[count:]
    return taken


share = len(names) // 20
keys, fields, users = take(9 * share), take(2 * share), take(2 * share)
clients, channels, groups, errors, functions = take(2 * share), take(share), take(share), take(share), take(share)
libraries = names
main = Client()
shapes = ["{}", "{}:17", "user:{}:cart", "session:{}", "{}.{}", "a-{}@example.org", "{{{}}}:1042", "{}99"]
placed = [shapes[i % len(shapes)].format(name, name) for i, name in enumerate(keys)]

main("CONFIG", "SET", "slowlog-log-slower-than", "0")
main("CONFIG", "SET", "latency-monitor-threshold", "1")
for i, key in enumerate(placed):
    size = drawn.randrange(1, 400)
    if i % 5 == 0:
        main("HSET", key, *[x for field in fields[:20] for x in (field, field * size)])
    elif i % 5 == 1:
        main("RPUSH", key, *[field + str(size) for field in fields])
    elif i % 5 == 2:
        main("ZADD", key, *[x for j, field in enumerate(fields * 8) for x in (j, field + str(j))])
    elif i % 5 == 3 and i < 5 * len(groups):
        main("XADD", key, "*", fields[0], fields[1])
        main("XGROUP", "CREATE", key, groups[i // 5], "0")
        main("XREADGROUP", "GROUP", groups[i // 5], groups[-1 - i // 5], "STREAMS", key, ">")
    else:
        main("SET", key, fields[i % len(fields)] * size)
held = []
for i, user in enumerate(users):
    main("ACL", "SETUSER", user, "on", ">" + user, "~*", "&*", "+@all", "-debug")
    client = Client()
    client("AUTH", user, user)
    client("CLIENT", "SETNAME", clients[i % len(clients)])
    client("CLIENT", "SETINFO", "LIB-NAME", libraries[i % len(libraries)])
    client("DEBUG", "SLEEP", "0")
    held.append(client)
for i, channel in enumerate(channels):
    client = held[i % (len(held) // 4)]
    client("SUBSCRIBE", channel)
for name in functions:
    main("FUNCTION", "LOAD", f"#!lua name={name}\nredis.register_function('{name}', "
         f"function(keys, args) return redis.call('GET', keys[1]) end)")
workers = held[len(held) // 4:]
big = [key for i, key in enumerate(placed) if i % 5 == 2]
ended = False


def work():
    turn = 0
    while not ended:
        turn += 1
        client = workers[turn % len(workers)]
        key, name = drawn.choice(placed), errors[turn % len(errors)]
        client("SET", placed[4], fields[turn % len(fields)] * (turn % 500 + 1))
        client("TYPE", key)
        client("ZRANGE", drawn.choice(big), "0", "-1")
        client("EVAL", f"return redis.error_reply('{name.upper()} {name}')", "1", key)
        client("EVAL", "return redis.call('SET', KEYS[1], string.rep(ARGV[1], 300))", "1", key + ":tmp", name)
        client("FCALL", functions[turn % len(functions)], "1", placed[4])
        client("PUBLISH", channels[turn % len(channels)], name)
        client("LRANGE", placed[1], "0", "-1")
        client(name, key)  # no command
        if turn % 50 == 0:
            client("EVAL", "local x = 0 for i = 1, 2000000 do x = x + i % 7 end return redis.call('GET', KEYS[1])",
                   "1", placed[4])
        time.sleep(0.001)


thread = threading.Thread(target=work)
thread.start()
print("planted", flush=True)
sys.stdin.read()
ended = True
thread.join()
