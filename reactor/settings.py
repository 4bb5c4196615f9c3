"""What differs between deployments: the REACTOR_* environment variables, in one frozen table.

Owns names, defaults and bounds. What the reactor should do is not here: that is the configuration directory.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from reactor.errors import ConfigError, Problem


class Settings(BaseSettings):
    """Every setting, read from REACTOR_<NAME>. Durations are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix="REACTOR_", frozen=True, extra="ignore")

    redis_url: str = Field("", description="Redis >= 7.0 or Valkey >= 7.2: redis://, rediss:// or unix:// URL.")
    redis_durability: Literal["checked", "declared"] = Field(
        "checked",
        description="`declared`: AOF and noeviction are vouched for by you, where the server refuses CONFIG GET.",
    )
    instance: str = Field(
        "reactor",
        pattern=r"^[a-z0-9][a-z0-9-]{0,30}$",
        description="Name in every key, label and created name; two reactors sharing a Redis or an organization differ in it.",
    )
    config: Path = Field(Path("config"), description="The configuration directory.")
    reload: float = Field(
        2.0, gt=0, description="Time between two looks whether the configuration directory has changed."
    )

    host: str = Field("127.0.0.1", description="Address the web process listens on.")
    port: int = Field(8787, ge=0, le=65535, description="Port the web process listens on; 0 takes a free one.")
    operations_host: str = Field(
        "127.0.0.1",
        description="Address for probes and figures; `0.0.0.0` where the kubelet or Prometheus comes from outside.",
    )
    operations_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port for probes and figures; unset: `serve` 8789, `dispatch` 8790, `work` 8791; 0 takes a free one.",
    )
    tokens: Path | None = Field(
        None,
        description="File with the hashes of the API's tokens; unset: `tokens.yaml` in the configuration directory.",
    )
    body_limit: int = Field(256 * 1024, ge=1024, description="Largest webhook body.")
    body_timeout: float = Field(10.0, gt=0, description="Time for a whole webhook body to arrive.")
    connections: int = Field(512, ge=1, description="Deliveries under way at once; more are answered 503.")

    dedup_window: float = Field(
        14 * 86400, gt=0, description="How long a delivery's id is remembered; older events are late."
    )
    retention: float = Field(
        14 * 86400,
        gt=0,
        description="How long the event log holds an event; one that is not acknowledged stays longer.",
    )
    keep_failed: int = Field(
        100_000,
        ge=1,
        description="Dead jobs, unknown jobs, events set aside: so many of each are kept, the newest.",
    )
    takeover: float = Field(
        5.0, gt=0, description="An event read but not acknowledged for so long goes to another dispatcher."
    )

    private_networks: str = Field(
        "", description="Networks that calls may go to besides the public internet: `10.0.0.0/8,127.0.0.1/32`."
    )
    concurrency: int = Field(200, ge=1, le=5000, description="Jobs a worker process performs at once.")
    creates_per_minute: int = Field(
        6000,
        ge=0,
        description="Creates that one API is asked for in a minute, unless its file has `budgets:`; more wait. 0: no limit.",
    )
    lease: float = Field(
        15.0, gt=0, description="A claimed job is free for others when its worker is silent for so long."
    )
    attempts: int = Field(8, ge=1, description="Attempts before a job is dead.")
    backoff: float = Field(2.0, gt=0, description="Pause after the first failed attempt; doubles, with jitter.")
    backoff_limit: float = Field(300.0, gt=0, description="Longest pause between two attempts.")
    sweep_after: float = Field(
        5.0, gt=0, description="A job whose RQ entry is not taken for so long is enqueued again."
    )
    probe: float = Field(30.0, gt=0, description="A run that waits and hears nothing looks by itself so often.")
    reconcile: float = Field(
        300.0, ge=0, description="Time between two comparisons of each API's resources with what events told; 0: never."
    )
    watches: int = Field(
        500, ge=1, le=5000, description="Resources a worker process long-polls at once, besides its jobs."
    )
    drain: float = Field(25.0, ge=0, description="Time a worker has to finish its jobs after SIGTERM.")

    log_format: Literal["auto", "json", "human"] = Field(
        "auto", description="`auto`: human on a terminal, else JSON lines."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe lines that are written."
    )

    @property
    def tokens_file(self) -> Path:
        """Where the API's tokens are declared."""
        return self.tokens or self.config / "tokens.yaml"

    @property
    def private(self) -> tuple[str, ...]:
        """The networks of `private_networks`."""
        return tuple(network for part in self.private_networks.split(",") if (network := part.strip()))


def load_settings(**overrides: object) -> Settings:
    """Read the environment; keyword arguments win. Raises ConfigError that names each bad variable."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic checks the values, that is its job here
    except ValidationError as error:
        raise ConfigError(
            *(_problem(details["loc"], details["msg"], details["input"]) for details in error.errors())
        ) from None


OTHERS = ("REACTOR_VALKEY_BIN", "REACTOR_FAILPOINT")
"""Variables that are read elsewhere: the embedded server's, and one for tests."""


def unknown_variables(environment: Iterable[str]) -> list[str]:
    """What to say of variables that look like settings and are none: a slip here is a setting that does not hold."""
    known = [*(f"REACTOR_{name.upper()}" for name in Settings.model_fields), *OTHERS]
    found = sorted(name for name in environment if name.startswith("REACTOR_") and name not in known)
    return [f"{name} is no setting; {_nearest(name, known)}" for name in found]


def _nearest(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.8)
    return f"did you mean {near[0]}?" if near else "docs/operations.md lists them all"


def _problem(where: tuple[int | str, ...], message: str, found: object) -> Problem:
    name = "REACTOR_" + "_".join(str(part) for part in where).upper()
    return Problem(name, 0, 0, f"found {found!r}: {message}")
