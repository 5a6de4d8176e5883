"""How long S3 is asked again where it does not answer, or answers that it can't just now.

botocore's own two ways are not made for an outage: "standard" gives up after about 35 failures of all threads together,
and the pauses of "legacy" double without an end, so that the last one is longer than the outage.
"""

import random
import time
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ConnectionError as NotConnectedError
from botocore.exceptions import HTTPClientError

FIRST_PAUSE_SECONDS = 0.1
#: A lease that waits for S3 must be renewed soon after S3 is back.
LONGEST_PAUSE_SECONDS = 4.0
PASSING_STATUS = (429, 500, 502, 503, 504)
#: What S3 says under a status that is else the client's fault.
PASSING_CODES = ("RequestTimeout", "RequestTimeoutException", "Throttling", "ThrottlingException")
SINCE = "penstock.failing_since"


@dataclass(frozen=True, kw_only=True)
class Patience:
    """A handler of botocore's event `needs-retry`: a request is sent again until `seconds` after its first failure."""

    seconds: float

    def __call__(
        self, *, attempts: int, response: Any, caught_exception: Any, request_dict: dict[str, Any], **_: object
    ) -> float | None:
        """How many seconds to wait before the next attempt; None where there is none."""
        if not is_passing(response, caught_exception):
            return None
        now = time.monotonic()
        since = request_dict["context"].setdefault(SINCE, now)
        return pause_seconds(attempts) if now - since < self.seconds else None


def is_passing(response: Any, error: Any) -> bool:
    """Whether the next attempt may well succeed. response: what botocore has of one, None where there was none."""
    if response is None:
        return isinstance(error, NotConnectedError | HTTPClientError)
    answer, content = response
    return answer.status_code in PASSING_STATUS or content.get("Error", {}).get("Code") in PASSING_CODES


def pause_seconds(attempts: int) -> float:
    """The pause after so many attempts, by chance a little longer or shorter, lest all threads come back together."""
    longest: float = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(attempts, 10))
    return longest * random.uniform(0.5, 1)
