"""Starts Streamlit with the dashboard's page, as a process that ends with this one."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from penstock.errors import ServerError
from penstock.tcp_ports import LOOPBACK, holder_of, is_free

PAGE = Path(__file__).with_name("page.py")
PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """What is shown (config files and overrides, as the jobs take them) and where it is served."""

    conf: Sequence[Path]
    overrides: Sequence[str]
    host: str
    port: int

    @property
    def command(self) -> list[str]:
        options = {
            "server.address": self.host,
            "server.port": str(self.port),
            "server.headless": "true",
            # The page's source does not change while it is served.
            "server.fileWatcherType": "none",
            "browser.gatherUsageStats": "false",
            "client.toolbarMode": "minimal",
        }
        flags = [text for name, value in options.items() for text in (f"--{name}", value)]
        conf = [text for path in self.conf for text in ("--conf", str(path))]
        overrides = [text for override in self.overrides for text in ("--set", override)]
        return [sys.executable, "-m", "streamlit", "run", str(PAGE), *flags, "--", *conf, *overrides]

    def serve(self) -> int:
        """Serve until SIGTERM or SIGINT (Ctrl-C), which give 0. Raises ServerError where the port is taken."""
        if self.host == LOOPBACK and not is_free(self.port):
            raise ServerError(
                f"the dashboard: port {self.port} of {self.host} is in use by {holder_of(self.port)}; "
                "end that process or choose another port (--port)"
            )
        was_stopped = False

        def stop(_number: int, _frame: FrameType | None) -> None:
            nonlocal was_stopped
            was_stopped = True
            process.terminate()

        # Ctrl-C in a terminal goes to a whole group of processes; in its own session the server hears from here only.
        process = subprocess.Popen(self.command, start_new_session=True)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        code = process.wait()
        return 0 if was_stopped else int(code != 0)
