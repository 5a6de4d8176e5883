import json
import os
from datetime import UTC, datetime

import pytest

from penstock.errors import PlanError
from penstock.models.pinned import PinnedModel
from penstock.pipeline.plan import Plan, check_files_unchanged, check_plan_fits, fix_plan, plan_path, read_plan
from penstock.sources.files import Layout, PlannedFile, refused_file
from penstock.storage.files import FileStatus, LocalStorage

STORAGE = LocalStorage()


def path_of(checkpoint):
    return plan_path(checkpoint, 3)


MOMENT = datetime(2024, 2, 29, 12, 30, 0, 123456, tzinfo=UTC)


def pinned(version):
    return PinnedModel(
        name="wine-quality", version=version, role="champion", source="models:/m-1", created_milliseconds=1
    )


def make_plan(*files, **changed):
    given = {
        "query_id": "q",
        "batch_id": 3,
        "planned_at": MOMENT,
        "resolved_at": MOMENT,
        "contract_hash": "c" * 64,
        "config_hash": "d" * 64,
        "files": files,
        "models": (pinned("7"),),
    }
    return Plan(**{**given, **changed})


def planned(path, verdict="accepted"):
    status = STORAGE.status(str(path))
    return PlannedFile(
        path=str(path), verdict=verdict, length=status.length, modified_milliseconds=status.modified_milliseconds
    )


@pytest.fixture
def checkpoint(tmp_path):
    return str(tmp_path / "checkpoint")


def test_a_plan_survives_its_file(checkpoint):
    plan = make_plan(
        PlannedFile(
            path="/in/é [1].csv",
            verdict="accepted",
            length=10,
            modified_milliseconds=1_700_000_000_123,
            layout=Layout(format="csv", header='"a b";\tc', columns=("a b", "\tc")),
        ),
        PlannedFile(
            path="/in/b.parquet", verdict="accepted", rows=0, layout=Layout(format="parquet", types=(("a", "double"),))
        ),
        PlannedFile(path="/in/c.csv", verdict="refused", reasons=("file: is empty", 'he said "no"')),
        PlannedFile(path="/in/d.csv", verdict="done"),
        refused_versions={"8": "fails"},
    )
    assert fix_plan(STORAGE, path_of(checkpoint), plan) == plan
    assert read_plan(STORAGE, path_of(checkpoint)) == plan


def test_a_plan_of_version_0_1_is_read(checkpoint):
    new = make_plan(
        PlannedFile(
            path="/in/a.csv", verdict="accepted", layout=Layout(format="csv", header="a,b", columns=("a", "b"))
        ),
        PlannedFile(path="/in/b.parquet", verdict="accepted", layout=Layout(format="parquet", types=(("a", "int"),))),
        PlannedFile(path="/in/c.csv", verdict="done"),
    )
    content = json.loads(new.model_dump_json())
    for file in content["files"]:
        del file["layout"]
        file |= {"csv": None, "parquet": None}
    content["files"][0]["csv"] = {"header_line": "a,b", "columns": ["a", "b"]}
    content["files"][1]["parquet"] = {"types": [["a", "int"]]}
    STORAGE.create(path_of(checkpoint), json.dumps(content).encode())
    assert read_plan(STORAGE, path_of(checkpoint)) == new


def test_a_plan_lies_beside_the_checkpoint(checkpoint):
    fix_plan(STORAGE, path_of(checkpoint), make_plan())
    assert STORAGE.names(f"{checkpoint}/plan") == ["3.json"]
    assert plan_path(checkpoint, 3) == f"{checkpoint}/plan/3.json"


def test_a_batch_without_a_plan_has_none(checkpoint):
    assert read_plan(STORAGE, path_of(checkpoint)) is None


def test_the_first_plan_is_obeyed(checkpoint):
    first = make_plan()
    second = make_plan(models=(pinned("8"),))
    fix_plan(STORAGE, path_of(checkpoint), first)
    assert fix_plan(STORAGE, path_of(checkpoint), second) == first
    assert read_plan(STORAGE, path_of(checkpoint)) == first


