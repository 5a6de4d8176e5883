import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from itertools import pairwise

import psutil
import pytest

from penstock.errors import LeaseError
from penstock.pipeline import lease as lease_module
from penstock.pipeline.lease import (
    TIME_TO_LIVE_SECONDS,
    Holder,
    Lease,
    file_numbers,
    file_path,
    lease_path,
    read_holder,
    this_boot,
)
from penstock.storage.files import LocalStorage

STORAGE = LocalStorage()


@pytest.fixture
def path(tmp_path):
    return lease_path(str(tmp_path))


@pytest.fixture(scope="module")
def dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def make_lease(path, job="score_stream"):
    return Lease(storage=STORAGE, path=path, job=job)


def put(path, number=1, **changed):
    holder = replace(Holder.this_process("other"), **changed)
    assert STORAGE.create(file_path(path, number), holder.to_json())
    return holder


def wait_until(condition):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_the_lease_names_its_holder_while_it_is_held(path):
    with make_lease(path) as lease:
        lease.check()
        holder = read_holder(STORAGE, path)
        assert (holder.pid, holder.job) == (os.getpid(), "score_stream")
    assert read_holder(STORAGE, path) is None


def test_a_lease_that_was_given_back_is_free_and_its_numbers_go_on(path):
    for count in (2, 4, 6):
        with make_lease(path) as lease:
            lease.check()
        assert max(file_numbers(STORAGE, path)) == count


def test_a_second_holder_is_told_who_writes(path):
    with make_lease(path, "backfill") as held:
        with pytest.raises(LeaseError) as error, make_lease(path):
            pass
        holder = Holder.this_process("x")
        assert f"backfill, pid {os.getpid()} on {holder.host}" in str(error.value)
        assert "jobs/stop.py" in str(error.value)
        held.check()
        assert read_holder(STORAGE, path).job == "backfill"


def test_of_eight_that_take_it_at_once_one_has_it(path):
    start, outcomes, end = threading.Barrier(8), [], threading.Event()

    def attempt():
        start.wait()
        try:
            with make_lease(path):
                outcomes.append("held")
                end.wait(5)
        except LeaseError:
            outcomes.append("refused")

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(outcomes) == 8)
    end.set()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["held"] + ["refused"] * 7


def test_a_dead_process_of_this_boot_is_replaced_at_once(path, dead_pid):
    put(path, pid=dead_pid)
    with make_lease(path) as lease:
        lease.check()
        assert read_holder(STORAGE, path).pid == os.getpid()


def test_the_same_pid_on_another_host_counts_as_alive(path, dead_pid):
    put(path, pid=dead_pid, host="elsewhere")
    with pytest.raises(LeaseError, match="on elsewhere"), make_lease(path):
        pass


def test_the_same_pid_of_another_boot_counts_as_alive(path, dead_pid):
    put(path, pid=dead_pid, boot="earlier")
    with pytest.raises(LeaseError), make_lease(path):
        pass


def test_another_host_is_waited_for_until_its_time_is_over(path):
    put(path, host="elsewhere", renewed=time.time() - TIME_TO_LIVE_SECONDS + 5)
    with pytest.raises(LeaseError), make_lease(path):
        pass
    put(path, 2, host="elsewhere", renewed=time.time() - TIME_TO_LIVE_SECONDS - 1)
    with make_lease(path) as lease:
        lease.check()


@pytest.mark.parametrize(
    ("elsewhere", "exists", "age", "alive"),
    [
        ({}, True, 0, True),
        ({}, False, 0, False),
        ({}, True, 46, False),
        ({"host": "elsewhere"}, False, 44, True),
        ({"host": "elsewhere"}, False, 46, False),
        ({"boot": "before"}, False, 44, True),
        ({"boot": "before"}, False, 46, False),
    ],
)
def test_who_is_alive(monkeypatch, elsewhere, exists, age, alive):
    monkeypatch.setattr(psutil, "pid_exists", lambda pid: exists)
    mine = Holder.this_process("x")
    other = replace(mine, **elsewhere, renewed=1000.0)
    assert other.is_alive(now=1000.0 + age, seen_from=mine) is alive


