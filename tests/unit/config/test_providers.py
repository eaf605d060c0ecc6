"""[[providers]]: any number of tables, secrets from the environment, everything wrong named with its remedy."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from backend.src.config.errors import ConfigurationError
from backend.src.config.loading import load
from backend.src.config.settings import ProviderSettings

ROOT = Path(__file__).parents[3]
LAB = {"name": "lab", "issuer": "https://login.lab.example", "client_id": "larder"}


def written(folder: Path, *tables: dict[str, str]) -> Path:
    path = folder / "config.toml"
    lines = [
        line for table in tables for line in ("[[providers]]", *(f"{key} = '{value}'" for key, value in table.items()))
    ]
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("listening", [{"HOST": "0.0.0.0"}, {"HOST": "::"}, {"PORT": "0"}])
def test_where_it_listens_must_be_where_providers_send_people_back_to(
    tmp_path: Path, listening: dict[str, str]
) -> None:
    file = written(tmp_path, LAB)
    with pytest.raises(ConfigurationError, match="PUBLIC_URL"):
        load(file, listening)
    load(file, {**listening, "PUBLIC_URL": "https://larder.example.org"})
    load(None, listening)


def test_there_are_none_by_default() -> None:
    assert load(None, {}).providers == ()


def test_each_table_is_a_provider_and_the_environment_has_its_secret(tmp_path: Path) -> None:
    file = written(tmp_path, LAB, {**LAB, "name": "other-lab", "label": "The other"})
    lab, other = load(file, {"OIDC_OTHER_LAB_CLIENT_SECRET": "for-the-other"}).providers
    assert (lab.name, lab.client_secret.reveal(), lab.scopes) == ("lab", "", "openid email profile")
    assert (other.label, other.client_secret.reveal()) == ("The other", "for-the-other")
    assert "for-the-other" not in repr(other)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "Lab"}, "name = 'Lab' is no name"),
        ({"name": "../lab"}, "is no name"),
        ({"name": ""}, "is no name"),
        ({"issuer": ""}, "is no address"),
        ({"issuer": "login.lab.example"}, "is no address"),
        ({"issuer": "https://login.lab.example:port"}, "is no address"),
        ({"issuer": "https://[::1"}, "is no address"),
        ({"issuer": "https://login.lab.example?realm=lab"}, "is no address"),
        ({"issuer": "http://login.lab.example"}, "is not protected"),
        ({"client_id": ""}, "client_id of lab is missing"),
        ({"scopes": "email"}, "do not name openid"),
        ({"client_secret": "changeme"}, r"OIDC_LAB_CLIENT_SECRET.* placeholder"),
        ({"isuer": "https://x"}, "unknown key providers.isuer"),
    ],
)
def test_what_is_wrong_is_named_with_a_remedy(tmp_path: Path, wrong: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        load(written(tmp_path, {**LAB, **wrong}), {})
    assert caught.value.remedy


def test_a_provider_of_this_machine_may_speak_http(tmp_path: Path) -> None:
    (lab,) = load(written(tmp_path, {**LAB, "issuer": "http://127.0.0.1:8080"}), {}).providers
    assert lab.issuer == "http://127.0.0.1:8080"


def test_two_of_one_name_stop_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'lab' comes twice"):
        load(written(tmp_path, LAB, LAB), {})


@pytest.mark.parametrize("text", ["providers = 3", "[providers]\nname = 'lab'", "providers = ['lab']"])
def test_something_else_than_tables_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="providers"):
        load(path, {})


def test_the_shipped_table_names_every_key_but_the_secret() -> None:
    text = (ROOT / "config.toml").read_text()
    table = text[text.index("# [[providers]]") :]
    uncommented = tomllib.loads("\n".join(line.removeprefix("# ") for line in table.splitlines()))
    (shipped,) = uncommented["providers"]
    assert set(shipped) == {option.name for option in fields(ProviderSettings)} - {"client_secret"}
    assert "# OIDC_<NAME>_CLIENT_SECRET=" in (ROOT / "sample.env").read_text()
