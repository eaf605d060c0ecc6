"""[mail] as a whole."""

from __future__ import annotations

import pytest

from backend.src.config.errors import ConfigurationError
from backend.src.config.loading import load
from backend.src.config.mail import check_mail
from backend.src.config.settings import MailSettings, Secret

ADDRESS = "larder@example.org"


@pytest.mark.parametrize(
    "mail",
    [
        MailSettings(),
        MailSettings(host="mail.example.org", address=ADDRESS, password=Secret("x")),
        MailSettings(host="relay", address=ADDRESS, security="none"),
        MailSettings(host="127.0.0.1", address=ADDRESS, password=Secret("x"), security="none"),
        MailSettings(host="localhost", address=ADDRESS, password=Secret("x"), security="none"),
    ],
)
def test_what_can_be_meant_is_accepted(mail: MailSettings) -> None:
    check_mail(mail)


def test_a_password_in_the_clear_stops_the_start() -> None:
    with pytest.raises(ConfigurationError, match="SENDER_SECURITY") as caught:
        check_mail(MailSettings(host="mail.example.org", address=ADDRESS, password=Secret("x"), security="none"))
    assert caught.value.remedy


@pytest.mark.parametrize("listening", [{"HOST": "0.0.0.0"}, {"HOST": "::"}, {"PORT": "0"}])
def test_links_in_mail_must_lead_somewhere(listening: dict[str, str]) -> None:
    environment = {**listening, "SENDER_HOST": "mail.example.org", "SENDER_ADDRESS": ADDRESS}
    with pytest.raises(ConfigurationError, match="PUBLIC_URL") as caught:
        load(None, environment)
    assert next(iter(listening)) in caught.value.message and "https://" in caught.value.remedy
    load(None, {**environment, "PUBLIC_URL": "https://larder.example.org"})
    load(None, {name: value for name, value in environment.items() if name not in listening})
