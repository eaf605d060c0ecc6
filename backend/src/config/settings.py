"""Every setting of Larder, as frozen values: one section a part of the program.

A field's metadata carries its unit or meaning and, where the environment may set it, the variable's name.
config.toml, sample.env and docs/reference/configuration.md are checked against these classes by a test.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

EVERYWHERE = ("0.0.0.0", "::")  # to listen on; nobody can be sent there


class Role(StrEnum):
    """Which services this process runs."""

    ALL = "all"
    API = "api"
    MONITOR = "monitor"
    WORKER = "worker"


class Secret(str):
    """A text that prints as ***; `reveal()` gives it out."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'" if len(self) else "''"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def reveal(self) -> str:
        """The text itself; call it only where it leaves for a driver."""
        return str.__str__(self)


def option(default: Any, meaning: str, *, env: str | None = None) -> Any:
    """A field with its meaning and the environment variable that overrides it."""
    return field(default=default, metadata={"meaning": meaning, "env": env})


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The process and its socket."""

    host: str = option("127.0.0.1", "address to listen on", env="HOST")
    port: int = option(5000, "TCP port to listen on", env="PORT")
    debug: bool = option(False, "more logging; never in production", env="DEBUG")
    role: Role = option(Role.ALL, "which services run here: all, api, monitor or worker", env="ROLE")
    data_dir: Path = option(
        Path("data"), "folder of the embedded database, archives, secret key and lock", env="DATA_DIR"
    )
    secret_key: Secret = option(
        Secret(""),
        "signs tokens, at least 32 characters; made once under data_dir when empty",
        env="SECRET_KEY",
    )
    start_timeout_s: float = option(30.0, "seconds one service may take to start")
    stop_timeout_s: float = option(5.0, "seconds one service may take to stop")
    drain_s: float = option(
        0.0,
        "seconds that the server goes on answering, though no longer ready, once its end was asked for",
        env="DRAIN_S",
    )
    request_body_bytes: int = option(16_777_216, "largest request body, bytes")
    import_body_bytes: int = option(67_108_864, "largest body of a bulk import, bytes")
    log_format: str = option("text", "text or json", env="LOG_FORMAT")


@dataclass(frozen=True, slots=True)
class SqlSettings:
    """The database: SQLite under data_dir, or MySQL/MariaDB once host is set."""

    host: str = option("", "MySQL or MariaDB host; empty means SQLite in data_dir", env="DB_HOST")
    port: int = option(3306, "TCP port", env="DB_PORT")
    user: str = option("larder", "user name", env="DB_USER")
    password: Secret = option(Secret(""), "password", env="DB_PASSWORD")
    database: str = option("larder", "name of the database", env="DB_DATABASE")
    threads: int = option(8, "connections and threads that may work on SQL at once")
    connect_timeout_s: float = option(5.0, "seconds to wait for a connection")
    ttl_query_s: float = option(900.0, "seconds a cached query may live")
    ttl_schema_s: float = option(3600.0, "seconds a cached schema may live")
    ttl_authentication_s: float = option(900.0, "seconds a cached authentication may live")

    @property
    def embedded(self) -> bool:
        """SQLite in the data folder."""
        return not self.host


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Redis: in this process, or a server once socket or host is set."""

    socket: str = option("", "path of a Redis Unix socket", env="REDIS_SOCKET")
    host: str = option("", "Redis host; empty (with no socket) means in-process", env="REDIS_HOST")
    port: int = option(6379, "TCP port", env="REDIS_PORT")
    password: Secret = option(Secret(""), "password", env="REDIS_PASSWORD")
    prefix: str = option("larder", "prefix of every key")
    timeout_s: float = option(0.5, "seconds an operation may take before the cache counts as away")

    @property
    def embedded(self) -> bool:
        """Redis inside this process."""
        return not (self.socket or self.host)


@dataclass(frozen=True, slots=True)
class BucketSettings:
    """Snapshot archives: a folder under data_dir, or any S3 server once host is set."""

    host: str = option("", "S3 host, or a URL with scheme; empty means data_dir/archives", env="BUCKET_HOST")
    port: int = option(9000, "TCP port", env="BUCKET_PORT")
    user: str = option("larder", "access key", env="BUCKET_USER")
    password: Secret = option(Secret(""), "secret key", env="BUCKET_PASSWORD")
    name: str = option("larder", "name of the bucket", env="BUCKET_NAME")
    threads: int = option(8, "transfers at once")
    timeout_s: float = option(10.0, "seconds to wait for a connection or an answer")

    @property
    def embedded(self) -> bool:
        """A folder under data_dir."""
        return not self.host


