"""A bucket on this machine: S3's ListObjectsV2, GetObject, PutObject (also in parts) and DeleteObject, for signed requests.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

import pytest

from core import buckets

ACCESS_KEY = "AKIATESTTESTTESTTEST"
PAGE = 3
_KEY = re.compile(r"<Key>(.*?)</Key>")
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
    put: list[str] = field(default_factory=list)
    """Keys of objects that were written."""
    parts: dict[str, dict[int, bytes]] = field(default_factory=dict)
    """Of uploads that are not complete, by key."""

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }

    def answer(
        self, target: str, authorization: str, method: str = "GET", body: bytes = b""
    ) -> tuple[int, bytes, dict[str, str]]:
        parts = urlsplit(target)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        if refused := self._refused(bucket, authorization):
            return refused
        if method != "GET":
            return self._change(method, key, query, body)
        if query.get("list-type") == "2":
            self.listings += 1
            return 200, self._listing(query).encode(), {"Content-Type": "application/xml"}
        if key not in self.objects:
            return _error(404, "NoSuchKey")
        self.got.append(key)
        body = self.objects[key]
        return 200, body, {"ETag": _etag(body), "Last-Modified": "Fri, 02 Jan 2026 03:04:05 GMT"}

    def _refused(self, bucket: str, authorization: str) -> tuple[int, bytes, dict[str, str]] | None:
        if self.refuse:
            return _error(self.refuse, "ServiceUnavailable")
        if not authorization.startswith(f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/"):
            return _error(403, "AccessDenied")
        return _error(404, "NoSuchBucket") if bucket != self.bucket else None

    def _change(self, method: str, key: str, query: dict[str, str], body: bytes) -> tuple[int, bytes, dict[str, str]]:
        xml = {"Content-Type": "application/xml"}
        match method:
            case "DELETE":
                self.objects.pop(key, None)
                self.parts.pop(key, None)
                return 204, b"", {}
            case "PUT":
                if "partNumber" in query:
                    self.parts[key][int(query["partNumber"])] = body
                else:
                    self._store(key, body)
                return 200, b"", {"ETag": _etag(body)}
            case "POST" if "delete" in query:
                gone = [unescape(found) for found in _KEY.findall(body.decode())]
                for each in gone:
                    self.objects.pop(each, None)
                said = "".join(f"<Deleted><Key>{escape(each)}</Key></Deleted>" for each in gone)
                return 200, f"<DeleteResult>{said}</DeleteResult>".encode(), xml
            case "POST" if "uploads" in query:
                self.parts[key] = {}
                said = f"<Bucket>{self.bucket}</Bucket><Key>{escape(key)}</Key><UploadId>1</UploadId>"
                said = f"<InitiateMultipartUploadResult>{said}</InitiateMultipartUploadResult>"
                return 200, said.encode(), xml
            case "POST" if "uploadId" in query:
                whole = b"".join(data for _, data in sorted(self.parts.pop(key).items()))
                self._store(key, whole)
                said = f"<Key>{escape(key)}</Key><ETag>{escape(_etag(whole))}</ETag>"
                return 200, f"<CompleteMultipartUploadResult>{said}</CompleteMultipartUploadResult>".encode(), xml
        return _error(405, "MethodNotAllowed")

    def _store(self, key: str, body: bytes) -> None:
        self.put.append(key)
        self.objects[key] = body

    def _listing(self, query: dict[str, str]) -> str:
        keys = sorted(key for key in self.objects if key.startswith(query.get("prefix", "")))
        folders: set[str] = set()
        if mark := query.get("delimiter"):
            begin = len(query.get("prefix", ""))
            folders = {key[: key.index(mark, begin) + 1] for key in keys if mark in key[begin:]}
            keys = [key for key in keys if mark not in key[begin:]]
        keys = [key for key in keys if key > query.get("continuation-token", "")]
        page, more = keys[:PAGE], len(keys) > PAGE
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{CHANGED}</LastModified>"
            f"<ETag>{escape(_etag(self.objects[key]))}</ETag><Size>{len(self.objects[key])}</Size></Contents>"
            for key in page
        )
        contents += "".join(
            f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in sorted(folders)
        )
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{self.bucket}</Name><KeyCount>{len(page)}</KeyCount><MaxKeys>{PAGE}</MaxKeys>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{contents}</ListBucketResult>"
        )


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3]:
    """The bucket `vault`, empty, which this process reaches by its environment and asks once."""
    monkeypatch.setattr(buckets, "RETRIES", 0)
    with serve_s3("vault") as fake:
        for name, value in fake.environment.items():
            monkeypatch.setenv(name, value)
        yield fake


@contextmanager
def serve_s3(bucket: str) -> Iterator[FakeS3]:
    """A bucket until the end of the block."""
    fake = FakeS3(bucket)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            given = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            said = self.headers.get("Authorization", "")
            status, body, headers = fake.answer(self.path, said, self.command, given)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 - the names that the standard library looks for

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
