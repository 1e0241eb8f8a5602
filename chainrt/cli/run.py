"""`chainrt run`: play a preset against the clock, or simulate it."""

import math
from contextlib import contextmanager

from .. import audiofile, devices, facts, preset, report
from ..board import Board, make_board
from ..calibrate import cost_table
from ..chain import Chain, plan_blocks
from ..compiled.native import compile_all
from ..engine import callback
from ..errors import DeviceError, Fault, PresetError
from ..meters import LevelChange
from ..pair import NATIVES, check_cores
from ..performance import Performance
from ..riff import riff
from ..scheduler import ChainModel, fits_without, least_share
from ..session import Session
from ..simulate import extra_block, simulate
from ..snapshot import named
from ..trace import Recorder, Trace, about, replay
from ..weather import SCENARIOS, LoadStep, Weather, parse_load
from . import live, show, values

SIMULATED_DEVICE = "pi4"
BUDGET = 0.7  # of the deadline, where neither the player nor a device's profile says more
LONGEST_SECONDS = 24 * 3600
MOST_PERIODS = 10**9
LONGEST_KEPT_FRAMES = 3600 * 48_000  # with --output: all of it is kept in memory, and a WAV file ends at 4 GiB


def run(options) -> int:
    """Play; print the table; exit status."""
    is_virtual = options.simulate or options.device is not None or options.trace is not None
    read = values.Reader()
    budget = read(values.budget, options.budget) if options.budget is not None else None
    frames = read(values.period, options.period)
    rate = read(values.rate, options.rate)
    policy = read(values.policy, options.policy)
    memory = read(values.memory, options.memory) if options.memory else None
    read(_only_together, options, is_virtual)
    seed = read(values.integer, "--seed", options.seed or "0", 0, 2**63 - 1) if is_virtual else None
    load = read(_load, options.load)
    scenario = read(values.choice, "--scenario", options.scenario or SCENARIOS[0], SCENARIOS)
    device = read(devices.load, SIMULATED_DEVICE if options.device is None else options.device) if is_virtual else None
    recorded = read(Trace.load, options.trace) if options.trace else None
    read(values.writable, options.record_trace, (options.preset, options.input, options.output), False)
    read(values.choice, "--host", options.host or live.CLOCK, live.HOSTS)
    board = read(preset.load, options.preset)
    if board and (recorded or not is_virtual):
        board = preset.on_standby(board)
    blocks = board and rate and read(plan_blocks, board, rate)
    samples = read(audiofile.read_mono, options.input, rate) if rate and options.input is not None else None
    asked = rate and frames and read(_frames_asked_for, options, rate, frames)
    read(values.writable, options.output, (options.preset, options.input))
    if options.json != "-":
        read(values.writable, options.json, (options.preset, options.input, options.output), False)
    read.raise_faults()
    if budget is None:
        budget = BUDGET if options.device is None else device["usable_share"]
    if options.second_core and not is_virtual:
        check_cores()
    route = None if is_virtual else live.find_route(options, rate, samples, asked)

    out = show.console(to_stderr=options.json == "-")
    with show.compiling() as tell:
        if memory:
            blocks, kept = facts.keep_in_memory(
                board, blocks, rate, frames, memory, device, budget, tell, options.second_core
            )
            show.print_memory(out, blocks, kept, memory)
            if not kept.fits:
                return 1
        if route and route.output:
            compile_all([callback], tell)
        if options.second_core:
            compile_all(NATIVES, tell)
        made = make_board(
            board,
            rate,
            frames,
            riff(rate),
            policy=policy,
            budget=budget,
            tell=tell,
            blocks=blocks,
            costs=recorded.costs_of if recorded else device.costs if device else cost_table,
            second_core=options.second_core,
        )
    chain, model, control = made.chain, made.model, made.control
    status, lost = 0, None
    if is_virtual:
        samples = riff(rate) if samples is None else samples
        length = asked or len(samples)
        door = Performance(made.played, samples, math.ceil(length / frames) * frames if options.output else 0)
    else:
        length = route.frames
        door = live.open_door(route, made, keep=options.output is not None)
        session = Session(made, door, budget, live.board_loader(rate, frames, policy, options.second_core))
    try:
        _introduce(out, made, device, route)
        if _refuse(out, model, budget, options.force):
            return 1
        if is_virtual:
            for played in {chain, made.played}:
                played.engine["silent"] = int(options.output is None)
            periods = math.ceil(length / frames)
            jitter = device.jitter(budget * chain.deadline_ns)
            weather = Weather(len(chain.blocks), chain.deadline_ns / 1e9, load, seed, scenario, periods, jitter)
            extra = extra_block(chain, control, model, budget, made.pair)
            with _teller(out, chain) as tell:
                if recorded:
                    replay(chain, control, recorded, door, tell)
                else:
                    simulate(chain, control, weather, periods, door, tell, extra, made.pair)
        else:
            recorder = Recorder(chain, control, about(chain, policy, budget)) if options.record_trace else None
            live.play(session, out, is_watched=out.is_terminal and not options.no_view)
    except KeyboardInterrupt:
        status = 130
        out.print(f"Stopped after {door.played_s:.2f} s.")
    except DeviceError as error:
        lost = error
    if not is_virtual:
        if options.record_trace:
            read(_keep_trace, recorder, options.record_trace)
        if session.front is not made:
            out.print(f"\nThe last preset, {session.front.chain.preset.name}:")
        chain, model, control = session.front.chain, session.front.model, session.front.control
    answer = report.summary(
        chain,
        control,
        model,
        clock="virtual" if is_virtual else door.clock,
        device=_device_text(device, door),
        budget=budget,
        seed=seed,
        pair=made.pair if is_virtual else session.front.pair,
    )
    if not is_virtual:
        answer |= live.told_by(session)
    show.print_report(out, answer)
    read(values.write_json, options.json, answer)
    if options.output and door.played_s:
        sound = door.output[: length or None]
        read(audiofile.write, options.output, sound, rate)
        read.raise_faults()
        show.print_written(out, options.output, sound, rate)
    read.raise_faults()
    if lost:
        raise lost
    if status == 0 and options.fail_on_miss and answer["misses"]:
        return 1
    return status


