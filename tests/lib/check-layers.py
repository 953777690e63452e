#!/usr/bin/env python3
"""check-layers.py STORE EXPECT: the unpacked layers against make-oci-image.py's expectations.

Every path, by lstat, in both directions; whiteouts and opaque marks; then
prints the layers' folders, top first (for an overlay mount).
"""
import hashlib
import json
import os
import stat
import sys

store, expect = sys.argv[1], json.load(open(sys.argv[2]))
root = os.geteuid() == 0
OPAQUE = "trusted.overlay.opaque" if root else "user.overlay.opaque"
bad = []


def marker(chain):
    return json.load(open(f"{store}/layers/sha256/{chain[7:]}/complete"))


def chains():
    index = json.load(open(store + "/index.json"))
    chain = index["manifests"][0]["annotations"]["io.kist.chain"]
    found = []
    while chain:
        found.append(chain)
        chain = marker(chain).get("parent")
    return found[::-1]


def compare(where, path, want):
    st = os.lstat(os.path.join(where, path))
    mode = want["mode"]
    if not root and stat.S_ISDIR(mode):
        mode |= 0o700
    got = {"mode": st.st_mode, "mtime_ns": st.st_mtime_ns}
    told = {"mode": mode, "mtime_ns": want["mtime_ns"]}
    if stat.S_ISLNK(mode):
        got["mode"] = told["mode"] = 0
        got["link"], told["link"] = os.readlink(os.path.join(where, path)), want["link"]
    if root:
        got["owner"], told["owner"] = (st.st_uid, st.st_gid), (want["uid"], want["gid"])
        if "rdev" in want:
            got["rdev"], told["rdev"] = st.st_rdev, want["rdev"]
    if "hash" in want and stat.S_ISREG(st.st_mode) and (root or mode & 0o400):
        with open(os.path.join(where, path), "rb") as f:
            got["hash"], told["hash"] = hashlib.sha256(f.read()).hexdigest(), want["hash"]
    for name, value in want.get("xattrs", {}).items():
        if not root and not name.startswith("user."):
            continue
        told[name] = value
        try:
            got[name] = os.getxattr(os.path.join(where, path), name, follow_symlinks=False).hex()
        except OSError as e:
            got[name] = str(e)
    if got != told:
        bad.append(f"{path!r}: is {got}, should be {told}")


def walk(where):
    for folder, dirs, files in os.walk(where):
        for name in dirs + files:
            yield os.path.relpath(os.path.join(folder, name), where)


def check(n, where, want, whiteouts, opaque, implied):
    for path, e in want.items():
        if not root and stat.S_ISCHR(e["mode"]) | stat.S_ISBLK(e["mode"]):
            continue
        try:
            compare(where, path, e)
        except OSError as error:
            bad.append(f"layer {n}: {path!r}: {error}")
    links = {"var/big-link", "lib-link"} if n == 0 else set()
    for path in walk(where):
        st = os.lstat(os.path.join(where, path))
        marked = stat.S_ISDIR(st.st_mode) and OPAQUE in os.listxattr(os.path.join(where, path))
        if marked != (path in opaque):
            bad.append(f"layer {n}: {path}: opaque is {marked}")
        if stat.S_ISCHR(st.st_mode) and st.st_rdev == 0:
            if path not in whiteouts:
                bad.append(f"layer {n}: {path}: an unwanted whiteout")
            whiteouts.discard(path)
        elif path not in want and path not in implied and path not in links:
            bad.append(f"layer {n}: {path!r} is there but should not be")
    for path in whiteouts:
        bad.append(f"layer {n}: no whiteout of {path}")


found = chains()
folders = [f"{store}/layers/sha256/{c[7:]}/diff" for c in found]
deep = "long"
implied0 = {deep} | {"long/" + "/".join(["d" * 60] * i) for i in range(1, 21)}
check(0, folders[0], expect[0], set(), set(), implied0)
check(1, folders[1], expect[1], {"gone-dir", "gone-file"}, {"opaque", "again"},
      {"tmp", "n" * 120})
check(2, folders[2], expect[2], {"etc/passwd", "var/null"}, set(), {"etc", "var"})

# folders without an entry look like what they cover
for path, mode, mtime in (("tmp", 0o1777, 1500000000), ("n" * 120, 0o755, 0)):
    st = os.lstat(os.path.join(folders[1], path))
    if stat.S_IMODE(st.st_mode) != mode or st.st_mtime_ns != mtime * 10**9:
        bad.append(f"implied {path}: {oct(st.st_mode)} {st.st_mtime_ns}")
st = os.lstat(folders[2] + "/var")
if st.st_mtime_ns != (1500000000 + 7) * 10**9:
    bad.append(f"implied var: mtime {st.st_mtime_ns}")
if os.lstat(folders[0] + "/var/big").st_ino != os.lstat(folders[0] + "/var/big-link").st_ino:
    bad.append("hard link: two inodes")
if os.readlink(folders[0] + "/lib-link") != "usr/lib":
    bad.append("hard link to a symlink")
st = os.lstat(folders[1] + "/sparse")
if st.st_size != 2 << 20 or st.st_blocks * 512 > 1 << 20:
    bad.append(f"sparse: {st.st_size} bytes in {st.st_blocks} blocks")
if os.lstat(store).st_mode & 0o77:
    bad.append("the store is open to others")

print("\n".join(bad), file=sys.stderr)
print(":".join(reversed(folders)))
sys.exit(1 if bad else 0)
