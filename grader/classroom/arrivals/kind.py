"""What a file is, by its first bytes, where its name says something else: a PDF that is called `31.py`."""

from __future__ import annotations

import re

BEGINS = {
    b"%PDF-": "a PDF",
    b"\x89PNG": "a picture (PNG)",
    b"\xff\xd8\xff": "a picture (JPEG)",
    b"GIF87a": "a picture (GIF)",
    b"GIF89a": "a picture (GIF)",
    b"II*\0": "a picture (TIFF)",
    b"MM\0*": "a picture (TIFF)",
    b"PK\3\4": "a zip archive",
    b"PK\5\6": "a zip archive with nothing in it",
    b"\x1f\x8b": "a gzip archive",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"BZh91AY": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"\xd0\xcf\x11\xe0": "a document of an old version of Office",
    b"{\\rtf": "a document (RTF)",
    b"\x7fELF": "a compiled program",
    b"SQLite format 3\0": "a database",
}
# names that the zip of a document has near its beginning
DOCUMENTS = {
    b"word/": "a Word document",
    b"xl/": "an Excel workbook",
    b"ppt/": "a PowerPoint presentation",
    b"application/vnd.oasis": "an OpenDocument file",
    b"[Content_Types].xml": "a document of Office",
}
PAGE = re.compile(rb"\s*<(?:!doctype html|html|head)\b", re.IGNORECASE)
NEEDED = 4096  # bytes from the beginning


def kind(start: bytes) -> str:
    """What begins so, with its article; nothing where it may be text that somebody wrote, or is not known."""
    start = start[:NEEDED]
    text = start.removeprefix(b"\xef\xbb\xbf")
    if PAGE.match(text):
        return "a web page (HTML)"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "a picture (WebP)"
    if start[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1"):
        return "a picture (HEIC)"
    found = next((told for begins, told in BEGINS.items() if text.lstrip().startswith(begins)), "")
    if found == "a zip archive":
        return next((told for name, told in DOCUMENTS.items() if name in start), found)
    return found
