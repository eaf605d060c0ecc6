"""Settings from the file, .env and the environment, and every way in which they can be wrong."""

import re
import tomllib
from pathlib import Path

import pytest

from backend.src.config.errors import ConfigurationError
from backend.src.config.loading import environment_names, load, options
from backend.src.config.settings import Role, Secret, Settings

ROOT = Path(__file__).parents[3]


def write(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    return path


def test_with_nothing_set_everything_is_embedded_on_loopback() -> None:
    settings = load(None, {})
    assert settings.sql.embedded and settings.cache.embedded and settings.bucket.embedded
    assert (settings.server.host, settings.server.port, settings.server.role) == ("127.0.0.1", 5000, Role.ALL)


def test_the_shipped_file_holds_exactly_the_defaults() -> None:
    assert load(ROOT / "config.toml", {}) == Settings()


def test_the_shipped_file_documents_every_key_and_no_other() -> None:
    text = (ROOT / "config.toml").read_text()
    documented = set()
    for section, body in re.findall(r"^\[(\w+)\]\n(.*?)(?=^\[|\Z)", text, re.M | re.S):
        documented |= {(section, key) for key in re.findall(r"^# .+\n#?(\w+) =", body, re.M)}
    assert documented == {(section, option.name) for section, option in options()}


def test_the_sample_environment_names_every_variable_and_no_other() -> None:
    named = set(re.findall(r"^(\w+)=$", (ROOT / "sample.env").read_text(), re.M))
    assert named == set(environment_names())


def test_the_shipped_file_names_each_keys_variable() -> None:
    text = (ROOT / "config.toml").read_text()
    assert set(re.findall(r"\[([A-Z0-9_]+)\]$", text, re.M)) == set(environment_names())


def test_the_environment_has_the_last_word(tmp_path: Path) -> None:
    file = write(tmp_path, "[server]\nport = 6000\nhost = '127.0.0.2'\n")
    dotenv = tmp_path / ".env"
    dotenv.write_text("PORT=6001\nDB_USER=from-dotenv\n")
    settings = load(file, {"PORT": "6002"}, dotenv)
    assert (settings.server.port, settings.server.host, settings.sql.user) == (6002, "127.0.0.2", "from-dotenv")


def test_an_empty_variable_leaves_the_default() -> None:
    assert load(None, {"PORT": "", "DB_HOST": ""}) == Settings()


@pytest.mark.parametrize(("word", "expected"), [("true", True), ("1", True), ("off", False), ("No", False)])
def test_flags_read_as_people_write_them(word: str, expected: bool) -> None:
    assert load(None, {"DEBUG": word}).server.debug is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[server]\nprot = 1\n", "unknown key server.prot"),
        ("[sever]\nport = 1\n", "unknown section sever"),
        ("[server]\nport = 'many'\n", "server.port = 'many' is not a whole number"),
        ("[server]\nport = 1.5\n", "server.port = 1.5 is not a whole number"),
        ("[server]\nport = true\n", "server.port = True is not a whole number"),
        ("[server]\nport = 70000\n", "70000 is no port"),
        ("[server]\nrole = 'king'\n", "one of all, api, monitor, worker"),
        ("[server]\nhost = 3\n", "server.host = 3 is not a text"),
        ("server = 3\n", r"\[server\] is not a table"),
        ("[monitor]\ndrain_interval_s = 0\n", "out of range"),
        ("[monitor]\ndrain_interval_s = nan\n", "out of range"),
        ("[epics]\ndefault_protocol = 'carrier-pigeon'\n", "carrier-pigeon"),
        ("[server]\nport = \n", "is damaged: .*line 2"),
        ("[accounts]\nbcrypt_rounds = 4\n", "accounts.bcrypt_rounds = 4 is out of range"),
        ("[accounts]\nadmin_email = 'ann@lab.example'\n", "ADMIN_PASSWORD"),
        ("[accounts]\nadmin_password = 'x'\n", "ADMIN_EMAIL"),
        ("[accounts]\nlockout_first_s = 1000\n", "lockout_longest_s"),
    ],
)
def test_what_is_wrong_is_named_with_the_file_and_a_remedy(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        load(write(tmp_path, text), {})
    assert caught.value.remedy


def test_a_near_miss_is_suggested(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(write(tmp_path, "[server]\nprot = 1\n"), {})
    assert caught.value.remedy == "did you mean server.port?"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read .*nowhere\.toml"):
        load(tmp_path / "nowhere.toml", {})


@pytest.mark.parametrize("value", ["changeme", "your_password_here", "<secret>"])
def test_a_placeholder_secret_stops_the_start(value: str) -> None:
    with pytest.raises(ConfigurationError, match="DB_PASSWORD"):
        load(None, {"DB_PASSWORD": value})


def test_a_short_secret_key_stops_the_start() -> None:
    with pytest.raises(ConfigurationError, match="has 5 characters, at least 32"):
        load(None, {"SECRET_KEY": "short"})


def test_a_wrong_variable_is_named_and_a_secret_is_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="environment variable PORT = 'x'"):
        load(None, {"PORT": "x"})


def test_a_role_of_its_own_needs_the_real_servers() -> None:
    with pytest.raises(ConfigurationError, match="DB_HOST, REDIS_HOST or REDIS_SOCKET, BUCKET_HOST"):
        load(None, {"ROLE": "api"})


def test_processes_that_share_their_state_share_the_key_to_it() -> None:
    """Each would make one of its own: the tokens of one are no good at another, and a worker opens no mail."""
    servers = {"ROLE": "api", "DB_HOST": "db", "REDIS_HOST": "redis", "BUCKET_HOST": "s3"}
    with pytest.raises(ConfigurationError, match="but SECRET_KEY is not set"):
        load(None, servers)
    load(None, {**servers, "SECRET_KEY": "0123456789abcdef0123456789abcdef"})


def test_secrets_print_as_stars() -> None:
    secret = Secret("do-not-show-me")
    settings = load(None, {"DB_PASSWORD": "do-not-show-me"})
    assert "do-not-show-me" not in f"{secret} {secret!r} {secret!s} {settings!r}" + "%s %s" % (secret, settings.sql)  # noqa: UP031 - all the ways to print
    assert settings.sql.password.reveal() == "do-not-show-me"


def test_the_shipped_file_is_valid_toml() -> None:
    tomllib.loads((ROOT / "config.toml").read_text())
