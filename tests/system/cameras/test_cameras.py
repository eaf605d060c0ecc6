"""A whole server and a real detector over PVAccess."""

from __future__ import annotations

import io
import itertools
import os
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image

from backend.src.infra.fffamily.tools import find_ffmpeg
from tests.servers.camera import Camera, frame_of
from tests.servers.larder import Larder
from tests.servers.soft_ioc import CLIENT_ENVIRONMENT

CONFIGURATION = """
[epics]
read_timeout_s = 3.0
[cameras]
silent_s = 3.0
live_clients = 2
[streaming]
send_timeout_s = 2.0
"""
ABSENT = "NO:SUCH:CAMERA"
SPOT: npt.NDArray[Any] = (np.outer(np.hanning(60), np.hanning(90)) * 4095).astype(np.uint16)
RAINBOW = np.random.default_rng(1).integers(0, 2**16, (40, 50, 3), np.uint16)


@pytest.fixture(scope="module")
def camera() -> Iterator[Camera]:
    with Camera() as made:
        made.send(SPOT)
        yield made


@pytest.fixture(scope="module")
def doomed() -> Iterator[Camera]:
    """One that a test unplugs: EPICS takes its time to find it again."""
    with Camera() as made:
        yield made


@pytest.fixture(scope="module")
def larder(camera: Camera, doomed: Camera, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Larder]:
    folder = tmp_path_factory.mktemp("larder")
    config = folder / "config.toml"
    config.write_text(CONFIGURATION)
    environment = {**CLIENT_ENVIRONMENT, "CAMERA_PVS": f"{camera.name}, {ABSENT}, {doomed.name}", "TMPDIR": str(folder)}
    with Larder(folder / "data", environment, config=config) as running:
        running.api.call("POST", "/v1/pvs", json={"setpointAddress": "LONE", "device": "D", "description": ""})
        await_both(running, camera, doomed)
        yield running


@pytest.fixture(scope="module")
def client(larder: Larder) -> Iterator[httpx.Client]:
    key = larder.key("read", "write", name="camera")
    with httpx.Client(base_url=larder.url, headers={"X-API-Key": key}, timeout=60) as made:
        yield made


def await_both(larder: Larder, *cameras: Camera) -> None:
    """The first look opens PVAccess and searches, which on a busy machine takes longer than a camera may."""
    names = {camera.name for camera in cameras}

    def seen(answer: dict[str, Any]) -> bool:
        return {one["pv"] for one in answer["cameras"] if one["width"]} == names

    larder.wait_for("/v1/cameras?look=true", seen, timeout_s=60.0)


def read(content: bytes) -> npt.NDArray[Any]:
    if content.startswith(b"II"):
        return np.asarray(tifffile.imread(io.BytesIO(content)))
    return np.asarray(Image.open(io.BytesIO(content)))


