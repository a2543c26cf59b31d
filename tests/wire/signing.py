"""Signs requests as each client does. It shares no code with the server: one checks the other."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

ACCESS_KEY_ID = "A" * 20
SECRET_KEY = "S" * 40


@dataclass(frozen=True)
class ClientForm:
    """How a client signs: reference clients.md, section 1. `headers` are those it sends and signs beside host
    and date; `bare_host`: it signs the host without the port."""

    name: str
    scheme: str
    region: str
    service: str
    headers: Mapping[str, str]
    prefix: str = "/api/v1"
    sent_prefix: str | None = None
    bare_host: bool = False

    @property
    def date_header(self) -> str:
        return "X-Osc-Date" if self.scheme == "OSC4" else "X-Amz-Date"


JSON = {"content-type": "application/json"}

OSC_SDK_PYTHON = ClientForm(
    "osc-sdk-python",
    "OSC4",
    "eu-test-1",
    "api",
    {"content-type": "application/json; charset=utf-8"},
    bare_host=True,
)

FORMS = (
    OSC_SDK_PYTHON,
    ClientForm(
        "osc-cli",
        "OSC4",
        "eu-test-1",
        "api",
        {"x-osc-target": "OutscaleService.ReadSubregions"},
        prefix="/api/latest",
        sent_prefix="//api/latest",
    ),
    ClientForm("oapi-cli", "AWS4", "0", "127", JSON),
    ClientForm("osc-sdk-go v2", "AWS4", "eu-test-1", "oapi", {"accept": "application/json", **JSON}),
    ClientForm("osc-sdk-go v3", "AWS4", "eu-test-1", "api", {}),
    ClientForm("curl --aws-sigv4 osc", "OSC4", "eu-test-1", "api", JSON),
    ClientForm("libcloud", "OSC4", "eu-test-1", "api", JSON, prefix="/api/latest"),
    ClientForm("legacy path", "OSC4", "eu-test-1", "api", JSON, prefix="/oapi/latest"),
    ClientForm("capital V", "OSC4", "eu-test-1", "api", JSON, prefix="/api/V1"),
)


def sign(
    form: ClientForm,
    netloc: str,
    path: str,
    body: bytes,
    *,
    when: datetime | None = None,
    key_id: str = ACCESS_KEY_ID,
    secret: str = SECRET_KEY,
    scope_date: str | None = None,
) -> dict[str, str]:
    """The headers of a POST of `body` to `path`, which is the path as the client signs it. The scope has the date of
    the timestamp, unless another is given."""
    timestamp = (when or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    host = (urlsplit(f"//{netloc}").hostname or "") if form.bare_host else netloc
    signed = {**form.headers, "host": host, form.date_header.lower(): timestamp}
    names = ";".join(sorted(signed))
    headers = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    canonical = f"POST\n{path}\n\n{headers}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    day = timestamp[:8] if scope_date is None else scope_date
    scope = f"{day}/{form.region}/{form.service}/{form.scheme.lower()}_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"{form.scheme}-HMAC-SHA256\n{timestamp}\n{scope}\n{digest}"
    signature = _hmac(_key(form.scheme + secret, scope), text).hex()
    authorization = (
        f"{form.scheme}-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return {**form.headers, form.date_header: timestamp, "Authorization": authorization}


def _key(start: str, scope: str) -> bytes:
    key = start.encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
