#!/usr/bin/env python3
"""tree-attrs.py [-t] DIR: all that lstat, xattrs and content tell of a tree, a line for each
path, sorted, for diff(1). Hard links are told by the first path of their group. -t: without the times
of folders."""
import hashlib
import os
import stat
import sys


def line(root, path, first, times):
    full = os.path.join(os.fsencode(root), path)
    st = os.lstat(full)
    kind = stat.S_IFMT(st.st_mode)
    words = [repr(path), "%o" % st.st_mode, st.st_uid, st.st_gid,
             st.st_mtime_ns if times or kind != stat.S_IFDIR else "-"]
    if kind == stat.S_IFREG:
        with open(full, "rb") as f:
            words += [st.st_size, hashlib.sha256(f.read()).hexdigest()[:16]]
    elif kind == stat.S_IFLNK:
        words.append(repr(os.readlink(full)))
    elif kind in (stat.S_IFCHR, stat.S_IFBLK):
        words.append("%d:%d" % (os.major(st.st_rdev), os.minor(st.st_rdev)))
    if kind != stat.S_IFDIR and st.st_nlink > 1:
        words.append("same as " + repr(first.setdefault((st.st_dev, st.st_ino), path)))
    for name in sorted(os.listxattr(full, follow_symlinks=False)):
        words.append("%s=%r" % (name, os.getxattr(full, name, follow_symlinks=False)))
    return " ".join(map(str, words))


def main():
    root = sys.argv[-1]
    paths = [b"."]
    for folder, dirs, files in os.walk(os.fsencode(root)):
        below = os.path.relpath(folder, os.fsencode(root))
        paths += [n if below == b"." else os.path.join(below, n) for n in dirs + files]
    first = {}
    for path in sorted(paths):
        print(line(root, path, first, sys.argv[1] != "-t"))


main()
