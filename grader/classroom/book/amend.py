"""What to write in the place of a line that is no TOML: people write names, shares and times into grading.toml, and not
its grammar."""

from __future__ import annotations

import json
import re
import tomllib

BARE = re.compile(r"[A-Za-z0-9_-]+")
LINE = re.compile(r"\s*(?P<key>\"[^\"]*\"|'[^']*'|[^=:#]+?)\s*(?P<between>[=:])\s*(?P<value>[^#]*?)\s*(?:#.*)?")
ITEM = re.compile(r"\s*(?P<item>[^=\[\]#,]+?)\s*(?P<comma>,?)\s*(?:#.*)?")  # of a list over several lines
ITEMS = re.compile(r"\"[^\"]*\"|'[^']*'|[^\s,\[\]\"'][^,\[\]]*")
QUOTES = "\"'\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb"
NAMES = "a name with more in it than the letters from a to z, digits, `_` and `-` stands between quotes"
CLOSED = "a quote that opens has to close"
EQUALS = "`=` stands between a name and what it gets"
LIST = "a list stands in brackets, and each name in it between quotes, with commas between them"
NUMBER = "a number stands alone, without quotes and without a unit"
DATE = "a date has its time and no quotes"
SMALL = "true and false are written small"
SAYS = {"Cannot overwrite a value": "it is said a second time", "Cannot declare": "it is there a second time"}


def told(text: str, error: tomllib.TOMLDecodeError) -> str:
    """Which line is no TOML, and what to write instead where that can be seen."""
    lines = text.splitlines()
    found = re.search(r"\(at line (\d+), column \d+\)", str(error))
    at = int(found[1]) if found else next((n for n in range(len(lines), 0, -1) if lines[n - 1].strip()), 0)
    why = re.sub(r" \(at .*\)", "", str(error))
    line = lines[at - 1].strip() if 0 < at <= len(lines) else ""
    why = next((told for begins, told in SAYS.items() if why.startswith(begins)), why)
    instead, rule = amended(line, why.startswith("Invalid value"))
    return f"is no TOML at line {at}, `{line}`: " + (f"write `{instead}`, since {rule}" if instead else why)


def amended(line: str, within: bool = False) -> tuple[str, str]:
    """The line as it was meant, and the rule that it follows; empty where that cannot be told. `within` says that it
    may go on with a list."""
    if found := LINE.fullmatch(line):
        key, rule = _key(found["key"])
        value, other = _value(found["key"].strip(QUOTES), found["value"])
        return _checked(f"{key} = {value}", line, rule or other or EQUALS * (found["between"] == ":"))
    if (found := ITEM.fullmatch(line)) and (within or found["comma"]):
        item = f"{_quoted(found['item'].strip(QUOTES))}{found['comma']}"
        return (item, LIST) if item != line.strip() else ("", "")
    return "", ""


def key_of(name: str) -> str:
    """A name as it stands before `=`."""
    return name if BARE.fullmatch(name) else _quoted(name)


def line_of(text: str, key: str) -> int:
    """The line on which something is given to a key, however the key is written; 0 where there is none."""
    for at, line in enumerate(text.splitlines(), start=1):
        written = line.partition("=")[0].strip()
        if "=" in line and (written == key or written.strip(QUOTES) == key or re.sub(r"\s*\.\s*", ".", written) == key):
            return at
    return 0


def _key(written: str) -> tuple[str, str]:
    name = written.strip()
    whole = len(name) > 1 and name[0] == name[-1] and name[0] in "\"'"
    key = name if whole or BARE.fullmatch(name) else key_of(name.strip(QUOTES).strip())
    return key, "" if key == name else CLOSED if BARE.fullmatch(key) else NAMES


def _value(key: str, written: str) -> tuple[str, str]:
    """A value as TOML has it, and the rule that it broke."""
    if key == "due":
        date = re.fullmatch(
            r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?)?\s*(Z|[+-]\d\d:\d\d)?", written.strip(QUOTES)
        )
        return (f"{date[1]}T{date[2] or '23:59'}{date[3] or ':00'}{date[4] or ''}" if date else written), DATE
    if written.lower() in ("true", "false"):
        return written.lower(), SMALL * (written != written.lower())
    if written.startswith("["):
        items = [item.strip().strip(QUOTES).strip() for item in ITEMS.findall(written)]
        return f"[{', '.join(_quoted(item) for item in items if item)}]", LIST
    number = re.fullmatch(r"(\d+)(?:[.,](\d+))?\s*(?:%|[a-z]+)?", written.strip(QUOTES), re.IGNORECASE)
    if not number:
        return written, ""
    plain = f"{number[1]}.{number[2]}" if number[2] else number[1]
    return plain, NUMBER * (plain != written)


def _quoted(name: str) -> str:
    return f"'{name}'" if '"' in name and "'" not in name else json.dumps(name, ensure_ascii=False)


def _checked(instead: str, line: str, rule: str) -> tuple[str, str]:
    """What was found, if it is TOML and something else than what was there."""
    try:
        tomllib.loads(instead)
    except tomllib.TOMLDecodeError:
        return "", ""
    return (instead, rule) if rule and instead != line.strip() else ("", "")
