#!/usr/bin/env python3
"""hostile-layers.py: images that try to get out, and what must become of them.

  --list                      groups and names
  --make NAME DIR VICTIM      writes one layout
  --run KIST_IMAGE WORK GROUP loads every image of a group into fresh stores

For each: a victim folder beside the store must stay byte- and inode-identical;
"refuse" cases must end non-zero with one clear line that matches, and leave no
image, blob, layer or temporary; "contain" cases must load.
"""
import hashlib
import json
import os
import re
import stat
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from hostile_cases import CASES  # noqa: E402


def snapshot(root):
    """Everything lstat, xattrs and content can tell, by path."""
    found = {}
    for folder, dirs, files in os.walk(root):
        for name in [""] + dirs + files:
            path = os.path.join(folder, name) if name else folder
            st = os.lstat(path)
            xattrs = tuple((x, os.getxattr(path, x, follow_symlinks=False))
                           for x in sorted(os.listxattr(path, follow_symlinks=False)))
            content = None
            if stat.S_ISREG(st.st_mode):
                with open(path, "rb") as f:
                    content = hashlib.sha256(f.read()).digest()
            found[path] = (st.st_mode, st.st_uid, st.st_gid, st.st_size, st.st_ino, st.st_nlink,
                           st.st_mtime_ns, st.st_ctime_ns, st.st_rdev, xattrs, content)
    return found


def make_victim(path):
    os.makedirs(path)
    with open(path + "/canary", "w") as f:
        f.write("untouched")
    os.chmod(path + "/canary", 0o640)
    os.symlink("canary", path + "/link")
    os.mkdir(path + "/dir")


def left_in(store):
    """What a refused load left behind."""
    left = []
    for folder in ("blobs/sha256", "layers/sha256", "tmp", "locks"):
        left += [folder + "/" + n for n in os.listdir(f"{store}/{folder}")
                 if os.path.isdir(f"{store}/{folder}")]
    if os.path.exists(store + "/index.json"):
        left += [str(e["digest"]) for e in json.load(open(store + "/index.json"))["manifests"]]
    return left


def overlay_marks(store):
    """Overlay xattrs and whiteouts other than kist's own opaque=y."""
    for folder, dirs, files in os.walk(store + "/layers"):
        for name in dirs + files:
            path = os.path.join(folder, name)
            for x in os.listxattr(path, follow_symlinks=False):
                if "overlay" in x or x.startswith(("trusted.", "security.selinux", "security.ima")):
                    yield path, x


def run_case(kist, work, name):
    group, expect, message, args, function = CASES[name]
    subprocess.run(["rm", "-rf", work], check=True)
    os.makedirs(work)
    victim, store, source = work + "/victim", work + "/store", work + "/source"
    make_victim(victim)
    function(source, victim)
    before = snapshot(victim)
    run = subprocess.run([kist, "--store", store, "load", *args, source], stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, cwd=victim)
    err = run.stderr.decode(errors="replace")
    problems = []
    if snapshot(victim) != before:
        problems.append("THE VICTIM CHANGED")
    if set(os.listdir(work)) - {"victim", "store", "source", "source.dir"}:
        problems.append(f"strays: {os.listdir(work)}")
    lines = [line for line in err.splitlines() if not line.startswith("fix: ")]
    if run.returncode < 0:
        problems.append(f"died of signal {-run.returncode}")
    if expect == "contain":
        if run.returncode != 0:
            problems.append(f"was refused: {err}")
        elif group == "overlay" and [m for m in overlay_marks(store) if "opq" not in name
                                     and "opaque_root" not in name]:
            problems.append(f"marks of the image's: {list(overlay_marks(store))}")
    else:
        if run.returncode != 1:
            problems.append(f"exit {run.returncode}, not 1: {run.stdout.decode()}")
        if len(lines) != 1 or not lines[0].startswith("kist: cannot load "):
            problems.append(f"not one clear line: {err!r}")
        if message and not re.search(message, err):
            problems.append(f"{message!r} is not in: {err!r}")
        left = left_in(store)
        if left:
            problems.append(f"left behind: {left}")
    return problems


def main():
    if sys.argv[1] == "--list":
        for name, (group, expect, *_) in CASES.items():
            print(group, expect, name)
        return 0
    if sys.argv[1] == "--make":
        CASES[sys.argv[2]][4](sys.argv[3], sys.argv[4])
        return 0
    kist, work, group = sys.argv[2:5]
    failed, ran = 0, 0
    for name in [n for n, c in CASES.items() if c[0] == group or n == group]:
        problems = run_case(os.path.abspath(kist), os.path.abspath(work) + "/" + name, name)
        ran += 1
        if problems:
            failed += 1
            print(f"FAIL {name}: " + "; ".join(problems))
        else:
            subprocess.run(["rm", "-rf", os.path.abspath(work) + "/" + name], check=True)
    print(f"{group}: {ran - failed} of {ran}")
    return 1 if failed or not ran else 0


sys.exit(main())
