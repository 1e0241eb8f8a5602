"""The command line: `chainrt run`, `render`, `check`, `blocks`, `profiles`. Arguments and printing, nothing else.

Exit status: 0 well; 1 it ran and the answer is no; 2 the user's input is wrong, one line each; 130 Ctrl-C.
"""

import sys

from ..errors import ChainrtError
from .arguments import parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    options = parser().parse_args(arguments)
    try:
        return options.command(options)
    except ChainrtError as error:
        for fault in error.faults:
            print(fault, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        sys.stderr.close()
        return 0
