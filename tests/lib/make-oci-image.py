#!/usr/bin/env python3
"""make-oci-image.py DIR [--small|--bulk|--two]: a well-formed image that holds every kind of thing.

--small: one file; --bulk: three layers, 600 files, 12 MB; --two: two images that share a layer.

Three layers (gzip of many members, zstd of many frames, plain) with files,
setuid, capabilities, xattrs, hard links, fifos, devices, odd names, sparse
data, whiteouts, opaque folders. Beside DIR it writes DIR.expect.json: for each
layer what lstat must say, and what the merged view must hold.
"""
import json
import os
import stat
import sys
import tarfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from ociimage import Layout, Tar, MTIME, header, padded  # noqa: E402

CAP = bytes.fromhex("0100000200040000000000000000000000000000")  # cap_net_raw=ep
BIG = bytes(range(256)) * 4000
ODD = ["with space", "new\nline", "trailing ", "quote'\"", "-dash", "e\u0301-nfd", "\u00e9-nfc",
       "bad\udcff\udcfeutf8", "back\\slash", "*", "a" * 255, "..dots", "...", ".wha", ".hidden"]


def lower():
    t = Tar()
    t.dir("./", mode=0o755)
    t.dir("bin").dir("etc").dir("tmp", mode=0o1777).dir("var", mtime=MTIME + 7).dir("var/keep")
    t.dir("gone-dir").add("gone-dir/f", b"x").dir("opaque", uid=7).add("opaque/lower", b"low")
    t.dir("opaque/sub").add("opaque/sub/lower", b"low").add("gone-file", b"bye")
    t.add("bin/su", b"#!suid", mode=0o4755, uid=0).add("bin/sgid", b"g", mode=0o2755, gid=42)
    t.add("bin/ping", BIG[:5000], mode=0o755, xattrs={"security.capability": CAP})
    t.add("etc/passwd", b"root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n")
    t.add("etc/group", b"root:x:0:\nuser:x:1000:\nextra:x:77:user\n")
    t.add("etc/owned", b"o", mode=0o640, uid=1000, gid=4294967294)
    t.add("var/big", BIG, xattrs={"user.note": b"a\0b\nc=d", "user.empty": b""})
    t.hardlink("var/big-link", "var/big").symlink("lib", "usr/lib").symlink("abs", "/etc/passwd")
    t.hardlink("lib-link", "lib")
    t.fifo("var/fifo", mode=0o620).char("var/null", 1, 3, mode=0o666).block("var/loop", 7, 99)
    t.add("long/" + "/".join(["d" * 60] * 20) + "/f", b"deep")  # folders without entries
    t.add("old", b"old", mtime=1).add("frac", b"f", mtime=MTIME + 0.25).add("neg", b"n", mtime=-5)
    t.add("empty", b"", mode=0).add("replaced", b"first").dir("replaced-dir")
    t.add("replaced-dir/x", b"x").add("replaced", b"second").add("replaced-dir", b"now a file")
    t.dir("odd")
    for name in ODD:
        t.add("odd/" + name, name.encode("utf-8", "surrogateescape"))
    return t.bytes()


def middle():
    t = Tar(tarfile.GNU_FORMAT)
    t.add(".wh.gone-dir").add(".wh.gone-file")
    t.dir("opaque", mode=0o700).add("opaque/early", b"e").add("opaque/.wh..wh..opq")
    t.add("opaque/late", b"l").add(".wh..wh.plnk").add("tmp/put", b"no entry for tmp here")
    t.dir("usr").dir("usr/lib").add("usr/lib/so", b"so")
    t.dir("again", mode=0o711).add("again/new", b"new").add(".wh.again")
    t.add("n" * 120 + "/" + "m" * 120, b"GNU long name")
    # old GNU sparse: 1 byte at 0, 1 at 1 MiB, size 2 MiB
    sparse = b"".join(b"%011o\0%011o\0" % p for p in ((0, 512), (1 << 20, 512), (2 << 20, 0)))
    t.raw(header(b"sparse", 1024, b"S", magic=b"ustar  \0",
                 rest=[(386, sparse), (483, b"%011o\0" % (2 << 20))]))
    t.raw(padded(b"A" * 512 + b"B" * 512))
    return t.bytes()


