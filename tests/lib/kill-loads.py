#!/usr/bin/env python3
"""kill-loads.py KIST_IMAGE STORE SOURCE ROUNDS: kill -9 at moments spread over a whole load.

After each kill: blobs are what their names say, every layer is whole, the
index names only what is there. After the last load: no temporaries, no locks.
"""
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time

kist, store, source, rounds = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
load = [kist, "--store", store, "load", source]


def names(folder):
    path = f"{store}/{folder}"
    return os.listdir(path) if os.path.isdir(path) else []


def check(when):
    for name in names("blobs/sha256"):
        with open(f"{store}/blobs/sha256/{name}", "rb") as f:
            assert hashlib.sha256(f.read()).hexdigest() == name, f"{when}: blob {name} is bad"
    for name in names("layers/sha256"):
        marker = json.load(open(f"{store}/layers/sha256/{name}/complete"))
        files = sum(len(d) + len(f) for _, d, f in os.walk(f"{store}/layers/sha256/{name}/diff"))
        assert files == marker["entries"], f"{when}: layer {name}: {files} of {marker['entries']}"
    if os.path.exists(store + "/index.json"):
        for entry in json.load(open(store + "/index.json"))["manifests"]:
            assert entry["digest"][7:] in names("blobs/sha256"), f"{when}: a manifest is missing"
            chain = entry["annotations"]["io.kist.chain"]
            while chain:
                assert chain[7:] in names("layers/sha256"), f"{when}: layer {chain} is missing"
                chain = json.load(open(f"{store}/layers/sha256/{chain[7:]}/complete")).get("parent")


start = time.monotonic()
subprocess.run(load, check=True, stdout=subprocess.DEVNULL)
whole = time.monotonic() - start
killed = leftovers = 0
for i in range(rounds):
    if i % 2 == 0:  # half of the rounds begin on what the last one left
        shutil.rmtree(store, ignore_errors=True)
    process = subprocess.Popen(load, stdout=subprocess.DEVNULL)
    time.sleep(whole * (i + 0.5) / rounds)
    process.kill()
    if process.wait() == -9:
        killed += 1
    else:  # it was through already: the first load was slower, on a machine that was busier
        whole *= 0.7
    leftovers += bool(names("tmp"))
    check(f"round {i}")
subprocess.run(load, check=True, stdout=subprocess.DEVNULL)
check("end")
left = names("tmp") + names("locks") + [n for n in os.listdir(store) if n.startswith(".")]
assert not left, f"left: {left}"
assert json.load(open(store + "/index.json"))["manifests"], "nothing was loaded"
print(f"{killed} of {rounds} killed, {leftovers} with a temporary folder")
assert killed >= rounds / 2 and leftovers, "the kills came too late to show anything"
