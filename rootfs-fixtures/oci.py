"""Writes OCI image layouts, the same bytes for the same input: fixed times, sorted names.

A Layer is a tar under construction; write_image() compresses the layers, names
every blob by its digest and writes the layout, as a folder and as its tar.
"""
import gzip
import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import tarfile

MTIME = 1577836800  # 2020-01-01
CREATED = "2020-01-01T00:00:00Z"
MEDIA = "application/vnd.oci.image."


class Layer:
    """Entries in the order they're added; names are relative to the root, without "./"."""

    def __init__(self, compression, comment):
        self.compression, self.comment = compression, comment
        self.data = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.data, mode="w", format=tarfile.PAX_FORMAT)

    def add(self, name, kind=tarfile.REGTYPE, data=b"", mode=0o644, owner=(0, 0), link="",
            xattrs=None):
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.mtime, info.linkname = kind, mode, MTIME, link
        info.uid, info.gid = owner
        info.size = len(data) if kind == tarfile.REGTYPE else 0
        info.pax_headers = {"SCHILY.xattr." + key: value for key, value in (xattrs or {}).items()}
        self.tar.addfile(info, io.BytesIO(data))

    def folder(self, name, mode=0o755, **more):
        self.add(name, tarfile.DIRTYPE, mode=mode, **more)

    def symlink(self, name, target):
        self.add(name, tarfile.SYMTYPE, link=target, mode=0o777)

    def hardlink(self, name, target, mode=0o644, owner=(0, 0)):
        """With the file's mode and owner, as tar writes them: containerd sets them once more."""
        self.add(name, tarfile.LNKTYPE, link=target, mode=mode, owner=owner)

    def whiteout(self, name):
        folder, base = os.path.split(name)
        self.add(os.path.join(folder, ".wh." + base))

    def opaque(self, folder):
        self.add(os.path.join(folder, ".wh..wh..opq"))

    def tree(self, top):
        """All of a folder: its files, links, owners and modes; device nodes and sockets are left."""
        seen = {}
        for path, folders, files in os.walk(top):
            folders.sort()
            for name in sorted(files) + folders:
                full = os.path.join(path, name)
                status, inside = os.lstat(full), os.path.relpath(full, top)
                owner, mode = (status.st_uid, status.st_gid), stat.S_IMODE(status.st_mode)
                if stat.S_ISDIR(status.st_mode):
                    self.folder(inside, mode, owner=owner)
                elif stat.S_ISLNK(status.st_mode):
                    self.symlink(inside, os.readlink(full))
                elif stat.S_ISREG(status.st_mode):
                    first = seen.setdefault(status.st_ino, inside)
                    if first != inside:
                        self.hardlink(inside, first, mode, owner)
                        continue
                    with open(full, "rb") as file:
                        self.add(inside, data=file.read(), mode=mode, owner=owner)

    def finish(self):
        self.tar.close()
        return self.data.getvalue()


def compress(data, how):
    if how == "gzip":
        return gzip.compress(data, mtime=0), "+gzip"
    if how == "zstd":
        done = subprocess.run(["zstd", "-q", "-c", "-3"], input=data, stdout=subprocess.PIPE,
                              check=True)
        return done.stdout, "+zstd"
    return data, ""


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def write_image(out, ref, config, layers, tar=None):
    """Makes the layout folder `out` afresh; `config` is the image config's own "config"."""
    shutil.rmtree(out, ignore_errors=True)
    blobs = os.path.join(out, "blobs", "sha256")
    os.makedirs(blobs)

    def write_json(name, value):
        with open(os.path.join(out, name), "w", encoding="utf-8") as file:
            json.dump(value, file, sort_keys=True)

    def blob(media, data):
        name = digest(data)
        with open(os.path.join(blobs, name.split(":")[1]), "wb") as file:
            file.write(data)
        return {"mediaType": media, "digest": name, "size": len(data)}

    descriptors, diff_ids, history = [], [], []
    for layer in layers:
        plain = layer.finish()
        packed, suffix = compress(plain, layer.compression)
        descriptors.append(blob(MEDIA + "layer.v1.tar" + suffix, packed))
        diff_ids.append(digest(plain))
        history.append({"created": CREATED, "created_by": layer.comment})
    image = {"architecture": "amd64", "os": "linux", "created": CREATED, "config": config,
             "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": history}
    manifest = {"schemaVersion": 2, "mediaType": MEDIA + "manifest.v1+json",
                "config": blob(MEDIA + "config.v1+json", json.dumps(image).encode()),
                "layers": descriptors}
    descriptor = blob(manifest["mediaType"], json.dumps(manifest).encode())
    descriptor["annotations"] = {"org.opencontainers.image.ref.name": ref}
    descriptor["platform"] = {"architecture": "amd64", "os": "linux"}
    write_json("oci-layout", {"imageLayoutVersion": "1.0.0"})
    write_json("index.json", {"schemaVersion": 2, "mediaType": MEDIA + "index.v1+json",
                              "manifests": [descriptor]})
    if tar:
        archive = Layer("", "")
        archive.tree(out)
        with open(tar, "wb") as file:
            file.write(archive.finish())
    print(descriptor["digest"])