@dataclass(frozen=True, slots=True)
class DoorSettings:
    """Who may knock, how often, and what a browser is told."""

    public_url: str = option(
        "",
        "address by which people reach this server, for links in mail and for identity providers, which both need it "
        "where it listens on every address or any free port; empty: as it listens",
        env="PUBLIC_URL",
    )
    trusted_hosts: str = option("", "Host headers answered, comma-separated; empty: any", env="TRUSTED_HOSTS")
    trusted_proxies: str = option(
        "", "addresses or networks whose X-Forwarded-* count, comma-separated", env="TRUSTED_PROXIES"
    )
    cors_origins: str = option(
        "", "origins whose pages may call, comma-separated; * is any, without credentials", env="CORS_ORIGINS"
    )
    tls_certificate: str = option("", "PEM file; with it the server speaks TLS", env="TLS_CERTIFICATE")
    tls_key: str = option("", "PEM file of the certificate's key", env="TLS_KEY")
    hsts_s: int = option(31_536_000, "seconds that browsers keep to TLS once they came by it; 0 for never")
    requests_per_minute: int = option(
        30_000, "requests of one account, or of one address without one; 0 for any", env="REQUESTS_PER_MINUTE"
    )
    logins_per_minute: int = option(
        30, "logins, registrations and resets of one address; 0 for any", env="LOGINS_PER_MINUTE"
    )


@dataclass(frozen=True, slots=True)
class MailSettings:
    """The sender of mail."""

    host: str = option("", "SMTP host; empty means no mail", env="SENDER_HOST")
    port: int = option(465, "SMTP port", env="SENDER_PORT")
    security: str = option("tls", "tls (from the start), starttls or none", env="SENDER_SECURITY")
    address: str = option("", "the sender's address", env="SENDER_ADDRESS")
    user: str = option("", "user name; empty: the address, when there is a password", env="SENDER_USER")
    password: Secret = option(Secret(""), "password or application key", env="SENDER_PASSWORD")
    ca_file: str = option(
        "", "PEM file of the authority that signed the server's certificate; empty: the system's", env="SENDER_CA_FILE"
    )
    timeout_s: float = option(30.0, "seconds to wait for the server's answer")
    keep_trying_s: float = option(172_800.0, "seconds after which a mail that cannot be delivered is given up")

    @property
    def configured(self) -> bool:
        """Whether mail can be sent at all."""
        return bool(self.host)


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """People: the first administrator, who may register, passwords, tokens."""

    admin_email: str = option("", "address of the first administrator", env="ADMIN_EMAIL")
    admin_password: Secret = option(Secret(""), "password of the first administrator", env="ADMIN_PASSWORD")
    registration: str = option("invitation", "who may register: closed, invitation or open", env="REGISTRATION")
    password_length: int = option(10, "least characters of a password")
    password_strength: int = option(3, "least strength of a password as zxcvbn rates it, 0 to 4; 0 for any")
    bcrypt_rounds: int = option(12, "cost of a password's hash: each one more doubles it, 10 to 16")
    lockout_failures: int = option(5, "failed logins before the next has to wait")
    lockout_first_s: float = option(5.0, "first wait, seconds; doubled with each further failure")
    lockout_longest_s: float = option(900.0, "longest wait, seconds")
    verification_s: float = option(86_400.0, "seconds a mailed verification may be used")
    reset_s: float = option(3_600.0, "seconds a mailed password reset may be used")
    invitation_s: float = option(604_800.0, "seconds an invitation may be used")
    access_token_s: float = option(600.0, "seconds an access token is good")
    refresh_token_s: float = option(2_592_000.0, "seconds without use after which a session ends")
    session_s: float = option(7_776_000.0, "seconds after which a session ends in any case")
    signing_key_s: float = option(2_592_000.0, "seconds after which a new key signs access tokens")
    redirect_uri: str = option(
        "",
        "address of /oauth/callback as browsers reach it, for identity providers; empty: under door.public_url",
        env="REDIRECT_URI",
    )


