"""The compiled engine: take a plan, run the chain, switch levels without a click, count.

`period` is a C function, period(engine, frames): a sound card's driver may call it as it stands. `perform` plays many
periods from memory to memory, paced by the clock or as fast as it can.

One room each: `one_period` (the whole), `mail` (plans and settings in), `program` (the chain's steps), `bypass` (a
block's switch), `reflex` (what a block may still cost), `levels` (one block and what it does on the side), `rest`
(what need not be computed), `count` (the clock and the meters), `stage` (one engine takes another's place),
`many_periods`, `card` (a sound card's callback), `pair` (two engines on two cores), `planes` (memory as arrays).

Rules kept here:
* Nothing waits, allocates, raises or touches the interpreter. Faults are counted.
* Live, rendered and simulated: the same code. Only the clock differs, and whether sound is computed at all.
"""

from .bypass import BYPASS_FRAMES
from .card import callback
from .levels import BEND_FRAMES, FADE_FRAMES
from .many_periods import perform
from .one_period import period

__all__ = ["BEND_FRAMES", "BYPASS_FRAMES", "FADE_FRAMES", "callback", "perform", "period"]
