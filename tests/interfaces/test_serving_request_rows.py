import json

import pytest

from penstock.interfaces.rest.exact_numbers import WrittenFloat, WrittenInt
from penstock.interfaces.rest.request_rows import as_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("", ""),
        ("abc", "abc"),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (7.0, "7.0"),
        (0.1, "0.1"),
        (1e22, "1e+22"),
        (-2.5e-7, "-2.5e-07"),
        (2**70, "1180591620717411303424"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        ("a\ud800b", "a\ufffdb"),
        (json.loads("[1e-07]", parse_float=WrittenFloat)[0], "1e-07"),
        (json.loads("[0.12345678901234567891]", parse_float=WrittenFloat)[0], "0.12345678901234567891"),
        (json.loads("[-0]", parse_int=WrittenInt)[0], "-0"),
    ],
)
def test_a_value_is_the_text_that_a_file_would_have(value, text):
    assert as_text(value) == text
