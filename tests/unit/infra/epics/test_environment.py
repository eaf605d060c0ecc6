"""Settings become EPICS variables; an empty address list leaves EPICS its own."""

from __future__ import annotations

from backend.src.config.settings import EpicsSettings
from backend.src.infra.epics.environment import ca_environment, pva_environment


def test_the_defaults_name_no_addresses() -> None:
    assert "EPICS_CA_ADDR_LIST" not in ca_environment(EpicsSettings())
    assert "EPICS_PVA_ADDR_LIST" not in pva_environment(EpicsSettings())
    assert ca_environment(EpicsSettings())["EPICS_CA_AUTO_ADDR_LIST"] == "YES"


def test_what_is_set_is_passed_on() -> None:
    settings = EpicsSettings(
        ca_addr_list="10.0.0.1 10.0.0.2:6000", ca_auto_addr_list=False, ca_server_port=6064, ca_max_array_bytes=1000,
        pva_addr_list="10.0.0.3", pva_auto_addr_list=False, pva_broadcast_port=6076,
    )  # fmt: skip
    assert ca_environment(settings) == {
        "EPICS_CA_ADDR_LIST": "10.0.0.1 10.0.0.2:6000", "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CA_SERVER_PORT": "6064", "EPICS_CA_MAX_ARRAY_BYTES": "1000",
    }  # fmt: skip
    assert pva_environment(settings) == {
        "EPICS_PVA_ADDR_LIST": "10.0.0.3", "EPICS_PVA_AUTO_ADDR_LIST": "NO", "EPICS_PVA_BROADCAST_PORT": "6076",
    }  # fmt: skip
