"""Settings: every key with its unit, bounds, default and reason.

Sections are frozen and refuse keys they do not know. ``config.py`` reads them from
file and environment; ``config/quizd.toml`` explains them at more length.
"""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    ValidationInfo,
    field_validator,
    model_validator,
)

RETENTION_MIN_DAYS = 7
"""A session must be over, and written, before what it left is dropped."""


def _origin(text: str) -> str:
    """Return an origin as browsers write it (RFC 6454 section 6.1)."""
    text = text.lower()
    parts = urlsplit(text)
    bare = f"{parts.scheme}://{parts.netloc}" == text and parts.username is None
    if text == "*" or (bare and parts.scheme in {"http", "https"} and parts.hostname):
        return text
    raise ValueError('must hold origins like "https://quiz.example.org", or "*"')


def _base_url(text: str) -> str:
    parts = urlsplit(text)
    if text and not (parts.scheme in {"http", "https"} and parts.hostname):
        raise ValueError('must be empty or like "https://quiz.example.org"')
    return text.rstrip("/")


def _region_url(text: str) -> str:
    name, equals, url = text.partition("=")
    if not (equals and name and _base_url(url)):
        raise ValueError('must hold regions like "eu=https://eu.example.org"')
    return f"{name}={_base_url(url)}"


def _postgres_url(text: str) -> str:
    """Return the address of a Postgres; what is said of a wrong one shows none of it.

    So strict because a password with a bare "/" or "@" could end up in a host's name.
    """
    if text and not _is_postgres(text):
        raise ValueError(
            'must be like "postgresql://user@host/name"; in a password, write / as %2F '
            "and so on"
        )
    return text


def _is_postgres(text: str) -> bool:
    try:
        parts = urlsplit(text)
        ports = [
            urlsplit(f"//{host}").port
            for host in parts.netloc.rpartition("@")[2].split(",")
        ]
        parse_qs(parts.query, strict_parsing=bool(parts.query))
    except ValueError:
        return False
    return (
        parts.scheme in {"postgresql", "postgres"}
        and bool(ports)
        and "@" not in parts.path + parts.query + parts.fragment
        and parts.netloc.count("@") <= 1
    )


def _not_empty(value: object) -> object:
    if value == "":
        raise ValueError("must not be empty")
    return value


def _split(value: object) -> object:
    """Let a list be written as text with commas, as environment variables need."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


Origin = Annotated[str, AfterValidator(_origin)]
Origins = Annotated[tuple[Origin, ...], BeforeValidator(_split)]
RegionUrl = Annotated[str, AfterValidator(_region_url)]
RegionUrls = Annotated[tuple[RegionUrl, ...], BeforeValidator(_split)]
Stream = Literal["joins", "phases", "answers", "scores", "leaderboard", "results"]
Streams = Annotated[tuple[Stream, ...], BeforeValidator(_split)]
PostgresUrl = Annotated[str, AfterValidator(_postgres_url)]
Networks = Annotated[tuple[IPvAnyNetwork, ...], BeforeValidator(_split)]


class Section(BaseModel):
    """A table of the configuration file; frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: object, info: ValidationInfo) -> object:
        """Refuse ``port = true``, which pydantic would read as 1."""
        field = cls.model_fields[info.field_name or ""]
        if isinstance(value, bool) and field.annotation is not bool:
            raise ValueError("must not be true or false")
        return value


class Server(Section):
    """Where the one port for pages, REST and WebSockets is, and who may use it."""

    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address to listen on; the default is reachable from here only.",
    )
    port: int = Field(
        default=8080, ge=0, le=65_535, description="TCP port; 0 takes any free one."
    )
    public_url: Annotated[str, AfterValidator(_base_url)] = Field(
        default="",
        description="What players are told to open; empty: derived from each request.",
    )
    backlog: int = Field(
        default=512,
        ge=1,
        le=65_535,
        description="Connections the kernel queues, so that a rush isn't refused.",
    )
    tls_certificate: str = Field(
        default="",
        description="PEM file with the certificate chain; empty: no TLS here.",
    )
    tls_key: str = Field(default="", description="PEM file with the certificate's key.")
    allowed_origins: Origins = Field(
        default=(),
        description='Origins of pages that may connect; empty: our own, "*": any.',
    )

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("needs both or neither of tls_certificate and tls_key")
        return self