def test_a_container_is_another_boot(monkeypatch, tmp_path):
    """Its pids mean nothing here: 1 is another process there."""
    here = this_boot()
    inside = tmp_path / "pid"
    inside.symlink_to("pid:[4026532178]")
    monkeypatch.setattr(lease_module, "PID_NAMESPACE", inside)
    assert this_boot() != here


@pytest.mark.parametrize("number", [2, 3, 1000])
def test_check_raises_after_another_has_gone_on(path, monkeypatch, number):
    monkeypatch.setattr(lease_module, "RENEW_SECONDS", 0.02)
    with make_lease(path) as lease:
        thief = put(path, number + lease._number, token="thief", host="elsewhere", pid=77)
        wait_until(lambda: lease._lost)
        with pytest.raises(LeaseError, match=r"pid 77 on elsewhere.* holds it now"):
            lease.check()
    assert read_holder(STORAGE, path) == thief
    assert max(file_numbers(STORAGE, path)) == number + 1


def test_the_files_before_are_tidied_up(path, monkeypatch):
    monkeypatch.setattr(lease_module, "RENEW_SECONDS", 0.01)
    with make_lease(path) as lease:
        wait_until(lambda: lease._number > 10)
        lease.check()
    assert len(file_numbers(STORAGE, path)) == 2


def test_check_raises_after_no_renewal_in_time(path):
    with make_lease(path) as lease:
        lease._holder = replace(lease._holder, renewed=time.time() - TIME_TO_LIVE_SECONDS - 1)
        with pytest.raises(LeaseError, match="not renewed for 46 s"):
            lease.check()


def test_a_lost_lease_stays_lost(path):
    with make_lease(path) as lease:
        held = lease._holder
        lease._holder = replace(held, renewed=time.time() - TIME_TO_LIVE_SECONDS - 1)
        with pytest.raises(LeaseError):
            lease.check()
        lease._holder = held
        with pytest.raises(LeaseError, match="the lease is lost"):
            lease.check()


def test_check_before_the_lease_is_taken_is_an_error(path):
    with pytest.raises(LeaseError, match="not held"):
        make_lease(path).check()


def test_the_lease_is_renewed(path, monkeypatch):
    monkeypatch.setattr(lease_module, "RENEW_SECONDS", 0.02)
    with make_lease(path):
        first = read_holder(STORAGE, path)
        wait_until(lambda: read_holder(STORAGE, path).renewed > first.renewed)
        assert read_holder(STORAGE, path) == replace(first, renewed=read_holder(STORAGE, path).renewed)


class FailingStorage(LocalStorage):
    """Creates fail until `failures` are used up; `made_first`: after the file was made, as if its answer was lost."""

    def __init__(self, failures, *, made_first):
        self.failures, self.made_first = failures, made_first

    def create(self, path, content):
        fails = self.failures.pop() if self.failures else False
        made = super().create(path, content) if self.made_first or not fails else False
        if fails:
            raise OSError("full")
        return made


@pytest.mark.parametrize("made_first", [False, True])
def test_failed_renewals_do_not_lose_the_lease(path, monkeypatch, made_first):
    monkeypatch.setattr(lease_module, "RENEW_SECONDS", 0.02)
    storage = FailingStorage([], made_first=made_first)
    with Lease(storage=storage, path=path, job="x") as lease:
        storage.failures += [True, True]
        first = read_holder(STORAGE, path)
        wait_until(lambda: not storage.failures and lease._holder.renewed > first.renewed)
        wait_until(lambda: read_holder(STORAGE, path).renewed > first.renewed)
        lease.check()


@pytest.mark.parametrize("made_first", [False, True])
def test_a_lease_whose_last_renewal_failed_is_given_back(path, monkeypatch, made_first):
    """The file that it left behind says that the lease is held."""
    monkeypatch.setattr(lease_module, "RENEW_SECONDS", 3600)
    storage = FailingStorage([], made_first=made_first)
    with Lease(storage=storage, path=path, job="x") as lease:
        storage.failures.append(True)
        with pytest.raises(OSError, match="full"):
            lease._renew()
    assert read_holder(STORAGE, path) is None


def test_a_removed_folder_is_a_lost_lease(path, monkeypatch):
    monkeypatch.setattr(lease_module, "RENEW_SECONDS", 0.02)

    class Gone(LocalStorage):
        is_gone = False

        def names(self, folder):
            return [] if self.is_gone else super().names(folder)

    storage = Gone()
    with Lease(storage=storage, path=path, job="x") as lease:
        storage.is_gone = True
        wait_until(lambda: lease._lost)
        with pytest.raises(LeaseError, match="is gone: was the folder removed"):
            lease.check()


