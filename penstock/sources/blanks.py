"""Blanks that are taken off a field's ends where the CSV dialect trims: those of ASCII, as Spark's parser does, and
those of other scripts, spreadsheets and web pages."""

#: Control characters and the blank; no-break and full-width blanks, those of other widths; marks without a width.
BLANKS = (
    "".join(map(chr, range(1, 0x21)))
    + "\x85\u00a0\u1680"
    + "".join(map(chr, range(0x2000, 0x200C)))
    + "\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
)
