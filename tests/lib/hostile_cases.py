"""Images that try to get out: the cases of hostile-layers.py, by group."""
import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile

from ociimage import (END, INDEX, LAYER, Layout, Tar, compress, header, padded, pax_block,
                      pax_record, sha, tar_layout)

CASES = {}


def case(group, expect, message=None, args=()):
    """expect: "refuse", "contain"; the function makes the layout at path."""
    def register(function):
        CASES[function.__name__] = (group, expect, message, args, function)
        return function
    return register


def layer_case(group, name, expect, message, make, args=()):
    """make(tar, victim) fills one layer, or returns raw layer bytes."""
    def function(path, victim):
        t = Tar()
        got = make(t, victim)
        data = got if isinstance(got, bytes) else t.bytes()
        layout = Layout(path)
        layout.image([(data, "gzip")], ref="hostile:latest")
        layout.write()
    function.__name__ = name
    case(group, expect, message, args)(function)


R, C = "refuse", "contain"
OUT = "/canary"

# --- paths (U1, U2, U9)
for name, path, expect, message in [
        ("dotdot", "../victim/owned", R, r'"\.\."'), ("dotdot_deep", "a/../../victim/x", R, r'"\.\."'),
        ("dotdot_end", "a/..", R, r'"\.\."'), ("dotdot_dir", "../", R, "folder's name"),
        ("dotdot_slashes", "./..//victim/x", R, r'"\.\."'),
        ("backslash", "..\\victim\\x", C, None), ("root_file", "/", R, "a folder's name"),
        ("dot_file", ".", R, "root must be a folder"), ("empty_name", "", R, "without a name"),
        ("component_256", "a" * 256, R, "256 bytes"), ("path_4096", "/".join(["a" * 200] * 21), R,
                                                       "4095 bytes"),
        ("deep", "/".join(["d"] * 2000) + "/f", C, None)]:
    layer_case("paths", name, expect, message, lambda t, v, path=path: t.add(path, b"x"))
layer_case("paths", "absolute", C, None, lambda t, v: t.add(v + "/owned", b"x"))
layer_case("paths", "symlink_dir", R, "symlink to none",
           lambda t, v: t.symlink("d", v).add("d/owned", b"x"))
layer_case("paths", "symlink_dir_dotdot", R, "symlink to none",
           lambda t, v: t.symlink("d", "../../../../../../../../.." + v).add("d/owned", b"x"))
# the same where the symlink has somewhere to lead to, inside
layer_case("paths", "symlink_inside", C, None,
           lambda t, v: t.dir(v).symlink("d", v).add("d/owned", b"x").add("d/.wh.canary")
           .add("d/.wh..wh..opq").dir("d/dir", mode=0o700, uid=5).add("d/canary", b"new"))
layer_case("paths", "symlink_inside_dotdot", C, None,
           lambda t, v: t.dir(v).symlink("a", "../../../../.." + v).symlink("b", "a/../victim")
           .add("b/canary", b"new").hardlink("b/link", "b/canary").symlink("b/dir", "/"))
layer_case("paths", "symlink_proc_inside", C, None,
           lambda t, v: t.dir("proc/self/root" + v).symlink("p", "/proc/self/root")
           .add("p" + v + "/canary", b"new"))
layer_case("paths", "symlink_root", C, None, lambda t, v: t.symlink("d", "/").add("d/owned", b"x"))
layer_case("paths", "symlink_as_root", R, "root must be a folder",
           lambda t, v: t.symlink(".", v))
layer_case("paths", "symlink_chain", R, "symlink to none",
           lambda t, v: t.symlink("a", v).symlink("b", "a").symlink("c", "b/..").add("c/x/y", b"x"))
layer_case("paths", "symlink_loop", R, "symbolic links",
           lambda t, v: t.symlink("a", "b").symlink("b", "a").add("a/x", b"x"))
layer_case("paths", "symlink_chain_41", R, "symbolic links",
           lambda t, v: [t.symlink(f"l{i}", f"l{i + 1}") for i in range(45)] and
           t.dir("l45").add("l0/x", b"x"))
