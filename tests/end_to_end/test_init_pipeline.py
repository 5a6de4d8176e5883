"""From an unknown CSV file to predictions, by the commands that a person types."""

from pathlib import Path

import pytest
from projects import use_project
from sandbox import Sandbox

from penstock.config.loading import load_config
from penstock.jobs.init_pipeline import main as init
from penstock.jobs.train_rows import main as train
from penstock.operations.run_stream import run_pipeline

ROWS = 40
HEADER = "Gerät;Größe (cm);Gestartet am;Geprüft;Anläufe;läuft;Bemerkung;Verschleiß"


def sample_rows() -> list[list[str]]:
    """The wear is twice the size, and three more for a press; size, text, number and flag are each missing once."""
    rows = []
    for number in range(ROWS):
        size = 1 + number * 7 % ROWS / 4
        is_press = number % 3 == 0
        rows.append(
            [
                "Presse" if is_press else "Säge",
                f"{size}",
                f"{1 + number % 28:02}.03.2024 06:30",
                f"{1 + number % 28}.{1 + number % 12}.2024",
                f"{number % 5}",
                "true" if number % 2 else "FALSE",
                "grün; rot" if number % 4 else "blau",
                f"{2 * size + 3 * is_press}",
            ]
        )
    for row, column in ((7, 1), (8, 4), (9, 5), (10, 6)):
        rows[row][column] = "NA"
    return rows


def write_sample(path: Path) -> list[list[str]]:
    rows = sample_rows()
    lines = [";".join(f'"{text}"' if ";" in text else text for text in row) for row in rows]
    path.write_bytes("\r\n".join([HEADER, *lines, ""]).encode("latin-1"))
    return rows


def test_an_unknown_file_gets_predictions(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    root = sandbox.root
    rows = write_sample(root / "geraete.csv")
    use_project(monkeypatch, root)
    sample, target = str(root / "geraete.csv"), "Verschleiß"
    assert init(["geraete", "--sample", sample, "--target", target, "--folder", str(root)]) == 0

    conf = root / "conf" / "geraete.yaml"
    places = [
        f"source.path={root}/inbox",
        f"tables.root={root}/tables",
        f"checkpoint={root}/checkpoint",
        f"mlflow.tracking_uri={sandbox.registry.uri}",
        "source.settle=0.5",
    ]
    settings = [argument for place in places for argument in ("--set", place)]
    assert train(["--conf", str(conf), *settings, "--data", sample, "--target", target, "--promote"]) == 0

    sandbox.drop("geraete-sample.csv", (root / "data" / "geraete-sample.csv").read_bytes())
    [record] = run_pipeline(load_config([conf], overrides=places), job="test", once=True, resume=False)

    assert sandbox.reasons("geraete-sample.csv") == []
    assert (record.rows_in, record.accepted, record.failed) == (ROWS, ROWS, 0)
    scored = sandbox.rows("predictions")
    assert len(scored) == ROWS
    by_start = {(row.geraet, row.groesse_cm, row.gestartet_am.day): row for row in scored}
    assert len(by_start) == ROWS
    for number, row in enumerate(rows):
        found = by_start[row[0], None if row[1] == "NA" else float(row[1]), 1 + number % 28]
        assert (found.geprueft.day, found.geprueft.month) == (1 + number % 28, 1 + number % 12)
        assert found.anlaeufe == (None if row[4] == "NA" else int(row[4]))
        assert found.laeuft == {"true": True, "FALSE": False, "NA": None}[row[5]]
        assert found.bemerkung == (None if row[6] == "NA" else row[6])
        # Ridge shrinks a little, and the missing size was filled with the median.
        assert found.prediction == pytest.approx(float(row[7]), abs=1.5 if row[1] != "NA" else 20)
