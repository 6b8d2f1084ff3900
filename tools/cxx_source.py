"""What the checks need to know of a C++ source: code without comments, includes, functions.

Not a parser. It relies on clang-format having been run: a brace after a space opens a body, a brace
glued to a name opens an initialiser.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

CXX_SUFFIXES = (".h", ".cc")

_TOKENS = re.compile(
    r'R"(?P<delimiter>[^()\\\s]{0,16})\(.*?\)(?P=delimiter)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])*'"
    r"|//(?:\\\n|[^\n])*"
    r"|/\*.*?\*/",
    re.DOTALL,
)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.MULTILINE)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.MULTILINE)
_ALLOW = re.compile(r"(?://|#)\s*tidy:\s*allow\s+([a-z-]+)\s*:\s*(\S.*)")
_TYPE_HEAD = re.compile(r"\b(namespace|class|struct|union|enum|extern\s*\"\")")
_LABELS = re.compile(r"\s*(?:(?:public|private|protected)\s*:(?!:)\s*)*")
_CONTROL = re.compile(r"^(if|for|while|switch|do|else|try|catch|return|case|default)\b")


@dataclass(frozen=True)
class Include:
    line: int
    path: str
    quoted: bool


@dataclass(frozen=True)
class Function:
    line: int
    name: str
    lines: int


def _blank(text: str) -> str:
    """Keeps length and line breaks, so that offsets and line numbers stay true."""
    return re.sub(r"[^\n]", " ", text)


def _blank_token(match: re.Match) -> str:
    token = match.group(0)
    if token.startswith("/"):
        return _blank(token)
    quote = token[-1]
    start = token.index(quote)
    return " " * start + quote + _blank(token[start + 1 : -1]) + quote


class CxxSource:
    def __init__(self, path: str, text: str):
        self.path = path
        self.text = text

    @classmethod
    def read(cls, root: Path, path: str) -> "CxxSource":
        return cls(path, (root / path).read_text(encoding="utf-8"))

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def code(self) -> str:
        """The text with comments, strings and characters blanked out, same length."""
        return _TOKENS.sub(_blank_token, self.text)

    @cached_property
    def includes(self) -> list[Include]:
        uncommented = _TOKENS.sub(
            lambda m: _blank(m.group(0)) if m.group(0).startswith("/") else m.group(0), self.text
        )
        return [
            Include(self.line_of(m.start(2)), m.group(2), m.group(1) == '"')
            for m in _INCLUDE.finditer(uncommented)
        ]

    def line_of(self, offset: int) -> int:
        return self.text.count("\n", 0, offset) + 1

    def allowed(self, rule: str, line: int) -> bool:
        """True if this line, or the one above it, says `tidy: allow RULE: reason`."""
        for number in (line, line - 1):
            if 1 <= number <= len(self.lines):
                match = _ALLOW.search(self.lines[number - 1])
                if match and match.group(1) == rule:
                    return True
        return False

    @cached_property
    def functions(self) -> list[Function]:
        """Function bodies outside other functions, measured from their first line to the last."""
        code = _DIRECTIVE.sub(lambda m: _blank(m.group(0)), self.code)
        found = []
        scopes = []  # "open" (namespace, type), "init", or ("body", start offset, name)
        depth_in_body = 0
        head_start = 0
        for match in re.finditer(r"[{};]", code):
            at, symbol = match.start(), match.group(0)
            if depth_in_body:
                depth_in_body += {"{": 1, "}": -1, ";": 0}[symbol]
                if depth_in_body == 0:
                    _, start, name = scopes.pop()
                    first, last = self.line_of(start), self.line_of(at)
                    found.append(Function(first, name, last - first + 1))
                    head_start = at + 1
                continue
            if symbol == "{":
                head = code[head_start:at]
                kind = _scope_kind(head)
                if kind == "body":
                    start = head_start + _LABELS.match(head).end()
                    scopes.append(("body", start, _function_name(head)))
                    depth_in_body = 1
                else:
                    scopes.append(kind)
                    if kind == "open":
                        head_start = at + 1
            elif symbol == "}":
                kind = scopes.pop() if scopes else "open"
                if kind == "open":
                    head_start = at + 1
            elif not (scopes and scopes[-1] == "init"):
                head_start = at + 1
        return found


def _scope_kind(head: str) -> str:
    bare = head[_LABELS.match(head).end() :].strip()
    if head and not head[-1].isspace():
        return "init"  # glued: name{...}
    without_parens = _without_groups(bare)
    if re.search(r"(?<![=!<>])=(?!=)", without_parens) and "operator" not in without_parens:
        return "init"
    if _TYPE_HEAD.search(without_parens) and not re.search(r"\)\s*$", bare):
        return "open"
    if "(" in bare and not _CONTROL.match(bare):
        return "body"
    return "open"


def _without_groups(text: str) -> str:
    """Drops (...) and <...> groups: what is left is the declaration's skeleton."""
    previous = None
    while previous != text:
        previous = text
        text = re.sub(r"\([^()]*\)", " ", text)
    text = text.replace("<=>", " ").replace("->", "  ")
    previous = None
    while previous != text:
        previous = text
        text = re.sub(r"<[^<>]*>", " ", text)
    return text


def _function_name(head: str) -> str:
    match = re.search(r"([A-Za-z_~][\w:~]*|operator\W+)\s*\(([^()]*)", head)
    if not match:
        return "?"
    if match.group(1).startswith(("TEST", "TYPED_TEST")):
        return re.sub(r"\s+", "", match.group(2)).replace(",", ".")
    return match.group(1)
