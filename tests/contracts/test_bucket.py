"""One suite over every kind of bucket: a folder and a real S3 server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.src.config.settings import BucketSettings, Secret
from backend.src.core.errors import Conflict, Invalid, StartFailed, Unavailable
from backend.src.infra.bucket import Bucket, BucketObjectMissing
from tests.servers.s3 import S3Server

MEGABYTE = 2**20


@pytest.fixture(params=["folder", "s3"])
async def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bucket]:
    chosen = BucketSettings() if request.param == "folder" else patient(request.getfixturevalue("s3_server"))
    made: Bucket = Bucket.build(chosen, tmp_path)
    await made.start()
    yield made
    await made.stop()


def patient(server: S3Server) -> BucketSettings:
    """An answer that a busy machine gives late is none that is missing."""
    return replace(server.settings(), timeout_s=60.0)


async def names(bucket: Bucket, prefix: str = "") -> list[str]:
    return [info.key for info in await bucket.keys(prefix)]


async def test_an_object_comes_back_as_it_went_in(bucket: Bucket) -> None:
    data = bytes(range(256)) * 10
    await bucket.put("snapshots/one.parquet", data, "application/vnd.apache.parquet")
    assert await bucket.get("snapshots/one.parquet") == data


async def test_an_empty_object_is_an_object(bucket: Bucket) -> None:
    await bucket.put("empty", b"")
    assert await bucket.get("empty") == b""
    assert await names(bucket) == ["empty"]


async def test_a_second_put_replaces_the_first(bucket: Bucket) -> None:
    await bucket.put("key", b"old and longer")
    await bucket.put("key", b"new")
    assert await bucket.get("key") == b"new"
    assert [info.size for info in await bucket.keys()] == [3]


async def test_a_missing_object_is_named(bucket: Bucket) -> None:
    with pytest.raises(BucketObjectMissing, match="snapshots/nowhere") as failure:
        await bucket.get("snapshots/nowhere")
    assert failure.value.key == "snapshots/nowhere"


async def test_deleting_is_final_and_can_be_repeated(bucket: Bucket) -> None:
    await bucket.put("a/key", b"x")
    await bucket.delete("a/key")
    await bucket.delete("a/key")
    await bucket.delete("a/never/there")
    assert await names(bucket) == []
    with pytest.raises(BucketObjectMissing):
        await bucket.get("a/key")


async def test_a_listing_tells_size_and_time(bucket: Bucket) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    await bucket.put("a/1", b"12345")
    (info,) = await bucket.keys()
    assert (info.key, info.size) == ("a/1", 5)
    assert before <= info.modified <= datetime.now(UTC) + timedelta(seconds=2)


async def test_a_prefix_need_not_end_at_a_slash(bucket: Bucket) -> None:
    for key in ("2026/01/a", "2026/01/b", "2026/02/a", "2027/a", "202"):
        await bucket.put(key, b"x")
    assert await names(bucket, "2026/") == ["2026/01/a", "2026/01/b", "2026/02/a"]
    assert await names(bucket, "2026/01/b") == ["2026/01/b"]
    assert await names(bucket, "2026/0") == ["2026/01/a", "2026/01/b", "2026/02/a"]
    assert await names(bucket, "nothing/") == []
    assert await names(bucket) == ["202", "2026/01/a", "2026/01/b", "2026/02/a", "2027/a"]


async def test_keys_may_be_in_any_script(bucket: Bucket) -> None:
    keys = ["Größe/µA ≤ 5.parquet", "電子/束.bin", "with space & more/+%41?#=.txt", "emoji/🔬"]
    for key in keys:
        await bucket.put(key, key.encode())
    assert await names(bucket) == sorted(keys)
    for key in keys:
        assert await bucket.get(key) == key.encode()


@pytest.mark.parametrize(
    "key",
    ["", "/", "../secret", "a/../b", "a/./b", "/etc/passwd", "a//b", "a/", ".incoming/x", "a\0b", "a\\b", "a\nb",
     "x" * 201, "\ud800", "/".join(["x" * 100] * 10)],
)  # fmt: skip
async def test_a_key_that_leaves_the_bucket_is_refused(bucket: Bucket, key: str) -> None:
    for refused in (bucket.put(key, b"x"), bucket.get(key), bucket.delete(key)):
        with pytest.raises(Invalid):
            await refused
    with pytest.raises(Invalid):
        bucket.url(key, 60)


@pytest.mark.parametrize("prefix", ["../", "a/../", "/", "a//", "."])
async def test_a_prefix_that_leaves_the_bucket_is_refused(bucket: Bucket, prefix: str) -> None:
    with pytest.raises(Invalid):
        await bucket.keys(prefix)


async def test_a_big_object_survives(bucket: Bucket) -> None:
    data = os.urandom(MEGABYTE) * 40
    await bucket.put("big", data)
    assert await bucket.get("big") == data


async def test_puts_at_once_do_not_disturb_each_other(bucket: Bucket) -> None:
    contents = {f"many/{number:03d}": os.urandom(1000) + bytes([number]) for number in range(100)}
    await asyncio.gather(*(bucket.put(key, data) for key, data in contents.items()))
    read = await asyncio.gather(*(bucket.get(key) for key in contents))
    assert dict(zip(contents, read, strict=True)) == contents


async def test_one_of_many_puts_of_a_key_wins_whole(bucket: Bucket) -> None:
    contents = [bytes([number]) * 100_000 for number in range(20)]
    done = await asyncio.gather(*(bucket.put("same", data) for data in contents), return_exceptions=True)
    # rclone answers 500 to whom it meets while it replaces the file, and may list what was replaced beside what
    # replaced it: to fail loudly is fine, a mixture is not
    assert {type(outcome) for outcome in done} <= {type(None), Unavailable} and None in done
    assert await bucket.get("same") in contents
    assert set(await names(bucket)) == {"same"}


async def test_a_reader_never_sees_half_an_object(bucket: Bucket) -> None:
    contents = [bytes([number]) * MEGABYTE for number in (1, 2)]
    await bucket.put("same", contents[0])
    # rclone answers 500 while it replaces a file: to fail loudly is fine, half an object is not
    may_fail = contextlib.suppress(Unavailable)

    async def keep_writing() -> None:
        for number in range(10):
            with may_fail:
                await bucket.put("same", contents[number % 2])

    writing = asyncio.ensure_future(keep_writing())
    while not writing.done():
        with may_fail:
            assert await bucket.get("same") in contents
    await writing


async def test_thousands_are_listed(bucket: Bucket) -> None:
    keys = [f"snapshots/{number % 10}/{number:05d}.parquet" for number in range(1_200)]
    await asyncio.gather(*(bucket.put(key, b"x") for key in keys))
    assert await names(bucket, "snapshots/") == sorted(keys)


async def test_a_second_start_finds_what_the_first_one_kept(bucket: Bucket) -> None:
    await bucket.put("kept", b"x")
    await bucket.stop()
    await bucket.stop()
    with pytest.raises(Unavailable):
        await bucket.get("kept")
    await bucket.start()
    await bucket.ping()
    assert await bucket.get("kept") == b"x"


async def test_it_can_be_stopped_without_a_start(tmp_path: Path) -> None:
    never: Bucket = Bucket.build(BucketSettings(), tmp_path)
    await never.stop()
    with pytest.raises(Unavailable):
        await never.ping()


async def test_a_url_fetches_the_object_where_there_is_one(bucket: Bucket) -> None:
    await bucket.put("a/µ key", b"content")
    url = bucket.url("a/µ key", 60)
    if url is not None:
        assert await asyncio.to_thread(lambda: urllib.request.urlopen(url).read()) == b"content"


@pytest.fixture(scope="module")
def s3_bucket_settings(s3_server: S3Server) -> BucketSettings:
    return patient(s3_server)


SEGMENT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\\x7f"), min_size=1, max_size=30
).filter(lambda segment: not segment.startswith("."))
OBJECTS = st.lists(
    st.tuples(st.lists(SEGMENT, min_size=1, max_size=3).map("/".join), st.binary(max_size=2000)), max_size=8
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(objects=OBJECTS)
@pytest.mark.parametrize("kind", ["folder", "s3"])
async def test_every_allowed_key_keeps_every_content(
    kind: str, s3_bucket_settings: BucketSettings, tmp_path: Path, objects: list[tuple[str, bytes]]
) -> None:
    bucket: Bucket = Bucket.build(BucketSettings() if kind == "folder" else s3_bucket_settings, tmp_path)
    await bucket.start()
    for key, data in objects:
        await bucket.put(key, data)
        assert await bucket.get(key) == data
        assert key in await names(bucket, key)
        await bucket.delete(key)
        assert await names(bucket) == []
    await bucket.stop()


async def test_a_key_through_another_object_is_a_conflict(tmp_path: Path) -> None:
    bucket: Bucket = Bucket.build(BucketSettings(), tmp_path)
    await bucket.start()
    await bucket.put("a/b", b"x")
    for key in ("a", "a/b/c"):
        with pytest.raises(Conflict):
            await bucket.put(key, b"y")
    assert await names(bucket) == ["a/b"]
    await bucket.stop()


async def test_puts_and_deletes_of_neighbours_do_not_meet(bucket: Bucket) -> None:
    """Deleting the last object of a folder must not pull it away from under the next one."""

    async def come_and_go(name: str) -> None:
        for _ in range(25):
            await bucket.put(f"a/b/{name}", name.encode())
            assert await bucket.get(f"a/b/{name}") == name.encode()
            await bucket.delete(f"a/b/{name}")

    stays = ["a/b/stays"] if bucket.url("a", 60) else []  # the tests' S3 server keeps folders, and pulls them away
    for key in stays:
        await bucket.put(key, b"here")
    await asyncio.gather(*(come_and_go(str(number)) for number in range(4)))
    assert await names(bucket) == stays


ENDLESS_PUTS = """
import asyncio, os, sys
from pathlib import Path
from backend.src.config.settings import BucketSettings, Secret
from backend.src.infra.bucket import Bucket

