"""Regions: what of an address says where in the world its session runs.

Every region is a cluster of its own, with its own Redis. The id of a quiz may begin
with a region's name and a dash: ``eu-quiz123`` runs in ``eu``. Only names that are
configured count, so ``pre-algebra`` is just an id, unless somebody calls a region
``pre``. Pins have no region, they are given out by each region for itself.
"""

import re
from collections.abc import Mapping

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class Regions:
    """The regions that are known here: *own*, and those with an address.

    *addresses* are base URLs by region, such as ``https://eu.quiz.example.org``; one
    for *own* may be among them. An empty *own* belongs to no region. Raises
    ``ValueError`` for a name that isn't lower-case words joined by dashes.
    """

    def __init__(self, own: str, addresses: Mapping[str, str]) -> None:
        names = {*addresses, own} - {""}
        for name in names:
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name for a region, eu-west is one")
        self.own = own
        self._urls = {name: url.rstrip("/") for name, url in addresses.items()}
        # eu-west-7 is of eu-west, not of eu: the longest name is looked for first.
        self._names = sorted(names, key=len, reverse=True)

    def of(self, address: str) -> str | None:
        """Return the region that a quiz's id names, ``None`` if it names none."""
        for name in self._names:
            if len(address) > len(name) + 1 and address.startswith(f"{name}-"):
                return name
        return None

    def elsewhere(self, address: str) -> str | None:
        """Return the other region's base URL if *address* names one, else ``None``."""
        region = self.of(address)
        if region is None or region == self.own:
            return None
        return self._urls[region]
