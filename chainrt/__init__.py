"""chainrt: a chain of amps and effects that never misses its audio deadline."""

__version__ = "0.1.0"