def upper():
    t = Tar(tarfile.USTAR_FORMAT)
    t.add("etc/.wh.passwd").dir("gone-dir", mode=0o750).add("gone-dir/back", b"again")
    t.add("var/.wh.null").add("top", b"top", mode=0o444)
    return t.bytes()


def small():
    return Tar().dir("etc").add("etc/hello", b"hello\n").bytes()


def bulk(n):
    import random
    numbers, t = random.Random(n), Tar()
    t.dir(f"l{n}")
    for i in range(199):
        t.add(f"l{n}/f{i}", numbers.randbytes(20000))
    return t.bytes()


def expect(tar, root_whiteouts=True):
    """What lstat should say, from Python's own reading of the tar."""
    import io
    want = {}
    with tarfile.open(fileobj=io.BytesIO(tar), errors="surrogateescape") as t:
        for m in t:
            name = m.name.strip("/").removeprefix("./") or "."
            base = os.path.basename(name)
            if base.startswith(".wh.") or m.islnk():
                continue
            kind = {tarfile.DIRTYPE: stat.S_IFDIR, tarfile.SYMTYPE: stat.S_IFLNK,
                    tarfile.FIFOTYPE: stat.S_IFIFO, tarfile.CHRTYPE: stat.S_IFCHR,
                    tarfile.BLKTYPE: stat.S_IFBLK}.get(m.type, stat.S_IFREG)
            e = {"mode": kind | m.mode, "uid": m.uid, "gid": m.gid,
                 "mtime_ns": int(m.mtime // 1) * 10**9 + round((m.mtime % 1) * 1e9)}
            if kind == stat.S_IFREG:
                e["hash"] = __import__("hashlib").sha256(t.extractfile(m).read()).hexdigest()
            if kind == stat.S_IFLNK:
                e["link"] = m.linkname
            if kind in (stat.S_IFCHR, stat.S_IFBLK):
                e["rdev"] = os.makedev(m.devmajor, m.devminor)
            xattrs = {k[13:]: v.encode("utf-8", "surrogateescape").hex()
                      for k, v in m.pax_headers.items() if k.startswith("SCHILY.xattr.")}
            if xattrs:
                e["xattrs"] = xattrs
            for other in [k for k in want if k.startswith(name + "/")]:
                if kind != stat.S_IFDIR:
                    del want[other]
            want[name] = e
    return want


def main():
    path = sys.argv[1]
    if "--small" in sys.argv:
        layout = Layout(path)
        layout.image([(small(), "gzip")], ref="small:latest")
        layout.write()
        return
    if "--bulk" in sys.argv:
        layout = Layout(path)
        layout.image([(bulk(n), how) for n, how in enumerate(("gzip", "zstd", "plain"))],
                     ref="bulk:1")
        layout.write()
        return
    if "--two" in sys.argv:
        layout = Layout(path)
        shared = (small(), "gzip")
        layout.image([shared, (Tar().add("one", b"1").bytes(), "zstd")], ref="one:1",
                     docker=True)
        layout.image([shared, (Tar().add("two", b"2").bytes(), "zstd")],
                     ref="example.org:5000/some/two:v2")
        layout.write()
        return
    layers = [(lower(), "gzip-members"), (middle(), "zstd-frames"), (upper(), "plain")]
    layout = Layout(path)
    layout.image(layers, ref="everything:1.0",
                 config={"Env": ["PATH=/bin", "A=b"], "Entrypoint": None, "Cmd": ["/bin/sh"],
                         "WorkingDir": "/var", "User": "user"})
    layout.write()
    with open(path + ".expect.json", "w") as f:
        json.dump([expect(t) for t, _ in layers], f)


main()
