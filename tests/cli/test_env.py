"""`souche env` and `souche wait` (docs/developing-against.md)."""

import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from souche.home import Home
from tests.cli.conftest import Souche

FACTS = {"Api": "http://127.0.0.1:8808/api/v1", "Oos": "http://127.0.0.1:8809", "Region": "it's mine"}


@pytest.fixture
def told(souche: Souche) -> Souche:
    """A region whose server has told where it is."""
    home = Home(souche.home)
    home.make()
    home.record_facts(FACTS)
    return souche


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this machine's settings of clients."""
    for name in [name for name in os.environ if name.startswith(("OSC_", "AWS_", "OUTSCALE_"))]:
        monkeypatch.delenv(name)


def test_a_shell_takes_the_variables_as_they_are(told: Souche, monkeypatch: pytest.MonkeyPatch) -> None:
    (account,) = told("account", "create", "alice")
    monkeypatch.setenv("AWS_PROFILE", "work")
    text = told.run("env", "alice")
    script = f'{text}\nprintf "%s|" "$OSC_REGION" "$AWS_SECRET_ACCESS_KEY" "$OSC_ENDPOINT_API" "$AWS_PROFILE"'
    shell = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert shell.stdout.split("|")[:4] == ["it's mine", account["SecretKey"], FACTS["Api"], ""]
    (as_json,) = told("env", "alice")
    assert as_json["OUTSCALE_ACCESSKEYID"] == account["AccessKeyId"]
    assert as_json["AWS_ENDPOINT_URL_S3"] == FACTS["Oos"]


@pytest.mark.parametrize("quote", ['"', ""], ids=["quoted", "unquoted"])
def test_an_authority_is_named_in_comments(told: Souche, quote: str) -> None:
    """A shell that forgets the quotes has all on one line: then too, nothing but the variables is set."""
    home = Home(told.home)
    home.record_facts({**FACTS, "Region": "souche-1", "TlsTrusted": str(home.authority)})
    told("account", "create", "alice")
    text = told.run("env", "alice")
    comments = [line for line in text.splitlines() if line.startswith("#")]
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"):
        assert any(f"export {name}={home.authority}  #" in line for line in comments)
    shown = ("OSC_ENDPOINT_API", "AWS_REGION", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE")
    values = " ".join(f'"${name}"' for name in shown)
    script = f'eval {quote}$(cat){quote}; printf "%s|" {values}'
    shell = subprocess.run(
        ["bash", "-c", script],
        input=text,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shell.stdout == f"{FACTS['Api']}|souche-1||||"


def test_an_operators_certificate_needs_no_comment(told: Souche) -> None:
    Home(told.home).record_facts({**FACTS, "TlsTrusted": "/etc/ssl/server.pem"})
    told("account", "create", "alice")
    assert "#" not in told.run("env", "alice")


def test_a_key_that_opens_something_is_taken(told: Souche) -> None:
    (account,) = told("account", "create", "alice")
    told.run("account", "key", "disable", "alice", account["AccessKeyId"])
    assert "souche account key create alice" in told.refusal("env", "alice")
    (key,) = told("account", "key", "create", "alice")
    (found,) = told("env", "alice")
    assert found["OSC_ACCESS_KEY"] == key["AccessKeyId"]
    assert "no usable access key" in told.refusal("env", "alice", "--access-key", account["AccessKeyId"])
    assert "mallory" in told.refusal("env", "mallory")


def test_what_still_leads_to_the_real_cloud_is_told(told: Souche, monkeypatch: pytest.MonkeyPatch) -> None:
    told("account", "create", "alice")
    assert told.invoke("env", "alice").stderr == ""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://oos.eu-west-2.outscale.com")
    assert "real cloud: AWS_ENDPOINT_URL" in told.invoke("env", "alice").stderr


class Answering(BaseHTTPRequestHandler):
    """A region, as far as `souche wait` asks."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api" else 404)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def api() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/api/v1"
        server.shutdown()


def test_a_region_that_answers_is_not_waited_for(souche: Souche, api: str) -> None:
    home = Home(souche.home)
    home.make()
    home.record_facts({"Api": api, "ProcessId": os.getpid()})
    assert souche.run("wait") == ""
    (where,) = souche("wait")
    expected = {"Home": str(souche.home), "Region": None, "Api": api, "Oos": None, "ProcessId": os.getpid()}
    assert where == expected


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, "no server has started here"),
        ({"ProcessId": 2**22 + 1}, "no server has started here"),
        ({"ProcessId": os.getpid(), "Api": "http://127.0.0.1:1/api/v1"}, "127.0.0.1:1 does not"),
    ],
)
def test_one_that_does_not_in_time_is_status_1(
    souche: Souche, facts: dict[str, str | float], said: str
) -> None:
    home = Home(souche.home)
    home.make()
    home.record_facts(facts)
    assert said in souche.refusal("wait", "--timeout=0.2")


def test_a_home_that_is_not_there_yet_is_waited_for(souche: Souche) -> None:
    assert "no server has started here" in souche.refusal("wait", "--timeout=0")
