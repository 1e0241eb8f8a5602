"""`chainrt run`: play a preset against the clock, or simulate it."""

import json
import math
import sys

from .. import audiofile, devices, preset, report, simulate
from ..calibrate import measure_costs, measure_fidelity
from ..chain import Chain
from ..control import Control, chain_model
from ..errors import DeviceError, Fault, PresetError
from ..live import play_by_the_clock, sound_cards
from ..performance import Performance
from ..riff import riff
from ..scheduler import POLICIES, ChainModel, least_share
from . import show, values

SIMULATED_DEVICE = "pi4"
FIDELITY_SECONDS = 1.0  # of playing on which levels are compared
LONGEST_SECONDS = 24 * 3600.0
LONGEST_KEPT_SECONDS = 3600.0  # with --output: all of it is kept in memory


def run(options) -> int:
    """Play; print the table; exit status."""
    is_virtual = options.simulate or options.device is not None
    budget, frames, rate = values.budget(options.budget), values.period(options.period), values.rate(options.rate)
    if options.policy not in POLICIES:
        raise PresetError(Fault("--policy", f"no policy {options.policy!r}; there are {', '.join(POLICIES)}"))
    for option in ("load", "periods", "seed"):
        if getattr(options, option) is not None and not is_virtual:
            raise PresetError(Fault(f"--{option}", "only with --simulate or --device"))
    seed = values.integer("--seed", options.seed or "0", 0, 2**63 - 1) if is_virtual else None
    load = _load(options.load)
    device = devices.load(options.device or SIMULATED_DEVICE) if is_virtual else None
    board = preset.load(options.preset)
    guitar = riff(rate)
    samples = guitar if options.input is None else audiofile.read_mono(options.input, rate)
    periods = _periods(options, len(samples), frames, rate)

    out = show.console(to_stderr=options.json == "-")
    with show.compiling(out) as tell:
        chain = Chain(board, rate, frames, tell)
    costs = device.costs(chain) if device else measure_costs(chain)
    chain.set_costs(costs)
    model = chain_model(chain, costs, measure_fidelity(chain, guitar[: int(FIDELITY_SECONDS * rate)]))
    control = Control(chain, POLICIES[options.policy](model, budget))
    performance = Performance(chain, samples, periods * frames if options.output else 0)
    _introduce(out, chain, model, budget, device, options)

    status = 0
    try:
        if is_virtual:
            chain.engine["silent"] = int(options.output is None)
            weather = simulate.Weather(len(chain.blocks), chain.deadline_ns / 1e9, load, seed)
            simulate.simulate(chain, control, weather, periods, performance, _teller(out, chain))
        else:
            play_by_the_clock(chain, control, performance, periods * frames / rate, _teller(out, chain))
    except KeyboardInterrupt:
        status = 130
    answer = report.summary(
        chain,
        control,
        model,
        clock="virtual" if is_virtual else "wall",
        device=device.name if device else "this-machine",
        budget=budget,
        seed=seed,
    )
    show.print_report(out, answer)
    if options.output:
        audiofile.write(options.output, performance.output, rate)
    _write_json(options.json, answer)
    if status == 0 and options.fail_on_miss and answer["misses"]:
        return 1
    return status


def _load(text: str | None) -> tuple[simulate.LoadStep, ...]:
    try:
        return simulate.parse_load(text) if text else ()
    except ValueError as error:
        raise PresetError(Fault("--load", str(error))) from None


def _periods(options, input_frames: int, frames: int, rate: int) -> int:
    if options.periods is not None:
        return values.integer("--periods", options.periods, 1, 10**9)
    if options.seconds is None:
        return math.ceil(input_frames / frames)
    longest = LONGEST_KEPT_SECONDS if options.output else LONGEST_SECONDS
    return math.ceil(values.number("--seconds", options.seconds, 0.001, longest) * rate / frames)


def _introduce(out, chain: Chain, model: ChainModel, budget: float, device, options) -> None:
    """Say what is about to play, on what, and whether it can fit at all."""
    name = chain.preset.name
    out.print(
        f"{name}: {len(chain.blocks)} blocks, {chain.frames} frames at {chain.rate:,.0f} Hz,"
        f" a period every {chain.deadline_ns / 1e6:.2f} ms"
    )
    if device:
        out.print(
            f"Simulating {device.name} ({device.core}); the least sure figure of its profile is {device.weakest_basis}."
        )
    else:
        source = "the built-in riff" if options.input is None else options.input
        cards = "Sound cards are not played yet" if sound_cards() else "No sound card found"
        out.print(f"{cards}: playing {source} by the clock.")
    needed = least_share(model, budget * model.deadline_ns, 1.0)
    if needed > 1:
        out.print(
            f"Even with every model at its smallest level this needs {show.percent(needed * budget)} of the deadline;"
            f" the budget is {show.percent(budget)}. Raise --budget or --period, or take out a block."
        )


def _teller(out, chain: Chain):
    def tell(*arguments) -> None:
        for change in arguments[-1]:
            show.print_change(out, chain, change)

    return tell


def _write_json(target: str | None, answer: dict) -> None:
    if target is None:
        return
    text = json.dumps(answer, indent=2) + "\n"
    if target == "-":
        sys.stdout.write(text)
        return
    try:
        with open(target, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise DeviceError(Fault(target, f"cannot be written: {error.strerror}")) from None