layer_case("paths", "symlink_then_file", C, None,
           lambda t, v: t.symlink("f", v + OUT).add("f", b"overwritten"))
layer_case("paths", "symlink_then_dir", C, None,
           lambda t, v: t.symlink("d", v).dir("d", mode=0o777, uid=1234).add("d/x", b"x"))
layer_case("paths", "symlink_proc", R, "symlink to none",
           lambda t, v: t.symlink("p", "/proc/self/root").add("p" + v + "/owned", b"x"))
layer_case("paths", "symlink_swapped", R, "symlink to none",
           lambda t, v: t.dir("d").add("d/a", b"").symlink("d", v).add("d/owned", b"x")
           .symlink("d/canary", "x"))
layer_case("paths", "magic_cwd", R, "symlink to none",
           lambda t, v: t.symlink("p", "/proc/self/cwd").add("p/owned", b"x"))
layer_case("paths", "file_as_parent", R, "not a folder", lambda t, v: t.add("f", b"").add("f/x"))
layer_case("paths", "fifo_as_parent", R, "not a folder", lambda t, v: t.fifo("f").add("f/x"))
layer_case("paths", "symlink_chmod", C, None,
           lambda t, v: t.symlink("s", v + OUT, uid=99, gid=99).dir("s2")
           .symlink("s2", v, uid=98))
layer_case("paths", "symlink_empty", R, "symlink to nothing", lambda t, v: t.symlink("s", ""))

# --- hard links (U3)
layer_case("links", "hardlink_out", R, "does not hold", lambda t, v: t.hardlink("h", v + OUT))
layer_case("links", "hardlink_dotdot", R, r'"\.\."',
           lambda t, v: t.hardlink("h", "../../../../.." + v + OUT))
layer_case("links", "hardlink_via_symlink", R, "does not hold",
           lambda t, v: t.symlink("d", v).hardlink("h", "d/canary"))
layer_case("links", "hardlink_symlink_write", C, None,
           lambda t, v: t.symlink("s", v + OUT).hardlink("h", "s").add("h", b"overwritten"))
layer_case("links", "hardlink_symlink_dir", R, "symlink to none",
           lambda t, v: t.symlink("s", v).hardlink("h", "s").add("h/owned", b"x"))
layer_case("links", "hardlink_symlink_chmod", C, None,
           lambda t, v: t.symlink("s", v + OUT).hardlink("h", "s", mode=0o4777, uid=4))
layer_case("links", "hardlink_dir", R, "neither file nor symlink",
           lambda t, v: t.dir("d").hardlink("h", "d"))
layer_case("links", "hardlink_root", R, "does not hold|neither file",
           lambda t, v: t.hardlink("h", "."))
layer_case("links", "hardlink_self", R, "does not hold", lambda t, v: t.hardlink("h", "h"))
layer_case("links", "hardlink_self_there", C, None,
           lambda t, v: t.add("h", b"x").hardlink("h", "h"))
layer_case("links", "hardlink_later", R, "does not hold",
           lambda t, v: t.hardlink("h", "f").add("f", b""))
layer_case("links", "hardlink_whiteout", R, "neither file nor symlink",
           lambda t, v: t.add(".wh.w").hardlink("h", "w"))
layer_case("links", "hardlink_fifo", R, "neither file nor symlink",
           lambda t, v: t.fifo("p").hardlink("h", "p"))
layer_case("links", "hardlink_empty", R, "unknown type",
           lambda t, v: header(b"h", type=b"1") + END)
layer_case("links", "hardlink_data", R, "claims to have data",
           lambda t, v: header(b"f") + header(b"h", 5, b"1", b"f") + padded(b"hello") + END)

