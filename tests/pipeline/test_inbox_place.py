"""Where the inbox is, as a path and as what it resolves to; without Spark."""

from pathlib import Path

import pytest

from penstock.config.pipeline import PipelineConfig
from penstock.errors import LedgerError
from penstock.pipeline.inbox_place import check_inbox, keep_place, known_place
from penstock.storage.files import LocalStorage

STORAGE = LocalStorage()


def config_of(root: Path, path: str) -> PipelineConfig:
    return PipelineConfig.model_validate(
        {
            "pipeline": "wine",
            "workload": "rows",
            "source": {"path": path},
            "contract": "schemas.wine:CONTRACT",
            "model": {"name": "m"},
            "tables": {"root": str(root / "tables")},
            "checkpoint": str(root / "checkpoint"),
            "mlflow": {"tracking_uri": "http://host"},
        }
    )


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The folder of a pipeline whose inbox is `inbox`."""
    (tmp_path / "inbox" / "deep").mkdir(parents=True)
    assert keep_place(config_of(tmp_path, f"{tmp_path}/inbox"), STORAGE, is_moved=False) == ()
    return tmp_path


@pytest.mark.parametrize("spelling", ["{}/inbox", "{}/inbox/", "file:{}/inbox", "file://{}/inbox/", "{}/deep/../inbox"])
def test_another_spelling_of_the_path_is_the_same_place(kept: Path, spelling: str) -> None:
    check_inbox(config_of(kept, spelling.format(kept)), STORAGE)


def test_s3_has_one_spelling(tmp_path: Path) -> None:
    keep_place(config_of(tmp_path, "s3://bucket/inbox/"), STORAGE, is_moved=False)
    check_inbox(config_of(tmp_path, "s3a://bucket/inbox"), STORAGE)
    with pytest.raises(LedgerError, match="--inbox-moved"):
        check_inbox(config_of(tmp_path, "s3a://other/inbox"), STORAGE)


def test_a_folder_within_it_or_around_it_keeps_the_paths(kept: Path) -> None:
    for path in (f"{kept}/inbox/deep", str(kept), f"{kept}/inbox"):
        assert keep_place(config_of(kept, path), STORAGE, is_moved=False) == ()


def test_a_link_within_it_to_itself_does_not(kept: Path) -> None:
    (kept / "inbox" / "again").symlink_to(kept / "inbox")
    with pytest.raises(LedgerError, match=r"again \(a link to .*/inbox\)"):
        check_inbox(config_of(kept, f"{kept}/inbox/again"), STORAGE)


def test_a_link_that_leads_elsewhere_now_is_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "one")
    config = config_of(tmp_path, str(link))
    keep_place(config, STORAGE, is_moved=False)
    link.unlink()
    link.symlink_to(tmp_path / "two")
    with pytest.raises(LedgerError, match=r"led to .*/one and leads to .*/two now.*--inbox-moved"):
        keep_place(config, STORAGE, is_moved=False)
    assert keep_place(config, STORAGE, is_moved=True) == ()
    check_inbox(config, STORAGE)


def test_every_earlier_place_is_kept(kept: Path) -> None:
    moved = [config_of(kept, f"{kept}/{name}") for name in ("b", "c", "inbox")]
    former = [keep_place(config, STORAGE, is_moved=True) for config in moved]
    assert former == [
        (f"{kept}/inbox",),
        (f"{kept}/b", f"{kept}/inbox"),
        (f"{kept}/c", f"{kept}/b"),
    ]
    # The option left in a unit's file does no harm.
    assert keep_place(moved[-1], STORAGE, is_moved=True) == former[-1]


def test_a_record_that_is_none_is_an_error(kept: Path) -> None:
    (kept / "tables" / "_inbox.json").write_text("{")
    with pytest.raises(LedgerError, match="is not the record of an inbox"):
        known_place(config_of(kept, f"{kept}/inbox"), STORAGE)
