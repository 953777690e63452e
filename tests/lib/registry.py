#!/usr/bin/env python3
"""registry.py LAYOUTS FOLDER [CERT KEY [CLIENTS]]: a registry that lies as its repositories' names say.

Serves /v2/TRICK/IMAGE/... from the OCI layouts LAYOUTS/IMAGE on loopback. FOLDER gets `ports` (http,
a second origin, https when CERT and KEY are given; CLIENTS is the authority of its clients) when it
listens, and `log`: a line per request.
"""
import base64
import hashlib
import http.server
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse

LAYOUTS, FOLDER = sys.argv[1:3]
INDEX = "application/vnd.oci.image.index.v1+json"
LOCK = threading.Lock()
SEEN = {}  # how often something was asked for
TOKENS = {}  # token -> uses left
PORTS = []
USER = "Basic " + base64.b64encode(b"user:pass word").decode()


def count(key):
    with LOCK:
        SEEN[key] = SEEN.get(key, 0) + 1
        return SEEN[key]


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits for an ACK of its headers

    def log_message(self, *args):
        pass

    def note(self):
        auth = self.headers.get("Authorization", "-").replace(" ", "_")
        known = isinstance(self.connection, ssl.SSLSocket) and self.connection.getpeercert()
        with LOCK, open(FOLDER + "/log", "a") as f:
            print(self.server.server_address[1], self.command, self.path, "auth=" + auth,
                  "range=" + self.headers.get("Range", "-"), "x=" + self.headers.get("X-Test", "-"),
                  "known" if known else "unknown",
                  file=f)

    def answer(self, status, body=b"", headers=(), length=None):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if length is None:
            length = len(body)
        if length >= 0:
            self.send_header("Content-Length", str(length))
        else:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(body)

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def reset(self):
        """RST, as a network that breaks."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
        raise ConnectionResetError

    def error(self, status, code, message, headers=()):
        self.answer(status, json.dumps({"errors": [{"code": code, "message": message}]}).encode(),
                    headers)

    def authorized(self, trick):
        auth = self.headers.get("Authorization", "")
        if trick.startswith("basic"):
            if auth == USER:
                return True
            self.error(401, "UNAUTHORIZED", "who?", [("WWW-Authenticate", 'Basic realm="r, \\"q\\""')])
            return False
        if trick.startswith("token"):
            token = auth.removeprefix("Bearer ")
            with LOCK:
                left = TOKENS.get(token, 0)
                TOKENS[token] = left - 1
            if left > 0:
                return True
            realm = "http://127.0.0.1:%d/%s" % (PORTS[0], trick)
            if trick == "token-file":
                realm = "file:///etc/passwd"
            if trick == "token-open":
                realm = "http://registry.test/token"
            self.error(401, "UNAUTHORIZED", "token?", [
                ("WWW-Authenticate", 'Basic realm="other"'),
                ("WWW-Authenticate", 'Bearer realm="%s",service="the registry",scope="x"' % realm)])
            return False
        return True

    def token(self):
        trick = self.path.split("?")[0].strip("/")
        if trick == "token-denied" or (trick == "token" and self.headers.get("Authorization") != USER):
            return self.error(401, "UNAUTHORIZED", "wrong password")
        if trick == "token-huge":
            return self.answer(200, b'{"token":"' + b"a" * (2 << 20) + b'"}')
        if trick == "token-newline":
            return self.answer(200, b'{"token":"a\\r\\nX-Test: injected"}')
        token = "t%d" % count("token")
        with LOCK:
            TOKENS[token] = 2  # a token that expires soon
        self.answer(200, json.dumps({"access_token": token}).encode())

    def oauth(self):
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with open(FOLDER + "/log", "a") as f:
            print("form", form, file=f)
        with LOCK:
            TOKENS["from-refresh"] = 99
        self.answer(200, b'{"access_token":"from-refresh"}')

    def do_HEAD(self):
        self.note()
        self.send_response(404)
        self.end_headers()

    def do_POST(self):
        self.note()
        if not self.path.startswith("/v2/"):
            return self.oauth()
        trick = self.path.split("/")[2]
        where = {"push-away": "http://localhost:%d/upload?state=x" % PORTS[1],
                 "push-file": "file:///etc/passwd", "push-none": "",
                 "push-open": "http://registry.test/upload"}.get(trick, "/v2/%s/u/upload" % trick)
        if self.authorized(trick if trick.startswith("token") else "basic"):
            self.answer(202, headers=[("Location", where)])

    def do_PUT(self):
        self.note()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        trick = self.path.split("/")[2] if self.path.startswith("/v2/") else ""
        if trick == "push-busy" and count(trick) < 3:
            return self.error(503, "UNAVAILABLE", "not now")
        if trick == "push-redirect":
            return self.answer(307, headers=[("Location", "http://localhost:%d/x" % PORTS[1])])
        if trick == "push-refused":
            return self.error(400, "DIGEST_INVALID", "not what it says")
        digest = sha(b"else" if trick == "push-lies" else body)
        self.answer(201, headers=[("Docker-Content-Digest", digest)])

    def do_GET(self):
        self.note()
        try:
            self.get()
        except (ConnectionError, ssl.SSLError, ValueError):
            self.close_connection = True

    def get(self):
        path = self.path.split("?")[0]
        if path.startswith("http://"):  # asked as a proxy
            path = "/" + path.split("/", 3)[3]
        bad = path.startswith("/mirror/")
        path = path.removeprefix("/mirror")
        parts = path.strip("/").split("/")
        if parts[0].startswith("token"):
            return self.token()
        if path == "/v2/":
            return self.authorized("basic") and self.answer(200, b"{}")
        if len(parts) != 5 or parts[0] != "v2":
            return self.error(404, "NAME_UNKNOWN", "no such thing")
        _, trick, image, kind, what = parts
        if not self.authorized(trick):
            return None
        if kind == "tags":
            return self.tags(trick)
        if kind == "referrers":
            return self.referrers(trick, what)
        if kind == "manifests" and what.startswith("sha256-"):
            return self.referrers("by-tag", what.replace("-", ":"))
        if kind == "manifests":
            return self.manifest(trick, LAYOUTS + "/" + image, what)
        return self.blob("flipped" if bad else trick, LAYOUTS + "/" + image, what)

    def tags(self, trick):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        tags = ["a1", "b2", "c3", "d4", "e5"]
        n, last = min(int(query.get("n", ["2"])[0]), 2), query.get("last", [""])[0]
        page = [t for t in tags if t > last][:n]
        link = '</v2/%s/x/tags/list?n=2&last=%s>; rel="next"' % (trick, page[-1] if page else "")
        if trick == "tags-loop":
            link = '<%s>; rel="next"' % self.path
        elif trick == "tags-endless":
            page, link = ["t%d" % count(trick)], '</v2/tags-endless/x/tags/list?%d>; rel="next"' % count("link")
        elif trick == "tags-file":
            link = '<file:///etc/passwd>; rel="next"'
        elif trick == "tags-away":
            link = '<http://localhost:%d/v2/good/x/tags/list?n=2&last=b2>; rel="next"' % PORTS[1]
        elif not page or page[-1] == tags[-1]:
            link = None
        if trick == "tags-bad":
            page, link = ["fine", "b\x1b[31md", "../up", 5, "x" * 200], None
        if trick == "tags-null":
            page, link = None, None
        if trick == "tags-text":
            page, link = "text", None
        self.answer(200, json.dumps({"name": "x", "tags": page}).encode(),
                    [("Content-Type", "application/json")] + ([("Link", link)] if link else []))

    def referrers(self, trick, what):
        if trick == "no-api":
            return self.error(404, "UNSUPPORTED", "no such API")
        layout = os.path.join(LAYOUTS, "artifact")
        with open(layout + "/referrers.json") as f:
            index = json.load(f)
        if what != index["subject"]:
            index["manifests"] = []
        if what != index.pop("subject") and trick == "by-tag":
            return self.error(404, "MANIFEST_UNKNOWN", "no such manifest")
        headers = [("Content-Type", INDEX)]
        if trick == "filters":
            index["manifests"] = index["manifests"][:1]
            headers.append(("OCI-Filters-Applied", "artifactType"))
        self.answer(200, json.dumps(index).encode(), headers)

    def manifest(self, trick, layout, what):
        with open(layout + "/index.json") as f:
            index = json.load(f)
        entry = index["manifests"][0]
        headers = []
        if what.startswith("sha"):
            try:
                with open(layout + "/blobs/" + what.replace(":", "/"), "rb") as f:
                    body = f.read()
            except OSError:
                return self.error(404, "MANIFEST_UNKNOWN", "no such manifest")
            entry = {"mediaType": json.loads(body).get("mediaType", "")}
        elif what == "absent":
            return self.error(404, "MANIFEST_UNKNOWN", "manifest \x1b[31munknown")
        elif what == "index":  # all of them, as a real index
            body = json.dumps(index).encode()
            entry = {"mediaType": index["mediaType"]}
        else:
            with open(layout + "/blobs/" + entry["digest"].replace(":", "/"), "rb") as f:
                body = f.read()
        media, digest = entry["mediaType"], sha(body)
        if trick == "busy" and count(self.path) < 3:
            return self.error(429, "TOOMANYREQUESTS", "slower", [("Retry-After", "0")])
        if trick == "later":
            return self.error(429, "TOOMANYREQUESTS", "slower", [("Retry-After", "9999")])
        if trick == "broken" and count(self.path) < 3:
            return self.error(503, "UNAVAILABLE", "not now")
        if trick == "down":
            return self.error(500, "UNKNOWN", "never")
        if trick == "header":
            digest = sha(b"else")
        if trick == "content":
            body = body.replace(b" ", b"  ", 1)
        if trick == "both":
            document = json.loads(body)
            document["manifests"] = []
            body = json.dumps(document).encode()
            digest = sha(body)
        if trick == "type":
            media = "application/vnd.oci.image.index.v1+json"
        if trick == "urls":
            body = body.replace(b"@HTTP@", b"%d" % PORTS[0]).replace(b"@AWAY@", b"%d" % PORTS[1])
            digest = sha(body)
        if trick == "warn":
            headers += [("Warning", '299 - "this tag \x1b[31mgoes away"'), ("Warning", '199 - "not this"')]
        if trick == "odd-type":
            media = "text/plain; charset=utf-8"
        if trick == "schema1":
            body, media = b'{"schemaVersion": 1, "fsLayers": []}', "application/json"
            digest = sha(body)
        if trick == "html":
            body, media, digest = b"<html>log in to the hotel's network</html>", "text/html", ""
        if trick == "big":
            return self.answer(200, b"", [("Content-Type", media)], length=5 << 20)
        if trick == "endless-manifest":
            self.answer(200, length=-1)
            while True:
                self.chunk(b" " * 65536)
        if trick == "headers":
            self.send_response(200)
            for i in range(20000):
                self.send_header("X-%d" % i, "y" * 100)
            return self.end_headers()
        if trick == "old-http":
            return self.wfile.write(body)
        if trick == "hang":
            return time.sleep(30)
        if trick == "drop":
            self.reset()
        if trick == "loop":
            return self.answer(302, headers=[("Location", self.path + "?x")])
        if trick == "to-file":
            return self.answer(302, headers=[("Location", "file:///etc/passwd")])
        if trick == "to-plain":
            return self.answer(302, headers=[("Location", "http://127.0.0.1:%d%s" % (
                PORTS[0], self.path))])
        if trick == "to-open":
            return self.answer(302, headers=[("Location", "http://registry.test" + self.path)])
        return self.answer(200, body, [("Content-Type", media), *headers] + (
            [("Docker-Content-Digest", digest)] if digest else []))

    def blob(self, trick, layout, what):
        try:
            with open(layout + "/blobs/" + what.replace(":", "/"), "rb") as f:
                body = f.read()
        except OSError:
            return self.error(404, "BLOB_UNKNOWN", "no such blob")
        small = len(body) < 2000 and trick != "wrong"  # a config
        size, start = len(body), 0
        given = self.headers.get("Range")
        if given and trick != "no-range":
            start = int(given.removeprefix("bytes=").split("-")[0])
        status, headers = 200, [("Content-Type", "application/octet-stream")]
        if start:
            status = 206
            told = start + 1 if trick == "wrong-range" else start
            headers.append(("Content-Range", "bytes %d-%d/%d" % (told, size - 1, size)))
        if trick in ("away", "basic-away", "token-away") and self.server.server_address[1] != PORTS[1]:
            return self.answer(307, headers=[("Location", "http://localhost:%d/v2/away/%s" % (
                PORTS[1], "/".join(self.path.split("/")[3:])))])
        if small:
            return self.answer(200, body, headers[:1])
        if trick == "wrong":
            body = body[:-1] + bytes([body[-1] ^ 1])
        if trick == "flipped":
            body = body[:-1] + bytes([body[-1] ^ 1])
        if trick == "slow-start":  # a part, and no more while the first one waits
            self.answer(status, body[start:start + 500000], headers, length=size - start)
            if count(self.path) == 1:
                time.sleep(30)
            return self.wfile.write(body[start + 500000:])
        if trick == "longer":
            return self.answer(200, body + b"more", headers)
        if trick == "shorter":
            return self.answer(200, body[:-10], headers)
        if trick == "chunked-longer":
            self.answer(200, length=-1)
            self.chunk(body)
            self.chunk(b"more" * 100000)
            return self.chunk(b"")
        if trick == "endless":
            self.answer(200, length=-1)
            while True:
                self.chunk(b"\x1f\x8b" + os.urandom(65534))
        if trick == "cut" and count(self.path) == 1:  # for the run after this one
            self.answer(200, body[:size // 2], headers, length=size)
            self.close_connection = True
            return None
        if trick == "slow":
            self.answer(status, b"", headers, length=size - start)
            for at in range(size):
                self.wfile.write(body[at:at + 1])
                time.sleep(0.2)
        if trick in ("flaky", "no-range", "wrong-range"):
            end = start + 1200000 * (1 if trick == "flaky" else count(self.path))
            if end < size:  # hangs up, as a proxy at its limit
                self.answer(status, body[start:end], headers, length=size - start)
                self.close_connection = True
                return None
        self.answer(status, body[start:], headers)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *args):
        pass


def main():
    servers = [Server(("127.0.0.1", 0), Handler) for _ in range(2 + (len(sys.argv) > 4))]
    if len(sys.argv) > 4:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[3], sys.argv[4])
        if len(sys.argv) > 5:  # whose clients' certificates are wanted
            context.load_verify_locations(sys.argv[5])
            context.verify_mode = ssl.CERT_OPTIONAL
        servers[2].socket = context.wrap_socket(servers[2].socket, server_side=True,
                                                do_handshake_on_connect=False)
    PORTS.extend(s.server_address[1] for s in servers)
    for s in servers[1:]:
        threading.Thread(target=s.serve_forever, daemon=True).start()
    with open(FOLDER + "/ports.new", "w") as f:
        f.write(" ".join(map(str, PORTS)) + "\n")
    os.rename(FOLDER + "/ports.new", FOLDER + "/ports")
    servers[0].serve_forever()


main()
