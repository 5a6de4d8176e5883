import pytest
from delta.exceptions import ConcurrentDeleteReadException, MetadataChangedException

from penstock.errors import TableConflictError
from penstock.spark.commit_retry import ATTEMPTS, commit


class Write:
    """Fails with each of `errors` in turn, then succeeds."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = 0

    def __call__(self):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr("penstock.spark.commit_retry.PAUSE_SECONDS", 0)


def conflict(kind=ConcurrentDeleteReadException):
    return kind("met", None, None)


def test_a_write_without_conflict_is_made_once():
    write = Write()
    commit("t", write)
    assert write.calls == 1


@pytest.mark.parametrize("kind", [ConcurrentDeleteReadException, MetadataChangedException])
def test_a_write_that_met_another_is_made_again(kind):
    write = Write(conflict(kind), conflict(kind))
    commit("t", write)
    assert write.calls == 3


def test_after_all_attempts_it_says_what_happened():
    write = Write(*[conflict() for _ in range(ATTEMPTS)])
    with pytest.raises(TableConflictError, match=r"table /t: \d attempts .* \(the last: ConcurrentDeleteRead\)"):
        commit("/t", write)
    assert write.calls == ATTEMPTS


def test_another_error_is_not_tried_again():
    write = Write(ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        commit("t", write)
    assert write.calls == 1
