"""What compiled code may look like: records by reference, calls by address, a clock, atomics, vectors, the cache.

Nothing in here knows about audio blocks. Everything that runs on the audio thread is built from these pieces, and
none of them can raise, allocate, lock or touch the interpreter.
"""
