"""The records that the engine works on: what chain.py fills, what the compiled period reads and writes.

All fields are 64 bits wide, so that compiled code and numpy agree on every machine. A field that ends in `_ns` is
nanoseconds; a field that says *address* points to memory that the `Chain` owns and keeps alive.

Rule: Python writes here before the engine starts, and afterwards only the mailbox, through `publish`.
"""

import numpy as np

RUN, COPY, CLEAR, ADD, DELAY = range(5)
"""What a step does: run a block, copy, silence or delay a plane, add one plane times a gain to another."""

STEP = np.dtype(
    [
        ("kind", "i8"),
        ("block", "i8"),  # RUN: which block
        ("source", "i8"),  # COPY, ADD: address of a plane; DELAY: of a ring
        ("target", "i8"),  # address of the plane that is changed
        ("gain", "f8"),  # ADD: linear
        ("frames", "i8"),  # DELAY: by how many, 1 or more, which is the size of the ring
        ("at", "i8"),  # DELAY: where the ring goes on; the engine's own
    ]
)

LEVEL = np.dtype(
    [
        ("left", "i8"),  # address of the level's state for the first (or only) channel
        ("right", "i8"),  # address of its state for the second channel, if a mono kernel runs twice
        ("memory", "i8"),  # frames of past input that shape the output
        ("behind", "i8"),  # frames of kept input that this level has not yet heard
        ("fresh", "i8"),  # frames it has heard without a gap; it is exact from `memory` on
        ("running", "i8"),  # 1 while it runs or catches up
        ("call_ns", "f8"),  # expected cost of one call, and ...
        ("frame_ns", "f8"),  # ... of one frame, all channels together
        # rest: see engine/rest.py
        ("rest_after", "i8"),  # frames of an unchanging input after which it repeats itself; -1: never
        ("calm", "i8"),  # frames of an unchanging input that it has heard up to the present
        ("settled", "i8"),  # 1 if what it feeds back to itself does not change any more, or if there is none
        ("last_left", "f8"),  # its last output
        ("last_right", "f8"),
        ("fed_back_left", "i8"),  # addresses of the floats that it feeds back to itself, or 0
        ("fed_back_right", "i8"),
        ("fed_back_floats", "i8"),  # how many there are in each
        ("frame_ago", "i8"),  # address: the same floats, left then right, as they were a frame ago
        ("clock_left", "i8"),  # addresses of the state's own count of frames, or 0: the engine sets it
        ("clock_right", "i8"),
    ]
)

BLOCK = np.dtype(
    [
        ("kernel", "i8"),  # address
        ("knobs", "i8"),  # address of the record p
        ("stereo", "i8"),  # 1 if the kernel takes both channels at once
        ("channels", "i8"),  # 1 or 2: how wide the chain is here
        ("left", "i8"),  # address of the plane it works on
        ("right", "i8"),  # address of the second one
        ("levels", "i8"),  # address of its LEVEL records, smallest first
        ("level_count", "i8"),
        ("least", "i8"),  # the smallest level that the preset allows
        ("audible", "i8"),  # the level that is heard
        ("wanted", "i8"),  # the level that the plan wants to hear
        ("target", "i8"),  # the level that is being made audible; `audible` when there is none
        ("warm", "i8"),  # a level kept running muted, or -1
        ("replay", "i8"),  # frames a period that a muted level may hear beyond the present ones
        ("faded", "i8"),  # frames of the crossfade to `target` that are done
        ("kept", "i8"),  # address of the last inputs: a ring for each channel, side by side
        ("kept_size", "i8"),  # frames in the ring
        ("kept_position", "i8"),  # where the next input goes
        # the switch (engine/bypass.py)
        ("enabled", "i8"),  # 1: shall be heard; 0: bypassed
        ("faded_in", "i8"),  # frames of the crossfade from dry to this block that are done
        ("idle", "i8"),  # 1: bypassed and rung out, so that it does not run at all
        ("tail", "i8"),  # frames that it rings on after it was bypassed; 0: a bypass cuts it
        ("ringing", "i8"),  # frames for which it has rung on
        ("latency", "i8"),  # frames by which its output lags, and so does what goes around it
        ("dry", "i8"),  # address of the delay for what goes around it: a ring of `latency` a channel, side by side
        ("dry_position", "i8"),  # where the rings go on
        # what the player has set
        ("knob_count", "i8"),
        ("settings_at", "i8"),  # where in a set of settings its own begin: enabled, tail, then each knob
        ("arrived", "i8"),  # frames that have come in so far, those of the present period included
        # rest: see engine/rest.py
        ("still", "i8"),  # frames for which the input has not changed, nor any knob
        ("held_left", "i8"),  # the bits of the last input
        ("held_right", "i8"),
        ("knob_floats", "i8"),  # at the beginning of `knobs`: the rate and the knobs
        ("knobs_seen", "i8"),  # address: the same floats, as they were when the input last did not change
        ("rested_ns", "f8"),  # what the levels that rested in this period would have cost
        # the reflex
        ("give_up", "i8"),  # of the n-th block record: the block that falls as the n-th one when time runs out
        ("spared", "f8"),  # nanoseconds by the table that its fall would save in this period
        ("due", "i8"),  # 1: it played in this period, so its muted levels have something to hear
        ("reflex", "i8"),  # what the reflex did in this period: PLAYED, DROPPED, COLD or HELD
        ("last_left", "f8"),  # its last output sample, and ...
        ("before_left", "f8"),  # ... the one before, of the first channel
        ("last_right", "f8"),  # the same of the second one
        ("before_right", "f8"),
        ("bend_left", "f8"),  # what is added to the output to make it go on where it was, when it begins
        ("bend_right", "f8"),
        ("bent", "i8"),  # frames of that which are done; from BEND_FRAMES on nothing is added
    ]
)