class Data(Section):
    """What is kept on disk."""

    dir: Annotated[Path, BeforeValidator(_not_empty)] = Field(
        default=Path("quizd-data"),
        description="Folder of database and secret; made with mode 0700 if missing.",
    )


class Timeouts(Section):
    """How long, in seconds, others may take."""

    handshake_s: float = Field(
        default=5.0,
        gt=0,
        le=3600,
        description="From TCP accept to a whole request head; ends idle connections.",
    )
    request_s: float = Field(
        default=10.0,
        gt=0,
        le=3600,
        description="For a REST request's body to arrive; ends trickled uploads.",
    )
    ping_interval_s: float = Field(
        default=25.0,
        gt=0,
        le=3600,
        description="Between pings; below the idle limit of proxies (often 60 s).",
    )
    pong_timeout_s: float = Field(
        default=20.0,
        gt=0,
        le=3600,
        description="From a ping to its pong; then the connection counts as dead.",
    )
    drain_s: float = Field(
        default=10.0,
        ge=0,
        le=3600,
        description="For players to leave after SIGTERM before they are cut off.",
    )


class Limits(Section):
    """Ceilings; reaching one is answered by name and counted, never by memory."""

    connections: int = Field(
        default=18_000,
        ge=1,
        le=10_000_000,
        description="Open WebSockets of this process; each takes a file descriptor.",
    )
    message_bytes: int = Field(
        default=4096,
        ge=256,
        le=1_048_576,
        description="Longest message from a client, in bytes; longer closes with 1009.",
    )
    messages_per_s: float = Field(
        default=20.0,
        gt=0,
        le=100_000,
        description="Messages a second from one connection in the long run.",
    )
    message_burst: int = Field(
        default=40,
        ge=1,
        le=100_000,
        description="Messages from one connection at once, before that rate holds.",
    )
    output_bytes: int = Field(
        default=65_536,
        ge=4096,
        le=67_108_864,
        description="Unsent bytes of one connection; more is a slow consumer (4008).",
    )
    participants_per_session: int = Field(
        default=100_000,
        ge=1,
        le=10_000_000,
        description="Players who can join one session; then session_full.",
    )
    sessions: int = Field(
        default=10_000,
        ge=1,
        le=10_000_000,
        description="Sessions open at a time in this process.",
    )
    inbox: int = Field(
        default=200_000,
        ge=16,
        le=100_000_000,
        description="Events of one session waiting for a tick; then shard_unavailable.",
    )
    name_chars: int = Field(
        default=40,
        ge=1,
        le=200,
        description="Longest participant name, in characters; boards show it whole.",
    )
    joins_per_s_per_address: float = Field(
        default=0.0,
        ge=0,
        le=1_000_000,
        description="Joins a second from one IP address; 0: off, as rooms share one.",
    )
    request_bytes: int = Field(
        default=1_048_576,
        ge=1024,
        le=1_073_741_824,
        description="Longest body of a REST request, in bytes; longer gets 413.",
    )


class Play(Section):
    """Defaults for quizzes that do not say."""

    lead_min_ms: int = Field(
        default=300,
        ge=0,
        le=60_000,
        description="Least time from sending a question to its start, in milliseconds.",
    )


class Leaderboard(Section):
    """What everybody sees of the ranking."""

    size: int = Field(
        default=10, ge=1, le=1000, description="Entries of a board during play."
    )
    final_size: int = Field(
        default=100, ge=1, le=10_000, description="Entries of the board at the end."
    )
    max_per_second: float = Field(
        default=10.0,
        gt=0,
        le=100,
        description="Boards a second to each player; changes between are merged.",
    )


class Participants(Section):
    """What everybody sees of who is there."""

    changed_per_second: float = Field(
        default=2.0,
        gt=0,
        le=100,
        description="participants_changed a second to each player; merged between.",
    )
    joined_names: int = Field(
        default=20,
        ge=0,
        le=1000,
        description="Latest names in one participants_changed.",
    )


class Journal(Section):
    """Where sessions are remembered before anybody hears of them."""

    kind: Literal["auto", "sqlite", "redis", "memory"] = Field(
        default="auto",
        description='"auto": redis where redis.url is set, else sqlite; "memory": no.',
    )
    renew_ms: int = Field(
        default=500,
        ge=50,
        le=60_000,
        description="Between lease renewals, in milliseconds; dates an outage.",
    )
    keep_ended_s: float = Field(
        default=3600.0,
        gt=0,
        le=31_536_000,
        description="How long an ended session stays here once the database has it.",
    )


