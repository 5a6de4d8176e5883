"""The REST service beside `mlflow models serve` on the same model: both loaded by the same client, in turns.

Client and service share the machine's cores. The client sends the next request of a connection when it has the answer
to the last one.

Usage: python benchmarks/bench_serving.py [--seconds 10] [--rounds 3] [--port 8123] [--out FILE]
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rows_setup import register_wine_model, rows_config, run_benchmark, wines

PROJECT = Path(__file__).parents[1]
START_SECONDS = 180.0
WARM_UP_SECONDS = 5
#: Rows of a request, connections.
LOADS = ((1, 1), (1, 8), (100, 1), (100, 8))


@dataclass(frozen=True, kw_only=True)
class Service:
    """shape: the key of a request's rows."""

    name: str
    command: list[str]
    ready: str
    path: str
    port: int
    shape: str

    def body(self, rows: int) -> bytes:
        return json.dumps({self.shape: wines(rows).to_dict(orient="records")}).encode()


def services(conf: Path, *, tracking_uri: str, port: int) -> list[Service]:
    mlflow = ["-m", "mlflow", "models", "serve", "-m", "models:/wine-quality@champion", "--env-manager", "local"]
    # It starts uvicorn by its name.
    path = f"PATH={Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return [
        Service(
            name="penstock",
            command=[sys.executable, "jobs/serve.py", "--conf", str(conf), "--port", str(port)],
            ready="/readyz",
            path="/models/wine-quality/predict",
            port=port,
            shape="rows",
        ),
        Service(
            name="mlflow models serve",
            command=[
                "env",
                f"MLFLOW_TRACKING_URI={tracking_uri}",
                path,
                sys.executable,
                *mlflow,
                "--port",
                str(port + 1),
            ],
            ready="/ping",
            path="/invocations",
            port=port + 1,
            shape="dataframe_records",
        ),
    ]


@contextmanager
def running(service: Service, folder: Path) -> Iterator[float]:
    """Yields the seconds from its start until it is ready."""
    log = folder / f"{service.name}.log"
    begin = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(service.command, cwd=PROJECT, stdout=out, stderr=out, start_new_session=True)
    try:
        while not is_ready(service):
            if process.poll() is not None or time.monotonic() - begin > START_SECONDS:
                sys.exit(f"{service.name} did not become ready:\n{log.read_text()}")
            time.sleep(0.1)
        yield time.monotonic() - begin
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)


def is_ready(service: Service) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{service.port}{service.ready}", timeout=5):
            return True
    except OSError:
        return False


def send_for(seconds: float, service: Service, *, rows: int, connections: int) -> list[float]:
    """The seconds of each request. Exits at an answer that is not 200."""
    body, taken, end = service.body(rows), list[float](), time.monotonic() + seconds

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
        connection.connect()
        while (begin := time.monotonic()) < end:
            connection.request("POST", service.path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
            if response.status != 200:
                print(f"{service.name}: {response.status} {answer[:300]!r}", file=sys.stderr)
                os._exit(1)
            taken.append(time.monotonic() - begin)
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken


def summary(taken: list[float], *, rows: int, seconds: float) -> dict[str, float]:
    cuts = statistics.quantiles(taken, n=100)
    return {
        "p50_milliseconds": 1000 * cuts[49],
        "p99_milliseconds": 1000 * cuts[98],
        "requests_per_second": len(taken) / seconds,
        "rows_per_second": len(taken) * rows / seconds,
    }


def median_of(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}


def measure(folder: Path, *, seconds: int, rounds: int, port: int) -> dict[str, object]:
    config = rows_config(folder)
    register_wine_model(config)
    conf = folder / "bench.yaml"
    conf.write_text(yaml.safe_dump(config.model_dump(mode="json", exclude_none=True)))
    ours, plain = services(conf, tracking_uri=config.the_mlflow.tracking_uri, port=port)
    results: list[dict[str, Any]] = []
    with running(ours, folder) as our_start, running(plain, folder) as plain_start:
        for rows, connections in LOADS:
            found: dict[str, list[dict[str, float]]] = {ours.name: [], plain.name: []}
            for service in (ours, plain):
                send_for(WARM_UP_SECONDS, service, rows=rows, connections=connections)
            for _ in range(rounds):
                for service in (ours, plain):
                    taken = send_for(seconds, service, rows=rows, connections=connections)
                    found[service.name].append(summary(taken, rows=rows, seconds=seconds))
            medians = {name: median_of(one) for name, one in found.items()}
            results.append(
                {
                    "rows_per_request": rows,
                    "connections": connections,
                    **medians,
                    "p50_ratio": medians[ours.name]["p50_milliseconds"] / medians[plain.name]["p50_milliseconds"],
                    "throughput_ratio": medians[ours.name]["requests_per_second"]
                    / medians[plain.name]["requests_per_second"],
                }
            )
    starts = {ours.name: our_start, plain.name: plain_start}
    return {"cores": os.cpu_count(), "rounds": rounds, "start_seconds": starts, "results": results}


if __name__ == "__main__":
    run_benchmark("serving", measure, description=__doc__, seconds=10, rounds=3, port=8123)