PLAYED, DROPPED, COLD, HELD = range(4)
"""What the reflex did with a block: nothing; least level, warm; least level, cold; nothing ran, the sound was bent."""

SPENT = np.dtype(
    [
        ("measured_ns", "f8"),  # what one block took in one period
        ("expected_ns", "f8"),  # what the cost table says for the work it did, muted levels included
        ("rested_ns", "f8"),  # what it says for the work that rest spared
        ("muted_ns", "f8"),  # that part of measured_ns that its muted levels took after the sound was done
        ("muted_expected_ns", "f8"),  # what the table says for it
        ("audible", "i8"),  # the level that was heard at the end of the period
        ("ready", "i8"),  # bit i: level i could be made audible at once
        ("reflex", "i8"),  # PLAYED, DROPPED, COLD or HELD
    ]
)

PERIOD = np.dtype(
    [
        ("release_ns", "f8"),  # when the period was due, by the engine's clock, exactly
        ("late_ns", "i8"),  # how much later it began
        ("spent_ns", "i8"),  # how long it took
        ("missed", "i8"),  # 1: it ended after its deadline
        ("unavoidable", "i8"),  # 1: it would have, with every block at its smallest level
        ("began_ns", "f8"),  # when it began, exactly
        ("start_ns", "f8"),  # from there to the first block
        ("plan", "i8"),  # how many plans had been taken
        ("swallowed", "i8"),  # periods before it that the sound system did not ask for: they were missed, too
        ("stands_in", "i8"),  # 1: the understudy was heard (engine/pair.py)
    ]
)

MAIL_COLUMNS = 4
"""Numbers of a plan for each block."""

REAL, LAWS, TRACE = range(3)
"""Whose time it is: the machine's clock, a simulation's laws, a recorded run's."""

WEATHER_PERIOD, WEATHER_BLOCK = 3, 3


def weather_columns(blocks: int) -> int:
    """Numbers a simulated period needs.

    WEATHER_PERIOD of them for all: the factor of the work beside the blocks (TRACE: its ns), the wake-up in ns, ns
    after the last block. Then WEATHER_BLOCK for each block: the factor of its cost, a stall in ns, and the factor of
    what its muted levels cost (TRACE: below 0, they were stalled, and took so many ns, however much there was to do).
    """
    return WEATHER_PERIOD + WEATHER_BLOCK * blocks