class Database(Section):
    """Where quizzes and what was played are kept, and how that is written."""

    url: PostgresUrl = Field(
        default="",
        repr=False,
        description="postgresql://user@host/name; empty: SQLite in data.dir.",
    )
    replica_url: PostgresUrl = Field(
        default="", repr=False, description="The same of a replica, for reports."
    )
    password_file: str = Field(
        default="", description="File with the password, mode 0600; wins over the URLs."
    )
    connections: int = Field(
        default=4,
        ge=1,
        le=100,
        description="Connections of a shard for quizzes, and for reports.",
    )
    timeout_s: float = Field(
        default=30.0, gt=0, le=600, description="A write that takes longer has failed."
    )
    retention_days: int = Field(
        default=0,
        ge=0,
        le=36_500,
        description="Answers and logs of sessions opened earlier go; 0: all stay.",
    )
    audit_key_file: str = Field(
        default="",
        description="Key of the sessions' logs; empty: <data.dir>/audit.key, as 0600.",
    )
    linger_ms: int = Field(
        default=100,
        ge=1,
        le=60_000,
        description="What is written waits so long, so that more goes at once.",
    )
    memory_bytes: int = Field(
        default=8_388_608,
        ge=65_536,
        le=4_294_967_296,
        description="What waits to be written and is in memory; more is read again.",
    )
    buffering: Literal["auto", "on", "off"] = Field(
        default="auto",
        description='Spare the database; "auto": while it is slow or times out.',
    )
    slow_ms: int = Field(
        default=500,
        ge=1,
        le=600_000,
        description="One write in 20 that takes longer means that it is slow.",
    )
    buffer_linger_ms: int = Field(
        default=2000,
        ge=1,
        le=600_000,
        description="Takes the place of linger_ms while the database is spared.",
    )

    @model_validator(mode="after")
    def _retention_leaves_a_week(self) -> Self:
        if 0 < self.retention_days < RETENTION_MIN_DAYS:
            raise ValueError(
                f"retention_days must be 0 or at least {RETENTION_MIN_DAYS}"
            )
        return self

    @model_validator(mode="after")
    def _replica_of_something(self) -> Self:
        if self.replica_url and not self.url:
            raise ValueError("replica_url needs url as well")
        return self


class Redis(Section):
    """Where shards meet; without it there is one shard, on its own files."""

    url: str = Field(
        default="",
        repr=False,
        description="redis[s]://, unix://, redis+sentinel:// or redis+cluster://.",
    )
    sentinel_service: str = Field(
        default="", description="Name of the service that Sentinel watches."
    )
    username: str = Field(default="", description="ACL user; empty: the default one.")
    password_file: str = Field(
        default="", description="File with the password, mode 0600; wins over the URL."
    )
    sentinel_username: str = Field(default="", description="ACL user of the Sentinels.")
    sentinel_password_file: str = Field(
        default="", description="File with the Sentinels' password, mode 0600."
    )
    tls_ca: str = Field(
        default="", description="PEM file of the authority to trust; empty: system's."
    )
    tls_certificate: str = Field(
        default="", description="PEM file with our certificate, where Redis asks."
    )
    tls_key: str = Field(default="", description="PEM file with our certificate's key.")
    timeout_s: float = Field(
        default=2.0, gt=0, le=60, description="For a connection, and for each reply."
    )
    connections: int = Field(
        default=16, ge=2, le=1000, description="Connections in the pool of a shard."
    )


class Events(Section):
    """What is told to other programs on streams of Redis."""

    streams: Streams = Field(
        default=("joins", "phases", "leaderboard", "results"),
        description="Which are written; answers and scores cost most.",
    )
    max_length: int = Field(
        default=10_000,
        ge=100,
        le=100_000_000,
        description="About how many events Redis keeps of each stream.",
    )
    queue_bytes: int = Field(
        default=8_388_608,
        ge=65_536,
        le=4_294_967_296,
        description="What waits to be told and is in memory; more is read again.",
    )
    boards_per_second: float = Field(
        default=2.0,
        gt=0,
        le=100,
        description="Boards a second of each session; changes between are merged.",
    )


