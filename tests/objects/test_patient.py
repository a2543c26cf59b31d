"""A store that is waited for keeps the contract, and ends its wait in time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from souche.errors import RecordsUnavailable, Unavailable
from souche.objects.base import NoSuchUpload, ObjectsUnavailable, Part, Upload
from souche.objects.patient import Patience, PatientStore, WaitedInVain
from tests.objects.contract import ObjectsContract
from tests.support.memory_objects import MemoryStore


def nobody(_reason: str) -> None:
    """Asks nothing."""


class TestPatientStore(ObjectsContract):
    @pytest.fixture
    def objects(self) -> PatientStore:
        return PatientStore(MemoryStore(), Patience(10, nobody))

    @pytest.fixture
    def bucket(self, objects: PatientStore) -> str:
        objects.ensure_bucket("bucket-1")
        return "bucket-1"


@dataclass
class Failing:
    """Is away for a number of calls."""

    failures: int
    calls: int = 0
    asked: list[str] = field(default_factory=list)

    def call(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise ObjectsUnavailable(endpoint="the store", reason="away")
        return "there"


AWAY = "The object store (the store) cannot be reached at the moment: away"


def test_a_call_is_made_again_until_it_succeeds() -> None:
    failing = Failing(1)
    assert Patience(10, failing.asked.append).wait_for(failing.call) == "there"
    assert failing.calls == 2
    assert set(failing.asked) == {AWAY}


def test_a_wait_has_an_end_after_which_no_journal_tries_again() -> None:
    failing = Failing(1000)
    with pytest.raises(WaitedInVain, match=r"away \(waited for 0 s\)"):
        Patience(0.1, nobody).wait_for(failing.call)
    assert failing.calls == 2
    assert not issubclass(WaitedInVain, Unavailable)


def test_a_database_that_is_away_is_not_the_object_store() -> None:
    """An import that waited for it until its time was over was undone."""
    calls, lost = [], RecordsUnavailable(reason="lost")

    def call() -> None:
        calls.append("a call")
        raise lost

    with pytest.raises(RecordsUnavailable):
        Patience(0, nobody).wait_for(call)
    assert calls == ["a call"]


def test_what_is_asked_may_end_the_wait() -> None:
    def cancel(_reason: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Patience(1000, cancel).wait_for(Failing(1000).call)


class AnswerLost(MemoryStore):
    """Does `before` at the first try to complete, and is away."""

    def __init__(self, before: Callable[["AnswerLost", Upload, Sequence[Part]], None]) -> None:
        super().__init__()
        self._before = before
        self._tries = 0

    def complete_upload(self, upload: Upload, parts: Sequence[Part]) -> None:
        self._tries += 1
        if self._tries == 1:
            self._before(self, upload, parts)
            raise ObjectsUnavailable(endpoint="the store", reason="away")
        super().complete_upload(upload, parts)


def test_an_upload_whose_completion_was_not_answered_is_complete() -> None:
    store = AnswerLost(lambda store, upload, parts: MemoryStore.complete_upload(store, upload, parts))
    store.ensure_bucket("bucket-1")
    upload = store.start_upload("bucket-1", "disk")
    PatientStore(store, Patience(10, nobody)).complete_upload(upload, [store.put_part(upload, 1, b"x")])
    assert store.get("bucket-1", "disk") == b"x"


def test_an_upload_that_was_aborted_meanwhile_is_not() -> None:
    store = AnswerLost(lambda store, upload, _parts: store.abort_upload(upload))
    store.ensure_bucket("bucket-1")
    upload = store.start_upload("bucket-1", "disk")
    parts = [store.put_part(upload, 1, b"x")]
    with pytest.raises(NoSuchUpload):
        PatientStore(store, Patience(10, nobody)).complete_upload(upload, parts)
