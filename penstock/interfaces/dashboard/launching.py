"""Runs Streamlit with the dashboard's page as a child process."""

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


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """Config files and overrides, as for the jobs, and the address to serve at."""

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
            # No file watcher: the page's source does not change while it is served.
            "server.fileWatcherType": "none",
            "browser.gatherUsageStats": "false",
            "client.toolbarMode": "minimal",
        }
        flags = [text for name, value in options.items() for text in (f"--{name}", value)]
        conf = [text for path in self.conf for text in ("--conf", str(path))]
        overrides = [text for override in self.overrides for text in ("--set", override)]
        return [sys.executable, "-m", "streamlit", "run", str(PAGE), *flags, "--", *conf, *overrides]

    def serve(self) -> int:
        """Serve until SIGTERM or SIGINT (Ctrl-C), then return 0. Raises ServerError if the port is in use."""
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

        # Ctrl-C signals the whole process group; in its own session the server is signalled by this process only.
        process = subprocess.Popen(self.command, start_new_session=True)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        code = process.wait()
        return 0 if was_stopped else int(code != 0)