def wait_until(condition: Any, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def state_of(client: httpx.Client, name: str, *, look: bool = False) -> dict[str, Any]:
    answer = client.get("/v1/cameras", params={"look": look}).raise_for_status().json()
    return next(one for one in answer["cameras"] if one["pv"] == name)


def finished(larder: Larder, job_id: str) -> dict[str, Any]:
    ended: dict[str, Any] = larder.wait_for(
        f"/v1/jobs/{job_id}", lambda job: job["status"] not in ("pending", "running"), timeout_s=60
    )
    return ended


def ffmpegs(larder: Larder) -> list[int]:
    """Processes of ffmpeg that the server started, or left."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                line = (entry / "cmdline").read_bytes()
                tmp = (entry / "environ").read_bytes()
            except OSError:
                continue
            if b"rawvideo" in line and f"TMPDIR={larder.data_dir.parent}".encode() in tmp:
                found.append(int(entry.name))
    return found


def test_a_still_is_what_the_detector_sent(camera: Camera, client: httpx.Client) -> None:
    for pixels in (SPOT, RAINBOW, SPOT.astype(np.float32), SPOT[:20]):
        camera.send(pixels, Gain=2.5)
        wait_until(lambda shape=pixels.shape: read(still(client, camera)).shape == shape)
        found = read(still(client, camera))
        assert found.dtype == pixels.dtype and (found == pixels).all()
    jpeg = client.get(f"/v1/cameras/{camera.name}/still", params={"form": "jpeg", "width": 40}).raise_for_status()
    assert Image.open(io.BytesIO(jpeg.content)).size == (40, 9)
    assert abs(float(jpeg.headers["X-Timestamp"]) - time.time()) < 10


def still(client: httpx.Client, camera: Camera) -> bytes:
    return client.get(f"/v1/cameras/{camera.name}/still").raise_for_status().content


def test_the_list_says_how_each_is(camera: Camera, client: httpx.Client) -> None:
    camera.run(SPOT)
    state = state_of(client, camera.name, look=True)
    assert (state["state"], state["width"], state["height"]) == ("streaming", 90, 60)
    assert (state["pixelType"], state["colourMode"]) == ("uint16", "Mono")
    assert state_of(client, ABSENT, look=True)["state"] in ("connecting", "disconnected")
    packed = frame_of(SPOT, 1)
    packed["codec.name"] = "blosc"

    def refused() -> bool:
        camera.post(packed)  # again and again: to a server that was busy the next frame may replace it in the queue
        return bool(state_of(client, camera.name)["badFrames"] > state["badFrames"])

    with client.stream("GET", f"/v1/cameras/{camera.name}/live"):  # somebody looks: it is subscribed to
        wait_until(refused)
    camera.pause()
    assert "blosc" in state_of(client, camera.name)["lastBad"]
    clips = client.get("/v1/cameras").json()["clips"]
    assert clips["encoder"] and clips["ffmpeg"] and clips["trouble"] is None
    ffmpeg = client.get("/v1/health/dependencies").json()["dependencies"]["ffmpeg"]
    assert ffmpeg["state"] == "up" and not ffmpeg["needed"] and clips["ffmpeg"] in ffmpeg["detail"]


def test_a_camera_that_is_none_or_not_there(client: httpx.Client) -> None:
    for path in ("still", "live"):
        unknown = client.get(f"/v1/cameras/NOBODY/{path}")
        assert unknown.status_code == 404 and "CAMERA_PVS" in unknown.json()["remedy"]
        absent = client.get(f"/v1/cameras/{ABSENT}/{path}")
        assert absent.status_code == 503 and ABSENT in absent.json()["detail"]
    assert client.post("/v1/cameras/NOBODY/clip", json={"seconds": 1}).status_code == 404
    assert client.post(f"/v1/cameras/{ABSENT}/clip", json={"seconds": 1e6}).status_code == 422
    assert client.post(f"/v1/cameras/{ABSENT}/clip", json={"seconds": 3000}).status_code == 422


def parts(stream: httpx.Response) -> Iterator[tuple[str, bytes]]:
    """Content type and content of each part of a live view."""
    rest = b""
    for chunk in stream.iter_bytes():
        rest += chunk
        while (head_end := rest.find(b"\r\n\r\n")) >= 0:
            headers = dict(line.split(": ", 1) for line in rest[:head_end].decode().splitlines()[1:])
            end = head_end + 4 + int(headers["Content-Length"])
            if len(rest) < end + 2:
                break
            yield headers["Content-Type"], rest[head_end + 4 : end]
            rest = rest[end + 2 :]
    assert rest == b"--frame--\r\n", "the end is told"


def last_part(stream: httpx.Response, after_two: Callable[[], Any]) -> str:
    """The text with which a live view ends, once something has happened after its first two pictures."""
    kind, content = "", b""
    for number, (kind, content) in enumerate(parts(stream)):  # noqa: B007
        if number == 1:
            after_two()
    assert kind.startswith("text/plain"), kind
    return content.decode()


def test_a_live_view_keeps_its_rate_and_says_why_it_ends(camera: Camera, client: httpx.Client) -> None:
    camera.run(SPOT)
    came: list[float] = []
    with client.stream("GET", f"/v1/cameras/{camera.name}/live?rate=5&width=45") as stream:
        assert stream.headers["Content-Type"].startswith("multipart/x-mixed-replace")
        for kind, content in parts(stream):
            if kind != "image/jpeg":
                break
            came.append(time.monotonic())
            assert Image.open(io.BytesIO(content)).size == (45, 30)
            if len(came) == 15:
                camera.pause()
        assert "no new frame" in content.decode()
    # of the middle one: where somebody had to wait for the processor, one picture is late and others come at once
    rate = 1 / statistics.median(after - before for before, after in itertools.pairwise(came))
    assert 3 < rate < 6.5, rate


def test_many_look_slow_ones_harm_nobody_and_it_ends_with_the_last(
    camera: Camera, larder: Larder, client: httpx.Client
) -> None:
    camera.run(np.random.default_rng(2).integers(0, 255, (700, 900), np.uint8))
    url = f"/v1/cameras/{camera.name}/live"
    assert client.head(url).status_code == 200, "a look at the headers does not wait for the end of the film"
    with client.stream("GET", url) as slow, client.stream("GET", url) as quick:
        assert slow.status_code == 200
        refused = client.get(url)
        assert refused.status_code == 429 and "live views" in refused.json()["detail"]
        began = time.monotonic()
        assert [kind for kind, _ in itertools.islice(parts(quick), 10)] == ["image/jpeg"] * 10
        assert time.monotonic() - began < 30.0, "nobody waits for the one that does not read"
        quick.close()
        wait_until(lambda: state_of(client, camera.name)["looking"] == 0)
        assert "its client does not read" in larder.log
    wait_until(lambda: state_of(client, camera.name)["state"] == "idle")
    camera.pause()


def test_a_live_view_ends_with_the_right_to_look(camera: Camera, larder: Larder, client: httpx.Client) -> None:
    camera.run(SPOT)
    made = larder.api.call("POST", "/v1/api-keys", json={"appName": "short", "scopes": ["read"]})
    with client.stream("GET", f"/v1/cameras/{camera.name}/live", headers={"X-API-Key": made["token"]}) as stream:
        last = last_part(stream, lambda: larder.api.call("DELETE", f"/v1/api-keys/{made['id']}"))
    assert "key" in last, last
    camera.pause()


def test_a_clip_has_its_seconds_its_pictures_and_its_size(camera: Camera, larder: Larder, client: httpx.Client) -> None:
    camera.run(SPOT[:, :81])  # an odd width, which video does not have, and no room for the time
    wait_until(lambda: read(still(client, camera)).shape == (60, 81))
    begun = client.post(f"/v1/cameras/{camera.name}/clip", json={"seconds": 1.5, "rateHz": 20}).raise_for_status()
    job = finished(larder, begun.json()["jobId"])
    assert job["status"] == "completed", job
    url = f"/v1/cameras/{camera.name}/clips/{job['resultId']}"
    clip = client.get(url).raise_for_status()
    assert clip.headers["Content-Type"] == "video/mp4"
    first = decoded(clip.content, larder.data_dir.parent / "clip.mp4", (162, 120))
    assert len(first) == 30
    assert duration_s(clip.content) == pytest.approx(1.5, abs=0.01)
    assert first[:, :100].std() > 20, "the spot"
    assert (first[0, 105:] != first[-1, 105:]).any(), "the time that was burnt in went on"
    assert client.get(url, headers={"Range": "bytes=0-7"}).content == clip.content[:8]
    assert client.get(f"/v1/cameras/{ABSENT}/clips/{job['resultId']}").status_code == 404, "of another camera"
    camera.pause()


def decoded(content: bytes, path: Path, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """[picture, row, column] in grey, by a decoder that knows nothing of how it was made."""
    path.write_bytes(content)
    program, _ = find_ffmpeg("")
    command: list[str | Path] = [program, "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    raw = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    path.unlink()
    return np.frombuffer(raw, np.uint8).reshape(-1, size[1], size[0])


def duration_s(content: bytes) -> float:
    """As the header of the film says (ISO/IEC 14496-12, mvhd version 0: time scale and duration)."""
    at = content.index(b"mvhd") + 16
    scale, duration = np.frombuffer(content[at : at + 8], ">u4").tolist()
    return float(duration / scale)


def test_an_aborted_clip_leaves_no_process_and_no_file(camera: Camera, larder: Larder, client: httpx.Client) -> None:
    camera.run(SPOT)
    job_id = client.post(f"/v1/cameras/{camera.name}/clip", json={"seconds": 60}).raise_for_status().json()["jobId"]
    wait_until(lambda: client.get(f"/v1/jobs/{job_id}").json()["progress"] > 0)
    assert ffmpegs(larder)
    client.post(f"/v1/jobs/{job_id}/abort").raise_for_status()
    job = finished(larder, job_id)
    assert job["status"] == "aborted" and "of 60 s" in job["message"]
    assert not ffmpegs(larder)
    assert not list(larder.data_dir.parent.glob("larder-clip*"))
    camera.pause()


def test_a_camera_that_stops_ends_the_clip(camera: Camera, larder: Larder, client: httpx.Client) -> None:
    camera.run(SPOT)
    job_id = client.post(f"/v1/cameras/{camera.name}/clip", json={"seconds": 60}).raise_for_status().json()["jobId"]
    wait_until(lambda: client.get(f"/v1/jobs/{job_id}").json()["progress"] > 0)
    camera.pause()
    job = finished(larder, job_id)
    assert job["status"] == "failed" and "no new frame" in job["error"]
    assert not ffmpegs(larder)
    wait_until(lambda: state_of(client, camera.name)["state"] == "idle")
    assert state_of(client, camera.name, look=True)["state"] == "silent", "its last frame is no sign of life"
    job_id = client.post(f"/v1/cameras/{camera.name}/clip", json={"seconds": 1}).raise_for_status().json()["jobId"]
    assert "no new frame" in finished(larder, job_id)["error"]


def test_a_snapshot_keeps_what_the_cameras_showed(camera: Camera, larder: Larder, client: httpx.Client) -> None:
    camera.send(RAINBOW, Gain=2.5)
    wait_until(lambda: read(still(client, camera)).shape == RAINBOW.shape)
    body = {"title": "with cameras", "cameras": [camera.name, f"pva://{ABSENT}"]}
    job = client.post("/v1/snapshots", json=body).raise_for_status().json()
    snapshot_id = finished(larder, job["jobId"])["resultId"]
    url = f"/v1/snapshots/{snapshot_id}"
    listed = client.get(url).raise_for_status().json()["cameras"]
    assert [(one["pv"], one["error"] is None) for one in listed] == [(camera.name, True), (ABSENT, False)]
    taken, absent = client.get(f"{url}/cameras").raise_for_status().json()
    assert (taken["width"], taken["height"], taken["pixelType"], taken["colourMode"]) == (50, 40, "uint16", "RGB1")
    assert taken["attributes"]["Gain"] == 2.5 and "does not answer" in absent["error"]
    found = client.get(f"{url}/cameras/{camera.name}/still").raise_for_status()
    assert found.headers["Content-Type"] == "image/tiff" and (read(found.content) == RAINBOW).all()
    preview = client.get(f"{url}/cameras/{camera.name}/preview").raise_for_status()
    assert Image.open(io.BytesIO(preview.content)).size == (50, 40)
    again = client.get(f"{url}/cameras/{camera.name}/still", headers={"If-None-Match": found.headers["ETag"]})
    assert again.status_code == 304
    missing = client.get(f"{url}/cameras/{ABSENT}/still")
    assert missing.status_code == 404 and "does not answer" in missing.json()["detail"]
    folder = larder.data_dir / "archives" / "snapshots" / snapshot_id
    assert sorted(path.name for path in folder.iterdir()) == ["0-preview.jpeg", "0-still.tiff", "cameras.json"]
    (folder / "0-preview.jpeg").write_bytes(b"something else")
    assert client.get(f"{url}/cameras/{camera.name}/preview").status_code == 503
    client.delete(url).raise_for_status()
    assert not folder.exists()


def test_a_snapshot_with_a_camera_that_nobody_knows_is_refused(client: httpx.Client) -> None:
    refused = client.post("/v1/snapshots", json={"title": "no", "cameras": ["NOBODY"]})
    assert refused.status_code == 422 and "NOBODY" in refused.json()["detail"]
    plain = client.post("/v1/snapshots?async=false", json={"title": "plain"}).raise_for_status().json()
    assert plain["cameras"] == [] and client.get(f"/v1/snapshots/{plain['id']}/cameras").json() == []


def test_a_camera_that_is_unplugged_ends_its_live_view(doomed: Camera, client: httpx.Client) -> None:
    doomed.run(SPOT)
    with client.stream("GET", f"/v1/cameras/{doomed.name}/live") as stream:
        assert "went away" in last_part(stream, doomed.unplug)
    assert client.get(f"/v1/cameras/{doomed.name}/still").status_code == 503, "never the last picture as if it were new"
    doomed.pause()


def test_a_stop_ends_live_views_at_once_and_a_kill_leaves_nothing(
    camera: Camera, larder: Larder, client: httpx.Client
) -> None:
    """The last test: it stops the server."""
    camera.run(SPOT)
    live = f"/v1/cameras/{camera.name}/live"
    with client.stream("GET", live) as stream, client.stream("GET", f"{live}?rate=0.1") as resting:
        assert last_part(stream, lambda: os.kill(larder.pid, signal.SIGTERM)) == "the server stops"
        assert list(parts(resting))[-1] == ("text/plain; charset=utf-8", b"the server stops")
    assert larder.ended() == 0
    assert "Traceback" not in larder.log and "never awaited" not in larder.log
    larder.start()
    with httpx.Client(base_url=larder.url, headers=client.headers, timeout=60) as anew:
        job_id = anew.post(f"/v1/cameras/{camera.name}/clip", json={"seconds": 60}).raise_for_status().json()["jobId"]
        wait_until(lambda: anew.get(f"/v1/jobs/{job_id}").json()["progress"] > 0)
    assert ffmpegs(larder)
    larder.kill()
    wait_until(lambda: not ffmpegs(larder))
    assert not list(larder.data_dir.parent.glob("larder-clip*"))
    assert not list((larder.data_dir / "archives" / "clips").glob(f"*{job_id}*"))
