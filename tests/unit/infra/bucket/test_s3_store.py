"""What can be known of S3 without a server."""

from __future__ import annotations

import subprocess
import sys

import pytest

from backend.src.config.settings import BucketSettings
from backend.src.core.errors import Unavailable
from backend.src.infra.bucket.s3_store import S3Store, endpoint


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("minio", "http://minio:9000"),
        ("10.0.0.1", "http://10.0.0.1:9000"),
        ("https://s3.example.org", "https://s3.example.org:9000"),
        ("https://s3.example.org:8443", "https://s3.example.org:8443"),
        ("http://minio/", "http://minio:9000"),
    ],
)
def test_the_host_may_bring_its_scheme_and_port(host: str, url: str) -> None:
    assert endpoint(BucketSettings(host=host)) == url


def test_a_store_that_is_not_open_says_so() -> None:
    with pytest.raises(Unavailable):
        S3Store(BucketSettings(host="minio")).get("key")


def test_archives_in_a_folder_do_not_wait_for_boto3() -> None:
    code = "import sys, backend.src.infra.bucket; sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