async def main():
    bucket = Bucket.build(BucketSettings(), Path(sys.argv[1]))
    await bucket.start()
    print("ready", flush=True)
    for number in range(1_000_000):
        await asyncio.gather(*(bucket.put(f"s/{number}-{n}", bytes([n]) * (8 * 2**20)) for n in range(4)))

asyncio.run(main())
"""


@pytest.mark.parametrize("after_s", [0.003, 0.02, 0.05, 0.11])
def test_a_put_that_is_killed_leaves_nothing_to_see(tmp_path: Path, after_s: float) -> None:
    with subprocess.Popen([sys.executable, "-c", ENDLESS_PUTS, str(tmp_path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline()
        time.sleep(after_s)
        writer.send_signal(signal.SIGKILL)
    asyncio.run(expect_whole_objects(tmp_path))


async def expect_whole_objects(data_dir: Path) -> None:
    bucket: Bucket = Bucket.build(BucketSettings(), data_dir)
    await bucket.start()
    for info in await bucket.keys():
        assert info.size == 8 * MEGABYTE
        assert len(set(await bucket.get(info.key))) == 1
    await bucket.stop()


# what a wrong configuration says


async def failure_of(wrong: BucketSettings, data_dir: Path) -> StartFailed:
    bucket: Bucket = Bucket.build(wrong, data_dir)
    try:
        with pytest.raises(StartFailed) as failure:
            await bucket.start()
    finally:
        await bucket.stop()
    return failure.value


def changed(server: S3Server, **wrong: object) -> BucketSettings:
    right = server.settings()
    fields = {name: getattr(right, name) for name in ("host", "port", "user", "password", "name", "timeout_s")}
    return BucketSettings(**{**fields, **wrong})


async def test_a_wrong_password_names_its_setting(s3_server: S3Server, tmp_path: Path) -> None:
    for wrong in ({"password": Secret("not this one")}, {"user": "nobody"}):
        failure = await failure_of(changed(s3_server, **wrong), tmp_path)
        assert "BUCKET_PASSWORD" in str(failure.remedy)
        assert "not this one" not in failure.message + str(failure.remedy)


async def test_a_server_that_is_not_there_names_its_settings(s3_server: S3Server, tmp_path: Path) -> None:
    started = time.monotonic()
    failure = await failure_of(changed(s3_server, port=1), tmp_path)
    assert "http://127.0.0.1:1 does not answer" in failure.message
    assert "BUCKET_HOST and BUCKET_PORT" in str(failure.remedy)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("host", ["not a host", "http://", "no.such.host.invalid"])
async def test_an_address_that_is_none_names_its_setting(s3_server: S3Server, tmp_path: Path, host: str) -> None:
    assert "BUCKET_HOST" in str((await failure_of(changed(s3_server, host=host), tmp_path)).remedy)


@pytest.mark.parametrize("name", ["", "no spaces", "a/b"])
async def test_a_bucket_name_that_is_none_names_its_setting(s3_server: S3Server, tmp_path: Path, name: str) -> None:
    assert "BUCKET_NAME" in str((await failure_of(changed(s3_server, name=name), tmp_path)).remedy)


async def test_something_else_at_the_port_is_no_s3_server(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as other:
        port = other.sockets[0].getsockname()[1]
        failure = await failure_of(BucketSettings(host="127.0.0.1", port=port, timeout_s=2), tmp_path)
    assert "BUCKET_HOST" in str(failure.remedy)


async def test_a_folder_that_cannot_be_made_names_its_setting(tmp_path: Path) -> None:
    (tmp_path / "archives").write_text("a file is in the way")
    assert "DATA_DIR" in str((await failure_of(BucketSettings(), tmp_path)).remedy)


async def test_a_server_that_dies_is_unavailable_and_is_found_again(tmp_path: Path) -> None:
    with S3Server() as server:
        bucket: Bucket = Bucket.build(server.settings(), tmp_path)
        await bucket.start()
        await bucket.put("kept", b"x")
        server.kill()
        for tried in (bucket.get("kept"), bucket.put("new", b"x"), bucket.keys(), bucket.ping(), bucket.delete("x")):
            with pytest.raises(Unavailable, match="does not answer"):
                await tried
        server.restart()
        assert await bucket.get("kept") == b"x"
        await bucket.ping()
        await bucket.stop()