def _only_together(options, is_virtual: bool) -> None:
    """Options that mean nothing beside, or without, others."""
    alone = [
        name
        for name in ("load", "scenario", "periods", "seed")
        if getattr(options, name) is not None and not is_virtual
    ]
    faults = [Fault(f"--{name}", "only with --simulate or --device") for name in alone]
    if options.second_core and (options.trace or options.record_trace):
        faults.append(Fault("--second-core", "not together with --trace or --record-trace: a trace is of one core"))
    if options.periods is not None and options.seconds is not None:
        faults.append(Fault("--periods", "not together with --seconds"))
    if faults:
        raise PresetError(faults)


def _keep_trace(recorder: Recorder, path: str) -> None:
    try:
        recorder.trace().save(path)
    except (OSError, ValueError) as error:
        raise PresetError(Fault("--record-trace", str(error))) from None


def _load(text: str | None) -> tuple[LoadStep, ...]:
    try:
        return () if text is None else parse_load(text)
    except ValueError as error:
        raise PresetError(Fault("--load", str(error))) from None


def _frames_asked_for(options, rate: int, frames: int) -> int | None:
    """How long to play by --periods or --seconds; None: as long as the input is."""
    if options.periods is not None:
        most = LONGEST_KEPT_FRAMES // frames if options.output else MOST_PERIODS
        return frames * values.integer("--periods", options.periods, 1, most)
    if options.seconds is not None:
        most = LONGEST_KEPT_FRAMES / rate if options.output else LONGEST_SECONDS
        return max(1, round(rate * values.number("--seconds", options.seconds, 0.001, most)))
    return None


def _introduce(out, board: Board, device, route: live.Route | None) -> None:
    """Say what is about to play, and on what."""
    chain = board.chain
    if device:
        place = f"Simulating {device.name} ({device.core}); its figures: {show.sureness(device)}."
    else:
        place = _place(route)
    late = f", {show.milliseconds(1000 * board.latency / chain.rate)} ms late" if board.latency else ""
    out.print(
        f"{chain.preset.name}: {show.count(len(chain.blocks), 'block')}, {show.count(chain.frames, 'frame')}"
        f" at {chain.rate:,.0f} Hz, a period every {chain.deadline_ns / 1e6:.2f} ms{late}\n{place}"
    )
    for block in chain.blocks:
        for remark in block.remarks:
            out.print(f"{block.id}: {remark}")


def _refuse(out, model: ChainModel, budget: float, force: bool) -> bool:
    """If not even the smallest levels fit, say so, and what would help. True if it is not to be played then."""
    capacity_ns = budget * model.deadline_ns
    needed = least_share(model, capacity_ns)
    if needed <= 1:
        return False
    out.print(
        f"Does not fit: even at the smallest levels this needs {show.percent(needed * budget)} of the deadline;"
        f" {show.percent(budget)} are allowed.",
        style="bold red",
    )
    helps = [f"without {model.blocks[index].id}" for index in fits_without(model, capacity_ns)]
    if needed * budget < 1:
        helps.insert(0, f"with --budget {math.ceil(100 * needed * budget)}%")
    if helps:
        out.print(f"It would fit {' or '.join(helps)}.")
    if not force:
        out.print("It is not played; --force plays it all the same, with as few misses as can be.")
    return not force


def _device_text(device, door) -> str:
    """What it was played on: a simulated device, a sound card, or this machine by the clock."""
    if device:
        return device.name
    return "this-machine" if door.clock == "wall" else door.text


def _place(route: live.Route) -> str:
    """Through what it is going to play."""
    if route.output is None:
        return f"No sound card: playing {route.source} by the clock."
    ending = "" if route.frames else " Ctrl-C ends it."
    if route.input is None:
        return f"Playing {route.source} through {route.output.name} ({route.output.host}).{ending}"
    return f"Playing from {route.input.name} through {route.output.name} ({route.output.host}).{ending}"


@contextmanager
def _teller(out, chain: Chain):
    """Yields tell(done, total, changes) of a simulation."""
    in_short = show.ChangesInShort(out)

    def tell(done: int, total: int, changes: list[LevelChange]) -> None:
        in_short.add([named(change, chain) for change in changes])

    try:
        yield tell
    finally:
        in_short.end()
