"""Objects in a bucket of any S3 server, through boto3."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    ParamValidationError,
)

from backend.src.config.settings import BucketSettings
from backend.src.core.errors import Unavailable
from backend.src.infra.bucket.store import BucketObjectMissing, ObjectInfo

if TYPE_CHECKING:  # the stubs are not installed where Larder runs
    from mypy_boto3_s3.client import S3Client

REGION = "us-east-1"  # MinIO and its kin take any; AWS redirects
_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
_NO_BUCKET = frozenset({"NoSuchBucket"})
_REFUSED = frozenset(
    {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthorizationHeaderMalformed", "403", "Forbidden"}
)
_OURS_ALREADY = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})


class S3Store:
    """One bucket. The client is made by `open`, because that alone takes 0.2 s."""

    def __init__(self, settings: BucketSettings) -> None:
        self._settings = settings
        self._name = settings.name
        self._endpoint = endpoint(settings)
        self._made: S3Client | None = None

    def open(self) -> None:
        """Connects, and makes the bucket when it is not there yet."""
        self._made = self._connect()
        with self._translated():
            try:
                self._client.list_objects_v2(Bucket=self._name, MaxKeys=1)
            except ClientError as exc:
                if _code(exc) not in _NO_BUCKET | _MISSING:
                    raise
                self._create()

    def close(self) -> None:
        """Closes the connections."""
        if self._made is not None:
            self._made.close()
            self._made = None

    def ping(self) -> None:
        """Raises Unavailable when the server or the bucket is away."""
        with self._translated():
            self._client.list_objects_v2(Bucket=self._name, MaxKeys=1)

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """One request, whatever the size: S3 shows the object when all of it has arrived."""
        with self._translated():
            self._client.put_object(Bucket=self._name, Key=key, Body=data, ContentType=content_type)

    def get(self, key: str) -> bytes:
        """Raises BucketObjectMissing."""
        with self._translated(key):
            return self._client.get_object(Bucket=self._name, Key=key)["Body"].read()

    def delete(self, key: str) -> None:
        """S3 itself does not mind when it is not there."""
        with self._translated(), contextlib.suppress(self._client.exceptions.NoSuchKey):
            self._client.delete_object(Bucket=self._name, Key=key)

    def keys(self, prefix: str) -> list[ObjectInfo]:
        """A request for every thousand."""
        with self._translated():
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=prefix)
            found = [
                ObjectInfo(entry["Key"], entry["Size"], entry["LastModified"])
                for page in pages
                for entry in page.get("Contents", ())
            ]
        return sorted(found, key=lambda info: info.key)

    def url(self, key: str, expires_s: int) -> str | None:
        """A presigned address; made here, without asking the server."""
        parameters = {"Bucket": self._name, "Key": key}
        return self._client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=expires_s)

    @property
    def _client(self) -> S3Client:
        if self._made is None:
            raise Unavailable("the S3 store is not open")
        return self._made

    def _connect(self) -> S3Client:
        settings = self._settings
        try:
            return Session().client(
                "s3",
                endpoint_url=self._endpoint,
                aws_access_key_id=settings.user,
                aws_secret_access_key=settings.password.reveal(),
                region_name=REGION,
                config=_config(settings),
            )
        except (ValueError, BotoCoreError) as exc:
            raise Unavailable(
                f"{self._endpoint} is no address of an S3 server", remedy="check BUCKET_HOST and BUCKET_PORT"
            ) from exc

    def _create(self) -> None:
        try:
            self._client.create_bucket(Bucket=self._name)
        except ClientError as exc:
            if _code(exc) not in _OURS_ALREADY:  # another process was quicker
                raise

    @contextlib.contextmanager
    def _translated(self, key: str | None = None) -> Iterator[None]:
        try:
            yield
        except ClientError as exc:
            raise self._refusal(exc, key) from exc
        except ParamValidationError as exc:
            raise Unavailable(f"the S3 bucket cannot be called {self._name!r}", remedy="check BUCKET_NAME") from exc
        except (ConnectionError, HTTPClientError) as exc:
            raise Unavailable(
                f"the S3 server {self._endpoint} does not answer ({type(exc).__name__})",
                remedy="start it, or check BUCKET_HOST and BUCKET_PORT",
            ) from exc
        except BotoCoreError as exc:
            raise Unavailable(f"the S3 server {self._endpoint} answered with nonsense: {exc}") from exc

    def _refusal(self, exc: ClientError, key: str | None) -> BucketObjectMissing | Unavailable:
        code = _code(exc)
        if code in _MISSING and key is not None:
            return BucketObjectMissing(key)
        if code in _NO_BUCKET:
            return Unavailable(f"the S3 server has no bucket {self._name!r}", remedy="check BUCKET_NAME")
        if code in _REFUSED:
            return Unavailable(
                f"the S3 server {self._endpoint} refuses user {self._settings.user!r} ({code})",
                remedy="check BUCKET_USER, BUCKET_PASSWORD and what that user may do with BUCKET_NAME",
            )
        return Unavailable(
            f"the S3 server {self._endpoint} failed ({code})",
            remedy="read its log, or check that BUCKET_HOST and BUCKET_PORT name an S3 server",
        )


def endpoint(settings: BucketSettings) -> str:
    """The server's URL; BUCKET_HOST may bring its own scheme and then its own port."""
    scheme, separator, host = settings.host.rpartition("://")
    named_port = separator and ":" in host
    return f"{scheme or 'http'}://{host.rstrip('/')}" + ("" if named_port else f":{settings.port}")


def _config(settings: BucketSettings) -> Config:
    return Config(
        signature_version="s3v4",
        # signing the content makes the server refuse an object that was damaged on its way
        s3={"addressing_style": "path", "payload_signing_enabled": True},
        connect_timeout=settings.timeout_s,
        read_timeout=settings.timeout_s,
        retries={"mode": "standard", "total_max_attempts": 2},
        max_pool_connections=settings.threads,
        # newer checksums are unknown to many S3 servers
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )


def _code(exc: ClientError) -> str:
    return str(exc.response.get("Error", {}).get("Code", "unknown"))
