"""Each recorded answer of the real service (tools/recorded.py), asked of a region with pretended guests."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import pytest
from tools.differences import DIFFERENCES
from tools.recorded import ABSENT, FACTS, Fact

from tests.foreign.region import SUBREGION, Caller, ServedRegion, until
from tests.support.polling import eventually
from tests.wire.server import Answer
from tests.wire.signing import OSC_SDK_PYTHON

Names = dict[str, str]
UNKNOWN_KEY = "an access key that does not exist"


@dataclass
class Scene:
    """An account, and the situations that were made in it, by their names."""

    caller: Caller
    made: dict[str, Names] = field(default_factory=dict)

    def __call__(self, action: str, **request: object) -> Any:
        answer = self.caller.attempt(action, json.dumps(request).encode())
        assert answer.status == 200, answer
        return answer.json

    def names(self, given: str) -> Names:
        """The ids of a situation, which is made when it is first asked for."""
        if given not in self.made:
            self.made[given] = SITUATIONS[given](self)
        return self.made[given]

    def ask(self, fact: Fact) -> Answer:
        """The answer to a fact's request."""
        body = json.dumps(fact.request)
        for name, value in self.names(fact.given).items():
            body = body.replace(f"<{name}>", value)
        if fact.given == UNKNOWN_KEY:
            key = {"key_id": "UNKNOWN0000000000000", "secret": "0" * 40}
            return self.caller.server.call(fact.action, body.encode(), OSC_SDK_PYTHON, **key)
        return self.caller.attempt(fact.action, body.encode())


@pytest.fixture(scope="module")
def scene(region: ServedRegion) -> Scene:
    return Scene(region.account("recorded"))


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: f"{fact.action}, given {fact.given}")
def test_a_recorded_answer_is_given_or_stands_among_the_differences(scene: Scene, fact: Fact) -> None:
    if fact.settles:
        eventually(lambda: _shown(scene, fact) == _wanted(scene, fact))
    elif fact.differs is None:
        assert _shown(scene, fact) == _wanted(scene, fact)
    else:
        assert fact.differs in {difference.where for difference in DIFFERENCES}
        assert _shown(scene, fact) != _wanted(scene, fact), "it holds now: it is no difference any more"


def _wanted(scene: Scene, fact: Fact) -> dict[str, object]:
    """The recorded answer, with the situation's ids; a pattern as its text."""
    named = {f"<{name}>": value for name, value in scene.names(fact.given).items()}
    return {
        path: value.pattern if isinstance(value, re.Pattern) else named.get(str(value), value)
        for path, value in fact.answer.items()
    }


def _shown(scene: Scene, fact: Fact) -> dict[str, object]:
    """What is answered here at the recorded places; where it fits a pattern, the pattern."""
    answer = scene.ask(fact)
    return {path: _fitting(_at(answer, path), value) for path, value in fact.answer.items()}


def _fitting(shown: object, recorded: object) -> object:
    if isinstance(recorded, re.Pattern) and isinstance(shown, str) and recorded.fullmatch(shown):
        return recorded.pattern
    return shown


def _at(answer: Answer, path: str) -> object:
    if path == "status":
        return answer.status
    if path.startswith("header "):
        return answer.headers.get(path.removeprefix("header "), ABSENT)
    return reduce(_step, path.split("."), answer.json)


def _step(there: Any, name: str) -> Any:
    if isinstance(there, list):
        return there[int(name)] if int(name) < len(there) else ABSENT
    return there.get(name, ABSENT) if isinstance(there, dict) else ABSENT


def _nothing(_scene: Scene) -> Names:
    return {"subregion": SUBREGION}


def _volume(scene: Scene) -> Names:
    volume_id = scene("CreateVolume", SubregionName=SUBREGION, Size=1)["Volume"]["VolumeId"]
    until(scene, "Volumes", "VolumeId", volume_id, "available")
    return {"volume": volume_id}


def _young_volume(scene: Scene) -> Names:
    return {"volume": scene("CreateVolume", SubregionName=SUBREGION, Size=1)["Volume"]["VolumeId"]}


def _image(scene: Scene) -> Names:
    """With both boot modes, a standard and an io1 volume; and two groups, by their ids."""
    made = scene("CreateSnapshot", VolumeId=scene.names("a volume")["volume"])["Snapshot"]
    until(scene, "Snapshots", "SnapshotId", made["SnapshotId"], "completed")
    root = {"DeviceName": "/dev/sda1", "Bsu": {"SnapshotId": made["SnapshotId"]}}
    data = {"DeviceName": "/dev/xvdb", "Bsu": {"VolumeSize": 4, "VolumeType": "io1", "Iops": 100}}
    image = scene(
        "CreateImage",
        ImageName="recorded",
        Description="of the source",
        BootModes=["uefi", "legacy"],
        RootDeviceName="/dev/sda1",
        BlockDeviceMappings=[root, data],
    )
    first, later = sorted(_group(scene, name) for name in ("one", "another"))
    return {"image": image["Image"]["ImageId"], "first": first, "later": later}


def _group(scene: Scene, name: str) -> str:
    made = scene("CreateSecurityGroup", SecurityGroupName=name, Description="recorded")["SecurityGroup"]
    return str(made["SecurityGroupId"])


def _copy(source: str, scene: Scene) -> Names:
    copied = scene("CreateImage", SourceImageId=source, SourceRegionName=SUBREGION.removesuffix("a"))
    return {"copy": copied["Image"]["ImageId"]}


def _private_copy(scene: Scene) -> Names:
    return _copy(scene.names("an image")["image"], scene)


def _public_copy(scene: Scene) -> Names:
    public = scene("ReadImages", Filters={"AccountAliases": ["Outscale"]})["Images"]
    return _copy(public[0]["ImageId"], scene)


def _launched(scene: Scene, **request: object) -> str:
    made = scene("CreateVms", ImageId=scene.names("an image")["image"], **request)["Vms"][0]
    return str(made["VmId"])


def _running(scene: Scene) -> Names:
    """In a group of its own."""
    group_id = _group(scene, "of a VM")
    vm_id = _launched(scene, SecurityGroupIds=[group_id])
    until(scene, "Vms", "VmId", vm_id, "running")
    return {"vm": vm_id, "group": group_id}


def _unbooted(scene: Scene) -> Names:
    vm_id = _launched(scene, BootOnCreation=False)
    until(scene, "Vms", "VmId", vm_id, "stopped")
    return {"vm": vm_id}


def _asked(action: str, **launch: object) -> Callable[[Scene], Names]:
    """A VM that was asked to stop, or to go."""

    def make(scene: Scene) -> Names:
        vm_id = _launched(scene, **launch)
        until(scene, "Vms", "VmId", vm_id, "running")
        scene(action, VmIds=[vm_id])
        return {"vm": vm_id}

    return make


SITUATIONS: Mapping[str, Callable[[Scene], Names]] = {
    "nothing": _nothing,
    UNKNOWN_KEY: _nothing,
    "a volume": _volume,
    "a volume that is creating": _young_volume,
    "an image": _image,
    "a private copy of a private image": _private_copy,
    "a copy of a public image": _public_copy,
    "a VM that runs": _running,
    "a VM with BootOnCreation false": _unbooted,
    "a VM after StopVms": _asked("StopVms"),
    "a VM after DeleteVms": _asked("DeleteVms"),
    "a VM with the behavior terminate after StopVms": _asked(
        "StopVms", VmInitiatedShutdownBehavior="terminate"
    ),
    "a VM with the behavior restart after StopVms": _asked("StopVms", VmInitiatedShutdownBehavior="restart"),
}
