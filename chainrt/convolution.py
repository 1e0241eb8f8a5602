"""Convolution with long impulse responses, without latency, and with the same work in every period.

The response is cut into parts. Its first 128 taps are summed tap by tap, for they are wanted at once. The taps from
128 to 2,047 are 30 partitions of 64, all further ones partitions of 1,024: a *tier* each. A tier multiplies spectra,
which takes it a while, so its first partition begins 2 sizes back: one block of frames is gathered while the block
before is worked on, and what comes of that is heard in the block after. The work on a block is cut into units of about
the same length (one stage of a transform, or one partition), and these are spread evenly over the frames of the next.

A partition is multiplied by one complex transform of its own size: of a polynomial of degree below 2 B, with real
coefficients, what lies from B on is written as its imaginary part, which is arithmetic modulo z^B = i. So frame n is
turned by i^(n/B), and the product of two blocks comes out with its second half in the imaginary part: no zeros are
padded. Each stage reads two halves and writes pairs (Pease), so all stages are the same vector loop; the bins come in
some order, which does not matter, since the inverse undoes stage after stage.

Sources: Gardner, "Efficient convolution without input-output delay", Journal of the AES 43(3), 1995 (tiers); Wefers,
"Partitioned convolution algorithms for real-time auralization", RWTH Aachen 2015, chapters 5 and 6; Nussbaumer, "Fast
Fourier transform and convolution algorithms", 1981 (the transform modulo z^B = i); Pease, "An adaptation of the fast
Fourier transform for parallel processing", Journal of the ACM 15(2), 1968.

Rule: where the blocks begin is counted in the convolver's own frames, so the sound does not depend on the period.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .compiled.arena import aligned_zeros
from .compiled.call import call3
from .compiled.language import INTEGER, carray, njit
from .compiled.memory import address, pointer
from .compiled.native import Native, address_of

NEAR, FAR = 64, 1024  # frames in a partition of the two tiers
HEAD = 2 * NEAR  # taps that are summed one by one
NEAR_END = 2 * FAR  # taps of the head and the near tier
RING = HEAD + NEAR

TIER = np.dtype(
    [
        ("work", "i8"),  # address of the compiled `work`
        ("size", "i8"),  # B: frames in a partition
        ("stages", "i8"),  # of a transform: log2 of B
        ("parts", "i8"),  # partitions; 0: this tier is not needed
        ("response", "i8"),  # address of their spectra, (parts, 2, B): real parts, imaginary parts
        ("twiddles", "i8"),  # address of (stages, 2, B / 2): what each stage turns by
        ("twist", "i8"),  # address of (2, B): i^(n/B)
        ("past", "i8"),  # address of the spectra of the last blocks, a ring of (parts, 2, B)
        ("gathered", "i8"),  # address of (B,): the block that is being heard
        ("ready", "i8"),  # address of (B,): the block before it
        ("played", "i8"),  # address of (B,): what is added to the present block
        ("made", "i8"),  # address of (B,): what will be added to the next one
        ("carried", "i8"),  # address of (B,): what the block after that will get
        ("this", "i8"),  # addresses of (2, B) each: where the stages of the transforms work, and the sum of products
        ("other", "i8"),
        ("newest", "i8"),  # row of `past` for the block in `ready`
    ]
)

CONVOLVER = np.dtype(
    [
        ("head", "f4", (HEAD,)),  # the first taps
        ("taps", "i8"),  # how many of them are not 0, rounded up to 8
        ("ring", "f4", (2 * RING,)),  # the last frames, twice: some stretch holds the last RING of them in one piece
        ("sum", "f4", (NEAR,)),  # the convolution as it grows
        ("tiers", TIER, (2,)),  # the near one, the far one
    ],
    align=True,
)

fast = njit(fastmath={"contract"})  # a * b + c in one instruction


# -- the compiled side ----------------------------------------------------------------------------------------------


@njit(fastmath={"contract"}, forceinline=True)
def add_eight_taps(ir, past, total, frames):
    """total[i] += the sum over k < 8 of ir[k] * past[7 + i - k], for i < frames."""
    a, b, c, d, e, f, g, h = ir[0], ir[1], ir[2], ir[3], ir[4], ir[5], ir[6], ir[7]
    for i in range(frames):
        total[i] = (
            total[i]
            + (a * past[i + 7] + b * past[i + 6] + c * past[i + 5] + d * past[i + 4])
            + (e * past[i + 3] + f * past[i + 2] + g * past[i + 1] + h * past[i])
        )


@fast
def plane(at, frames):
    return carray(pointer(at), frames, np.float32)


@fast
def forward_stage(source, target, twiddles, size):
    """One stage of the transform; planes of `size` real parts, then as many imaginary parts."""
    half = size // 2
    low_re, low_im, high_re, high_im = (
        source[:half],
        source[size : size + half],
        source[half:size],
        source[size + half :],
    )
    out_re, out_im, turn_re, turn_im = target[:size], target[size:], twiddles[:half], twiddles[half:]
    for p in range(half):
        re, im = low_re[p] - high_re[p], low_im[p] - high_im[p]
        out_re[2 * p] = low_re[p] + high_re[p]
        out_im[2 * p] = low_im[p] + high_im[p]
        out_re[2 * p + 1] = re * turn_re[p] - im * turn_im[p]
        out_im[2 * p + 1] = re * turn_im[p] + im * turn_re[p]


@fast
def inverse_stage(source, target, twiddles, size):
    """What forward_stage did, undone, but for a factor of 2."""
    half = size // 2
    low_re, low_im, high_re, high_im = (
        target[:half],
        target[size : size + half],
        target[half:size],
        target[size + half :],
    )
    in_re, in_im, turn_re, turn_im = source[:size], source[size:], twiddles[:half], twiddles[half:]
    for p in range(half):
        re = in_re[2 * p + 1] * turn_re[p] + in_im[2 * p + 1] * turn_im[p]
        im = in_im[2 * p + 1] * turn_re[p] - in_re[2 * p + 1] * turn_im[p]
        low_re[p] = in_re[2 * p] + re
        low_im[p] = in_im[2 * p] + im
        high_re[p] = in_re[2 * p] - re
        high_im[p] = in_im[2 * p] - im


@fast
def multiply_add(total, a, b, size):
    """total += a * b, complex."""
    total_re, total_im = total[:size], total[size:]
    a_re, a_im, b_re, b_im = a[:size], a[size:], b[:size], b[size:]
    for i in range(size):
        total_re[i] = total_re[i] + a_re[i] * b_re[i] - a_im[i] * b_im[i]
        total_im[i] = total_im[i] + a_re[i] * b_im[i] + a_im[i] * b_re[i]


@fast
def run_unit(tier, unit):
    """One piece of the work on the block that is ready."""
    size, stages, parts = tier.size, tier.stages, tier.parts
    spectrum = 8 * size  # bytes
    this, other = plane(tier.this, 2 * size), plane(tier.other, 2 * size)
    twist = plane(tier.twist, 2 * size)
    if unit < stages:
        if unit == 0:
            ready = plane(tier.ready, size)
            for i in range(size):
                this[i] = ready[i] * twist[i]
                this[size + i] = ready[i] * twist[size + i]
        is_last = unit + 1 == stages
        target = tier.past + tier.newest * spectrum if is_last else (tier.this if unit % 2 else tier.other)
        source = tier.other if unit % 2 else tier.this
        twiddles = plane(tier.twiddles + unit * spectrum // 2, size)
        forward_stage(plane(source, 2 * size), plane(target, 2 * size), twiddles, size)
        if is_last:
            for i in range(2 * size):
                this[i] = 0.0
    elif unit < stages + parts:
        part = unit - stages
        row = tier.newest - part
        row = row + parts if row < 0 else row
        past = plane(tier.past + row * spectrum, 2 * size)
        multiply_add(this, past, plane(tier.response + part * spectrum, 2 * size), size)
    else:
        back = unit - stages - parts
        twiddles = plane(tier.twiddles + (stages - 1 - back) * spectrum // 2, size)
        source, target = (tier.other, tier.this) if back % 2 else (tier.this, tier.other)
        inverse_stage(plane(source, 2 * size), plane(target, 2 * size), twiddles, size)
        if back + 1 == stages:
            made, carried = plane(tier.made, size), plane(tier.carried, size)
            product = other if stages % 2 else this
            for i in range(size):
                re, im = product[i], product[size + i]
                made[i] = carried[i] + re * twist[i] + im * twist[size + i]
                carried[i] = im * twist[i] - re * twist[size + i]


def _work(tier, first, stop):
    for unit in range(first, stop):
        run_unit(tier, unit)


work = Native(_work, (TIER, INTEGER, INTEGER), "convolution")
"""work(tier, first, stop): run these units. Compiled once for all blocks that convolve, and called by address."""


@fast
def run_tier(tier, clock, x, total, frames):
    """Add what is due to total[0:frames], hear x[0:frames], and do the part of the work that these frames are due."""
    size = tier.size
    at = clock % size
    gathered, played = plane(tier.gathered, size), plane(tier.played, size)
    for i in range(frames):
        total[i] += played[at + i]
        gathered[at + i] = x[i]
    units = 2 * tier.stages + tier.parts
    call3(tier.work, address(tier), units * at // size, units * (at + frames) // size)
    if at + frames == size:
        tier.gathered, tier.ready = tier.ready, tier.gathered
        tier.played, tier.made = tier.made, tier.played
        tier.newest = tier.newest + 1 if tier.newest + 1 < tier.parts else 0


@fast
def convolve(c, clock, x, start, stop):
    """Convolve the first frames of x[start:stop] into c.sum, and return how many: at least one, at most NEAR.

    clock: the frames this convolver has heard before, or any number after so long a silence that all of it is 0.
    """
    at, ring, total = clock % RING, c.ring, c.sum
    frames = min(stop - start, NEAR - clock % NEAR)
    for i in range(frames):
        ring[at + i] = x[start + i]
        ring[at + i + RING] = x[start + i]
        total[i] = 0.0
    for k in range(0, c.taps, 8):
        add_eight_taps(c.head[k : k + 8], ring[at + RING - k - 7 :], total, frames)
    for index in range(2):
        if c.tiers[index].parts > 0:
            run_tier(c.tiers[index], clock, ring[at:], total, frames)
    return frames


# -- the Python side ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Response:
    """An impulse response, ready to be convolved with: its head, and the spectra of each tier (None: not needed)."""

    head: np.ndarray
    near: np.ndarray | None
    far: np.ndarray | None

    @property
    def settles_in(self) -> int:
        """Frames of silence after which all memory of a convolver with this response is 0."""
        sizes = [HEAD] + [
            (spectra.shape[0] + 5) * spectra.shape[2] for spectra in (self.near, self.far) if spectra is not None
        ]
        return max(sizes)

    @property
    def work(self) -> int:
        """Multiply-adds a frame."""
        work = len(self.head)
        for spectra in (self.near, self.far):
            if spectra is not None:
                parts, _, size = spectra.shape
                work += 4 * parts + 10 * (size.bit_length() - 1)
        return work

    def settle(self, convolver: np.ndarray) -> Sequence[np.ndarray]:
        """Make a zeroed CONVOLVER record convolve with this response. Returns the memory to which it then points."""
        convolver["head"][: len(self.head)] = self.head
        convolver["taps"] = -(-len(self.head) // 8) * 8
        owned = []
        for tier, spectra in zip(convolver["tiers"], (self.near, self.far), strict=True):
            if spectra is not None:
                owned += _settle_tier(tier, spectra)
        return owned


def prepare(response: np.ndarray) -> Response:
    """Cut a response, (taps,) of any float type and at least one tap, into what the kernels need."""
    response = np.asarray(response, np.float64)
    return Response(
        response[:HEAD].astype(np.float32),
        _spectra(response[HEAD:NEAR_END], NEAR),
        _spectra(response[NEAR_END:], FAR),
    )


@lru_cache(maxsize=2)
def tables(size: int) -> tuple[np.ndarray, np.ndarray]:
    """(twist, twiddles) of a transform: complex (size,) and (stages, size / 2)."""
    pairs = np.arange(size // 2)
    turns = [(pairs >> stage) << stage for stage in range(size.bit_length() - 1)]
    return np.exp(0.5j * np.pi * np.arange(size) / size), np.exp(-2j * np.pi * np.array(turns) / size)


def _spectra(taps: np.ndarray, size: int) -> np.ndarray | None:
    """The transforms of all partitions, (parts, 2, size) float32, divided by the size for the way back."""
    if not len(taps):
        return None
    twist, twiddles = tables(size)
    parts = -(-len(taps) // size)
    stream = np.zeros((parts, size), complex)
    stream.real.flat[: len(taps)] = taps
    stream *= twist
    for turn in twiddles:
        low, high = stream[:, : size // 2], stream[:, size // 2 :]
        stream = np.stack([low + high, (low - high) * turn], axis=2).reshape(parts, size)
    spectra = aligned_zeros((parts, 2, size), np.float32)
    spectra[:, 0], spectra[:, 1] = stream.real / size, stream.imag / size
    return spectra


def _settle_tier(tier: np.ndarray, spectra: np.ndarray) -> list[np.ndarray]:
    parts, _, size = spectra.shape
    twist, twiddles = (np.stack([t.real, t.imag], axis=-2).astype(np.float32).copy() for t in tables(size))
    tier["work"], tier["size"], tier["stages"], tier["parts"] = work.address, size, len(twiddles), parts
    memory = {
        "response": spectra,
        "twist": twist,
        "twiddles": twiddles,
        "past": aligned_zeros((parts, 2, size), np.float32),
        **{name: aligned_zeros(size, np.float32) for name in ("gathered", "ready", "played", "made", "carried")},
        **{name: aligned_zeros((2, size), np.float32) for name in ("this", "other")},
    }
    for name, array in memory.items():
        tier[name] = address_of(array)
    return list(memory.values())
