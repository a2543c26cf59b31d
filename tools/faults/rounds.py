"""Lives, one after the other, and a check when all work is done."""

import json
import random
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from souche.config import Settings
from tools.faults import deaths, disks, life, requests, seen, wounds
from tools.faults.deaths import Death
from tools.faults.imports import Imports
from tools.faults.life import Plan
from tools.faults.model import Model
from tools.faults.seen import Seen
from tools.faults.wounds import Kind, Medium

Line = dict[str, Any]

ACCOUNTS: Final = ("alice", "bob")
ROUNDS_OF_A_HOME: Final = 40
"""then a new home begins, because records accumulate"""
DAYS: Final = 24 * 3600


@dataclass
class Tally:
    """Counts of faults and checks."""

    kills: Counter[str] = field(default_factory=Counter)
    boundaries: set[tuple[str, ...]] = field(default_factory=set)
    wounds: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    @property
    def faults(self) -> int:
        """The number of kills and wounds."""
        return self.kills.total() + self.wounds.total()


class Rounds:
    """All rounds of one seed."""

    def __init__(self, place: Path, settings: Settings, imports: Imports, medium: Medium, seed: int) -> None:
        self._place = place
        self._home = settings.home
        self._settings = settings
        self._imports = imports
        self._medium = medium
        self._source = random.Random(seed)  # noqa: S311  repeatable, not secret
        self._log = place / "lives.log"
        self._points: list[tuple[str, str, str]] = []
        self._accounts: tuple[str, ...] = ()
        self._seen: Seen | None = None
        self.model = Model()
        self.tally = Tally()

    def run(self, number: int) -> Iterator[Tally]:
        """Run until this many faults were made. Yields the counts after each round."""
        while self.tally.faults < number:
            if self.tally.rounds % ROUNDS_OF_A_HOME == 0 or self._seen is None:
                self._begin()
            self._round(min(number - self.tally.faults, self._source.randint(4, 9)))
            self.tally.rounds += 1
            yield self.tally

    def _begin(self) -> None:
        """A new home."""
        for folder in (self._home, self._place / "buckets"):
            shutil.rmtree(folder, ignore_errors=True)
        told = life.run(lambda tell: life.prepare(self._settings, ACCOUNTS, tell), self._log)
        self._accounts = tuple(line["account"] for line in told if "account" in line)
        if len(self._accounts) != len(ACCOUNTS):
            raise RuntimeError(f"no home could be made: {told}")
        self._seen = self._look()
        self.model = replace(self.model, contents={}, sources={})
        self.model.adopt(self._seen)

    def _round(self, lives: int) -> None:
        self._write()
        wound: Kind = self._source.choice(self._medium.kinds()) if self._source.random() < 0.35 else "none"
        told: list[Line] = []
        strict = wound not in wounds.LENIENT
        for number in range(lives):
            death = self._death()
            strict = strict and death.failing is None
            with self._wounded(wound if number < lives - 1 else "none"):
                told += self._live(death, wound)
        if wound == "capture damaged":
            wounds.remove_damaged_captures(self._home)
        last = life.run(lambda tell: life.live(Plan(self._settings, 0, None, self._imports), tell), self._log)
        found = [*self._broken(told, wound), *self._unsettled(last)]
        if not found:
            self._seen = self._look()
            found = self.model.check(self._seen, told, strict=strict)
        if found:
            self._report(found, wound, [*told, *last])

    def _write(self) -> None:
        """Write like guests, while no part of the region runs."""
        if self._seen is None:
            return
        for volume_id, volume in sorted(self._seen.volumes.items()):
            if volume["state"] in ("available", "in-use") and self._source.random() < 0.4:
                path = (self._home / "disks" / "volumes" / volume_id).resolve()
                disks.write(path, self._source, self.model.contents[volume_id])

    def _death(self) -> Death:
        """A random death; every other time, the next boundary in a list of all that requests can reach."""
        if self._source.random() < 0.5:
            return deaths.choose(self._source)
        if not self._points:
            self._points = [each for each in deaths.points() if each[0] in requests.WORKFLOWS]
            self._source.shuffle(self._points)
        return Death("boundary", point=self._points.pop())

    def _live(self, death: Death, wound: Kind) -> list[Line]:
        plan = Plan(
            settings=self._settings,
            seed=self._source.getrandbits(64),
            death=death,
            imports=self._imports,
            accounts=self._accounts,
            requests=self._source.randint(1, 5),
            aim=death.point[0] if death.point else None,
            ahead_seconds=self._source.uniform(-400, 400) * DAYS if wound == "clock" else 0,
        )
        told = life.run(lambda tell: life.live(plan, tell), self._log)
        died = [line["died"] for line in told if "died" in line]
        for how in died[:1]:
            self.tally.kills[how.split()[0]] += 1
            if how.startswith("boundary "):
                self.tally.boundaries.add(tuple(how.removeprefix("boundary ").split("/")))
        self.tally.requests.update(line["action"] for line in told if "asked" in line)
        return told

    def _wounded(self, wound: Kind) -> AbstractContextManager[None]:
        self.tally.wounds.update([wound] if wound != "none" else [])
        match wound:
            case "full":
                return self._medium.full(self._source)
            case "read-only":
                return self._medium.read_only()
            case "layer gone":
                return wounds.layer_gone(self._home, self._source)
            case "layer cut":
                return wounds.layer_cut(self._home, self._source)
            case "capture damaged":
                wounds.damage_capture(self._home, self._source)
            case "guests end":
                wounds.end_guests(self._home, self._source)
        return nullcontext()

    def _look(self) -> Seen:
        told = life.run(lambda tell: seen.tell(self._home, tell), self._log)
        if "findings" not in told[0]:
            raise RuntimeError(f"nothing can be seen: {told}")
        return Seen(**told[0])

    def _broken(self, told: list[Line], wound: Kind) -> Iterator[str]:
        """A life that ended unexpectedly, and requests that broke."""
        for line in told:
            if line.get("hangs"):
                yield "a life hangs"
            if "broke" in line:
                yield f"a life broke: {line['broke'].splitlines()[-1]}"
            if "refused to start" in line and wound not in wounds.LENIENT:
                yield f"a life refused to start: {line['refused to start']}"
            if "error" in line and wound not in wounds.LENIENT:
                yield f"a request broke: {line['error']}"

    def _unsettled(self, told: list[Line]) -> Iterator[str]:
        if not any("settled" in line for line in told):
            yield f"a region that is left alone does not settle: {told}"

    def _report(self, found: list[str], wound: Kind, told: list[Line]) -> None:
        """Keep the home with all reports of the round (`told.json`), and continue with another home."""
        kept = self._place / f"violation-{len(self.tally.violations)}"
        with ExitStack() as stack:
            stack.callback(setattr, self, "_seen", None)
            shutil.copytree(self._home, kept, symlinks=True, ignore=_sockets)
            (kept / "told.json").write_text("\n".join(map(json.dumps, told)))
        for each in found:
            self.tally.violations.append(each)
            sys.stdout.write(f"violation in round {self.tally.rounds} ({wound}; the home: {kept}): {each}\n")
        sys.stdout.flush()


def _sockets(folder: str, names: list[str]) -> list[str]:
    """Sockets of a killed program, which cannot be copied."""
    return [name for name in names if (Path(folder) / name).is_socket()]
