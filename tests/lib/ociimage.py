"""OCI image layouts for tests, from the standard library (and the zstd program).

Layers are made with tarfile or from raw 512-byte blocks, so that a test can
write what no sane tool would.
"""
import gzip
import hashlib
import io
import json
import os
import platform
import subprocess
import tarfile

ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
MTIME = 1500000000


def sha(data, algorithm="sha256"):
    return algorithm + ":" + hashlib.new(algorithm, data).hexdigest()


class Tar:
    """A layer being written. Every method returns self."""

    def __init__(self, format=tarfile.PAX_FORMAT):
        self.buffer = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.buffer, mode="w", format=format,
                                encoding="utf-8", errors="surrogateescape")

    def add(self, name, data=b"", type=tarfile.REGTYPE, mode=0o644, uid=0, gid=0, link="",
            mtime=MTIME, xattrs=None, dev=(0, 0), pax=None):
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.uid, info.gid = type, mode, uid, gid
        info.linkname, info.mtime, info.size = link, mtime, len(data)
        info.devmajor, info.devminor = dev
        info.pax_headers = dict(pax or {})
        if xattrs:
            assert self.tar.format == tarfile.PAX_FORMAT
            self.raw(pax_block({"SCHILY.xattr." + k: v for k, v in xattrs.items()}))
        self.tar.addfile(info, io.BytesIO(data))
        return self

    def dir(self, name, mode=0o755, **more):
        return self.add(name, type=tarfile.DIRTYPE, mode=mode, **more)

    def symlink(self, name, to, **more):
        return self.add(name, type=tarfile.SYMTYPE, link=to, mode=0o777, **more)

    def hardlink(self, name, to, **more):
        return self.add(name, type=tarfile.LNKTYPE, link=to, **more)

    def char(self, name, major, minor, **more):
        return self.add(name, type=tarfile.CHRTYPE, dev=(major, minor), **more)

    def block(self, name, major, minor, **more):
        return self.add(name, type=tarfile.BLKTYPE, dev=(major, minor), **more)

    def fifo(self, name, **more):
        return self.add(name, type=tarfile.FIFOTYPE, **more)

    def raw(self, data):
        """Bytes into the stream as they are."""
        self.tar.fileobj.write(data)
        self.tar.offset += len(data)
        return self

    def bytes(self):
        self.tar.close()
        return self.buffer.getvalue()


def pax_record(key, value):
    value = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
    rest = b" " + key.encode() + b"=" + value + b"\n"
    n = len(rest)
    while len(str(n)) + len(rest) != n:
        n = len(str(n)) + len(rest)
    return str(n).encode() + rest


def header(name=b"x", size=0, type=b"0", link=b"", mode=0o644, magic=b"ustar\x0000", raw_size=None,
           checksum=None, mtime=MTIME, rest=b""):
    block = bytearray(512)
    block[0:len(name[:100])] = name[:100]
    block[100:108] = b"%07o\0" % mode
    block[108:116] = b"0000000\0"
    block[116:124] = b"0000000\0"
    block[124:136] = raw_size if raw_size is not None else b"%011o\0" % size
    block[136:148] = b"%011o\0" % mtime
    block[148:156] = b" " * 8
    block[156:157] = type
    block[157:157 + len(link)] = link
    block[257:265] = magic
    for at, data in rest or ():
        block[at:at + len(data)] = data
    total = sum(block) if checksum is None else checksum
    block[148:156] = b"%06o\0 " % total
    return bytes(block)


def padded(data):
    return data + b"\0" * (-len(data) % 512)


def pax_block(records, type=b"x"):
    body = records if isinstance(records, bytes) else b"".join(
        pax_record(k, v) for k, v in records.items())
    return header(b"PaxHeaders/x", len(body), type) + padded(body)


END = b"\0" * 1024


def compress(data, how):
    if how == "gzip":
        return gzip.compress(data, 6, mtime=0)
    if how == "gzip-members":  # as eStargz: many members, the last one empty
        cut = [data[i:i + 70000] for i in range(0, len(data), 70000)] + [b""]
        return b"".join(gzip.compress(c, 1, mtime=0) for c in cut)
    if how == "zstd":
        return subprocess.run(["zstd", "-q", "-c", "-3"], input=data, stdout=subprocess.PIPE,
                              check=True).stdout
    if how == "zstd-frames":  # as zstd:chunked: several frames, skippable ones between and last
        skip = b"\x50\x2a\x4d\x18" + (8).to_bytes(4, "little") + b"skipped!"
        cut = [data[i:i + 90000] for i in range(0, len(data), 90000)] or [b""]
        return skip + b"".join(compress(c, "zstd") + skip for c in cut)
    return data


SUFFIX = {"gzip": "+gzip", "gzip-members": "+gzip", "zstd": "+zstd", "zstd-frames": "+zstd"}


class Layout:
    """An OCI layout in a folder."""

    def __init__(self, path, algorithm="sha256"):
        self.path, self.algorithm = path, algorithm
        os.makedirs(path + "/blobs/" + algorithm, exist_ok=True)
        with open(path + "/oci-layout", "w") as f:
            f.write('{"imageLayoutVersion":"1.0.0"}')
        self.entries = []

    def blob(self, data, media_type):
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        digest = sha(data, self.algorithm)
        with open(self.path + "/blobs/" + digest.replace(":", "/"), "wb") as f:
            f.write(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def image(self, layers, config=None, ref=None, docker=False, arch=ARCH, change_config=None,
              change_manifest=None, annotations=None, listed=True, say_platform=False):
        """layers: (tar bytes, compression) pairs. Returns the manifest's descriptor."""
        descriptors, diff_ids = [], []
        for tar, how in layers:
            media = LAYER + SUFFIX.get(how, "")
            if docker:
                media = "application/vnd.docker.image.rootfs.diff.tar" + \
                    SUFFIX.get(how, "").replace("+", ".")
            descriptors.append(self.blob(compress(tar, how), media))
            diff_ids.append(sha(tar, self.algorithm))
        document = {"created": "2026-01-02T03:04:05Z", "os": "linux", "architecture": arch,
                    "config": config or {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        if change_config:
            document = change_config(document) or document
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json" if docker
            else MANIFEST,
            "config": self.blob(document, "application/vnd.docker.container.image.v1+json"
                                if docker else CONFIG),
            "layers": descriptors}
        if change_manifest:
            manifest = change_manifest(manifest) or manifest
        d = self.blob(manifest, manifest.get("mediaType", MANIFEST) if isinstance(manifest, dict)
                      else MANIFEST)
        if say_platform:
            d["platform"] = {"os": "linux", "architecture": arch}
        if ref or annotations:
            d["annotations"] = dict(annotations or {})
            if ref:
                d["annotations"]["org.opencontainers.image.ref.name"] = ref
        if listed:
            self.entries.append(d)
        return d

    def write(self, index=None):
        document = index or {"schemaVersion": 2, "mediaType": INDEX, "manifests": self.entries}
        with open(self.path + "/index.json", "w") as f:
            json.dump(document, f)
        return self


def tar_layout(path, to, how="plain"):
    """The layout folder as one tar file, index last, as docker and skopeo write it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as t:
        t.add(path + "/blobs", "blobs")
        t.add(path + "/oci-layout", "oci-layout")
        t.add(path + "/index.json", "index.json")
    with open(to, "wb") as f:
        f.write(compress(buffer.getvalue(), how))
