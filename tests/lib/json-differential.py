#!/usr/bin/env python3
"""json-differential.py DRIVER CONFIG COUNT SEED - what kist's parser takes, a strict reader takes too.

COUNT documents are made of CONFIG by small changes: bytes put in, taken out or exchanged, pieces
doubled, numbers and strings of odd forms. Prints what kist alone takes, and how many both do.
"""
import json
import random
import subprocess
import sys

ODD = [
    b"\0", b"\\u0000", b"\\ud800", b"\\udc00\\ud800", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xef\xbb\xbf",
    b"//x\n", b"/*x*/", b"#x\n", b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-0", b"01", b"0x1", b"+1",
    b".5", b"1.", b"18446744073709551615", b"18446744073709551616", b"-9223372036854775809", b"1e3",
    b"true", b"null", b"nul", b"'x'", b'"x":1,', b'"ociVersion":"2",', b'"ociV\\u0065rsion":"2",', b",", b"]",
    b"}", b"[", b"{", b'"', b"\\", b"\\x41", b"\t", b"\r\n", b"\x0c", b"\xc2\xa0", b"[" * 70 + b"]" * 70,
]


class Refused(Exception):
    pass


def pairs(items):
    keys = [k for k, _ in items]
    if len(keys) != len(set(keys)):
        raise Refused("twice")
    for k in keys:
        text(k)
    return dict(items)


def text(s):
    if "\0" in s or any(0xD800 <= ord(c) < 0xE000 for c in s):
        raise Refused("no text")


def constant(name):
    raise Refused(name)


def number(s):
    value = float(s)
    if value in (float("inf"), float("-inf")):
        raise Refused("too large")
    return value


def integer(s):
    value = int(s)
    if not -(2**63) <= value < 2**64:
        raise Refused("too large")
    return value


def walk(value, depth=0):
    if depth > 64:
        raise Refused("deep")
    if isinstance(value, str):
        text(value)
    elif isinstance(value, dict):
        for v in value.values():
            walk(v, depth + 1)
    elif isinstance(value, list):
        for v in value:
            walk(v, depth + 1)


def strict(data):
    try:
        # A byte order mark is not text here, though json.loads would say so only of str.
        value = json.loads(data.decode("utf-8"), object_pairs_hook=pairs, parse_constant=constant,
                           parse_float=number, parse_int=integer)
        walk(value)
        return True
    except (ValueError, Refused, RecursionError):
        return False


def change(rng, data):
    at = rng.randrange(len(data) + 1)
    kind = rng.randrange(5)
    if kind == 0:
        return data[:at] + rng.choice(ODD) + data[at:]
    if kind == 1:
        end = at + rng.randrange(1, 4)
        return data[:at] + data[end:]
    if kind == 2:
        return data[:at] + bytes([rng.randrange(256)]) + data[at + 1:]
    end = min(len(data), at + rng.randrange(1, 40))
    if kind == 3:
        return data[:end] + data[at:end] + data[end:]
    # A whole value, where a value stands.
    places = [i + 1 for i in range(len(data)) if data[i:i + 1] == b":"]
    at = rng.choice(places)
    end = at
    while end < len(data) and data[end:end + 1] not in b",}\n":
        end += 1
    return data[:at] + rng.choice(ODD) + data[end:]


def main():
    driver, config, count, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    rng = random.Random(seed)
    with open(config, "rb") as f:
        base = json.dumps(json.load(f)).encode()
    documents = [base]
    for odd in ODD:
        documents += [odd, base + odd, odd + base, b'{"a":' + odd + b"}", b'{"a":"' + odd + b'"}', b"[" + odd + b"]"]
    while len(documents) < count:
        data = base
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            data = change(rng, data)
        documents.append(data)
    stdin = b"".join(b"%d\n" % len(d) + d for d in documents)
    out = subprocess.run([driver], input=stdin, stdout=subprocess.PIPE, check=True).stdout.split()
    assert len(out) == len(documents), (len(out), len(documents))
    both = alone = 0
    for data, taken in zip(documents, out):
        if taken == b"1" and not strict(data):
            alone += 1
            print("kist alone takes:", data[:300])
        both += taken == b"1" and strict(data)
    print(f"{len(documents)} documents, {both} taken by both, {alone} by kist alone")
    return alone > 0 or both < 10


sys.exit(main())