# --- whiteouts and overlay's own things (U5)
for name, path, expect, message in [
        ("wh_nothing", ".wh.", R, "whiteout of nothing"), ("wh_dot", ".wh..", R, "whiteout of nothing"),
        ("wh_dotdot", ".wh...", R, "whiteout of nothing"),
        ("wh_nothing_deep", "d/.wh.", R, "whiteout of nothing"),
        ("wh_as_dir", ".wh.d/x", R, "used as a folder"),
        ("wh_as_dir_deep", "a/.wh.d/b/x", R, "used as a folder"),
        ("wh_opq_as_dir", ".wh..wh..opq/x", R, "used as a folder"),
        ("wh_dotdot_path", "d/../.wh.x", R, r'"\.\."'), ("wh_opaque_root", ".wh..wh..opq", C, None),
        ("wh_meta", ".wh..wh.aufs", C, None)]:
    layer_case("overlay", name, expect, message, lambda t, v, path=path: t.add(path))
layer_case("overlay", "wh_slash", R, "whiteout of nothing", lambda t, v: t.dir(".wh./"))
layer_case("overlay", "wh_via_symlink", R, "symlink to none", lambda t, v: t.symlink("d", v).add("d/.wh.canary"))
layer_case("overlay", "opq_via_symlink", R, "symlink to none",
           lambda t, v: t.symlink("d", v).add("d/.wh..wh..opq"))
layer_case("overlay", "wh_of_symlink", C, None,
           lambda t, v: t.symlink("canary", v + OUT).add(".wh.canary"))
layer_case("overlay", "wh_hardlink_type", C, None,
           lambda t, v: t.hardlink(".wh.canary", v + OUT))
layer_case("overlay", "char00", R, "0/0", lambda t, v: t.char("w", 0, 0))
layer_case("overlay", "xattr_trusted_opaque", C, None,
           lambda t, v: t.dir("d", xattrs={"trusted.overlay.opaque": b"y"}))
layer_case("overlay", "xattr_redirect", C, None,
           lambda t, v: t.dir("d", xattrs={"trusted.overlay.redirect": b"/etc",
                                           "user.overlay.redirect": b"/etc",
                                           "user.overlay.opaque": b"y",
                                           "trusted.overlay.metacopy": b""}))
layer_case("overlay", "xattr_security", C, None,
           lambda t, v: t.add("f", xattrs={"security.selinux": b"x", "security.ima": b"y",
                                           "trusted.md5": b"z"}))

# --- nodes and modes (U6, U7)
layer_case("nodes", "devices", C, None,
           lambda t, v: t.char("mem", 1, 1, mode=0o666).block("sda", 8, 0, mode=0o666).fifo("p"))
layer_case("nodes", "fifo_then_file", C, None, lambda t, v: t.fifo("p").add("p", b"not a fifo"))
layer_case("nodes", "device_then_file", C, None,
           lambda t, v: t.char("m", 1, 1).add("m", b"not into memory"))
layer_case("nodes", "setuid", C, None, lambda t, v: t.add("su", b"x", mode=0o6755))
layer_case("nodes", "uid_minus_1", R, "out of range", lambda t, v: t.add("f", pax={"uid": "4294967295"}))
layer_case("nodes", "uid_2_32", R, "out of range", lambda t, v: t.add("f", pax={"gid": "4294967296"}))
layer_case("nodes", "socket_type", R, "unknown type", lambda t, v: header(b"s", type=b"s") + END)

# --- tar framing (U8)
F = padded(b"hello")
X = header(b"f", 5)


def smuggled():
    """A file whose pax size hides a second header from some readers (TARmageddon)."""
    inner = header(b"smuggled", 5) + F
    return pax_block({"size": str(len(inner))}) + header(b"f", 0) + inner + END