ENGINE = np.dtype(
    [
        ("steps", "i8"),  # address of the STEP records: the chain as a program
        ("step_count", "i8"),
        ("blocks", "i8"),  # address of the BLOCK records
        ("block_count", "i8"),
        ("input", "i8"),  # address of the plane on which the chain begins
        ("output_left", "i8"),  # addresses of the planes on which it ends
        ("output_right", "i8"),
        ("scratch_left", "i8"),  # addresses of the planes on which muted levels play
        ("scratch_right", "i8"),
        ("dry_left", "i8"),  # addresses of the planes on which waits what goes around a block
        ("dry_right", "i8"),
        ("most_frames", "i8"),  # longest period that the planes hold
        ("frame_time_ns", "f8"),  # 1e9 / sample rate
        ("fixed_ns", "f8"),  # expected cost of a period beside the blocks
        ("restless", "i8"),  # 1: compute what need not be computed, too: see engine/rest.py
        ("period", "i8"),  # address of engine/one_period.period, so that it is compiled only once; or of a pair's
        ("pair", "i8"),  # address of the PAIR record, if it plays together with another engine
        ("on_sound", "i8"),  # address of what is called, with engine and frames, when the sound is done; 0: nothing is
        ("silent", "i8"),  # 1: decide and count as ever, but compute no sound (simulation)
        # the clock
        ("virtual", "i8"),  # REAL, LAWS or TRACE: whether time passes as `weather` says
        ("now_ns", "f8"),  # virtual time
        ("weather", "i8"),  # address of weather_columns(block_count) float64 a period
        ("weather_first", "i8"),  # the period that its first row is for
        ("release_ns", "f8"),  # when the next period is due
        ("ended_ns", "f8"),  # when the last one ended
        ("floor_ended_ns", "f8"),  # when it would have, with every block at its smallest level
        ("swallowed", "i8"),  # periods just missed because nobody asked for them; counted with the next one
        # the reflex
        ("reflex", "i8"),  # 1: when time runs out, blocks fall to their least level within the period
        ("guard_ns", "f8"),  # time that stays free of sound before the deadline: see engine/guard.py
        ("muted_share", "f8"),  # of the deadline, up to which muted levels may work
        ("guard_growth", "f8"),  # so many times as much stays free just now
        ("slowdown", "f8"),  # measured over expected cost: quickly up, more slowly down
        ("muted_excess", "f8"),  # how much more slowly than that muted work goes, which runs in colder caches
        ("room_ns", "f8"),  # by the table: what the block that comes next may cost
        ("spare_ns", "f8"),  # by the table: what is left when it and all blocks behind it have played as planned
        ("least_ns", "f8"),  # by the table: what all blocks cost at their least levels
        ("fall", "i8"),  # 1: it has to fall, so that others that matter more can play
        ("hopeless", "i8"),  # 1: what has to run after it is late whatever it does
        ("drops", "i8"),  # blocks that fell to a warm least level, ...
        ("cold_drops", "i8"),  # ... to a cold one, ...
        ("holds", "i8"),  # ... that did not run at all
        # the mailbox: one plan at a time
        ("mail", "i8"),  # address of (wanted, warm, replay, block to give up) per block
        ("posted", "i8"),  # plans put into the mailbox; written by the control thread
        ("taken", "i8"),  # plans taken out of it; written by the engine
        ("take_from", "i8"),  # the first period that may take one: 0, except when a recorded run is played again
        # the triple buffer: the player's settings, all at once
        ("settings", "i8"),  # address of three sets of float64: per block enabled (0 or 1), tail (frames), its knobs
        ("settings_size", "i8"),  # numbers in a set
        ("settings_middle", "i8"),  # the set that is passed on, and FRESH if it is newer than the engine's
        ("settings_front", "i8"),  # the engine's own set
        # the meters
        ("periods", "i8"),  # periods played; written last, with release
        ("misses", "i8"),
        ("unavoidable", "i8"),
        ("miss_run", "i8"),  # misses in a row up to now
        ("longest_miss_run", "i8"),
        ("ring", "i8"),  # address of PERIOD records, one a period
        ("spent", "i8"),  # address of SPENT records, block_count a period
        ("ring_size", "i8"),  # periods that both hold
    ]
)

FRESH = 4
"""Added to `settings_middle` while its set has not been taken."""

STAGE = np.dtype(
    [
        ("engine", "i8"),  # address of the ENGINE record that plays
        ("next", "i8"),  # address of the one that shall take its place
        ("posted", "i8"),  # successors announced; written by the control thread
        ("taken", "i8"),  # successors that play alone now; written by the audio thread
        ("apart", "i8"),  # 1: one fades out before the other fades in, because both at once would be too much
        ("fade_frames", "i8"),  # length of the crossfade
        ("faded", "i8"),  # frames of it that are done
        ("ring_frames", "i8"),  # frames for which the one that goes rings on after it; 0 if both are kept apart
        ("cut", "i8"),  # of `posted`: that successor waits for no ringing any more; written by the control thread
        ("mix_left", "i8"),  # addresses of the planes on which two engines are mixed
        ("mix_right", "i8"),
        ("left", "i8"),  # addresses of the planes with the last period's sound
        ("right", "i8"),
    ]
)
"""Where an engine plays, and where another can take its place. Whoever drives engines has one as its first fields."""

