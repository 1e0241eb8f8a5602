"""What may be typed. Each command's module is imported only when that command is given, so `--help` is quick."""

import argparse
import re
import sys
from importlib import import_module

from .. import __version__


class Parser(argparse.ArgumentParser):
    """argparse with one clear line for what is wrong."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self._negative_number_matcher = re.compile(r"-\.?\d")  # so that `--budget -3%` is a value, and told as such

    def error(self, message):
        print(f"{self.prog}: {message} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(2)


class _CommandHelp(argparse.HelpFormatter):
    """argparse forgets that commands are indented, and breaks the line after the longest of them."""

    def __init__(self, prog: str):
        super().__init__(prog)
        self._action_max_length = 14


def command(name: str):
    """The function `name` of chainrt.cli.<name>, found when it is called."""
    return lambda options: getattr(import_module(f"{__package__}.{name}"), name)(options)


def parser() -> Parser:
    """The whole command line."""
    top = Parser(
        "chainrt",
        description="Plays chains of slimmable amps and effects in real time, on a budget.",
        formatter_class=_CommandHelp,
    )
    top.add_argument("--version", action="version", version=f"chainrt {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)

    run = commands.add_parser("run", help="play a preset in real time, or on a virtual clock")
    run.set_defaults(command=command("run"))
    run.add_argument("preset", metavar="PRESET", help="the pedalboard, a YAML file")
    run.add_argument("--input", metavar="WAV", help="play this mono file instead of the guitar")
    run.add_argument("--riff", action="store_true", help="play the built-in riff instead of the guitar")
    run.add_argument("--output", metavar="WAV", help="keep the sound, as float32")
    run.add_argument("--seconds", metavar="S", help="how long to play (default: a file once, a guitar for ever)")
    _engine_options(run)
    run.add_argument(
        "--budget",
        metavar="SHARE",
        help="share of the deadline to use (default: 70%%, or as the --device's profile says)",
    )
    run.add_argument("--memory", metavar="SIZE", help="keep only levels that fit, as 2MiB (default: keep all)")
    run.add_argument(
        "--policy",
        metavar="NAME",
        default="adaptive",
        help="adaptive (default), adaptive:N (at most about N changes of levels a minute, not 57), full or lite",
    )
    run.add_argument(
        "--second-core",
        action="store_true",
        help="a second core plays the chain, a period later; the audio thread only its smallest levels, in case",
    )
    run.add_argument("--force", action="store_true", help="play even what cannot fit, with as few misses as can be")
    run.add_argument("--fail-on-miss", action="store_true", help="exit with 1 if any period was missed")
    run.add_argument("--json", metavar="FILE", nargs="?", const="-", help="write the report as JSON (-: to stdout)")
    run.add_argument("--no-view", action="store_true", help="a line every few seconds, and no full-screen view")
    card = run.add_argument_group("sound card")
    card.add_argument("--in", dest="input_device", metavar="NAME", help="the device of the guitar; see devices")
    card.add_argument("--out", dest="output_device", metavar="NAME", help="the device to play through")
    card.add_argument(
        "--host", metavar="NAME", help="jack, alsa, pipewire, coreaudio, wasapi, asio ..., or clock: no sound card"
    )
    run.add_argument("--record-trace", metavar="FILE", help="keep what this run met, for --trace")
    virtual = run.add_argument_group("simulation")
    virtual.add_argument("--simulate", action="store_true", help="a virtual clock, as fast as the machine can")
    virtual.add_argument("--device", metavar="PROFILE", help="whose costs to simulate (default: pi4); see profiles")
    virtual.add_argument("--load", metavar="STEPS", help='slowdowns over time, as in "0:1.0, 2:1.6, 4:1.0"')
    virtual.add_argument(
        "--scenario", metavar="NAME", help="what kind of day: calm (default), thermal, bursts, presets or hostile"
    )
    virtual.add_argument("--trace", metavar="FILE", help="play a day that --record-trace has kept")
    virtual.add_argument("--periods", metavar="N", help="how long to simulate, in periods")
    virtual.add_argument("--seed", metavar="N", help="seed of the simulated disturbances (default: 0)")

    render = commands.add_parser("render", help="play a file through a preset into a file")
    render.set_defaults(command=command("render"))
    render.add_argument("preset", metavar="PRESET", help="the pedalboard, a YAML file")
    render.add_argument("input", metavar="IN.wav", help="what to play: mono, at the rate of --rate")
    render.add_argument("output", metavar="OUT.wav", help="where the sound goes, as float32")
    _engine_options(render)
    render.add_argument(
        "--slim",
        metavar="LEVEL",
        action="append",
        default=[],
        help="level by name or index for all models, or BLOCK=LEVEL for one (default: full)",
    )

    check = commands.add_parser("check", help="validate presets")
    check.set_defaults(command=command("check"))
    check.add_argument("presets", metavar="PRESET", nargs="+", help="pedalboards, YAML files")
    check.add_argument("--rate", metavar="HZ", default="48000", help="sample rate to play at (default: 48000)")

    fit = commands.add_parser(
        "fit",
        help="what fits on a device, and what would still fit",
        epilog="Exit status: 0 everything fits at full size; 3 it fits slimmed; 1 it does not fit; 2 wrong input.",
    )
    fit.set_defaults(command=command("fit"))
    fit.add_argument("preset", metavar="PRESET", nargs="?", help="the pedalboard; only --max does without")
    fit.add_argument("--device", metavar="PROFILE", help="a name, see profiles, or FILE.yaml (default: this-machine)")
    fit.add_argument("--compare", metavar="A,B,C", help="several devices side by side")
    fit.add_argument("--add", metavar="KIND", action="append", help="with this block, FILE.nam or FILE.wav, too")
    fit.add_argument("--without", metavar="BLOCK", action="append", help="without the block of this id or kind")
    fit.add_argument("--max", metavar="KIND", help="how many of these fit at each level; nam is an official A2")
    fit.add_argument("--budget", metavar="SHARE", help="share of the deadline to use (default: the profile's)")
    fit.add_argument("--memory", metavar="SIZE", help="memory for levels, as 2MiB (default: the profile's)")
    _engine_options(fit)
    fit.add_argument("--plot", metavar="FILE.png", help="draw the costs, and fidelity against budget")
    fit.add_argument("--json", metavar="FILE", nargs="?", const="-", help="write it as JSON (-: to stdout)")

    model = commands.add_parser("model", help="what a .nam is, its levels, their cost and error")
    model.set_defaults(command=command("model"))
    model.add_argument("files", metavar="FILE.nam", nargs="+", help="a capture; several: the sizes of one amp")
    model.add_argument("--rate", metavar="HZ", help="sample rate to play it at (default: its own)")
    model.add_argument("--json", metavar="FILE", nargs="?", const="-", help="write it as JSON (-: to stdout)")

    calibrate = commands.add_parser("calibrate", help="measure costs and fidelity, and keep them")
    calibrate.set_defaults(command=command("calibrate"))
    calibrate.add_argument("presets", metavar="PRESET", nargs="*", help="pedalboards (default: presets/*.yaml)")
    calibrate.add_argument("--rate", metavar="HZ", default="48000", help="sample rate (default: 48000)")
    calibrate.add_argument("--rounds", metavar="N", default="2000", help="calls of each level to time (default: 2000)")
    calibrate.add_argument("--json", metavar="FILE", nargs="?", const="-", help="write it as JSON (-: to stdout)")

    blocks = commands.add_parser("blocks", help="list the effects, or one of them in full")
    blocks.set_defaults(command=command("blocks"))
    blocks.add_argument("kind", metavar="KIND", nargs="?", help="tell all about this one")
    blocks.add_argument("--json", metavar="FILE", nargs="?", const="-", help="write it as JSON (-: to stdout)")

    study = commands.add_parser("study", help="simulate presets on devices in scenarios, many times")
    study.set_defaults(command=command("study"))
    study.add_argument("--presets", metavar="PRESET", nargs="+", required=True, help="pedalboards, YAML files")
    study.add_argument("--devices", metavar="A,B,C", default="all", help="profiles (default: all in the box)")
    study.add_argument("--scenarios", metavar="A,B,C", default="all", help="of run --scenario (default: all)")
    study.add_argument("--seeds", metavar="N", default="20", help="runs of each, with seeds from 0 on (default: 20)")
    study.add_argument("--periods", metavar="N", default="45000", help="length of a run (default: 45000, a minute)")
    study.add_argument("--out", metavar="FOLDER", default="study", help="where the table and the page go")
    study.add_argument("--workers", metavar="N", help="processes (default: one a core)")
    study.add_argument("--dask", metavar="ADDRESS", help="on the cluster of this scheduler, as tcp://host:8786")
    study.add_argument("--budget", metavar="SHARE", help="share of the deadline to use (default: each profile's)")
    study.add_argument("--policy", metavar="NAME", default="adaptive", help="as in run (default: adaptive)")
    _engine_options(study)

    bench = commands.add_parser(
        "bench",
        help="the benchmarks of the scheduler, as one page",
        description="Plays the scheduler and what others do through the same days, and writes one page with tables and"
        " pictures. What was measured is kept: the same command goes on where it was stopped.",
    )
    bench.set_defaults(command=command("bench"))
    effort = bench.add_mutually_exclusive_group()
    effort.add_argument("--quick", action="store_true", help="under two minutes on two cores (default)")
    effort.add_argument("--full", action="store_true", help="twenty seeds and long runs: one to two hours on two cores")
    bench.add_argument(
        "--out", metavar="FOLDER", default="chainrt-bench", help="where it goes (default: chainrt-bench)"
    )
    bench.add_argument("--only", metavar="CHAPTER", nargs="+", help="these chapters (default: all)")
    bench.add_argument("--seeds", metavar="N", help="runs of each, with seeds from 0 on (default: 3, full 20)")
    bench.add_argument("--workers", metavar="N", help="processes for what is simulated (default: one a core)")
    bench.add_argument("--write-results", metavar="FILE.md", help="put the tables into their sections of this page")
    bench.add_argument("--json", metavar="FILE", nargs="?", const="-", help="write it as JSON (-: to stdout)")

    device = commands.add_parser("device", help="make or check a device profile of your own")
    device.set_defaults(command=command("device"))
    actions = device.add_subparsers(metavar="ACTION", dest="action", required=True, parser_class=Parser)
    new = actions.add_parser("new", help="write a profile by playing on this machine")
    new.add_argument("file", metavar="FILE", nargs="?", default="this-machine.yaml", help="where it goes")
    new.add_argument("--from-this-machine", action="store_true", help="measure the machine this runs on")
    new.add_argument(
        "--rounds", metavar="N", default="8", help="how often each level plays, 18 s for all of them (default: 8)"
    )
    new.add_argument(
        "--without-pauses", action="store_true", help="keep the processor busy: to scale other devices from"
    )
    check_device = actions.add_parser("check", help="find every fault of profiles")
    check_device.add_argument("files", metavar="FILE", nargs="+", help="device profiles, YAML files")

    devices = commands.add_parser("devices", help="list the sound cards")
    devices.set_defaults(command=command("devices"))
    devices.add_argument("--json", metavar="FILE", nargs="?", const="-", help="write it as JSON (-: to stdout)")

    profiles = commands.add_parser("profiles", help="list the simulated devices")
    profiles.set_defaults(command=command("profiles"))
    return top


def _engine_options(command_parser: argparse.ArgumentParser) -> None:
    command_parser.add_argument("--period", metavar="N", default="64", help="frames in a period (default: 64)")
    command_parser.add_argument("--rate", metavar="HZ", default="48000", help="sample rate (default: 48000)")
