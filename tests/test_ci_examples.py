"""The jobs in examples/ run as they are, but for what installs: against a region of their own, one after the other."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
INSTALLS = "pip install"
SECONDS = 300


def github_script(job: dict[str, Any]) -> str:
    """The shell lines of a job of GitHub Actions, which runs each step in a shell of its own."""
    runs = [step["run"] for step in job["jobs"]["images"]["steps"] if "run" in step]
    return "\n".join(f"(\n{run}\n)" if "&\n" not in run else run for run in runs if INSTALLS not in run)


def gitlab_script(job: dict[str, Any]) -> str:
    """Those of a job of GitLab CI, which runs all lines in one shell."""
    return "\n".join(line for line in job["images"]["script"] if INSTALLS not in line)


@pytest.mark.parametrize(
    ("name", "script_of"), [("github-actions.yml", github_script), ("gitlab-ci.yml", gitlab_script)]
)
def test_the_job_makes_its_images(name: str, script_of: Any, tmp_path: Path) -> None:
    script = script_of(yaml.safe_load((EXAMPLES / name).read_text()))
    assert "souche serve" in script
    assert "image_pipeline.py" in script
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "RUNNER_TEMP": str(tmp_path),
        "CI_PROJECT_DIR": str(tmp_path),
        "SOUCHE_LISTEN": "127.0.0.1:0",  # another region may be served on this machine
        "SOUCHE_OOS_LISTEN": "",
    }
    output = tmp_path / "output"
    with output.open("wb") as file:
        job = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=ROOT,
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = job.wait(SECONDS)
        finally:
            os.killpg(job.pid, signal.SIGTERM)  # the server stays when its job ends
            job.wait()
    said = output.read_text()
    assert status == 0, said
    assert "is an OMI of i-" in said


def test_every_example_is_listed() -> None:
    files = {str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*") if path.is_file()} - {
        "README.md"
    }
    listed = (EXAMPLES / "README.md").read_text()
    assert {name for name in files if f"]({name})" not in listed} == set()
