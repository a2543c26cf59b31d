"""A `souche api` that runs while another release of `souche serve` upgrades the schema."""

import http.client
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.api_load import Region
from tests.support.databases import Databases
from tests.test_api_processes import answering
from tests.test_main import GRACE_SECONDS, serving, told


@pytest.mark.parametrize("is_written", [True, False])
def test_a_process_ends_when_another_release_upgrades_the_schema(
    tmp_path: Path, databases: Databases, urls: Callable[[str], str], *, is_written: bool
) -> None:
    """It went on, and wrote by its own release's rules."""
    url = urls("records")
    home, options = tmp_path / "home", ("--database", url)
    with serving(home, *options) as served, answering(home, *options) as (port, process):
        account = told("account", "create", "alice", "--home", home)
        region = Region(home, options, account, [port], served)
        assert region.call(port, "ReadKeypairs")["Keypairs"] == []
        with databases.server.connect(str(sa.make_url(url).database)) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
            if is_written:
                with pytest.raises((OSError, http.client.HTTPException)):
                    region.ask(port, "CreateKeypair", KeypairName="late")
            assert process.wait(GRACE_SECONDS) == 1
            assert connection.execute("SELECT count(*) FROM keypairs").fetchall() == [(0,)]
    (said,) = tmp_path.glob("api-errors-*")
    assert "has upgraded the records" in said.read_text()