def test_a_plan_that_appears_and_vanishes_is_an_error(checkpoint, monkeypatch):
    monkeypatch.setattr(LocalStorage, "create", lambda *_: False)
    with pytest.raises(PlanError, match="appeared and vanished"):
        fix_plan(STORAGE, path_of(checkpoint), make_plan())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"\xff\xfe",
        make_plan().model_dump_json().replace('"batch_id"', '"batch"').encode(),
        make_plan().model_dump_json()[:-40].encode(),
        make_plan().model_dump_json().replace("{", '{"later_key": 1, ', 1).encode(),
    ],
)
def test_a_file_that_is_no_plan_is_an_error_with_its_path(checkpoint, content):
    STORAGE.create(plan_path(checkpoint, 3), content)
    with pytest.raises(PlanError, match=r"plan/3\.json: is not a plan"):
        read_plan(STORAGE, path_of(checkpoint))


def test_a_plan_of_the_same_contract_and_config_fits():
    check_plan_fits(make_plan(), contract_hash="c" * 64, config_hash="d" * 64)


@pytest.mark.parametrize(
    ("contract_hash", "config_hash", "said"),
    [
        ("e" * 64, "d" * 64, r"another contract \(cccccccc, now eeeeeeee\)"),
        ("c" * 64, "e" * 64, r"another config .*\(dddddddd, now eeeeeeee\)"),
    ],
)
def test_a_plan_of_another_contract_or_config_is_refused(contract_hash, config_hash, said):
    with pytest.raises(PlanError, match=f"batch 3 was planned under {said}"):
        check_plan_fits(make_plan(), contract_hash=contract_hash, config_hash=config_hash)


def test_unchanged_files_pass(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"abc")
    check_files_unchanged(make_plan(planned(path)), STORAGE)


def test_a_planned_file_that_vanished_fails_loudly(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"abc")
    plan = make_plan(planned(path))
    path.unlink()
    with pytest.raises(PlanError, match=r"a\.csv was planned and is gone"):
        check_files_unchanged(plan, STORAGE)


def test_a_file_of_another_length_fails_loudly(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"abc")
    plan = make_plan(planned(path))
    modified = path.stat().st_mtime_ns
    path.write_bytes(b"abcd")
    os.utime(path, ns=(0, modified))
    with pytest.raises(PlanError, match="3 bytes then, 4 now"):
        check_files_unchanged(plan, STORAGE)


def test_a_file_of_another_time_fails_loudly(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"abc")
    plan = make_plan(planned(path))
    os.utime(path, (0, 1))
    with pytest.raises(PlanError, match="changed after it was planned"):
        check_files_unchanged(plan, STORAGE)


@pytest.mark.parametrize("verdict", ["refused", "done"])
def test_files_that_are_not_read_may_change(tmp_path, verdict):
    path = tmp_path / "a.csv"
    path.write_bytes(b"abc")
    plan = make_plan(planned(path, verdict))
    path.unlink()
    check_files_unchanged(plan, STORAGE)


def test_files_are_found_by_verdict_in_their_order():
    files = [PlannedFile(path=p, verdict=v) for p, v in [("b", "refused"), ("z", "accepted"), ("a", "accepted")]]
    assert [file.path for file in make_plan(*files).files_with("accepted")] == ["z", "a"]


def test_a_refused_file_keeps_its_reasons_and_status():
    file = refused_file(path="/a", status=FileStatus(length=1, modified_milliseconds=2), reasons=["x", "y"])
    assert (file.verdict, file.reasons, file.status) == (
        "refused",
        ("x", "y"),
        FileStatus(length=1, modified_milliseconds=2),
    )


def test_a_vanished_file_has_no_status():
    assert refused_file(path="/a", status=None, reasons=["x"]).status is None
