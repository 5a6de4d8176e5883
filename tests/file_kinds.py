"""Files of other kinds than their names say, made by the programs of those kinds."""

import bz2
import gzip
import io
import lzma
import pickle
import sqlite3
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.orc as orc
import pyarrow.parquet as pq

LINES = b"x,note\n1,a\n2,b\n"
TABLE = pa.table({"x": [1.5], "note": ["a"]})
WORKBOOK_PARTS = ("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml")
#: An empty Avro file: magic, metadata (its schema), sync marker.
AVRO = b'Obj\x01\x04\x16avro.schema\x0c"long"\x14avro.codec\x08null\x00' + bytes(range(16))
ZSTD, LZ4 = (pa.Codec(name).compress(LINES).to_pybytes() for name in ("zstd", "lz4"))


def zipped(*names: str, mimetype: str = "") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        if mimetype:
            archive.writestr(zipfile.ZipInfo("mimetype"), mimetype)
        for name in names:
            archive.writestr(name, LINES)
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("a.csv")
        member.size = len(LINES)
        archive.addfile(member, io.BytesIO(LINES))
    return buffer.getvalue()


def written(write: object, *arguments: object) -> bytes:
    buffer = io.BytesIO()
    write(*arguments, buffer)  # type: ignore[operator]
    return buffer.getvalue()


def database() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE a (x REAL)")
        connection.commit()
        connection.close()
        return path.read_bytes()


TEXT = LINES.decode()
#: With how a reason names each.
BINARY: dict[str, tuple[bytes, str]] = {
    "zip": (zipped("a.csv"), "a zip archive"),
    "zip_empty": (zipped(), "a zip archive"),
    "xlsx": (zipped(*WORKBOOK_PARTS), "an Excel workbook (xlsx)"),
    "ods": (
        zipped("content.xml", mimetype="application/vnd.oasis.opendocument.spreadsheet"),
        "an OpenDocument file (ods)",
    ),
    "xls": (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504), "an old Excel or Office file (xls)"),
    "gzip": (gzip.compress(LINES), "a gzip file"),
    "bzip2": (bz2.compress(LINES), "a bzip2 file"),
    "bzip2_empty": (bz2.compress(b""), "a bzip2 file"),
    "xz": (lzma.compress(LINES), "an xz file"),
    "zstd": (ZSTD, "a Zstandard file (zst)"),
    "lz4": (LZ4, "an LZ4 file"),
    "7z": (b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(24), "a 7z archive"),
    "rar": (b"Rar!\x1a\x07\x01\x00" + bytes(24), "a RAR archive"),
    "tar": (tarred(), "a tar archive"),
    "avro": (AVRO, "an Avro file"),
    "orc": (written(orc.write_table, TABLE), "an ORC file"),
    "feather": (written(feather.write_feather, TABLE), "an Arrow or Feather file"),
    "parquet": (written(pq.write_table, TABLE), "a Parquet file"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "a PDF file"),
    "sqlite": (database(), "an SQLite database"),
    "pickle": (pickle.dumps(pd.DataFrame({"x": [1.5]})), "a Python pickle"),
    "pickle_2": (pickle.dumps([1], protocol=2), "a Python pickle"),
    "npy": (written(lambda array, file: np.save(file, array), np.array([1.5])), "a NumPy file"),
    "utf_16": (TEXT.encode("utf-16"), "text in UTF-16"),
    "utf_16_le": (TEXT.encode("utf-16-le"), "text in UTF-16"),
    "utf_16_be": (TEXT.encode("utf-16-be"), "text in UTF-16"),
    "utf_16_mark_be": (b"\xfe\xff" + TEXT.encode("utf-16-be"), "text in UTF-16"),
    "utf_32": (TEXT.encode("utf-32"), "text in UTF-32"),
    "utf_32_le": (TEXT.encode("utf-32-le"), "text in UTF-32"),
    "utf_32_be": (TEXT.encode("utf-32-be"), "text in UTF-32"),
    "zeros": (bytes(4096), "nothing but zero bytes"),
}
MARKUP: dict[str, tuple[bytes, str]] = {
    "html": (b"\n<!DOCTYPE html>\n<html><body>404</body></html>\n", "an HTML page"),
    "html_bare": (b"<HTML>\n<head></head></HTML>\n", "an HTML page"),
    "xml": (b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>', "an XML file"),
    "xml_bare": (b"<Error>\n<Code>AccessDenied</Code></Error>\n", "an XML file"),
    "xml_mark": (b"\xef\xbb\xbf<rows>\n</rows>\n", "an XML file"),
}
JSON: dict[str, tuple[bytes, str]] = {
    "json_lines": (b'{"x": 1, "note": "a"}\n{"x": 2}\n', "JSON"),
    "json_object": (b'{\n  "x": 1\n}\n', "JSON"),
    "json_array": (b'[{"x": 1}, {"x": 2}]\n', "JSON, an array"),
    "json_rows": (b"[[1, 2], [3, 4]]\n", "JSON, an array"),
}
