"""`chainrt fit`: what fits on a device that need not be here, what is left, and what would still fit.

Exit status: 0 all blocks play at their largest level; 3 all play, some at a smaller one; 1 the answer is no; 2 the
input is wrong. With --compare, that of the device where least fits.
"""

from collections.abc import Callable

from .. import devices, known
from ..devices import Device
from ..errors import Fault, PresetError
from ..fit import BEST_DB, NO, SLIMMED, YES, Bench, Fit, FitBlock, FitChain
from . import fit_screen, show, values

STATUS = {YES: 0, NO: 1, SLIMMED: 3}
SURENESS = (YES, SLIMMED, NO)
MOST_BYTES = 1e13


def fit(options) -> int:
    """Answer; exit status."""
    read = values.Reader()
    frames, rate = read(values.period, options.period), read(values.rate, options.rate)
    budget = read(values.budget, options.budget) if options.budget else None
    memory = read(values.memory, options.memory) if options.memory else None
    find = read(known.chain, options.preset, rate, frames) if options.preset and rate and frames else None
    read(_something_asked, options)
    for path in (options.json if options.json != "-" else None, options.plot):
        read(values.writable, path, (options.preset,), False)
    with show.working("Measuring this machine, once") as tell:
        found = [read(devices.load, name, tell) for name in _device_names(options)]
    read.raise_faults()

    out = show.console(to_stderr=options.json == "-")
    with show.compiling() as tell:
        shelf = known.shelf(rate, frames)
        more = [block for name in _words(options.add) if (block := read(_to_add, name, shelf, rate, frames, tell))]
        chain = find(tell) if find else FitChain("", (), ())
    most = read(_kind, options.max, shelf) if options.max else None
    read.raise_faults()

    def bench_on(device: Device) -> Bench:
        bench = Bench(chain.blocks, chain.path, device, frames, rate, budget, memory)
        try:
            bench = bench.without(_words(options.without))
        except KeyError as error:
            ids = ", ".join(block.id for block in chain.blocks)
            raise PresetError(Fault("--without", f"no block {error.args[0]!r} in the chain; there are {ids}")) from None
        for block in more:
            bench = bench.plus(block)
        return bench

    benches = [bench_on(device) for device in found]
    fits = [bench.fit() for bench in benches]
    answers = [_answer(options.preset, bench, one, shelf, most) for bench, one in zip(benches, fits, strict=True)]
    if options.preset and len(benches) == 1:
        fit_screen.print_fit(out, chain.name, benches[0], fits[0], answers[0])
    elif options.preset:
        fit_screen.print_comparison(out, chain.name, benches, fits, answers)
    if most:
        fit_screen.print_most(out, most, answers, bool(options.preset))
    if options.plot:
        from .. import fit_plot

        fit_plot.plot(options.plot, chain.name, benches, fits)
        out.print(f"\n{options.plot}: written")
    answer = answers[0] if len(answers) == 1 else {"preset": options.preset, "compare": answers}
    values.write_json(options.json, answer)
    if not options.preset:
        return 0 if any(any(one["max"]["alone"].values()) for one in answers) else 1
    return STATUS[max((one.fits for one in fits), key=SURENESS.index)]


def _device_names(options) -> list[str]:
    names = _words([options.compare]) if options.compare else []
    if options.device and options.device not in names:
        names.insert(0, options.device)
    return list(dict.fromkeys(names)) or [devices.THIS_MACHINE]


def _words(given: list[str] | None) -> list[str]:
    """--add drive,echo --add cab -> drive, echo, cab"""
    return [word.strip() for text in given or () for word in text.split(",") if word.strip()]


def _something_asked(options) -> None:
    if options.preset is None and options.max is None:
        raise PresetError(Fault("PRESET", "missing; only --max answers without one"))
    if options.preset is None and (options.add or options.without or options.plot):
        raise PresetError(Fault("PRESET", "missing; --add, --without and --plot need one"))
    if options.plot:
        from ..fit_plot import need_matplotlib

        need_matplotlib()


def _kind(name: str, shelf: dict[str, FitBlock]) -> str:
    if name not in shelf:
        raise PresetError(Fault("--max", f"no block {name!r}; there are {', '.join(shelf)}"))
    return name


def _to_add(name: str, shelf: dict[str, FitBlock], rate: float, frames: int, tell: Callable) -> FitBlock:
    if name.endswith((".nam", ".wav")):
        return known.added(name, rate, frames, tell)
    if name not in shelf:
        raise PresetError(Fault("--add", f"no block {name!r}; there are {', '.join(shelf)}, and FILE.nam, FILE.wav"))
    return shelf[name]


# -- as JSON --------------------------------------------------------------------------------------------------------


def _answer(path: str | None, bench: Bench, fit: Fit, shelf: dict[str, FitBlock], most: str | None) -> dict:
    """The JSON of `chainrt fit`. Loads are shares of the deadline; fidelity_db is 60 where nothing is lost."""
    device = bench.device
    answer = {
        "preset": path,
        "device": device.name,
        "figures": device.figures_by_basis(),
        "period": bench.frames,
        "deadline_us": round(bench.deadline_ns / 1000, 3),
        "budget": round(bench.budget, 6),
    }
    if path:
        answer |= {
            "fits": fit.fits,
            "load": round(fit.load, 6),
            "p99": round(fit.p99, 6),
            "least_load": round(bench.least_load, 6),
            "blocks": [_block(block, fit, index) for index, block in enumerate(bench.blocks)],
            "left": round(bench.budget - fit.load, 6),
            "memory": {
                "used": fit.memory.used,
                "limit": int(bench.memory),
                "left_out": {
                    block.id: [block.levels[level].name for level in gone]
                    for block, gone in zip(bench.blocks, fit.memory.left_out, strict=True)
                    if gone
                },
            },
            "could_add": [found for block in shelf.values() if (found := _addition(bench, fit, block))],
        }
    if most:
        block, alone = shelf[most], bench.with_blocks((), ())
        answer["max"] = {"kind": most} | {
            name: {level.name: one.most(block, index) for index, level in enumerate(block.levels)}
            for name, one in {"alone": alone, **({"beside": bench} if path else {})}.items()
        }
    return answer


def _block(block: FitBlock, fit: Fit, index: int) -> dict:
    level = block.levels[fit.levels[index]]
    return {
        "id": block.id,
        "kind": block.kind,
        "enabled": block.enabled,
        "level": level.name,
        "load": round(fit.loads[index], 6),
        "fidelity_db": round(min(BEST_DB, level.fidelity_db), 2),
        "basis": fit.bases[index],
    }


def _addition(bench: Bench, before: Fit, block: FitBlock) -> dict | None:
    """What happens if this block is added; None if it does not fit."""
    larger = bench.plus(block)
    after = larger.fit()
    if after.fits == NO:
        return None
    changes = bench.changes(before, after)
    return {
        "kind": block.kind,
        "level": larger.blocks[-1].levels[after.levels[-1]].name,
        "load": round(after.loads[-1], 6),
        "left": round(bench.budget - after.load, 6),
        "changes": [{"id": one.id, "from": one.before, "to": one.after} for one in changes],
    }
