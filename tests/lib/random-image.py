#!/usr/bin/env python3
"""random-image.py DIR SEED [LAYERS]: a layout, tagged "random", of four layers (or LAYERS, of which the
tenth and the last but two are big) that an honest builder could have
made: every type, replaced by every type, whiteouts, opaque folders, hard links, xattrs, in any order
that layer.md leaves open. DIR.plain/N.tar are those of its layers that hide nothing."""
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from ociimage import Layout, Tar, MTIME  # noqa: E402

NAMES = ["a", "b", "c", "d.e", "with space", "e\u0301", "x" * 120, "-f"]


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.below = {"": "dir"}  # what the layers so far show

    def attributes(self, special=True):
        r = self.r
        modes = [0o644, 0o755, 0o600, 0o400, 0o711] + [0o4755, 0o2750, 0o1777] * special
        return {"mode": r.choice(modes), "uid": r.choice([0, 0, 1000, 65534, 4000000]),
                "gid": r.choice([0, 0, 50, 100000]), "mtime": MTIME + r.randrange(10 ** 6)}

    def xattrs(self):
        return {"SCHILY.xattr.user.k%d" % i: self.r.choice("abc=") * self.r.randrange(1, 40)
                for i in range(self.r.choice([0, 0, 0, 1, 3]))}

    def put(self, t, path, kind, here):
        a = self.attributes()
        if kind == "dir":
            t.dir(path, **a)
        elif kind == "file":
            t.add(path, self.r.randbytes(self.r.choice([0, 1, 511, 512, 5000])), pax=self.xattrs(), **a)
        elif kind == "symlink":
            a.pop("mode")
            t.symlink(path, self.r.choice(["a", "../b", "/c", "nowhere/at/all"]), **a)
        elif kind == "fifo":
            t.fifo(path, **a)
        elif kind == "char":
            t.char(path, 1, self.r.randrange(1, 9), **a)
        elif kind == "block":
            t.block(path, 7, self.r.randrange(200), **a)
        else:
            targets = [p for p, k in here.items() if k == "file" and p != path]
            if not targets:
                return False
            target = self.r.choice(targets)
            t.hardlink(path, target)
            kind = "file"
        here[path] = kind
        return True

    def layer(self, hides, big=False):
        """Folders before what they hold; each folder that is used has an entry."""
        r, t, here = self.r, Tar(), {}
        t.dir("./", mode=0o755, mtime=MTIME + r.randrange(10 ** 6))
        # Folders of several levels, then things in them.
        folders = [""]
        for _ in range(r.randrange(2, 8)):
            parent = r.choice(folders)
            path = (parent + "/" if parent else "") + r.choice(NAMES)
            if path in here or path.count("/") > 4:
                continue
            t.dir(path, **dict(self.attributes(), mode=r.choice([0o755, 0o700, 0o1777, 0o2755])))
            here[path] = "dir"
            folders.append(path)
        opaque = set()
        if hides:
            for folder in folders[1:]:
                if self.below.get(folder) == "dir" and r.random() < 0.4:
                    opaque.add(folder)
                    t.add(folder + "/.wh..wh..opq")
            for path in [p for p in self.below if p and p not in here and r.random() < 0.3]:
                parent, name = os.path.split(path)
                if parent in folders and parent not in opaque:
                    t.add((parent + "/" if parent else "") + ".wh." + name)
                    here[path] = "gone"
        kinds = ["file"] * 4 + ["symlink", "fifo", "char", "block", "hardlink", "hardlink"]
        for _ in range(r.randrange(5, 25)):
            folder = r.choice(folders)
            path = (folder + "/" if folder else "") + r.choice(NAMES)
            if path not in here:
                self.put(t, path, r.choice(kinds), here)
        if big:
            t.add("big", r.randbytes(3 << 19))
            here["big"] = "file"
        self.show(here, opaque)
        return t.bytes()

    def show(self, here, opaque):
        for path, kind in here.items():
            if kind != "dir" or self.below.get(path) != "dir" or path in opaque:
                for p in [p for p in self.below if p == path or p.startswith(path + "/")]:
                    del self.below[p]
        for path, kind in here.items():
            if kind != "gone":
                self.below[path] = kind


def main():
    path, seed = sys.argv[1], int(sys.argv[2])
    maker = Maker(seed)
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 4
    layers = [maker.layer(hides=n > 0, big=count > 4 and n in (10, count - 3)) for n in range(count)]
    os.makedirs(path + ".plain")
    with open(path + ".plain/0.tar", "wb") as f:
        f.write(layers[0])
    layout = Layout(path)
    layout.image([(t, how) for t, how in zip(layers, ["gzip", "plain", "gzip", "gzip"] * count)],
                 config={"Cmd": ["x"]}, ref="random")
    layout.write()


main()
