"""What compiled code may look like: records by reference, calls by address, memory, a clock, atomics, vectors, cache.

Nothing in here knows about audio blocks. Everything that runs on the audio thread is built from these pieces, and
none of them can raise, allocate, lock or touch the interpreter.
"""
