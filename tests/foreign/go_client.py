"""A client as those in Go are: AWS4 signatures, lists that they have not filled sent as null, answers indexed
without looking. What a client sends is written out in the stories, from its source."""

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from tools.harness import REGION

from tests.foreign.region import Caller
from tests.support.polling import eventually
from tests.wire.answers import check_answer, check_error
from tests.wire.signing import JSON, ClientForm

ACCEPTED = {"accept": "application/json", **JSON}

# osc-sdk-go v2 in Terraform's provider; the plugin of Packer signs by itself, as the service `osc`; version 3 of the
# SDK takes the signer of aws-sdk-go-v2, which covers the length of the body too.
SDK_V2 = ClientForm("osc-sdk-go v2", "AWS4", REGION, "oapi", ACCEPTED)
SDK_V3 = ClientForm("osc-sdk-go v3", "AWS4", REGION, "api", {**JSON, "content-length": ""})
PACKER_V2 = ClientForm("Packer with osc-sdk-go v2", "AWS4", REGION, "osc", ACCEPTED)


@dataclass(frozen=True)
class GoClient:
    """Calls that must succeed, with answers of the published shape."""

    caller: Caller
    form: ClientForm

    def __call__(self, action: str, **request: object) -> dict[str, Any]:
        status, answer = self._send(action, request)
        assert status == 200, answer
        check_answer(action, answer)
        return answer

    def undated(self, action: str, **request: object) -> dict[str, Any]:
        """A call whose answer has dates of a form of their own (+0000), as the specification's examples have."""
        status, answer = self._send(action, request)
        assert status == 200, answer
        return answer

    def refused(self, action: str, **request: object) -> tuple[int, str]:
        """Status and code of a call that is refused."""
        status, answer = self._send(action, request)
        check_error(answer)
        return status, answer["Errors"][0]["Code"]

    def _send(self, action: str, request: object) -> tuple[int, dict[str, Any]]:
        body = json.dumps(request, separators=(",", ":")).encode()
        covered = {name: value or str(len(body)) for name, value in self.form.headers.items()}
        answer = self.caller.attempt(action, body, replace(self.form, headers=covered))
        return answer.status, answer.json

    def wait(self, resource: str, key: str, resource_id: str, target: str, pending: Collection[str]) -> Any:
        """Poll as Terraform does: the first resource of the answer must exist, and a state that is neither the target
        nor one of `pending` is an error."""

        def look() -> dict[str, Any] | None:
            found: dict[str, Any] = self.only(resource, key, resource_id)
            assert found["State"] in {target, *pending}, found
            return found if found["State"] == target else None

        return eventually(look)

    def only(self, resource: str, key: str, value: str) -> Any:
        """What a read by one value of a filter finds."""
        (found,) = self(f"Read{resource}", Filters={key: [value]})[resource]
        return found

    def gone(self, resource: str, key: str, resource_id: str) -> None:
        """Wait until a read finds nothing."""
        eventually(lambda: not self(f"Read{resource}", Filters={key: [resource_id]})[resource])