@dataclass(frozen=True, slots=True)
class CronSettings:
    """What runs by itself: off, every 15m, or cron 0 3 * * *; each may end in jitter 30s. Times are UTC."""

    enabled: bool = option(True, "run them in this process, when its turn comes", env="ENABLE_CRONS")
    outbox: str = option("every 15s", "deliver the mail that waits")
    tokens: str = option("every 1h, jitter 5m", "remove expired sessions, tokens, codes and login failures")
    signing_keys: str = option("every 1h, jitter 5m", "begin to sign with a new key when the old one is due")
    provider_tokens: str = option("every 5m, jitter 30s", "renew the tokens of identity providers that run out")
    mail: str = option("cron 5 2 * * *, jitter 5m", "remove sent and given up mail older than [retention]")
    jobs: str = option("cron 10 2 * * *, jitter 5m", "remove ended jobs and outcomes older than [retention]")
    audit: str = option("cron 20 2 * * *, jitter 5m", "remove entries of the audit trail older than [retention]")
    retention: str = option("cron 30 2 * * *, jitter 5m", "remove snapshots whose label's time is over")
    archives: str = option(
        "every 1h, jitter 5m",
        "remove archives that no snapshot names, plans that nobody can execute any more, and old clips",
    )
    watchdog: str = option("every 60s", "compare the live table with a forced read")
    snapshot: str = option("off", "take a snapshot of everything")


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """How long is kept what nobody asked to keep; 0 for ever. Golden snapshots are never removed."""

    jobs_days: int = option(365, "days an ended job and its outcomes are kept")
    audit_days: int = option(1_825, "days an entry of the audit trail is kept")
    mail_days: int = option(30, "days a sent or given up mail stays listed")
    before_restore_days: int = option(90, "days a snapshot taken before a restore is kept")
    scheduled_days: int = option(30, "days a snapshot taken by the cron is kept")


@dataclass(frozen=True, slots=True)
class DocsSettings:
    """The pages that show the interface. The front page and /openapi.json are always there."""

    oauth2_client_id: str = option("larder-docs", "client id that the pages use to log in", env="DOCS_OAUTH2_CLIENT_ID")
    oauth2_client_secret: Secret = option(Secret(""), "client secret of the pages", env="DOCS_OAUTH2_CLIENT_SECRET")
    swagger: bool = option(True, "serve /docs", env="ENABLE_SWAGGER")
    redoc: bool = option(True, "serve /redoc", env="ENABLE_REDOC")
    rapidoc: bool = option(True, "serve /rapidoc", env="ENABLE_RAPIDOC")
    scalar: bool = option(True, "serve /scalar", env="ENABLE_SCALAR")
    elements: bool = option(True, "serve /elements", env="ENABLE_ELEMENTS")
    editor: bool = option(True, "serve /editor", env="ENABLE_EDITOR")
    explorer: bool = option(True, "serve /explorer", env="ENABLE_EXPLORER")
    rapipdf: bool = option(True, "serve /rapipdf", env="ENABLE_RAPIPDF")


@dataclass(frozen=True, slots=True)
class EpicsSettings:
    """How the machine is reached. Empty address lists leave EPICS its own defaults."""

    ca_addr_list: str = option("", "Channel Access addresses to search, space-separated", env="EPICS_CA_ADDR_LIST")
    ca_auto_addr_list: bool = option(True, "also search every local subnet", env="EPICS_CA_AUTO_ADDR_LIST")
    ca_server_port: int = option(5064, "Channel Access server port", env="EPICS_CA_SERVER_PORT")
    ca_max_array_bytes: int = option(16_777_216, "largest Channel Access array, bytes", env="EPICS_CA_MAX_ARRAY_BYTES")
    pva_addr_list: str = option("", "PVAccess addresses to search, space-separated", env="EPICS_PVA_ADDR_LIST")
    pva_auto_addr_list: bool = option(True, "also search every local subnet", env="EPICS_PVA_AUTO_ADDR_LIST")
    pva_broadcast_port: int = option(5076, "PVAccess search port", env="EPICS_PVA_BROADCAST_PORT")
    default_protocol: str = option(
        "ca", "protocol of an address without a prefix: ca or pva", env="EPICS_DEFAULT_PROTOCOL"
    )
    read_timeout_s: float = option(2.0, "seconds a forced read may wait for a PV")
    write_timeout_s: float = option(5.0, "seconds a put may take to complete")


@dataclass(frozen=True, slots=True)
class MonitorSettings:
    """The live table and who keeps it true."""

    drain_interval_s: float = option(0.1, "seconds between two drains of the ingest")
    follow_interval_s: float = option(0.5, "seconds between two looks at the catalogue's version")
    stale_after_s: float = option(3.0, "seconds without a heartbeat after which every live value counts as stale")
    lease_ttl_s: float = option(5.0, "seconds the leading monitor's lease lives without renewal")
    circuit_failures: int = option(5, "failures in a row that open a circuit")
    circuit_reset_s: float = option(30.0, "seconds an open circuit stays open before one try")


