"""`chainrt bench`: what the scheduler does about deadlines, beside what others do, so that it could be seen to fail.

    chapter.py    what a chapter is: cells, a measurement, and what is told of it
    chapters/     one module, one chapter; `chapters.NAMES` is the table of contents
    store.py      what was measured, line by line, so that a long run goes on where it stopped
    running.py    which cells are still to be measured, on how many cores
    page.py       one HTML page, pictures and JSON out of it
    scoring.py    one policy through one scenario on the virtual clock
    rivals.py     what others do about cost, as small policies
    oracle.py     what a clairvoyant could reach

Why it is part of the package: whoever has installed chainrt can check on a machine of their own what is claimed of it.
"""
