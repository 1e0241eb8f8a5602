"""What a fit has to know of the presets in the box and of the shelf comes with chainrt: shipped.json, beside this file.

So the first `chainrt fit` answers as fast as any other, on a machine that has compiled nothing yet. Fidelity and memory
do not depend on the machine. After a change of a preset, of a model or of how anything sounds:

    python -m chainrt.shipped          # in the repository: finds everything out and writes it; a minute or two

tests/test_shipped.py finds all of it out anew and fails where a preset has no answer or an untrue one.

Rules kept here:
* An answer is found by contents: of the preset, of the files that it names (beside the preset), the rate and the
  period; that of the shelf by the kinds of blocks there are. Where the package lies, and when its files were written,
  does not matter. Whatever differs by a byte is not found here, and known.py finds it out.
* Neither the compiler nor what needs it is imported to find an answer.
"""

import hashlib
import json
import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from .places import PACKAGE
from .vocabulary import kinds

FILE = PACKAGE / "shipped.json"
PRESETS = PACKAGE.parent / "presets"
RATE_HZ, FRAMES = 48_000, 64  # of the answers in the box


def chain(path: str, rate: float, frames: int) -> Any:
    """The shipped answer to known.chain; None where there is none for these very contents."""
    with suppress(OSError, KeyError):
        entry = _answers()[_chain_key(path, rate, frames)]
        folder = os.path.dirname(path)
        if all(_digest_of(os.path.join(folder, name)) == digest for name, digest in entry["files"].items()):
            return entry["answer"]
    return None


def shelf(rate: float, frames: int) -> Any:
    """The shipped answer to known.shelf; None where there is none."""
    return _answers().get(_shelf_key(rate, frames), {}).get("answer")


@lru_cache
def _answers() -> dict[str, Any]:
    with suppress(OSError, ValueError):
        return json.loads(FILE.read_text("utf-8"))
    return {}


def _chain_key(path: str, rate: float, frames: int) -> str:
    return f"{os.path.basename(path)} {_digest_of(path)} {rate:g} {frames}"


def _shelf_key(rate: float, frames: int) -> str:
    digest = hashlib.sha256(" ".join(kinds()).encode()).hexdigest()
    return f"shelf {digest} {rate:g} {frames}"


def _digest_of(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


# -- writing --------------------------------------------------------------------------------------------------------


def find_out() -> dict[str, Any]:
    """All answers that belong in the box, found out now."""
    from . import facts, known  # which asks here

    found = {_shelf_key(RATE_HZ, FRAMES): {"answer": known.plain_shelf(facts.shelf(RATE_HZ, FRAMES))}}
    for path in map(str, sorted(PRESETS.glob("*.yaml"))):
        finding = known.ChainToFind(path, RATE_HZ, FRAMES)
        answer = known.plain_chain(finding.find())
        names = {Path(os.path.relpath(file, PRESETS)).as_posix(): _digest_of(file) for file in finding.files}
        found[_chain_key(path, RATE_HZ, FRAMES)] = {"files": names, "answer": answer}
    return found


def write(answers: dict[str, Any]) -> None:
    """shipped.json, a line for each answer."""
    lines = [f"{json.dumps(key)}: {json.dumps(answer)}" for key, answer in answers.items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


if __name__ == "__main__":
    write(find_out())
