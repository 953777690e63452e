#!/usr/bin/env python3
"""registry-layouts.py DIR: the images that registry.py serves, each a layout in DIR/NAME.

everything, small, bulk, two: make-oci-image.py's; big: one layer of 3 MB; many: several platforms
(DIR/many.here is this machine's digest, DIR/many.platforms a line for each that is asked for).
DIR/htpasswd: a user of docker-registry's.
"""
import base64
import json
import os
import random
import runpy
import sys
import warnings

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, here)
from ociimage import ARCH, Layout, Tar  # noqa: E402

top = sys.argv[1]
for name, *more in (("everything",), ("small", "--small"), ("bulk", "--bulk"), ("two", "--two")):
    sys.argv = ["", top + "/" + name, *more]
    runpy.run_path(here + "/make-oci-image.py")
layout = Layout(top + "/big")
layout.image([(Tar().add("data", random.Random(1).randbytes(3 << 20)).bytes(), "gzip")], ref="big:1")
layout.write()

layout = Layout(top + "/artifact")  # of files, about the image "small"
blobs = []
for data, title in ((b'{"sbom": 1}', "sbom.json"), (b"evil", "../../evil"), (b"plain", None), (b"dot", ".bashrc")):
    blob = layout.blob(data, "application/x-strange")
    if title:
        blob["annotations"] = {"org.opencontainers.image.title": title}
    blobs.append(blob)
with open(top + "/small/index.json") as f:
    subject = json.load(f)["manifests"][0]
manifest = layout.blob({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                        "artifactType": "application/vnd.test.sbom", "layers": blobs, "subject": subject,
                        "config": layout.blob(b"{}", "application/vnd.oci.empty.v1+json")},
                       "application/vnd.oci.image.manifest.v1+json")
layout.entries = [dict(manifest, artifactType="application/vnd.test.sbom")]
layout.write()
with open(top + "/artifact/referrers.json", "w") as f:
    json.dump({"subject": subject["digest"], "schemaVersion": 2, "manifests": [
        dict(manifest, artifactType="application/vnd.test.sbom", annotations={"a": "b"}),
        dict(manifest, artifactType="application/vnd.test.\x1b[31msig", digest="sha256:" + "1" * 64),
        {"digest": "sha256:short"}, "text"]}, f)

# Layers that are not for distribution: of this one the registry has none.
layout = Layout(top + "/foreign")
tar = Tar().add("foreign", b"f" * 5000).bytes()
def elsewhere(m):
    m["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.nondistributable.v1.tar"
    m["layers"][0]["urls"] = ["file:///etc/passwd", "http://registry.test/x", "http://127.0.0.1:@HTTP@/nothing",
                              "http://localhost:@AWAY@/v2/good/foreign-blobs/blobs/" + m["layers"][0]["digest"]]
layout.image([(tar, "plain")], ref="foreign:1", change_manifest=elsewhere)
os.makedirs(top + "/foreign-blobs/blobs")
os.makedirs(top + "/foreign-blobs/blobs/sha256")
blob = json.loads(open(layout.path + "/blobs/sha256/" + layout.entries[0]["digest"][7:]).read())["layers"][0]["digest"][7:]
os.rename(layout.path + "/blobs/sha256/" + blob, top + "/foreign-blobs/blobs/sha256/" + blob)
layout.write()

# Configurations that come within the manifest alone: right, of wrong content, of wrong size.
for name, change in (("inline", bytes), ("inline-wrong", lambda data: data.replace(b"linux", b"linuy")),
                     ("inline-long", lambda data: data + b" ")):
    layout = Layout(top + "/" + name)
    def put_inline(m, layout=layout, change=change):
        path = layout.path + "/blobs/sha256/" + m["config"]["digest"][7:]
        with open(path, "rb") as f:
            m["config"]["data"] = base64.b64encode(change(f.read())).decode()
        os.unlink(path)
    layout.image([(Tar().add("inline", b"i").bytes(), "gzip")], ref=name + ":1", change_manifest=put_inline)
    layout.write()

layout = Layout(top + "/many")
tar = Tar().add("which", b"x").bytes()
digests = {}
for arch, variant in (("arm64", "v8"), ("arm", "v6"), ("arm", "v7"), (ARCH, ""), ("s390x", "")):
    def change(config, variant=variant):
        if variant and variant != "v6":  # as many do
            config["variant"] = variant
        config["author"] = arch + variant
    d = layout.image([(tar, "plain")], arch=arch, change_config=change, say_platform=True)
    if variant:
        d["platform"]["variant"] = variant
    digests[arch + variant] = d["digest"]
layout.entries.append({"mediaType": d["mediaType"], "digest": d["digest"], "size": d["size"],
                       "platform": {"os": "unknown", "architecture": "unknown"}})
layout.write()
with open(top + "/many.here", "w") as f:
    f.write(digests[ARCH] + "\n")
with open(top + "/many.platforms", "w") as f:
    for asked, which in (("linux/arm64", "arm64v8"), ("linux/aarch64/v8", "arm64v8"),
                         ("linux/arm/v6", "armv6"), ("linux/arm/v7", "armv7")):
        f.write(asked + " " + digests[which] + "\n")
warnings.simplefilter("ignore")
import crypt  # noqa: E402

with open(top + "/htpasswd", "w") as f:  # kist: s3cret; Go wants the newer prefix
    f.write("kist:" + crypt.crypt("s3cret", crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16))
            .replace("$2b$", "$2y$") + "\n")
