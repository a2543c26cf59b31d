"""Requests to several API processes at random, and what they acknowledged."""

import http.client
import json
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.test_main import Served
from tests.wire.server import Answer, Server


@dataclass
class Region:
    """A region, its server and the ports of its other processes. `account` is one of it."""

    home: Path
    options: tuple[str, ...]
    account: dict[str, Any]
    ports: list[int]
    server: Served

    def ask(self, port: int, action: str, **request: object) -> Answer:
        key = {"key_id": self.account["AccessKeyId"], "secret": self.account["SecretKey"]}
        return Server(port).call(action, json.dumps(request).encode(), **key)

    def call(self, port: int, action: str, **request: object) -> Any:
        answer = self.ask(port, action, **request)
        assert answer.status == 200, answer.json
        return answer.json


@dataclass
class Model:
    """What was acknowledged, by noun; what may have been deleted is `unsure`."""

    volumes: set[str] = field(default_factory=set)
    snapshots: set[str] = field(default_factory=set)
    tagged: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    unsure: set[str] = field(default_factory=set)
    asked: int = 0
    answered: int = 0


class Load:
    """One client: it asks any process, one request after the other, and believes what is acknowledged."""

    def __init__(self, region: Region, ports: list[int], seed: int) -> None:
        self.model = Model()
        self._region, self._ports = region, ports
        self._random = random.Random(seed)

    def run(self, ended: threading.Event) -> None:
        acts: list[Callable[[], None]] = [self._volume, self._snapshot, self._tag, self._delete]
        while not ended.is_set():
            self._random.choice(acts)()

    def _ask(self, action: str, **request: object) -> dict[str, Any] | None:
        """The answer; none, where it was refused or did not come."""
        self.model.asked += 1
        try:
            answer = self._region.ask(self._random.choice(self._ports), action, **request)
        except (OSError, http.client.HTTPException):
            return None
        assert answer.status in (200, 400, 409, 429, 503), answer.json
        self.model.answered += 1
        found: dict[str, Any] = answer.json
        return found if answer.status == 200 else {}

    def _volume(self) -> None:
        found = self._ask("CreateVolume", SubregionName="souche-1a", Size=1)
        if found:
            self.model.volumes.add(found["Volume"]["VolumeId"])

    def _snapshot(self) -> None:
        if self.model.volumes:
            volume = self._random.choice(sorted(self.model.volumes))
            found = self._ask("CreateSnapshot", VolumeId=volume)
            if found:
                self.model.snapshots.add(found["Snapshot"]["SnapshotId"])

    def _tag(self) -> None:
        there = sorted(self.model.volumes | self.model.snapshots)
        if there:
            wanted, value = self._random.choice(there), str(self.model.asked)
            found = self._ask("CreateTags", ResourceIds=[wanted], Tags=[{"Key": "n", "Value": value}])
            if found is None:
                self.model.unsure.add(f"tag of {wanted}")
            elif found:
                self.model.tagged[wanted] = value
                self.model.unsure.discard(f"tag of {wanted}")

    def _delete(self) -> None:
        kind, action, name = self._random.choice(
            [
                (self.model.volumes, "DeleteVolume", "VolumeId"),
                (self.model.snapshots, "DeleteSnapshot", "SnapshotId"),
            ]
        )
        if len(kind) > 5:
            wanted = self._random.choice(sorted(kind))
            found = self._ask(action, **{name: wanted})
            if found is None or found:
                kind.discard(wanted)
                (self.model.unsure if found is None else self.model.deleted).add(wanted)
