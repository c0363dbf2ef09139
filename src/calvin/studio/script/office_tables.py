"""Scripts in workbooks (.xlsx) and documents (.docx), as tables that `script_tables` reads.

Such a file is a zip archive of XML. Before a library opens it, its size unpacked is bounded and document types are
refused; nothing that it links to is fetched.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from calvin.core.errors import CalvinError, DataError, StoreError
from calvin.media.timed_text import MAX_BYTES
from calvin.studio.script.document_tables import document_tables
from calvin.studio.script.script_tables import SheetTable
from calvin.studio.script.workbook_tables import workbook_tables

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_MAX_PARTS = 5000
_MAX_UNPACKED = 200_000_000
"""Pictures in it included, which are not opened."""
_XML = (".xml", ".rels", ".vml")


@dataclass(frozen=True, slots=True)
class OfficeTables:
    """The tables of a file that hold a script, and sentences on how they were read."""

    tables: list[SheetTable] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    @property
    def times(self) -> str:
        """All times in it, one a line."""
        return "\n".join(cell for table in self.tables for cell in table.times())


def is_office(path: Path) -> bool:
    """Whether a file is one of an office program, or another archive, by how it begins."""
    try:
        with open(path, "rb") as stream:
            return stream.read(4) in (_ZIP, _OLE)
    except OSError:  # what is wrong with it is said where it is read
        return False


def read_office(path: Path, what: str = "script", language: str = "", sheet: str | None = None) -> OfficeTables:
    """The tables of a script in a workbook or a document.

    Args:
        what: what people call the words in it.
        language: of the text to take, where it stands in several.
        sheet: of a workbook; None: the only one that holds a script.

    Raises:
        StoreError: it is damaged, too large, protected or no such file, or no table of it is a script.
        MissingExtraError: the packages that read it are not installed.
    """
    data = _checked(path)
    reader = _reader(data, path)
    if sheet is not None and reader is document_tables:
        raise StoreError(f"{path} is a document, which has no sheets: leave --sheet out.")
    try:
        with warnings.catch_warnings():  # on what is not kept when it is written again
            warnings.simplefilter("ignore")
            tables, notes = reader(data, language, sheet)
    except DataError as error:
        raise StoreError(f"{path} cannot be imported: {str(error).rstrip('.')}; nothing was changed.") from error
    except CalvinError:
        raise
    except Exception as error:  # the libraries have no error of their own for a damaged file
        raise StoreError(
            f"{path} is damaged ({type(error).__name__}), so the {what} in it cannot be read: save it again in the "
            "program that made it."
        ) from error
    return OfficeTables(tables, tuple(notes))


def _checked(path: Path) -> bytes:
    """
    Raises:
        StoreError: it is too large, packed or not, protected, or declares a document type.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise StoreError(f"{path} is larger than {MAX_BYTES // 1_000_000} MB, more than the script of any film.")
    data = path.read_bytes()
    if data.startswith(_OLE):
        raise StoreError(
            f"{path} is protected by a password or of an office program from before 2007: save it as .xlsx or .docx, "
            "without a password."
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_parts(archive, path)
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise StoreError(f"{path} is damaged: save it again in the program that made it.") from error
    return data


def _check_parts(archive: zipfile.ZipFile, path: Path) -> None:
    parts = archive.infolist()
    texts = [part for part in parts if part.filename.lower().endswith(_XML)]
    unpacked, of_text = sum(part.file_size for part in parts), sum(part.file_size for part in texts)
    if len(parts) > _MAX_PARTS or unpacked > _MAX_UNPACKED or of_text > MAX_BYTES:
        raise StoreError(
            f"{path} unpacks to {unpacked / 1e6:,.0f} MB in {len(parts)} parts, more than the script of any film: save "
            "the table alone."
        )
    if any(part.flag_bits & 1 for part in parts):
        raise StoreError(f"{path} is protected by a password: save it without one.")
    for part in texts:
        # Also where each letter takes two bytes.
        text = archive.read(part).replace(b"\0", b"").upper()
        if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
            raise StoreError(f"{path} declares its own XML document type, which is refused: save it again elsewhere.")


_Reader = Callable[[bytes, str, str | None], tuple[list[SheetTable], list[str]]]


def _reader(data: bytes, path: Path) -> _Reader:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
    if "xl/workbook.bin" not in names and any(name.startswith("xl/") for name in names):
        return workbook_tables
    if any(name.startswith("word/") for name in names):
        return document_tables
    open_document = "mimetype" in names and "META-INF/manifest.xml" in names
    what = "an OpenDocument file" if open_document else "no workbook or document that is read here"
    raise StoreError(f"{path} is {what}: save it as .xlsx, .docx or CSV.")
