"""Where the database is, by the settings."""

from pathlib import Path
from typing import Any

import pytest
from asyncpg import connect_utils  # type: ignore[import-untyped]

from quizd.config import ConfigError
from quizd.settings import Settings
from quizd.store.place import FILE, lasting_place, place_of

PASSWORD = "p/ä@:#?"


def settings_of(**sections: object) -> Settings:
    """Return settings with *sections*."""
    return Settings.model_validate(sections)


def test_a_file_unless_said_otherwise(tmp_path: Path) -> None:
    """It is in the data folder."""
    place = place_of(settings_of(data={"dir": tmp_path}))
    assert (place.file, place.dsn) == (tmp_path / FILE, "")


def test_nowhere_with_a_journal_in_memory(tmp_path: Path) -> None:
    """Commands need one that lasts."""
    settings = settings_of(data={"dir": tmp_path}, journal={"kind": "memory"})
    place = place_of(settings)
    assert (place.file, place.dsn) == (None, "")
    with pytest.raises(ValueError, match="keeps nothing"):
        lasting_place(settings)
    with pytest.raises(ValueError, match="not kept"):
        place.sink()


@pytest.mark.parametrize(
    ("url", "user", "hosts"),
    [
        ("postgresql://ann@a/quizd", "ann", [("a", 5432)]),
        ("postgresql://ann:old@a,b:99/quizd", "ann", [("a", 5432), ("b", 99)]),
        ("postgresql://a/quizd?user=ann", "ann", [("a", 5432)]),
    ],
)
def test_a_password_from_a_file(
    url: str, user: str, hosts: list[tuple[str, int]], tmp_path: Path
) -> None:
    """The driver reads it as it is in the file, whatever characters it has."""
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    file.chmod(0o600)
    database = {"url": url, "replica_url": url, "password_file": str(file)}
    place = place_of(settings_of(database=database))
    for dsn in (place.dsn, place.replica_dsn):
        addresses, parameters = read_by_the_driver(dsn)
        assert addresses == hosts
        assert (parameters.user, parameters.password) == (user, PASSWORD)
        assert parameters.database == "quizd"


def test_a_password_file_that_is_missing(tmp_path: Path) -> None:
    """The setting is named; where no address is given nobody looks for it."""
    database = {"password_file": str(tmp_path / "none")}
    assert place_of(settings_of(database=database)).dsn == ""
    database["url"] = "postgresql://a/quizd"
    with pytest.raises(ConfigError, match=r"database\.password_file"):
        place_of(settings_of(database=database))


def read_by_the_driver(dsn: str) -> tuple[list[tuple[str, int]], Any]:
    """Return what the driver makes of an address."""
    names = (
        "host port user password passfile database ssl service servicefile direct_tls "
        "server_settings target_session_attrs krbsrvname gsslib"
    )
    addresses, parameters = connect_utils._parse_connect_dsn_and_args(
        dsn=dsn, **dict.fromkeys(names.split())
    )
    return addresses, parameters
