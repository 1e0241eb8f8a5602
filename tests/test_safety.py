"""Nothing that is compiled for the audio thread goes unlooked-at: whoever compiles something new has to say where.

What the looking is, and offenders that it sees: blockplay.wrongs_of, test_blocks_contract.py, test_engine.py,
test_card.py. Every block is looked at by being in chainrt/blocks, with whatever else its levels need.
"""

import ast
from pathlib import Path

import pytest
from blockplay import AN_ADDRESS, wrongs_of

from chainrt.compiled.memory import swap
from chainrt.compiled.native import PACKAGE
from chainrt.nam import resampler

LOOKED_AT = {
    "block.block": "test_blocks_contract.py",
    "convolution.work": "test_blocks_contract.py",  # by the cabinets that are made of it
    "compiled.memory.peek": "test_compiled.py",
    "compiled.memory.publish": "test_compiled.py",
    "compiled.memory.swap": "test_safety.py",
    "engine.card.callback": "test_card.py",
    "engine.many_periods.perform": "test_engine.py",
    "engine.one_period.period": "test_engine.py",
    "engine.pair.choose": "test_pair.py",
    "engine.pair.pair_period": "test_pair.py",
    "engine.pair.show": "test_pair.py",
    "engine.pair.work": "test_pair.py",
    "nam.convnet_kernel.layer_kernel": "test_nam_convnet.py",
    "nam.convnet_kernel.play": "test_nam_convnet.py",
    "nam.linear_kernel.play": "test_nam_linear.py",
    "nam.lstm_kernel.network_kernel": "test_nam_lstm.py",
    "nam.planar.activate_kernel": "test_wavenet_kernel.py",
    "nam.planar.borrow": "test_wavenet_kernel.py",
    "nam.planar.convolve_kernel": "test_wavenet_kernel.py",
    "nam.planar.each_kernel": "test_wavenet_kernel.py",
    "nam.planar.play": "test_wavenet_kernel.py",
    "nam.resampler.play": "test_safety.py",
    "nam.wavenet_kernel.layer_kernel": "test_wavenet_kernel.py",
}
"""What becomes machine code, by the name that holds it or the function that makes it -> the test that looks at it."""
NOT_FOR_THE_AUDIO_THREAD = {
    "timing.time_calls",
    "benchmarks.yardstick.play_bare",
    "benchmarks.yardstick.play_engine",
    "benchmarks.yardstick.read_clock",
}


def compiled_in(path: Path) -> set[str]:
    """What a module compiles: the names of LOOKED_AT."""
    module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    found = set()
    for outer in ast.parse(path.read_text("utf-8")).body:
        calls = [node.func for node in ast.walk(outer) if isinstance(node, ast.Call)]
        if any(isinstance(called, ast.Name) and called.id == "Native" for called in calls):
            name = outer.targets[0].id if isinstance(outer, ast.Assign) else outer.name
            found.add(f"{module}.{name}")
    return found


def test_everything_that_is_compiled_has_a_test_that_looks_at_what_it_calls():
    found = set().union(*map(compiled_in, PACKAGE.rglob("*.py")))
    assert found - NOT_FOR_THE_AUDIO_THREAD == LOOKED_AT.keys()
    for name, test in LOOKED_AT.items():
        looking = (Path(__file__).parent / test).read_text("utf-8")
        assert "wrongs_of(" in looking
        *_, module, made = name.split(".")
        assert module in looking or made in looking, f"{test} does not know {name}"


def test_a_kernel_that_nobody_looks_at_would_be_noticed(tmp_path, monkeypatch):
    monkeypatch.setitem(compiled_in.__globals__, "PACKAGE", tmp_path)
    (tmp_path / "new.py").write_text("def made():\n    return Native(lambda: 0, ())\n\n\nloose = Native(made, ())\n")
    assert compiled_in(tmp_path / "new.py") == {"new.made", "new.loose"}


@pytest.mark.parametrize(
    ("native", "allowed"), [(resampler.play, {AN_ADDRESS}), (swap, set())], ids=["resampled", "swap"]
)
def test_the_machine_code_calls_nothing_but_arithmetic_and_the_network_by_address(native, allowed):
    assert wrongs_of(native) == allowed
