"""The word list finds its words, by file and line, and nothing else."""

from word_list import ROOT, find_words, read_files


def test_a_word_is_found_whatever_its_case_and_only_as_a_whole_word():
    text = "Whoever reads this\nwas_told, toldo, a new one\nis told that it goes on.\n"
    assert find_words([("docs/page.md", text)]) == [
        "docs/page.md:1: Whoever: Whoever reads this",
        "docs/page.md:3: told: is told that it goes on.",
    ]


def test_code_docs_java_sql_and_settings_are_read():
    names = {name for name, _ in read_files(ROOT)}
    assert {"README.md", "docs/glossary.md", "penstock/errors.py", "queries/views.sql", "conf/wine.yaml"} <= names
    assert any(name.endswith(".java") for name in names)
    assert not [name for name in names if name.startswith(("penstock/jobs/", "penstock/udfs/", "penstock/schemas/"))]
