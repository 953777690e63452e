"""busybox_image.py ROOTFS OUTDIR [--tar FILE]: see busybox-image.sh.

After all three layers the image holds:
  /etc/layer             "3": each layer replaces it
  /opt/stays             from layer 1
  /opt/gone, /opt/gone-folder   not there: whiteouts in layer 2
  /opt/reborn            "again", mode 0600: whiteout in layer 2, new in layer 3
  /var/opaque            only "new": opaque in layer 2
  /bin/usleep            not there: one name of many hard links whited out in layer 3
  /usr/share/odd/        odd names, hard links, xattrs, owners, modes
"""
import argparse
import os

from oci import Layer, write_image

parser = argparse.ArgumentParser()
parser.add_argument("rootfs")
parser.add_argument("out")
parser.add_argument("--tar")
args = parser.parse_args()

one = Layer("gzip", "busybox")
# Whoever made the folder, the image's files are root's.
one.tar.addfile = (lambda add: lambda info, data=None: add(root_owned(info), data))(one.tar.addfile)


def root_owned(info):
    info.uid = info.gid = 1000 if info.name == "home/user" else 0
    return info


one.tree(args.rootfs)
one.add("etc/layer", data=b"1\n")
one.folder("opt")
one.add("opt/stays", data=b"stays\n")
one.add("opt/gone", data=b"must not be seen\n")
one.folder("opt/gone-folder")
one.add("opt/gone-folder/inner", data=b"must not be seen\n")
one.add("opt/reborn", data=b"must not be seen\n", mode=0o755)
one.folder("var/opaque")
one.add("var/opaque/old", data=b"must not be seen\n")
one.folder("var/opaque/old-folder")
one.add("var/opaque/old-folder/inner", data=b"must not be seen\n")

two = Layer("zstd", "whiteouts and odd names")
two.add("etc/layer", data=b"2\n")
two.whiteout("opt/gone")
two.whiteout("opt/gone-folder")
two.whiteout("opt/reborn")
two.folder("var/opaque", mode=0o750)
two.opaque("var/opaque")
two.add("var/opaque/new", data=b"new\n")
odd = "usr/share/odd"
two.folder("usr/share")
two.folder(odd)
for name in ("with spaces", "new\nline", "tab\there", "-rf", "back\\slash", "quote'\"$(id)",
             "ünïcödé-日本", "wh.not-a-whiteout", "n" * 255):
    two.add(os.path.join(odd, name), data=name.encode())
# A path longer than ustar's 256 bytes.
deep = odd
for depth in range(4):
    deep = os.path.join(deep, str(depth) * 100)
    two.folder(deep)
two.add(os.path.join(deep, "bottom"), data=b"bottom\n")
two.add(odd + "/setuid", data=b"#!/bin/sh\nid -u\n", mode=0o4755)
two.add(odd + "/setgid", data=b"#!/bin/sh\nid -g\n", mode=0o2755, owner=(0, 1000))
two.add(odd + "/no-mode", data=b"", mode=0)
two.add(odd + "/users", data=b"user\n", mode=0o640, owner=(1000, 1001))
two.add(odd + "/high-owner", data=b"high\n", owner=(65534, 65534))
two.add(odd + "/xattrs", data=b"xattrs\n", xattrs={"user.kist.test": "a value"})
two.folder(odd + "/xattr-folder", xattrs={"user.kist.folder": "yes"})
two.add(odd + "/link-a", data=b"linked\n")
two.hardlink(odd + "/link-b", odd + "/link-a")
two.hardlink(odd + "/link-c", odd + "/link-b")
two.symlink(odd + "/absolute", "/etc/layer")
two.symlink(odd + "/upwards", "../../../../../../etc/layer")
two.symlink(odd + "/dangling", "nowhere")

three = Layer("plain", "the top")
three.add("etc/layer", data=b"3\n")
three.add("opt/reborn", data=b"again\n", mode=0o600)
three.whiteout("bin/usleep")

config = {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                  "KIST_FIXTURE=busybox"],
          "Cmd": ["sh"], "WorkingDir": "/", "Labels": {"kist.fixture": "busybox"}}
write_image(args.out, "busybox:latest", config, [one, two, three], args.tar)