@dataclass(frozen=True, slots=True)
class StreamingSettings:
    """Live values over WebSocket."""

    max_clients: int = option(200, "clients at once")
    max_subscriptions: int = option(100_000, "PVs one client may subscribe to")
    max_message_bytes: int = option(4_194_304, "largest message from a client, bytes")
    interval_s: float = option(0.1, "least seconds between two diffs to one client")
    heartbeat_s: float = option(5.0, "seconds between two heartbeats to a client")
    auth_timeout_s: float = option(5.0, "seconds a client has to say who it is")
    send_timeout_s: float = option(30.0, "seconds a client may take to receive one message before it is sent away")


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """Image PVs: stills with snapshots, clips, live views."""

    pvs: str = option(
        "", "PVs that are cameras (NTNDArray over PVAccess), comma-separated; empty: none", env="CAMERA_PVS"
    )
    ffmpeg: str = option(
        "", "path of ffmpeg; empty: the system's, else that of the package imageio-ffmpeg", env="FFMPEG_PATH"
    )
    ffprobe: str = option("", "path of ffprobe; empty: beside ffmpeg or the system's, else none", env="FFPROBE_PATH")
    processes: int = option(2, "ffmpeg processes at once")
    threads: int = option(2, "pictures decoded or encoded at once")
    frame_bytes: int = option(67_108_864, "largest frame, bytes; larger ones are refused")
    silent_s: float = option(5.0, "seconds without a frame after which a camera counts as stopped")
    live_rate_hz: float = option(10.0, "most pictures a second of a live view")
    live_clients: int = option(20, "live views at once, of all cameras")
    widest_px: int = option(1280, "widest picture of a live view, preview or clip; wider ones are scaled down")
    clip_longest_s: float = option(120.0, "longest clip, seconds")
    clip_rate_hz: float = option(10.0, "pictures a second of a clip, unless it asks for another rate")
    clip_days: int = option(30, "days a clip is kept, at most as long as its job (retention.jobs_days); 0 just as long")


@dataclass(frozen=True, slots=True)
class JobSettings:
    """Long work."""

    workers: int = option(2, "jobs at once in one process")
    of_others: bool = option(True, "do jobs that other processes recorded, too", env="JOBS_OF_OTHERS")
    heartbeat_s: float = option(2.0, "seconds between two signs of life of a running job")
    dead_after_s: float = option(15.0, "seconds without a sign of life after which a job counts as failed")


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """An OpenID Connect provider that people may log in with: a table [[providers]] each."""

    name: str = option("", "its name in addresses and in the variable of its secret: a-z, 0-9 and -")
    label: str = option("", "what people read on the button; empty: the name")
    issuer: str = option("", "its issuer, exactly as its own /.well-known/openid-configuration names it")
    client_id: str = option("", "what it calls this server")
    client_secret: Secret = option(
        Secret(""), "what this server proves itself with; empty: by PKCE alone", env="OIDC_<NAME>_CLIENT_SECRET"
    )
    scopes: str = option(
        "openid email profile", "what is asked for; with offline_access its tokens are kept, encrypted, and renewed"
    )
    timeout_s: float = option(5.0, "seconds to wait for one of its answers")

    @property
    def secret_variable(self) -> str:
        """The environment variable of the client secret."""
        return f"OIDC_{self.name.upper().replace('-', '_')}_CLIENT_SECRET"


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it, built once at start (config/loading.py)."""

    server: ServerSettings = field(default_factory=ServerSettings)
    sql: SqlSettings = field(default_factory=SqlSettings)
    cache: CacheSettings = field(default_factory=CacheSettings)
    bucket: BucketSettings = field(default_factory=BucketSettings)
    door: DoorSettings = field(default_factory=DoorSettings)
    mail: MailSettings = field(default_factory=MailSettings)
    accounts: AccountSettings = field(default_factory=AccountSettings)
    crons: CronSettings = field(default_factory=CronSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    docs: DocsSettings = field(default_factory=DocsSettings)
    epics: EpicsSettings = field(default_factory=EpicsSettings)
    monitor: MonitorSettings = field(default_factory=MonitorSettings)
    streaming: StreamingSettings = field(default_factory=StreamingSettings)
    cameras: CameraSettings = field(default_factory=CameraSettings)
    jobs: JobSettings = field(default_factory=JobSettings)
    providers: tuple[ProviderSettings, ...] = ()

    @property
    def public_url(self) -> str:
        """Where people reach this server, without a slash at the end: as configured, otherwise as it listens."""
        if self.door.public_url:
            return self.door.public_url.rstrip("/")
        scheme = "https" if self.door.tls_certificate else "http"
        host = "localhost" if self.server.host in EVERYWHERE else self.server.host
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.server.port}"

    @property
    def any_embedded(self) -> bool:
        """Whether some state lives in data_dir or in this process alone, so that one server may run at most."""
        return self.sql.embedded or self.cache.embedded or self.bucket.embedded


def sections() -> tuple[Field[Any], ...]:
    """The fields of Settings that are one table each; [[providers]] may come any number of times."""
    return tuple(section for section in fields(Settings) if section.default_factory is not MISSING)