PERFORMANCE = np.dtype(
    [
        *STAGE.descr,
        ("input", "i8"),  # address of the input's samples, played round and round
        ("input_frames", "i8"),
        ("output_left", "i8"),  # addresses of planes for the whole output, or 0
        ("output_right", "i8"),
        ("done", "i8"),  # frames played so far
        ("stop", "i8"),  # set to 1 from outside to end early
    ]
)
"""One run of an engine from memory to memory."""

CARD = np.dtype(
    [
        *STAGE.descr,
        ("frames", "i8"),  # longest period that the engines play; longer callbacks are played in pieces
        ("input_channels", "i8"),  # channels of the card's input; 0: there is none
        ("input_channel", "i8"),  # the one that the guitar is on, from 0
        ("output_channels", "i8"),  # 1: both sides are added up; beyond 2: the others are silent
        ("source", "i8"),  # address of samples that are played round and round instead of the input, or 0
        ("source_frames", "i8"),
        ("source_at", "i8"),
        ("kept_left", "i8"),  # addresses of planes that keep the sound, or 0
        ("kept_right", "i8"),
        ("kept_frames", "i8"),  # how much they hold
        ("stop", "i8"),  # set to 1 from outside: fade out in the next callback, then silence and no more callbacks
        ("silent", "i8"),  # 1: faded out
        ("most", "i8"),  # frames to play before it stops by itself; 0: no end
        # when callbacks are due (engine/card.py)
        ("due_ns", "f8"),  # the next one
        ("least_late_ns", "f8"),  # by how much the least late one of the last few was late
        ("watched", "i8"),  # of how many
        # the meters
        ("done", "i8"),  # frames played; written last, with release
        ("callbacks", "i8"),
        ("asked_frames", "i8"),  # how many the last callback was asked for
        ("thread", "i8"),  # the system's number of the thread that calls; 0: not known
        ("input_underflows", "i8"),  # callbacks with this flag of PortAudio's, and so on in its order
        ("input_overflows", "i8"),
        ("output_underflows", "i8"),
        ("output_overflows", "i8"),
        ("without_input", "i8"),  # callbacks that brought no input where there should have been one
    ]
)
"""One stream of a sound card."""

SLOT = np.dtype(
    [
        ("at", "i8"),  # the first of its frames, counted from the beginning
        ("frames", "i8"),
        ("release_ns", "f8"),  # when the period was due
        # on a virtual clock
        ("handed_ns", "f8"),  # when it was handed over
        ("sounded_ns", "f8"),  # when the lead had its sound ready, by the lead's clock
    ]
)
"""One period on its way from the understudy to the lead."""

PAIR = np.dtype(
    [
        ("lead", "i8"),  # address of the ENGINE record that plays on the second core; the understudy points here
        ("period", "i8"),  # address of engine/one_period.period
        ("slots", "i8"),  # address of SLOT records, a ring
        ("slot_count", "i8"),
        ("input", "i8"),  # address of a plane for each slot: what came in
        ("ring_frames", "i8"),  # length of the rings of samples; a frame lies at its number modulo this
        ("lead_left", "i8"),  # addresses of these rings: what the lead made of it, ...
        ("lead_right", "i8"),
        ("own_left", "i8"),  # ... and what the understudy did
        ("own_right", "i8"),
        ("late", "i8"),  # frames by which all is heard later
        ("written", "i8"),  # the frame that comes in next
        ("stop", "i8"),  # set to 1 from outside: the worker ends
        # between the two threads
        ("posted", "i8"),  # periods handed over; written by the audio thread
        ("taken", "i8"),  # periods that the lead has played; written by the worker
        ("shown", "i8"),  # the frame up to which the lead's sound is there; written by the worker
        ("whole_from", "i8"),  # the frame from which on the lead has heard everything
        # who is heard
        ("heard", "i8"),  # 1: the lead; 0: the understudy
        ("in_time", "i8"),  # periods in a row for which the lead was in time
        ("faded", "i8"),  # frames of the crossfade to the lead that are done
        ("bent", "i8"),  # frames for which the change to the understudy has been bent
        ("bend_left", "f8"),  # how far its output lay off when it was first heard
        ("bend_right", "f8"),
        ("last_left", "f8"),  # what was heard last
        ("last_right", "f8"),
        # the meters
        ("stood_in", "i8"),  # periods in which the understudy was heard
        ("changes", "i8"),  # from the one to the other, and back
        ("unheard", "i8"),  # periods that the lead has not heard, because it was too far behind
    ]
)
"""Two engines of one preset on two cores (engine/pair.py)."""
