"""The one place where settings become the environment variables that libca reads when its context is made."""

from __future__ import annotations

import os

from backend.src.config.settings import EpicsSettings


def ca_environment(settings: EpicsSettings) -> dict[str, str]:
    """The EPICS_CA_* variables; an empty address list leaves EPICS its own default."""
    found = {
        "EPICS_CA_AUTO_ADDR_LIST": "YES" if settings.ca_auto_addr_list else "NO",
        "EPICS_CA_SERVER_PORT": str(settings.ca_server_port),
        "EPICS_CA_MAX_ARRAY_BYTES": str(settings.ca_max_array_bytes),
    }
    if settings.ca_addr_list:
        found["EPICS_CA_ADDR_LIST"] = settings.ca_addr_list
    return found


def pva_environment(settings: EpicsSettings) -> dict[str, str]:
    """The EPICS_PVA_* variables, for p4p's configuration dictionary and for the process alike."""
    found = {
        "EPICS_PVA_AUTO_ADDR_LIST": "YES" if settings.pva_auto_addr_list else "NO",
        "EPICS_PVA_BROADCAST_PORT": str(settings.pva_broadcast_port),
    }
    if settings.pva_addr_list:
        found["EPICS_PVA_ADDR_LIST"] = settings.pva_addr_list
    return found


def export_settings(settings: EpicsSettings) -> None:
    """Puts the settings into this process's environment, before the first use of libca."""
    os.environ.update(ca_environment(settings))
    os.environ.update(pva_environment(settings))
