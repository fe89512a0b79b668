"""A bucket on this machine: S3's ListObjectsV2 and GetObject, paged and for signed requests only.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

ACCESS_KEY = "AKIATESTTESTTESTTEST"
PAGE = 3
CHANGED = "2026-01-02T03:04:05.000Z"


@dataclass(slots=True)
class FakeS3:
    """`objects` by key. `refuse`: the status that everything is answered with instead."""

    bucket: str
    port: int = 0
    objects: dict[str, bytes] = field(default_factory=dict)
    refuse: int = 0
    got: list[str] = field(default_factory=list)
    """Keys of objects that were fetched."""
    listings: int = 0

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }

    def answer(self, target: str, authorization: str) -> tuple[int, bytes, dict[str, str]]:
        parts = urlsplit(target)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if self.refuse:
            return _error(self.refuse, "ServiceUnavailable")
        if not authorization.startswith(f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/"):
            return _error(403, "AccessDenied")
        if bucket != self.bucket:
            return _error(404, "NoSuchBucket")
        if query.get("list-type") == "2":
            self.listings += 1
            return 200, self._listing(query).encode(), {"Content-Type": "application/xml"}
        if key not in self.objects:
            return _error(404, "NoSuchKey")
        self.got.append(key)
        body = self.objects[key]
        return 200, body, {"ETag": _etag(body), "Last-Modified": "Fri, 02 Jan 2026 03:04:05 GMT"}

    def _listing(self, query: dict[str, str]) -> str:
        keys = sorted(key for key in self.objects if key.startswith(query.get("prefix", "")))
        keys = [key for key in keys if key > query.get("continuation-token", "")]
        page, more = keys[:PAGE], len(keys) > PAGE
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{CHANGED}</LastModified>"
            f"<ETag>{escape(_etag(self.objects[key]))}</ETag><Size>{len(self.objects[key])}</Size></Contents>"
            for key in page
        )
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{self.bucket}</Name><KeyCount>{len(page)}</KeyCount><MaxKeys>{PAGE}</MaxKeys>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{contents}</ListBucketResult>"
        )


@contextmanager
def serve_s3(bucket: str) -> Iterator[FakeS3]:
    """A bucket until the end of the block."""
    fake = FakeS3(bucket)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body, headers = fake.answer(self.path, self.headers.get("Authorization", ""))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


def _error(status: int, code: str) -> tuple[int, bytes, dict[str, str]]:
    return status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode(), {}