for name, data, message in [
        ("pax_size_hides", smuggled(), "size differ"),
        ("pax_size_less", pax_block({"size": "0"}) + X + F + END, "size differ"),
        ("pax_size_negative", pax_block({"size": "-1"}) + X + F + END, "malformed or negative"),
        ("pax_size_huge", pax_block({"size": str(1 << 63)}) + X + F + END, "larger than any|cut off"),
        ("pax_size_1e9", pax_block({"size": "1e9"}) + X + F + END, "malformed or negative"),
        ("pax_twice", pax_block(pax_record("path", "a") + pax_record("path", "b")) + X + F + END,
         "comes twice"),
        ("pax_two_headers", pax_block({"path": "a"}) + pax_block({"path": "b"}) + X + F + END,
         "two extension"),
        ("pax_then_longname", pax_block({"path": "a"}) + header(b"L", 2, b"L", magic=b"ustar  \0") +
         padded(b"b\0") + X + F + END, "two extension"),
        ("pax_length_lies", pax_block(b"5 a=b\n") + X + F + END, "length is wrong"),
        ("pax_length_long", pax_block(b"99 path=a\n") + X + F + END, "length is wrong"),
        ("pax_no_newline", pax_block(b"9 path=ab") + X + F + END, "length is wrong"),
        ("pax_no_key", pax_block(b"6 =ab\n") + X + F + END, "no key"),
        ("pax_nul", pax_block(pax_record("path", "a\0b")) + X + F + END, "NUL"),
        ("pax_nul_key", pax_block(pax_record("pa\0th", "a")) + X + F + END, "NUL"),
        ("pax_empty", header(b"x", 0, b"x") + X + F + END, "empty"),
        ("pax_empty_path", pax_block(pax_record("path", "")) + X + F + END,
         "empty path"),
        ("long_name_empty", header(b"L", 1, b"L", magic=b"ustar  \0") + padded(b"\0") + X + F +
         END, "long name is empty"),
        ("slash_hides", header(b"d/", 1024) + header(b"smuggled", 5) + F + END, "folder's name"),
        ("slash_hides_pax", pax_block({"path": "d/"}) + header(b"d", 512) + header(b"smuggled") + END,
         "folder's name"),
        ("name_empty", header(b"", 5) + F + END, "without a name"),
        ("pax_2MiB", pax_block({"comment": "a" * (2 << 20)}) + X + F + END, "1 MiB"),
        ("pax_1GiB", header(b"x", 1 << 30, b"x") + END, "1 MiB"),
        ("pax_alone", pax_block({"path": "a"}) + END, "without its entry"),
        ("pax_global_path", pax_block({"path": "../../x"}, b"g") + X + F + END, "global pax"),
        ("pax_global_size", pax_block({"size": "0"}, b"g") + X + F + END, "global pax"),
        ("pax_realsize", pax_block({"SCHILY.realsize": "99999"}) + X + F + END, "not supported"),
        ("pax_hdrcharset", pax_block({"hdrcharset": "EBCDIC"}) + X + F + END, "hdrcharset"),
        ("pax_sparse_unknown", pax_block({"GNU.sparse.major": "7"}) + X + F + END, "sparse"),
        ("sparse_bomb_map", pax_block({"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                                       "GNU.sparse.realsize": "5"}) +
         header(b"f", 512) + padded(b"99999999\n") + END, "65536 pieces"),
        ("sparse_no_map", pax_block({"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}) + X + F + END,
         "map"),
        ("sparse_hidden", header(b"f", 5, magic=b"ustar  \0", rest=[(386, b"00000000000")]) + F + END,
         "is and is not sparse"),
        ("size_negative", header(b"f", raw_size=b"\xff" * 12) + END, "negative"),
        ("size_base256_huge", header(b"f", raw_size=b"\x80" + b"\xff" * 11) + END, "negative|larger"),
        ("size_garbage", header(b"f", raw_size=b"12x4567890\0\0") + F + END, "malformed"),
        ("checksum_bad", header(b"f", 5, checksum=1) + F + END, "checksum"),
        ("magic_unknown", header(b"f", 5, magic=b"foobar00") + F + END, "unknown format"),
        ("type_V", header(b"v", type=b"V") + END, "unknown type"),
        ("type_M", header(b"m", type=b"M") + END, "unknown type"),
        ("type_D", header(b"d", type=b"D") + END, "unknown type"),
        ("type_N", header(b"n", type=b"N") + END, "unknown type"),
        ("type_X", header(b"n", type=b"X") + END, "unknown type"),
        ("dir_with_data", header(b"d/", 5, b"5") + F + END, "claims to have data"),
        ("symlink_with_data", header(b"s", 5, b"2", b"t") + F + END, "claims to have data"),
        ("cut_in_header", X + F + X[:100], "cut off"),
        ("cut_in_data", header(b"f", 5000) + b"abc", "cut off"),
        ("cut_in_pax", pax_block({"path": "abc"})[:600], "cut off"),
        ("cut_after_pax", pax_block({"path": "abc"}), "cut off"),
        ("garbage_after", X + F + END + b"garbage", "after the archive's end"),
        ("second_archive", X + F + END + X + F + END, "after the archive's end"),
        ("one_zero_block", X + F + b"\0" * 512 + X + F + END, "single zero block"),
        ("not_tar", b"this is no tar archive at all" * 100, "checksum")]:
    layer_case("tar", name, R, message, lambda t, v, data=data: data)
for name, data in [
        ("no_end", X + F), ("one_end_block", X + F + b"\0" * 512), ("no_bytes", b""),
        ("only_end", END), ("old_format", header(b"f", 5, b"\0", magic=b"\0" * 8) + F + END),
        ("old_dir", header(b"d/", 0, b"\0", magic=b"\0" * 8) + END),
        ("global_comment", pax_block({"comment": "hi"}, b"g") + X + F + END),
        ("much_padding", X + F + b"\0" * 100000)]:
    layer_case("tar", name, C, None, lambda t, v, data=data: data)

# --- bombs, against small limits (U10)
layer_case("bombs", "zeros", R, "--max-size|unpacked bytes", lambda t, v: t.add("z", bytes(64 << 20)),
           ("--max-size", "10M"))
layer_case("bombs", "entries", R, "more than 1000 entries",
           lambda t, v: [t.add(f"e{i}") for i in range(1500)] and None, ("--max-entries", "1000"))
layer_case("bombs", "sparse_8EiB", R, "unpacked bytes",
           lambda t, v: header(b"s", 512, b"S", magic=b"ustar  \0", rest=[
               (386, b"%011o\0%011o\0" % (0, 512)), (483, b"\x80" + (1 << 62).to_bytes(11, "big"))])
           + padded(b"A" * 512) + END)
layer_case("bombs", "sparse_1TiB", R, "unpacked bytes",
           lambda t, v: pax_block({"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                                   "GNU.sparse.name": "s", "GNU.sparse.realsize": str(1 << 40)}) +
           header(b"f", 512 + 512) + padded(b"1\n0\n512\n") + padded(b"A" * 512) + END)
layer_case("bombs", "xattrs_300", R, "xattrs|--max", lambda t, v: t.add(
    "x", xattrs={f"user.a{i}": b"1" for i in range(300)}))
layer_case("bombs", "xattr_big", R, "xattr", lambda t, v: t.add("x", xattrs={"user.a": b"1" * 70000}))


@case("bombs", R, "bomb|--max-size", ("--max-size", "8G"))
def ratio(path, victim):
    """zstd packs zeros some 30,000 to 1."""
    data = subprocess.run("head -c 300M /dev/zero | zstd -q -3",
                          shell=True, stdout=subprocess.PIPE, check=True).stdout
    raw_layer(path, data, sha(b"whatever"))


@case("bombs", R, "limit 200")
def layers_201(path, victim):
    layout = Layout(path)
    layout.image([(Tar().add("f").bytes(), "plain")] * 201, ref="hostile:latest")
    layout.write()


# --- digests and documents (U11)
def raw_layer(path, blob, diffid, **fields):
    layout = Layout(path)
    d = dict(layout.blob(blob, LAYER + "+gzip"), **fields)
    layout.image([], ref="hostile:latest",
                 change_config=lambda c: c["rootfs"].update(diff_ids=[diffid]),
                 change_manifest=lambda m: m.update(layers=[d]))
    layout.write()
    return layout, d


GOOD = Tar().add("f", b"content").bytes()
GZ = gzip.compress(GOOD, mtime=0)


def blob_case(name, message, blob, diffid=sha(GOOD), expect=R, **fields):
    def function(path, victim):
        raw_layer(path, blob, diffid, **fields)
    function.__name__ = name
    case("digests", expect, message)(function)


blob_case("diffid_wrong", "diff_id", GZ, sha(b"other"))
blob_case("digest_wrong", "cannot open blob", GZ, digest=sha(b"nothing there"))
blob_case("digest_upper", "lower-case hex", GZ, digest=sha(GZ).upper().replace("SHA", "sha"))
blob_case("digest_short", "lower-case hex", GZ, digest="sha256:abc")
blob_case("digest_path", "lower-case hex", GZ, digest="sha256:../../../etc/passwd")
blob_case("digest_sha384", "not supported", GZ,
          digest="sha384:" + hashlib.sha384(GZ).hexdigest())
blob_case("digest_unknown", "not supported", GZ, digest="md5:" + "0" * 32)
blob_case("digest_none", "no algorithm", GZ, digest="0" * 64)
blob_case("size_less", "longer than", GZ, size=len(GZ) - 1)
blob_case("size_more", "its descriptor says", GZ, size=len(GZ) + 1)
blob_case("size_zero", "longer than", GZ, size=0)
blob_case("size_minus", "size", GZ, size=-1)
blob_case("size_float", "size", GZ, size=1.5)
blob_case("media_unknown", "no layer type", GZ, mediaType="application/x-executable")
blob_case("media_erofs", "no layer type", GZ, mediaType="application/vnd.erofs.layer.v1")
blob_case("media_encrypted", "no layer type", GZ,
          mediaType="application/vnd.oci.image.layer.v1.tar+gzip+encrypted")
blob_case("digest_blake3", "not supported", GZ, digest="blake3:" + "0" * 64)
blob_case("gzip_truncated", "ends early", GZ[:-9])
blob_case("gzip_no_trailer", "ends early", GZ[:-8])
blob_case("gzip_garbage", "gzip", GZ + b"garbage")
blob_case("gzip_bad_crc", "checksum", GZ[:-8] + bytes(4) + GZ[-4:])
blob_case("gzip_flipped", "gzip|diff_id|tar", GZ[:40] + bytes([GZ[40] ^ 0x55]) + GZ[41:])
blob_case("gzip_second_member", "diff_id|after the archive", GZ + gzip.compress(GOOD))
ZS = compress(GOOD, "zstd")
blob_case("zstd_truncated", "ends early", ZS[:-3])
blob_case("zstd_garbage", "zstd", ZS + b"garbage")
blob_case("zstd_bad_sum", "zstd", ZS[:-1] + bytes([ZS[-1] ^ 1]))
blob_case("xz", "not supported", b"\xfd7zXZ\0" + bytes(100))
blob_case("bzip2", "not supported", b"BZh9" + bytes(100))


@case("digests", R, "has the content of|fewer|more")
def manifest_tampered(path, victim):
    layout = Layout(path)
    d = layout.image([(GOOD, "gzip")], ref="hostile:latest")
    layout.write()
    name = path + "/blobs/sha256/" + d["digest"][7:]
    data = open(name).read().replace("schemaVersion", "schemaversion")
    open(name, "w").write(data)


@case("digests", R, "has the content of")
def config_tampered(path, victim):
    layout = Layout(path)
    d = layout.image([(GOOD, "gzip")], ref="hostile:latest")
    layout.write()
    manifest = json.load(open(path + "/blobs/sha256/" + d["digest"][7:]))
    name = path + "/blobs/sha256/" + manifest["config"]["digest"][7:]
    data = open(name).read().replace("2026", "2027")
    open(name, "w").write(data)


@case("digests", R, "content is|checksum|gzip")
def layer_tampered(path, victim):
    layout = Layout(path)
    d = layout.image([(GOOD, "plain")], ref="hostile:latest")
    layout.write()
    manifest = json.load(open(path + "/blobs/sha256/" + d["digest"][7:]))
    name = path + "/blobs/sha256/" + manifest["layers"][0]["digest"][7:]
    data = open(name, "rb").read().replace(b"content", b"CONTENT")
    open(name, "wb").write(data)


def document_case(name, message, change_manifest=None, change_config=None, expect=R, **more):
    def function(path, victim):
        layout = Layout(path)
        layout.image([(GOOD, "gzip")], ref="hostile:latest", change_manifest=change_manifest,
                     change_config=change_config, **more)
        layout.write()
    function.__name__ = name
    case("documents", expect, message)(function)


document_case("both_manifests_and_layers", "index and image at once",
              lambda m: m.update(manifests=[]))
document_case("media_says_index", "neither an index nor|mediaType is",
              lambda m: m.update(mediaType=INDEX))
document_case("no_layers", "layers", lambda m: m.update(layers=[]))
document_case("layers_string", "/layers", lambda m: m.update(layers="x"))
document_case("layer_not_object", "/layers/0", lambda m: m.update(layers=[1]))
document_case("schema_1", "schema 1", lambda m: m.update(fsLayers=[]))
document_case("schema_version", "schemaVersion", lambda m: m.update(schemaVersion=1))
document_case("manifest_list", "", lambda m: [1, 2])
document_case("manifest_string", "", lambda m: b'"x"')
document_case("manifest_trailing", "sha256:", lambda m: json.dumps(m).encode() + b" x")
document_case("manifest_twice", "", lambda m: json.dumps(m).encode()[:-1] + b', "layers": []}')
document_case("manifest_nul", "", lambda m: m.update(x="a\0b"))
document_case("manifest_deep", "", lambda m: b"[" * 100000 + b"]" * 100000)
document_case("manifest_5MiB", "limit", lambda m: m.update(pad="x" * (5 << 20)))
document_case("config_is_artifact", "artifact",
              lambda m: m["config"].update(mediaType="application/vnd.oci.empty.v1+json"))
document_case("diffids_missing", "diff_ids", change_config=lambda c: c["rootfs"].pop("diff_ids") and None)
document_case("diffids_fewer", "diff_ids", change_config=lambda c: c["rootfs"].update(diff_ids=[]))
document_case("diffid_grammar", "lower-case hex",
              change_config=lambda c: c["rootfs"].update(diff_ids=["sha256:../x"]))
document_case("rootfs_missing", "rootfs", change_config=lambda c: c.pop("rootfs") and None)
document_case("env_object", "Env", config={"Env": {"A": "b"}})
document_case("other_platform", "this machine is", arch="pdp11")
document_case("nulls_are_fine", None, expect=C,
              config={"Env": None, "Cmd": None, "Entrypoint": None, "Labels": None, "User": ""},
              change_manifest=lambda m: m.update(annotations=None))
document_case("hostile_chain_annotation", None, expect=C,
              annotations={"io.kist.chain": "sha256:" + "0" * 64})


def index_case(name, message, make, expect=R):
    def function(path, victim):
        layout = Layout(path)
        d = layout.image([(GOOD, "gzip")], ref="hostile:latest")
        layout.write(make(layout, d))
    function.__name__ = name
    case("documents", expect, message)(function)


def nest(layout, d, depth):
    for _ in range(depth):
        d = layout.blob({"schemaVersion": 2, "mediaType": INDEX, "manifests": [d]}, INDEX)
    return {"schemaVersion": 2, "manifests": [dict(d, annotations={
        "org.opencontainers.image.ref.name": "hostile:latest"})]}


index_case("index_nested_2", None, lambda l, d: nest(l, d, 2), C)
index_case("index_nested_9", "indexes within", lambda l, d: nest(l, d, 9))
index_case("index_is_manifest", "", lambda l, d: {"schemaVersion": 2, "layers": [], "config": {}})
index_case("index_both", "index and image", lambda l, d: {"schemaVersion": 2, "layers": [],
                                                          "manifests": [d]})
index_case("index_empty", "lists no image", lambda l, d: {"schemaVersion": 2, "manifests": []})
index_case("index_calls_manifest_index", "not an index|neither",
           lambda l, d: {"schemaVersion": 2, "manifests": [dict(d, mediaType=INDEX)]})
index_case("index_no_name", "no name", lambda l, d: {
    "schemaVersion": 2, "manifests": [{k: v for k, v in d.items() if k != "annotations"}]})
index_case("ref_dotdot", "not an image reference", lambda l, d: {"schemaVersion": 2, "manifests": [
    dict(d, annotations={"org.opencontainers.image.ref.name": "../../x:latest"})]})
index_case("ref_newline", "not an image reference", lambda l, d: {"schemaVersion": 2, "manifests": [
    dict(d, annotations={"org.opencontainers.image.ref.name": "x\nroot:latest"})]})
index_case("ref_64hex", "not an image reference|give it", lambda l, d: {
    "schemaVersion": 2, "manifests": [dict(d, annotations={
        "org.opencontainers.image.ref.name": "a" * 64 + ":x"})]})
index_case("no_platform_here", "no image for", lambda l, d: {"schemaVersion": 2, "manifests": [
    dict(d, platform={"os": "plan9", "architecture": "vax"})]})


@case("documents", R, "no OCI image layout")
def no_oci_layout(path, victim):
    os.makedirs(path)


@case("documents", R, "layout version")
def layout_version(path, victim):
    Layout(path).write()
    with open(path + "/oci-layout", "w") as f:
        f.write('{"imageLayoutVersion":"9.0.0"}')


@case("documents", R, "not a file|cannot open blob")
def blob_is_fifo(path, victim):
    layout = Layout(path)
    d = layout.image([(GOOD, "gzip")], ref="hostile:latest")
    layout.write()
    manifest = json.load(open(path + "/blobs/sha256/" + d["digest"][7:]))
    name = path + "/blobs/sha256/" + manifest["layers"][0]["digest"][7:]
    os.unlink(name)
    os.mkfifo(name)


# --- the outer tar
def outer_case(name, expect, message, make):
    def function(path, victim):
        layout = Layout(path + ".dir")
        layout.image([(GOOD, "gzip")], ref="hostile:latest")
        layout.write()
        tar_layout(path + ".dir", path)
        make(path, victim)
    function.__name__ = name
    case("archives", expect, message)(function)


def append(path, fill):
    with tarfile.open(path, "a") as t:
        fill(t)


def member(t, name, data=b"", type=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(data), type, link
    t.addfile(info, io.BytesIO(data))


outer_case("outer_escape", C, None, lambda p, v: append(p, lambda t: (
    member(t, "../../../../.." + v + "/owned", b"x"), member(t, v + "/owned", b"x"),
    member(t, "blobs/sha256/../../../owned", b"x"))))
outer_case("outer_symlink_blob", R, "not a plain file", lambda p, v: append(p, lambda t: member(
    t, "blobs/sha256/" + "0" * 64, type=tarfile.SYMTYPE, link=v + OUT)))
outer_case("outer_hardlink_blob", R, "not a plain file", lambda p, v: append(p, lambda t: member(
    t, "blobs/sha256/" + "0" * 64, type=tarfile.LNKTYPE, link=v + OUT)))
outer_case("outer_index_twice", R, "twice", lambda p, v: append(p, lambda t: member(
    t, "index.json", b"{}")))
outer_case("outer_symlink_blobs_dir", C, None, lambda p, v: append(p, lambda t: (
    member(t, "blobs", type=tarfile.SYMTYPE, link=v), member(t, "spool", type=tarfile.SYMTYPE,
                                                             link=v))))
outer_case("outer_truncated", R, "cut off|damaged|Truncated", lambda p, v: os.truncate(
    p, os.path.getsize(p) - 10240 - 700))
outer_case("outer_garbage", R, "tar", lambda p, v: open(p, "wb").write(b"garbage" * 1000))
outer_case("outer_empty", R, "tar|layout", lambda p, v: open(p, "wb").close())
outer_case("outer_gzip_cut", R, "ends early", lambda p, v: open(p, "r+b").write(
    gzip.compress(open(p, "rb").read())[:300]) and os.truncate(p, 300))


@case("archives", R, "index.json lists no image")
def docker_archive(path, victim):
    with tarfile.open(path, "w") as t:
        member(t, "manifest.json", b"[]")
        member(t, "abc/layer.tar", b"")
