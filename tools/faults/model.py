"""The expected state: the content of every disk, and the result of every answered request."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tools.faults import disks, imports
from tools.faults.seen import Seen

Line = dict[str, Any]
Content = dict[int, bytes]

DELETIONS: Final = {
    "DeleteVolume": "VolumeId",
    "DeleteSnapshot": "SnapshotId",
    "DeleteImage": "ImageId",
    "DeleteExportTask": "ExportTaskId",
}


@dataclass
class Figures:
    """The numbers of comparisons."""

    states: int = 0
    compares: int = 0
    answered: int = 0
    unknown: int = 0


@dataclass
class Model:
    """Contents by id of volumes and snapshots. A snapshot's content never changes, and stays known after its
    deletion."""

    contents: dict[str, Content] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    links: dict[str, list[str]] = field(default_factory=dict)
    figures: Figures = field(default_factory=Figures)

    def adopt(self, seen: Seen) -> None:
        """Make the current state the expected one."""
        self.contents = {each: _content(blocks) for each, blocks in seen.contents.items()}
        self.known, self.links = _living(seen), _volumes_of_vms(seen)

    def check(self, seen: Seen, told: list[Line], *, strict: bool) -> list[str]:
        """The violations after a round. `strict`: no answered request may have failed."""
        found = [f"fsck: {' '.join(finding)}" for finding in seen.findings]
        found += [f"{each} cannot be read: {why}" for each, why in seen.unreadable.items()]
        self._learn(told)
        found += self._bytes(seen)
        found += self._exports(seen)
        found += self._lost(seen, told)
        found += _Ends(seen, told, strict=strict, figures=self.figures).check()
        self.known, self.links = _living(seen), _volumes_of_vms(seen)
        return found

    def _learn(self, told: list[Line]) -> None:
        """Note the sources of new disks from the answers: the sources may be deleted by now."""
        for line in _answers(told):
            request, answer = line["request"], line["answer"]
            if line["action"] == "CreateVolume" and "SnapshotId" in request:
                self.sources[answer["Volume"]["VolumeId"]] = request["SnapshotId"]
            elif line["action"] == "CreateVolume":
                self.contents[answer["Volume"]["VolumeId"]] = {}

    def _bytes(self, seen: Seen) -> Iterator[str]:
        """Compare every disk with the guests' writes and its source."""
        for resource_id, blocks in seen.contents.items():
            expected = self._expected(resource_id, seen, set())
            present = _content(blocks)
            if expected is None:
                self.figures.unknown += 1
            else:
                self.figures.compares += 1
                if disks.digest(expected) != disks.digest(present):
                    yield f"{resource_id} has other bytes than it must: {_difference(expected, present)}"
            self.contents[resource_id] = present

    def _expected(self, resource_id: str, seen: Seen, asked: set[str]) -> Content | None:
        """The expected content of a disk; None: its source was created and deleted in this round."""
        if resource_id in self.contents:
            return self.contents[resource_id]
        if resource_id in asked:
            return None
        asked.add(resource_id)
        if resource_id in self.sources:
            return self._expected(self.sources[resource_id], seen, asked)
        if (volume := seen.volumes.get(resource_id)) is not None:
            source = volume["snapshot_id"]
            return {} if source is None else self._expected(source, seen, asked)
        snapshot = seen.snapshots.get(resource_id)
        if snapshot is None:
            return None
        if snapshot["description"].startswith("import "):
            return imports.content(int(snapshot["description"].split()[1]))
        origin = snapshot["source_snapshot_id"] or snapshot["volume_id"]
        return None if origin is None else self._expected(origin, seen, asked)

    def _exports(self, seen: Seen) -> Iterator[str]:
        """Compare every object of a completed export with its snapshot."""
        for task_id, task in seen.exports.items():
            if task["state"] != "completed" or task["snapshot_id"] is None:
                continue
            ending = task_id.rpartition("-")[2]
            key = f"{task['prefix']}{task['snapshot_id']}-{ending}.{task['disk_format']}.gz"
            expected = self.contents.get(task["snapshot_id"])
            if key not in seen.exported:
                yield f"{task_id} is completed, and there is no {key}"
            elif expected is not None:
                self.figures.compares += 1
                if seen.exported[key] != disks.digest(expected):
                    yield f"{task_id}: {key} has other bytes than {task['snapshot_id']}"

    def _lost(self, seen: Seen, told: list[Line]) -> Iterator[str]:
        """Check that resources from before the round still exist, unless their deletion was requested."""
        wanted = set(_named_for_deletion(told))
        gone_too = {each for vm_id in wanted for each in self.links.get(vm_id, ())}
        for resource_id in sorted(self.known - _living(seen) - wanted - gone_too):
            yield f"{resource_id} is lost"


def _volumes_of_vms(seen: Seen) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for volume_id, link in seen.links.items():
        found.setdefault(link["vm_id"], []).append(volume_id)
    return found


def _living(seen: Seen) -> set[str]:
    vms = {vm_id for vm_id, vm in seen.vms.items() if vm["state"] != "terminated"}
    return {*seen.volumes, *seen.snapshots, *seen.images, *seen.exports, *vms}


