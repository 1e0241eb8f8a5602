"""`python -m chainrt` is `chainrt`."""

from .cli import main

raise SystemExit(main())
