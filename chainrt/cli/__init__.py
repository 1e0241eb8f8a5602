"""The command line: arguments and printing only, one module for each command.

Exit status: 0 well; 1 it ran and the answer is no; 2 the user's input is wrong, one line each; 130 Ctrl-C.
"""

import sys
from contextlib import suppress

from ..errors import ChainrtError
from .arguments import parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # a name that the terminal's character set lacks is no reason to stop
            stream.reconfigure(errors="backslashreplace")
    options = parser().parse_args(arguments)
    try:
        return options.command(options)
    except ChainrtError as error:
        for fault in error.faults:
            print(_on_one_line(str(fault)), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        sys.stderr.close()
        return 0
    except OSError as error:  # a full disk, a cache folder that may not be written, a name too long for the system
        print(_on_one_line(f"{error.filename or 'chainrt'}: {error.strerror or error}"), file=sys.stderr)
        return 2


def _on_one_line(text: str) -> str:
    """Line ends and control characters, as a file's name may hold, spelled out."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