def _named_for_deletion(told: list[Line]) -> Iterator[str]:
    for line in told:
        if "asked" in line:
            action, request = line["action"], line["request"]
            if action in DELETIONS:
                yield request[DELETIONS[action]]
            elif action == "DeleteVms":
                yield from request["VmIds"]


def _answers(told: list[Line]) -> Iterator[Line]:
    """Every answered request, with its answer and its position, in order."""
    asked: Line = {}
    for at, line in enumerate(told):
        if "asked" in line:
            asked = {**line, "at": at}
        elif "answer" in line:
            yield {**asked, "answer": line["answer"]}


def _content(blocks: Mapping[str, str]) -> Content:
    return {int(offset): bytes.fromhex(block) for offset, block in blocks.items()}


def _difference(expected: Content, present: Content) -> str:
    offsets = sorted(
        each for each in expected.keys() | present.keys() if expected.get(each) != present.get(each)
    )
    return f"{len(offsets)} blocks, the first at {offsets[0]}"


class _Ends:
    """The expected results of answered requests. Only the last request for a resource counts."""

    def __init__(self, seen: Seen, told: list[Line], *, strict: bool, figures: Figures) -> None:
        self._seen = seen
        self._told = told
        self._strict = strict
        self._figures = figures
        self._deleted = set(_named_for_deletion(told))
        self._last = self._last_power_requests()

    def check(self) -> Iterator[str]:
        for line in _answers(self._told):
            self._figures.answered += 1
            said = self._wrong(line)
            if said is not None:
                yield f"{line['action']} {line['request']} was answered, and {said}"

    def _wrong(self, line: Line) -> str | None:
        seen = self._seen
        action, request, answer = line["action"], line["request"], line["answer"]
        match action:
            case "CreateVolume":
                return self._is(seen.volumes, answer["Volume"]["VolumeId"], {"available", "in-use"})
            case "CreateSnapshot":
                return self._is(seen.snapshots, answer["Snapshot"]["SnapshotId"], {"completed"})
            case "CreateImage":
                return self._is(seen.images, answer["Image"]["ImageId"], {"available"})
            case "CreateVms":
                return self._is(seen.vms, answer["Vms"][0]["VmId"], {"running", "stopped"})
            case "CreateImageExportTask":
                return self._is(seen.exports, answer["ImageExportTask"]["TaskId"], {"completed"})
            case "CreateSnapshotExportTask":
                return self._is(seen.exports, answer["SnapshotExportTask"]["TaskId"], {"completed"})
            case "StopVms" | "StartVms":
                return self._powered(line["at"], action, request["VmIds"][0])
            case "UpdateVolume":
                return self._grown(request["VolumeId"], request["Size"])
        return self._gone(action, request)

    def _is(self, of: Mapping[str, Line], resource_id: str, states: set[str]) -> str | None:
        self._figures.states += 1
        if resource_id in self._deleted:
            return None
        if resource_id not in of:
            return None if not self._strict and of is self._seen.volumes else f"{resource_id} is not there"
        state = of[resource_id]["state"]
        if state in states or (not self._strict and state in ("error", "failed", "terminated", "cancelled")):
            return None
        reason = of[resource_id].get("state_reason") or of[resource_id].get("comment") or ""
        return f"{resource_id} is '{state}' {reason}"

    def _powered(self, at: int, action: str, vm_id: str) -> str | None:
        vm = self._seen.vms.get(vm_id)
        if vm is None or vm_id in self._deleted or self._last.get(vm_id) != at or not self._strict:
            return None
        self._figures.states += 1
        wanted = "stopped" if action == "StopVms" else "running"
        return None if vm["state"] == wanted else f"{vm_id} is '{vm['state']}'"

    def _last_power_requests(self) -> dict[str, int]:
        """The positions of the last requests that change whether a VM runs. Such a request may be unanswered: then the
        VM may be in either state."""
        last: dict[str, int] = {}
        for at, line in enumerate(self._told):
            if "asked" in line:
                request = line["request"]
                for vm_id in request.get("VmIds", [request.get("VmId")]):
                    if vm_id is not None and line["action"] != "LinkVolume":
                        last[vm_id] = at
        return last

    def _grown(self, volume_id: str, size_gib: int) -> str | None:
        volume = self._seen.volumes.get(volume_id)
        if volume is None or not self._strict:
            return None
        self._figures.states += 1
        return None if volume["size_gib"] >= size_gib else f"{volume_id} has {volume['size_gib']} GiB"

    def _gone(self, action: str, request: Line) -> str | None:
        """Check that resources whose deletion was requested are deleted."""
        living = _living(self._seen)
        ids = (
            [request[DELETIONS[action]]]
            if action in DELETIONS
            else request["VmIds"]
            if action == "DeleteVms"
            else []
        )
        self._figures.states += len(ids)
        left = [each for each in ids if each in living and action != "DeleteExportTask"]
        return f"{left[0]} is still there" if left else None
