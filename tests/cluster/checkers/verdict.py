"""What the checks found, in words."""

from collections import Counter
from dataclasses import dataclass, field

SHOWN_OF_A_KIND = 5


@dataclass(frozen=True)
class Violation:
    kind: str
    text: str


@dataclass
class Verdict:
    counted: list[str] = field(default_factory=list)  # what was looked at, a line each
    violations: list[Violation] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.violations

    def kinds(self) -> set[str]:
        return {violation.kind for violation in self.violations}

    def text(self) -> str:
        lines = list(self.counted)
        shown: Counter = Counter()
        for violation in self.violations:
            shown[violation.kind] += 1
            if shown[violation.kind] <= SHOWN_OF_A_KIND:
                lines.append(f"VIOLATION {violation.kind}: {violation.text}")
        for kind, count in shown.items():
            if count > SHOWN_OF_A_KIND:
                lines.append(f"VIOLATION {kind}: and {count - SHOWN_OF_A_KIND} more")
        lines.append("good" if self.good else f"{len(self.violations)} violations: "
                     + ", ".join(f"{kind} {count}" for kind, count in shown.items()))
        return "\n".join(lines)
