"""RefreshExport: its request, its answer, its refusals."""

import json
from typing import Any

import pytest

from souche.api import actions
from souche.api.protocol import errors
from souche.api.protocol.dispatch import dispatch
from souche.app.context.region import Region
from souche.db import export_tasks as records
from souche.errors import UserError
from souche.model.accounts import Principal
from souche.states import ExportState
from tests.support.client import Client
from tests.support.region import START
from tests.support.resources import make_export_task, make_image, requested


def ask(region: Region, who: Principal, **request: object) -> dict[str, Any]:
    body = json.dumps(request).encode()
    return dispatch(actions.souche_action("RefreshExport"), region, who, body, "1")


def refusal(region: Region, who: Principal, **request: object) -> tuple[int, str]:
    with pytest.raises(UserError) as refused:
        ask(region, who, **request)
    row = errors.row(type(refused.value))
    return row.status, str(refused.value)


def completed(region: Region, who: Principal) -> str:
    task = make_export_task(region, who, make_image(region, who), state=ExportState.COMPLETED)
    with region.store.begin() as connection:
        sealed = region.vault.seal("http://127.0.0.1:1/manifest.json?X-Amz-Signature=hush")
        records.set_manifest_url(connection, task.task_id, sealed, START)
    return task.task_id


def test_an_export_is_refreshed_by_souches_own_action(region: Region, alice: Principal) -> None:
    task_id = completed(region, alice)
    told = ask(region, alice, ExportTaskId=task_id, Days=1)["ExportRefresh"]
    assert told == {
        "TaskId": task_id,
        "ImageId": told["ImageId"],
        "State": "pending",
        "ManifestUrl": "http://127.0.0.1:1/manifest.json?X-Amz-Signature=hush",
        "ExpirationDate": "2026-11-24T10:00:00.000Z",
    }
    assert requested(region) == ["refresh_export"]


def test_a_dry_run_of_a_refresh_says_nothing(region: Region, alice: Principal) -> None:
    told = ask(region, alice, ExportTaskId=completed(region, alice), DryRun=True)
    assert (list(told), requested(region)) == (["ResponseContext"], [])


def test_what_is_no_export_of_the_callers_is_refused(
    region: Region, alice: Principal, bob: Principal
) -> None:
    task_id = completed(region, alice)
    assert refusal(region, bob, ExportTaskId=task_id)[0] == 400
    assert refusal(region, alice, ExportTaskId=task_id, Days=8)[0] == 400
    assert refusal(region, alice, ExportTaskId=task_id, Days="7")[0] == 400
    assert refusal(region, alice)[0] == 400
    assert refusal(region, alice, ExportTaskId="vol-12345678")[0] == 400
    status, said = refusal(region, alice, ExportTaskId=task_id, OsuApiKey={"ApiKeyId": "A"})
    assert (status, "OsuApiKey.SecretKey" in said) == (400, True)
    made = make_export_task(region, alice, make_image(region, alice, "other"))
    assert refusal(region, alice, ExportTaskId=made.task_id)[0] == 409
    assert requested(region) == []


def test_no_answer_of_the_outscale_api_has_a_new_field(region: Region, alice: Principal) -> None:
    completed(region, alice)
    (task,) = Client(region, alice)("ReadImageExportTasks")["ImageExportTasks"]
    assert set(task) == {"Comment", "ImageId", "OsuExport", "Progress", "State", "Tags", "TaskId"}
