"""One server for all tests of the contract."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.servers.larder import Larder
from tests.servers.soft_ioc import SoftIoc
from tests.system.contract.site import RECORDS, Site, take_snapshot

# quick for what does not answer; a machine that stalls for a moment makes nothing absent and nothing stale
CONFIGURATION = """
[epics]
read_timeout_s = 2.0
write_timeout_s = 4.0
[monitor]
stale_after_s = 30.0
[streaming]
heartbeat_s = 0.3
"""
SCOPES = ("read", "write", "restore", "admin")


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("contract")
    (folder / "config.toml").write_text(CONFIGURATION)
    with (
        SoftIoc.types() as ioc,
        Larder(folder / "data", ioc.environment, config=folder / "config.toml") as larder,
        httpx.Client(base_url=larder.url, headers={"X-API-Key": larder.key(*SCOPES)}, timeout=60) as client,
    ):
        made = Site(larder, client, {"prefix": ioc.prefix})
        _populate(made)
        yield made


def _populate(site: Site) -> None:
    group = site.ask("POST", "/v1/tags", json={"name": "Area", "description": "where"})
    tag = site.ask("POST", f"/v1/tags/{group['id']}/tags", json={"name": "Ring"})["group"]["tags"][0]
    new = [{"setpointAddress": site.pv(name), "device": "D1", "tags": [tag["id"]]} for name in RECORDS]
    new[0]["readbackAddress"] = site.pv("READBACK")
    new.append({"setpointAddress": site.pv("ABSENT"), "device": "D2"})
    pvs = site.ask("POST", "/v1/pvs/multi", json=new)
    site.known.update({name: pv["id"] for name, pv in zip((*RECORDS, "ABSENT"), pvs, strict=True)})
    site.larder.wait_for("/v1/health/summary", lambda summary: summary["connected_pvs"] == len(RECORDS) + 1)
    snapshots = [take_snapshot(site, title) for title in ("first", "second")]
    job = site.ask("POST", f"/v1/snapshots/{snapshots[0]['id']}/restore?async=false", json={"pvIds": [pvs[0]["id"]]})
    site.known.update(
        group=group["id"], tag=tag["id"], pv=pvs[0]["id"], first=snapshots[0]["id"], second=snapshots[1]["id"],
        job=job["jobId"],
    )  # fmt: skip
