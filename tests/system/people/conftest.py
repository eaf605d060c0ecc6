"""One server that sends mail, and the mail server that it sends it to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.smtp import SmtpServer
from tests.system.people.site import Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Started, with a first administrator."""
    with SmtpServer() as mail, Site(tmp_path_factory.mktemp("people"), mail) as site:
        yield site
