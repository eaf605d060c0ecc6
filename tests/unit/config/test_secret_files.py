"""Secrets in files of their own."""

from pathlib import Path

import pytest

from backend.src.config.errors import ConfigurationError
from backend.src.config.loading import load, secret_names


def secret(folder: Path, text: str) -> str:
    path = folder / "secret"
    path.write_text(text)
    return str(path)


def test_every_secret_of_the_settings_may_stand_in_a_file(tmp_path: Path) -> None:
    path = secret(tmp_path, "x" * 32 + "\n")
    settings = load(None, {"ADMIN_EMAIL": "a@example.org"} | {f"{name}_FILE": path for name in secret_names()})
    held = (settings.server.secret_key, settings.sql.password, settings.cache.password, settings.bucket.password)
    assert {one.reveal() for one in (*held, settings.mail.password, settings.accounts.admin_password)} == {"x" * 32}
    assert len(secret_names()) == len(held) + 3  # the third: of the documents' own client


def test_only_the_last_end_of_line_is_not_part_of_the_secret(tmp_path: Path) -> None:
    settings = load(None, {"DB_PASSWORD_FILE": secret(tmp_path, " two\nlines \r\n")})
    assert settings.sql.password.reveal() == " two\nlines "


def test_a_file_named_in_dotenv_counts_too(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"REDIS_PASSWORD_FILE={secret(tmp_path, 'of a file')}\n")
    assert load(None, {}, dotenv).cache.password.reveal() == "of a file"


def test_a_providers_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    toml = tmp_path / "config.toml"
    toml.write_text("[[providers]]\nname = 'lab'\nissuer = 'https://id.example.org'\nclient_id = 'larder'\n")
    settings = load(toml, {"OIDC_LAB_CLIENT_SECRET_FILE": secret(tmp_path, "of the provider")})
    assert settings.providers[0].client_secret.reveal() == "of the provider"


def test_an_empty_name_of_a_file_names_none() -> None:
    assert load(None, {"DB_PASSWORD_FILE": ""}).sql.password.reveal() == ""


def test_what_is_no_secret_is_not_read_from_files(tmp_path: Path) -> None:
    assert load(None, {"DB_USER_FILE": secret(tmp_path, "somebody")}).sql.user == "larder"


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="DB_PASSWORD and DB_PASSWORD_FILE are both set"):
        load(None, {"DB_PASSWORD": "one", "DB_PASSWORD_FILE": secret(tmp_path, "two")})


@pytest.mark.parametrize(("content", "why"), [(None, "No such file"), (b"\n", "is empty"), (b"\xff\xfe", "is no text")])
def test_a_file_without_a_secret_stops_the_start(tmp_path: Path, content: bytes | None, why: str) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"DB_PASSWORD_FILE.*{why}"):
        load(None, {"DB_PASSWORD_FILE": str(path)})


def test_a_placeholder_in_a_file_stops_the_start_as_well(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="placeholder"):
        load(None, {"DB_PASSWORD_FILE": secret(tmp_path, "changeme\n")})
