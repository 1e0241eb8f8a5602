"""`chainrt run`: play a preset against the clock, or simulate it."""

import math

from .. import audiofile, devices, preset, report
from ..board import make_board
from ..calibrate import cost_table
from ..chain import Chain, plan_blocks
from ..errors import Fault, PresetError
from ..live import WallClock, sound_cards
from ..meters import LevelChange
from ..performance import Performance
from ..riff import riff
from ..scheduler import POLICIES, ChainModel, least_share
from ..session import Session
from ..simulate import extra_block, simulate
from ..snapshot import named
from ..weather import SCENARIOS, LoadStep, Weather, parse_load
from . import show, values

SIMULATED_DEVICE = "pi4"
LONGEST_SECONDS = 24 * 3600
MOST_PERIODS = 10**9
LONGEST_KEPT_FRAMES = 3600 * 48_000  # with --output: all of it is kept in memory, and a WAV file ends at 4 GiB


def run(options) -> int:
    """Play; print the table; exit status."""
    is_virtual = options.simulate or options.device is not None
    read = values.Reader()
    budget, frames = read(values.budget, options.budget), read(values.period, options.period)
    rate = read(values.rate, options.rate)
    policy = read(values.choice, "--policy", options.policy, POLICIES)
    read(_only_together, options, is_virtual)
    seed = read(values.integer, "--seed", options.seed or "0", 0, 2**63 - 1) if is_virtual else None
    load = read(_load, options.load)
    scenario = read(values.choice, "--scenario", options.scenario or SCENARIOS[0], SCENARIOS)
    device = read(devices.load, SIMULATED_DEVICE if options.device is None else options.device) if is_virtual else None
    board = read(preset.load, options.preset)
    blocks = board and rate and read(plan_blocks, board, rate)
    samples = rate and read(_guitar, options.input, rate)
    asked = rate and frames and read(_frames_asked_for, options, rate, frames)
    read(values.writable, options.output, (options.preset, options.input))
    if options.json != "-":
        read(values.writable, options.json, (options.preset, options.input, options.output), False)
    read.raise_faults()
    length = asked or len(samples)
    periods = math.ceil(length / frames)

    out = show.console(to_stderr=options.json == "-")
    guitar = samples if options.input is None else riff(rate)
    with show.compiling() as tell:
        made = make_board(
            board,
            rate,
            frames,
            guitar,
            policy=policy,
            budget=budget,
            tell=tell,
            blocks=blocks,
            costs=device.costs if device else cost_table,
        )
    chain, model, control = made.chain, made.model, made.control
    performance = Performance(chain, samples, periods * frames if options.output else 0)

    status = 0
    try:
        _introduce(out, chain, model, budget, device, options.input)
        if is_virtual:
            chain.engine["silent"] = int(options.output is None)
            weather = Weather(len(chain.blocks), chain.deadline_ns / 1e9, load, seed, scenario, periods)
            extra = extra_block(chain, control, model, budget)
            simulate(chain, control, weather, periods, performance, _teller(out, chain), extra)
        else:
            session = Session(made, WallClock(performance, rate, periods), budget)
            _play(session, out, is_watched=out.is_terminal and not options.no_view)
    except KeyboardInterrupt:
        status = 130
        out.print(f"Stopped after {performance.done / rate:.2f} s.")
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
    read(values.write_json, options.json, answer)
    if options.output and performance.done:
        sound = performance.output[:length]
        read(audiofile.write, options.output, sound, rate)
        read.raise_faults()
        show.print_written(out, options.output, sound, rate)
    read.raise_faults()
    if status == 0 and options.fail_on_miss and answer["misses"]:
        return 1
    return status


def _play(session: Session, out, is_watched: bool) -> None:
    """Play a session to its end, in the full-screen view or with a line for each change of level."""
    if is_watched:
        from . import view  # half a second that only those wait who look

        view.watch(session)
    else:
        session.play(lambda changes: show.print_changes(out, changes))


def _only_together(options, is_virtual: bool) -> None:
    """Options that mean nothing beside, or without, others."""
    alone = [
        name
        for name in ("load", "scenario", "periods", "seed")
        if getattr(options, name) is not None and not is_virtual
    ]
    faults = [Fault(f"--{name}", "only with --simulate or --device") for name in alone]
    if options.periods is not None and options.seconds is not None:
        faults.append(Fault("--periods", "not together with --seconds"))
    if faults:
        raise PresetError(faults)


def _load(text: str | None) -> tuple[LoadStep, ...]:
    try:
        return () if text is None else parse_load(text)
    except ValueError as error:
        raise PresetError(Fault("--load", str(error))) from None


def _guitar(path: str | None, rate: int):
    """What is played into the chain: a file, or the built-in riff."""
    return riff(rate) if path is None else audiofile.read_mono(path, rate)


def _frames_asked_for(options, rate: int, frames: int) -> int | None:
    """How long to play by --periods or --seconds; None: as long as the input is."""
    if options.periods is not None:
        most = LONGEST_KEPT_FRAMES // frames if options.output else MOST_PERIODS
        return frames * values.integer("--periods", options.periods, 1, most)
    if options.seconds is not None:
        most = LONGEST_KEPT_FRAMES / rate if options.output else LONGEST_SECONDS
        return max(1, round(rate * values.number("--seconds", options.seconds, 0.001, most)))
    return None


def _introduce(out, chain: Chain, model: ChainModel, budget: float, device, source: str | None) -> None:
    """Say what is about to play, on what, and whether it can fit at all."""
    if device:
        place = f"Simulating {device.name} ({device.core}); its figures: {show.sureness(device)}."
    else:
        cards = "Sound cards are not played yet" if sound_cards() else "No sound card found"
        place = f"{cards}: playing {source or 'the built-in riff'} by the clock."
    out.print(
        f"{chain.preset.name}: {show.count(len(chain.blocks), 'block')}, {show.count(chain.frames, 'frame')}"
        f" at {chain.rate:,.0f} Hz, a period every {chain.deadline_ns / 1e6:.2f} ms\n{place}"
    )
    for block in chain.blocks:
        for remark in block.remarks:
            out.print(f"{block.id}: {remark}")
    needed = least_share(model, budget * model.deadline_ns, 1.0)
    if needed > 1:
        out.print(
            f"Over budget: even at the smallest levels this needs {show.percent(needed * budget)} of the deadline;"
            f" {show.percent(budget)} are allowed.",
            style="bold red",
        )


def _teller(out, chain: Chain):
    def tell(done: int, total: int, changes: list[LevelChange]) -> None:
        show.print_changes(out, [named(change, chain) for change in changes])

    return tell