class SlowStorage(LocalStorage):
    """Each file takes `seconds` to be made, as on a store that is asked again until it answers."""

    def __init__(self, seconds):
        self.seconds, self.stamps = seconds, []

    def create(self, path, content):
        self.stamps.append(json.loads(content)["renewed"])
        time.sleep(self.seconds)
        return super().create(path, content)


def test_a_renewal_that_took_long_is_followed_by_the_next_at_once(path, monkeypatch):
    """The lease is as old as the beginning of its renewal: the time it took is gone."""
    monkeypatch.setattr(lease_module, "RENEW_SECONDS", 1.0)
    storage = SlowStorage(1.0)
    with Lease(storage=storage, path=path, job="x"):
        wait_until(lambda: len(storage.stamps) >= 4)
    renewals = storage.stamps[1:4]
    assert max(after - before for before, after in pairwise(renewals)) < 1.7


def test_renewals_that_fail_at_once_are_not_made_all_the_time(path, monkeypatch):
    monkeypatch.setattr(lease_module, "RENEW_SECONDS", 0.2)
    storage = FailingStorage([], made_first=False)
    with Lease(storage=storage, path=path, job="x"):
        storage.failures += [True] * 100
        time.sleep(1.0)
    assert len(storage.failures) >= 100 - 1 - 5 - 1  # the last is the one that gives the lease back


def test_leaving_ends_the_renewals(path):
    with make_lease(path) as lease:
        thread = lease._thread
    assert not thread.is_alive()


def test_an_error_inside_releases_the_lease_and_goes_on(path):
    with pytest.raises(RuntimeError, match="mine"), make_lease(path):
        raise RuntimeError("mine")
    assert read_holder(STORAGE, path) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"host": "x"}', b"\xff"])
def test_a_file_that_is_no_lease_is_an_error_that_names_it(path, content):
    STORAGE.create(file_path(path, 7), content)
    with pytest.raises(LeaseError, match=r"_lease/0000000007\.json: is not a lease"), make_lease(path):
        pass
    assert STORAGE.read(file_path(path, 7)) == content


def test_a_lease_taken_in_between_is_not_taken(path):
    """Another takes it after we saw that it was free."""

    class Storage(LocalStorage):
        looked = 0

        def names(self, folder):
            found = super().names(folder)
            self.looked += 1
            if self.looked == 1:
                put(path, host="elsewhere", token="third")
            return found

    with pytest.raises(LeaseError, match="on elsewhere"), Lease(storage=Storage(), path=path, job="x"):
        pass
    assert read_holder(STORAGE, path).token == "third"


def test_a_lease_that_always_escapes_is_given_up(path, monkeypatch):
    monkeypatch.setattr(LocalStorage, "create", lambda *_: False)
    with pytest.raises(LeaseError, match="3 attempts"), make_lease(path):
        pass


def test_a_holder_survives_its_file():
    holder = Holder.this_process("x")
    assert Holder(**json.loads(holder.to_json())) == holder


def test_a_holder_is_shown_with_the_time_in_utc():
    holder = replace(Holder.this_process("backfill"), host="h", pid=5, since=0.0)
    assert str(holder) == "backfill, pid 5 on h, since 1970-01-01 00:00:00+00:00"


def test_processes_are_asked_for_directly(dead_pid):
    mine = Holder.this_process("x")
    assert mine.is_alive(now=mine.renewed, seen_from=mine)
    assert not replace(mine, pid=dead_pid).is_alive(now=mine.renewed, seen_from=mine)


def test_a_thread_that_has_the_number_now_is_not_the_process():
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    mine = Holder.this_process("x")
    assert not replace(mine, pid=thread.native_id).is_alive(now=mine.renewed, seen_from=mine)
    end.set()
    thread.join()


def test_a_lease_that_was_released_is_not_held(path):
    """Its last renewal is younger than its time to live."""
    with make_lease(path) as lease:
        lease.check()
        assert lease.token
    with pytest.raises(LeaseError, match="this process has released it"):
        lease.check()
