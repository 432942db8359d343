#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Print a pprof profile as text: its head, then a line a sample. Knows the wire format of protocol
buffers and nothing of redmem's own writer, and refuses what is not as it should be.

    tests/golden/pprof.py FILE          the text
    tests/golden/pprof.py --sums FILE   "name sum" for each sample type
"""
import gzip
import sys


def varint(data, at):
    """The number at @at, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data):
    """(number, value) of each field: an int, or bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
            yield key >> 3, value
        elif kind == 2:
            size, at = varint(data, at)
            if at + size > len(data):
                raise ValueError("a field ends behind its message")
            yield key >> 3, data[at:at + size]
            at += size
        else:
            raise ValueError(f"wire type {kind}")


def signed(value):
    return value - (1 << 64) if value >> 63 else value


def numbers(value):
    """Of a repeated number: packed, or one of it."""
    if isinstance(value, int):
        return [value]
    out, at = [], 0
    while at < len(value):
        number, at = varint(value, at)
        out.append(number)
    return out


def one(data):
    """A message whose fields come once."""
    return dict(fields(data))


def read(path):
    with gzip.open(path) as file:
        data = file.read()
    profile = {name: [] for name in ("types", "samples", "mappings", "locations", "functions", "strings", "comments")}
    profile["rest"] = {}
    names = {1: "types", 2: "samples", 3: "mappings", 4: "locations", 5: "functions", 6: "strings"}
    for number, value in fields(data):
        if number in names:
            profile[names[number]].append(value)
        elif number == 13:
            profile["comments"] += numbers(value)
        else:
            profile["rest"][number] = value
    profile["strings"] = [text.decode("utf-8") for text in profile["strings"]]
    if profile["strings"][0] != "" or len(set(profile["strings"])) != len(profile["strings"]):
        raise ValueError("the first string is not empty, or one is there twice")
    return profile


def sample(profile, data):
    strings, locations, functions = profile["strings"], profile["where"], profile["what"]
    stack, values, labels = [], [], []
    for number, value in fields(data):
        if number == 1:
            stack += numbers(value)
        elif number == 2:
            values += [signed(v) for v in numbers(value)]
        elif number == 3:
            label = one(value)
            labels.append(f'{strings[label[1]]}={strings[label[2]]}')
    if len(values) != len(profile["types"]):
        raise ValueError("a sample has more or fewer values than there are types")
    frames = []
    for place in reversed(stack):
        for number, line in fields(locations[place]):
            if number == 4:
                frames.append(strings[one(functions[one(line)[1]])[2]])
    return frames, values, labels


def by_id(messages):
    table = {}
    for message in messages:
        identity = one(message)[1]
        if identity in table:
            raise ValueError("an id is there twice")
        table[identity] = message
    return table


def main():
    profile = read(sys.argv[-1])
    strings = profile["strings"]
    profile["where"], profile["what"] = by_id(profile["locations"]), by_id(profile["functions"])
    types = [one(data) for data in profile["types"]]
    samples = [sample(profile, data) for data in profile["samples"]]
    sums = [sum(row[1][i] for row in samples) for i in range(len(types))]
    if sys.argv[1] == "--sums":
        for kind, total in zip(types, sums):
            print(strings[kind[1]], total)
        return
    rest = profile["rest"]
    print("types:", " ".join(f"{strings[t[1]]}/{strings[t[2]]}" for t in types))
    print("sums:", *sums)
    print("shown:", strings[rest.get(14, 0)])
    print("time:", rest.get(9), "duration:", rest.get(10))
    if 11 in rest:
        period = one(rest[11])
        print(f"period: {rest[12]} {strings[period[1]]}/{strings[period[2]]}")
    for data in profile["mappings"]:
        mapping = one(data)
        print("mapping:", strings[mapping.get(5, 0)], strings[mapping.get(6, 0)] or "-")
    for place in profile["comments"]:
        print("comment:", strings[place])
    for frames, values, labels in samples:
        print(";".join(frames), *values, " ".join(labels), sep="\t")


main()