class Cluster(Section):
    """Shards, and how they notice that one is gone."""

    shards: int = Field(
        default=0,
        ge=0,
        le=1024,
        description="Processes to run here; 0: one per core with Redis, else one.",
    )
    name: str = Field(
        default="",
        max_length=48,
        pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]*)?$",
        description="This machine in shards' names; empty: its host name.",
    )
    address: str = Field(
        default="",
        description="host:port by which other machines reach this one; for people.",
    )
    region: str = Field(
        default="",
        pattern=r"^([a-z0-9]+(-[a-z0-9]+)*)?$",
        description="Region of this cluster; quizzes eu-… run in the region eu.",
    )
    regions: RegionUrls = Field(
        default=(),
        description='Other regions, "eu=https://eu.example.org", for wrong_region.',
    )
    lease_ms: int = Field(
        default=1500,
        ge=300,
        le=60_000,
        description="Silence after which a shard's sessions are taken over.",
    )
    renew_ms: int = Field(
        default=500,
        ge=50,
        le=20_000,
        description="Between renewals of the lease; a third of lease_ms at most.",
    )

    @property
    def region_urls(self) -> dict[str, str]:
        """The base URLs of other regions by name."""
        return dict(text.split("=", 1) for text in self.regions)

    @model_validator(mode="after")
    def _regions_differ(self) -> Self:
        if len(self.region_urls) < len(self.regions):
            raise ValueError("regions must name each region once")
        return self

    @model_validator(mode="after")
    def _lease_has_room(self) -> Self:
        if 3 * self.renew_ms > self.lease_ms:
            raise ValueError("lease_ms must be at least three times renew_ms")
        return self


class Auth(Section):
    """Tokens."""

    token_ttl_h: int = Field(
        default=24,
        ge=1,
        le=8760,
        description="Life of a token, in hours; longer than the longest session.",
    )
    secret_file: str = Field(
        default="",
        description="Key that signs tokens; empty: <data.dir>/secret, made as 0600.",
    )
    author_token_file: str = Field(
        default="",
        description="Token of authors; empty: <data.dir>/author.token, made as 0600.",
    )


class Compat(Section):
    """Doors for old clients, closed unless asked for."""

    tokenless: bool = Field(
        default=False,
        description="Accept sockets with a participantId alone: anyone can be anyone.",
    )


class Log(Section):
    """Logs, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe level that is written."
    )
    format: Literal["auto", "json", "text"] = Field(
        default="auto",
        description='"auto": text on a terminal, otherwise one JSON a line.',
    )


class Metrics(Section):
    """The page /metrics, for Prometheus."""

    enabled: bool = Field(default=True, description="Serve /metrics.")
    allow: Networks = Field(
        default=(ip_network("127.0.0.0/8"), ip_network("::1/128")),
        description="Networks that may read /metrics; others get 403.",
    )


class Settings(BaseModel):
    """The whole configuration; :func:`quizd.config.load` reads it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    server: Server = Server()
    data: Data = Data()
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    play: Play = Play()
    leaderboard: Leaderboard = Leaderboard()
    participants: Participants = Participants()
    journal: Journal = Journal()
    database: Database = Database()
    redis: Redis = Redis()
    events: Events = Events()
    cluster: Cluster = Cluster()
    auth: Auth = Auth()
    compat: Compat = Compat()
    log: Log = Log()
    metrics: Metrics = Metrics()

    @model_validator(mode="after")
    def _shards_share_a_journal(self) -> Self:
        shared = bool(self.redis.url)
        if self.journal.kind == "redis" and not shared:
            raise ValueError('journal.kind = "redis" needs redis.url')
        if shared and self.journal.kind in ("sqlite", "memory"):
            raise ValueError("with redis.url, journal.kind must be auto or redis")
        return self

    @property
    def secret_path(self) -> Path:
        """The file with the key that signs tokens."""
        return Path(self.auth.secret_file or self.data.dir / "secret")

    @property
    def author_token_path(self) -> Path:
        """The file with the token that lets people write and host quizzes."""
        return Path(self.auth.author_token_file or self.data.dir / "author.token")

    @property
    def audit_key_path(self) -> Path:
        """The file with the key of the sessions' logs."""
        return Path(self.database.audit_key_file or self.data.dir / "audit.key")
