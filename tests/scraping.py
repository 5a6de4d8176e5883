"""Reads what a metrics server shows, without the library that wrote it."""

import urllib.request


def scrape(port: int, path: str = "/metrics") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        assert answer.status == 200
        return str(answer.read().decode())


def samples(text: str) -> dict[str, float]:
    """The value of each series, by its name and its labels as they are written."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def series(name: str, **labels: str) -> str:
    """A series of the pipeline wine, written as the text format has it: labels in the order of their names."""
    written = ",".join(f'{label}="{value}"' for label, value in sorted({"pipeline": "wine", **labels}.items()))
    return f"penstock_{name}{{{written}}}"
