from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from penstock.sources.listing import name_filter

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
