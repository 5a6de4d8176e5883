"""What `source.clean_source: delete` leaves in the inbox."""

import os
from types import SimpleNamespace

import pytest
from batch_records import batch_record

from penstock.pipeline.delivered_files import delete_accepted_files
from penstock.sources.files import Layout, accepted_file, refused_file
from penstock.storage.files import LocalStorage

STORAGE = LocalStorage()


class FullOfErrors(LocalStorage):
    def delete(self, path):
        raise PermissionError(13, "Permission denied", path)


@pytest.fixture
def plan(tmp_path):
    """taken.csv is accepted, changed.csv too, and overwritten since; refused.csv is refused."""
    files = []
    for name in ("taken.csv", "changed.csv", "refused.csv"):
        path = tmp_path / name
        path.write_text("x")
        status = STORAGE.status(str(path))
        if name == "refused.csv":
            files.append(refused_file(path=str(path), status=status, reasons=["file: is empty (0 bytes)"]))
        else:
            files.append(accepted_file(path=str(path), status=status, layout=Layout(format="csv")))
    (tmp_path / "changed.csv").write_text("y")
    os.utime(tmp_path / "changed.csv", (1, 1))
    return batch_record({}).plan.model_copy(update={"files": tuple(files)})


def clean(plan, how, storage=STORAGE):
    config = SimpleNamespace(source=SimpleNamespace(clean_source=how))
    delete_accepted_files(SimpleNamespace(config=config, storage=storage), plan)


@pytest.mark.parametrize(
    ("how", "left"),
    [
        ("off", ["changed.csv", "refused.csv", "taken.csv"]),
        ("archive", ["changed.csv", "refused.csv", "taken.csv"]),
        ("delete", ["changed.csv", "refused.csv"]),
    ],
)
def test_what_is_left(tmp_path, plan, how, left):
    clean(plan, how)
    clean(plan, how)
    assert STORAGE.names(str(tmp_path)) == left


def test_a_file_that_can_not_be_deleted_is_told(tmp_path, plan, caplog):
    clean(plan, "delete", FullOfErrors())
    assert caplog.messages == [
        f"1 files that are scored could not be deleted (source.clean_source): {tmp_path}/taken.csv: Permission denied"
    ]
