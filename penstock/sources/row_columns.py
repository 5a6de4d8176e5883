"""The columns of uncast rows, in which all formats are read alike.

One column for each contract field under its table name, as text or in the file's own type; where a format parses
numbers while it cuts a line, `_parsed_<field>` has the value of a double instead of its text. Then:

`_raw` (string: the row's text, for the quarantine), `_header` (string: the header line that it was read under, null in
formats without one), `_row_reason` (string: why the row as a whole can't be used, or null), `_is_header` (boolean: the
line is the file's header text) and `source_file` (string: the file's path in normal form).
"""

RAW = "_raw"
HEADER = "_header"
ROW_REASON = "_row_reason"
IS_HEADER = "_is_header"
SOURCE_FILE = "source_file"
#: Before the name of a field: its value, where it was parsed with its line; the field's own column is null then.
PARSED = "_parsed_"
