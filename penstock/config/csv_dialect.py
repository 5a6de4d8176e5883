"""The section `source.csv`: how the text of CSV files is cut into fields."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from penstock.config.sections import Section


def ascii_character(character: str) -> str:
    if not character.isascii():
        raise ValueError("expected an ASCII character")
    return character


AsciiCharacter = Annotated[str, Field(min_length=1, max_length=1), AfterValidator(ascii_character)]


class CsvDialect(Section):
    """The dialect of CSV files; the defaults are RFC 4180 with a header line. skip_lines: lines above the header."""

    separator: AsciiCharacter = ","
    quote: AsciiCharacter = '"'
    escape: AsciiCharacter = '"'
    encoding: Literal["UTF-8", "ISO-8859-1", "US-ASCII"] = "UTF-8"
    null_marker: str = ""
    multi_line: bool = False
    trim: bool = False
    skip_lines: int = Field(default=0, ge=0, le=1000)

    @model_validator(mode="after")
    def skipped_lines_are_records(self) -> Self:
        if self.skip_lines and self.multi_line:
            raise ValueError("skip_lines and multi_line: Spark reads one of them; give one, or remove the lines")
        return self

    @property
    def meaning(self) -> dict[str, Any]:
        """What is hashed: a setting that came later counts only where it is set, so that older plans stay valid."""
        return self.model_dump(exclude=None if self.skip_lines else {"skip_lines"})
