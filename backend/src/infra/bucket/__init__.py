"""Snapshot archives: a folder when embedded, any S3 server otherwise."""

from backend.src.infra.bucket.bucket import Bucket
from backend.src.infra.bucket.store import BucketObjectMissing, ObjectInfo

__all__ = ["Bucket", "BucketObjectMissing", "ObjectInfo"]
