"""jobs/serve.py as a process: started, asked, stopped."""

import signal
from pathlib import Path

import httpx
import pytest
import yaml
from free_ports import free_ports
from job_processes import Job, python, run
from sandbox import WINE, WINE_SCORE, Sandbox
from service import predict, until


def conf_of(sandbox: Sandbox, **changes: object) -> str:
    path = sandbox.root / "pipeline.yaml"
    path.write_text(yaml.safe_dump(sandbox.config().model_dump(mode="json", exclude_none=True) | changes))
    return str(path)


def is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_it_serves_until_it_is_told_to_end(sandbox: Sandbox) -> None:
    [port] = free_ports(1)
    overlay = sandbox.root / "overlay.yaml"
    overlay.write_text("model: {max_staleness: 60}\n")
    options = ["--conf", conf_of(sandbox), "--overlay", str(overlay), "--port", str(port)]
    job = Job(sandbox, python("serve", *options))
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=300) as client:
            until(lambda: job.process.poll() is not None or is_ready(client), "it is ready")
            assert predict(client, "wine-linear", WINE) == [{"prediction": pytest.approx(WINE_SCORE)}]
        again = run(sandbox, python("serve", *options))
        assert (again.returncode, again.stderr.splitlines()[-1]) == (
            1,
            f"error: port {port} is in use; choose another with --port",
        )
        job.process.send_signal(signal.SIGTERM)
        assert job.end() == 0
    finally:
        job.kill()


def test_a_wrong_config_ends_it_at_once(sandbox: Sandbox, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("modell: {}\n")
    done = run(sandbox, python("serve", "--conf", conf_of(sandbox), "--overlay", str(overlay)))
    assert done.returncode == 2
    assert "modell: unknown key; did you mean 'model'?" in done.stderr
