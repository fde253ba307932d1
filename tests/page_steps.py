"""The shell blocks of a page, run in order in one shell as a reader would, and what the page says that they print.

A comment before a block, which no reader sees, says what is to be checked:

    <!-- not run: REASON -->                            before commands that a test cannot run
    <!-- prints -->                                     before what the commands above print; "..." stands for anything
    <!-- prints, with other figures -->                 likewise, but numbers and digests differ from run to run
    <!-- prints after a while -->                       likewise, if the commands are run again until they print it
    <!-- prints after a while, with other figures -->
"""

import doctest
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

WAIT_S = 60
POLL_S = 1.0
_NOTE = re.compile(r"<!-- (not run: .+|prints( after a while)?(, with other figures)?) -->")
_FIGURE = re.compile(r"\b[0-9a-f]{32,}\b|[+-]?\d+(\.\d+)?%?")
_OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(slots=True)
class Step:
    """Commands, and what they should print; None: it does not matter."""

    commands: str
    line: int
    prints: str | None = None
    later: bool = False
    other_figures: bool = False

    def is_printed(self, text: str) -> bool:
        """Whether this is what the page says."""
        wanted = self.prints or ""
        if self.other_figures:
            wanted, text = _FIGURE.sub("0", wanted), _FIGURE.sub("0", text)
        return doctest.OutputChecker().check_output(wanted, text, _OPTIONS)


def steps(page: str) -> tuple[list[Step], int]:
    """The steps of a page in Markdown, and how many blocks of commands say that they are not run."""
    found: list[Step] = []
    note, skipped = "", 0
    for token in MarkdownIt().parse(page):
        if token.type == "html_block":
            note = token.content.strip()
            assert _NOTE.fullmatch(note), f"this comment says nothing about a step: {note}"
        elif token.type == "fence" and token.info == "sh":
            if note:
                assert note.startswith("<!-- not run: "), note
                skipped += 1
            else:
                assert token.map is not None
                found.append(Step(token.content, token.map[0] + 1))
            note = ""
        elif token.type == "fence" and token.info == "text":
            assert note.startswith("<!-- prints"), f"say what is to be checked of: {token.content}"
            last = found[-1]
            assert last.prints is None, f"line {last.line} prints two things"
            last.prints, last.later, last.other_figures = token.content, "a while" in note, "figures" in note
            note = ""
    return found, skipped


class Shell:
    """One bash that keeps its variables and background jobs from block to block, and ends at the first failure."""

    MARK = "-- the block has ended --"

    def __init__(self, child: "subprocess.Popen[str]", folder: Path) -> None:
        self._child, self._script = child, folder / "block.sh"
        self._tell("set -euo pipefail")

    def run(self, commands: str) -> str:
        """What the commands print.

        Raises:
            AssertionError: one of them failed.
        """
        self._script.write_text(commands)
        # Commands must not read the blocks to come, and may end in the middle of a line.
        self._tell(f"source {self._script} < /dev/null; echo; echo '{self.MARK}'")
        assert self._child.stdout is not None
        lines: list[str] = []
        for line in self._child.stdout:
            if line.strip() == self.MARK:
                return "".join(lines)[:-1]
            lines.append(line)
        raise AssertionError(f"this failed:\n{commands}\nand printed:\n{''.join(lines)}")

    def follow(self, step: Step) -> None:
        """Run a step and compare what it prints."""
        end = time.monotonic() + (WAIT_S if step.later else 0)
        # What is awaited may also fail until it is there.
        commands = f"{{\n{step.commands}}} || true\n" if step.later else step.commands
        printed = self.run(commands)
        while not step.is_printed(printed) and time.monotonic() < end:
            time.sleep(POLL_S)
            printed = self.run(commands)
        if step.prints is not None:
            assert step.is_printed(printed), f"line {step.line} says\n{step.prints}\nbut it is\n{printed}"

    def _tell(self, line: str) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(line + "\n")
        self._child.stdin.flush()


@contextmanager
def shell(folder: Path, environment: dict[str, str]) -> Iterator[Shell]:
    """Run a shell, and end it and everything that it started."""
    home = folder / "home"
    home.mkdir()
    child = subprocess.Popen(
        ["bash", "--noprofile", "--norc"], cwd=home, env=os.environ | environment | {"HOME": str(home)}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        yield Shell(child, folder)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        for pipe in (child.stdin, child.stdout):
            assert pipe is not None
            pipe.close()
