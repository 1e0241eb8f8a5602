"""Two amps between a gate and a cab, all of numbers, in weather by hand: what the reflex is tried on."""

import numpy as np

from chainrt.compiled.native import address_of
from chainrt.layout import LAWS, WEATHER_BLOCK, WEATHER_PERIOD, weather_columns
from chainrt.numeric import FRAMES, NumericBlock, numeric_chain
from chainrt.performance import Performance

MEMORY = 640
GATE, FIRST, SECOND, CAB = range(4)
BLOCKS = (
    NumericBlock("gate", (0.05,)),
    NumericBlock("first", (0.05, 0.35), (20.0, 40.0), memory=MEMORY),
    NumericBlock("second", (0.05, 0.35), (20.0, 40.0), memory=MEMORY),
    NumericBlock("cab", (0.05,)),
)


class Deck:
    """The four blocks at full (80 % of the deadline), smallest levels warm or not, under weather by hand."""

    def __init__(self, warm=(0, 0), give_up=(SECOND, FIRST), periods=60):
        self.chain, self.model = numeric_chain(BLOCKS)
        self.rows = np.zeros((periods, weather_columns(4)))
        for block in range(4):
            column = WEATHER_PERIOD + WEATHER_BLOCK * block
            self.rows[:, column] = self.rows[:, column + 2] = 1
        engine = self.chain.engine
        engine["virtual"], engine["reflex"] = LAWS, 1
        engine["weather"] = address_of(self.rows)
        records = self.chain.block_records
        records["warm"][[FIRST, SECOND]], records["replay"][[FIRST, SECOND]] = warm, 64
        records["give_up"] = [*give_up, GATE, CAB]
        for levels, index in ((self.chain.level_records[b], w) for b, w in zip((FIRST, SECOND), warm, strict=True)):
            if index < 0:
                levels["fresh"][0], levels["behind"][0] = 0, MEMORY
        self.performance = Performance(self.chain, np.zeros(FRAMES, np.float32))

    def stall(self, period, block, share):
        self.rows[period, WEATHER_PERIOD + WEATHER_BLOCK * block + 1] = share * self.chain.deadline_ns

    def play(self, periods=60):
        self.performance.play(periods)
        return self.chain.spent[:periods, :4], self.chain.ring[:periods]
