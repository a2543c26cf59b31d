"""A process that works on a disk, and what is made of one that does not end as it should."""

import json
import threading
import time
from datetime import date
from pathlib import Path

import pytest

from souche.model.image_cleanings import Cleaned, CleaningResult
from souche.model.image_reports import Examination
from souche.refusals import CannotClean
from souche.trust.appliance_cleaner import ApplianceCleaner
from souche.trust.children import decoded, last_line, output_of
from souche.trust.engine import Facts


def test_what_a_process_says_is_returned_when_it_ends_well() -> None:
    said = output_of(["sh", "-c", "echo first; echo answer"], 20)
    assert said is not None
    assert last_line(said) == b"answer"
    assert output_of(["sh", "-c", "echo answer; exit 1"], 20) is None


def test_an_answer_of_another_shape_is_none() -> None:
    for said in (b"", b"{", b"[]", b'{"engine": 1}', b"\xff", b"[" * 100_000):
        assert decoded(said, Examination) is None


def test_every_text_of_an_answer_can_be_stored() -> None:
    done = [{"code": "a\0", "path": "b\ud800", "text": "c\x1b", "user": "\udfff\0"}]
    said = json.dumps({"engine": "e\0", "os": "\u2028", "done": done}).encode()
    assert decoded(said, Cleaned) == Cleaned("e?", "\u2028", (CleaningResult("a?", "b?", "c\x1b", "??"),))


def test_a_process_that_takes_too_long_is_ended() -> None:
    began = time.monotonic()
    assert output_of(["sleep", "60"], 0.1) is None
    assert time.monotonic() - began < 20


def test_what_is_raised_while_it_works_ends_it() -> None:
    seen: list[bytes] = []

    def look(said: bytes) -> None:
        seen.append(said)
        if said:
            raise CannotClean(reason="enough")

    with pytest.raises(CannotClean, match="enough"):
        output_of(["sh", "-c", "echo progress 5; exec sleep 60"], 30, look)
    assert seen[-1] == b"progress 5\n"


def test_a_vm_that_does_not_start_is_a_refusal_without_a_path_of_this_machine(tmp_path: Path) -> None:
    uri = f"nbd+unix:///?socket={tmp_path}/nbd"
    cleaner = ApplianceCleaner(threading.Lock())
    with pytest.raises(CannotClean, match="did not end") as refused:
        cleaner.clean([uri], Facts(("legacy",), date(2026, 11, 28)), lambda _percent: None)
    assert str(tmp_path) not in str(refused.value)
