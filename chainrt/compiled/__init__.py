"""What compiled code may look like, and how it comes to be: its language, machine code and where that is kept; records
by reference, calls by address, memory, a clock, atomics, vectors.

Nothing in here knows about audio blocks. Everything that runs on the audio thread is built from these pieces, and
none of them can raise, allocate, lock or touch the interpreter.
"""
