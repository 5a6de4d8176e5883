import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from penstock.sources.listing import is_input, is_overlooked, name_filter

PARTS = st.sampled_from(["a", "b", "C", ".", "*", "?", "[ab]", "[!a]", "[a-c]", "{a,b}", "{a*,[!b]c}", "\\*", "\\{"])
PARTS |= st.sampled_from(["+", "$", "(", ")", "|", "^", ",", "}", "!", "-", "é", " ", "{a}"])
GLOBS = st.lists(PARTS, min_size=1, max_size=6).map("".join)
NAMES = st.text(alphabet="abcC.*?+$(|^,}!-é {[", min_size=1, max_size=5)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(glob=GLOBS, names=st.lists(NAMES, max_size=8))
def test_names_are_filtered_as_hadoop_filters_them(spark: SparkSession, glob: str, names: list[str]) -> None:
    hadoops = spark._jvm.org.apache.hadoop.fs.GlobPattern(glob)
    ours = name_filter(glob)
    assert [ours(name) for name in names] == [hadoops.matches(name) for name in names]


@pytest.mark.parametrize("name", ["_SUCCESS", "_metadata", "_common_metadata", "_metadata.d", ".a.crc", "a._COPYING_"])
def test_names_that_are_overlooked(name: str) -> None:
    assert is_overlooked(name)
    for path in (name, f"{name}/a.parquet", f"year=2024/{name}", f"a/{name}/b/c.csv"):
        assert not is_input(f"/data/_inbox/{path}", "/data/_inbox")
        assert not is_input(f"s3a://bucket/.in/{path}", "s3a://bucket/.in/")


@pytest.mark.parametrize("name", ["a.csv", "year=2024", "_x=1", "a_b", "a._copying_", "metadata", "a.", "é %"])
def test_names_that_are_not(name: str) -> None:
    assert not is_overlooked(name)
    assert is_input(f"/data/_inbox/{name}/{name}", "/data/_inbox")
    assert is_input(f"/{name}", "/")
