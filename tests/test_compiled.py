"""The ground floor: machine code with an address, kept on disk; messages between threads; clock; denormals."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from itertools import pairwise

import numpy as np
import pytest
from blockplay import wrongs_of
from hypothesis import given
from hypothesis import strategies as st

from chainrt.block import BLOCKS
from chainrt.compiled import arena, native
from chainrt.compiled.arena import aligned_zeros
from chainrt.compiled.call import call2, call3, call4, call5
from chainrt.compiled.clock import now_ns, sleep_ns
from chainrt.compiled.denormals import flush_denormals, restore_denormals
from chainrt.compiled.language import FLOAT, INTEGER, PLANE, carray
from chainrt.compiled.memory import address, load_acquire, peek, pointer, publish, store_release
from chainrt.compiled.native import (
    PACKAGE,
    SOURCES,
    UNUSED_SECONDS,
    Native,
    address_of,
    cache_folder,
    compile_all,
)
from chainrt.engine import callback, perform, period
from chainrt.engine.pair import pair_period, work

STRESS_NS = 5_000_000_000  # after which no further batch of messages is begun
PATIENCE_NS = 30_000_000_000  # a wait that is not answered ends as a failure and not as a hang


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """The root of a cache of our own, with nothing in it."""
    monkeypatch.setenv("CHAINRT_CACHE", str(tmp_path / "cache"))
    cache_folder.cache_clear()
    yield tmp_path / "cache"
    cache_folder.cache_clear()


def _plus_one(number):
    return number + 1


def _twice(number):
    return 2 * number


def _weighted(a, b, x, n):
    return a + b * x[n - 1]


# -- Native -----------------------------------------------------------------------------------------------------


def test_a_plain_function_becomes_machine_code_that_python_can_call():
    plane = aligned_zeros(3, np.float32)
    plane[2] = 0.25
    weighted = Native(_weighted, (INTEGER, FLOAT, PLANE, INTEGER), returns=FLOAT)
    assert weighted.label == "_weighted"
    assert weighted.address > 0
    assert weighted.from_python()(7, 2.0, address_of(plane), 3) == 7.5


def test_machine_code_is_compiled_once_and_then_found_on_disk(empty_cache):
    first = Native(_plus_one, (INTEGER,), returns=INTEGER)
    assert not first.is_cached
    assert first.from_python()(41) == 42
    assert first.is_cached
    assert first.address == first.address
    code = {path: path.stat().st_mtime_ns for path in empty_cache.rglob("*.o")}
    assert len(code) == 1

    again = Native(_plus_one, (INTEGER,), returns=INTEGER)
    assert again.is_cached
    assert again.from_python()(1) == 2
    assert {path: path.stat().st_mtime_ns for path in empty_cache.rglob("*.o")} == code


@pytest.mark.parametrize("damage", [lambda code: b"", lambda code: code[:-1], lambda code: code[:500] + code[501:]])
def test_damaged_machine_code_is_compiled_again(damage, empty_cache):
    _ = Native(_plus_one, (INTEGER,), returns=INTEGER).address
    (file,) = empty_cache.rglob("*.o")
    file.write_bytes(damage(file.read_bytes()))
    assert native._read(file) is None
    assert Native(_plus_one, (INTEGER,), returns=INTEGER).from_python()(41) == 42
    assert native._read(file)


def test_one_function_with_other_arguments_or_other_numbers_around_it_is_other_machine_code(empty_cache):
    def adding(number):
        def add(plane, n):
            return plane[n] + number

        return add

    made = [
        Native(adding(number), (kind, INTEGER), "add", returns)
        for number in (1, 2, 1.0)
        for kind in (PLANE, np.dtype([("a", "f4")], align=True))
        for returns in (FLOAT, INTEGER)
    ]
    files = {native._file for native in made}
    assert len(files) == len(made)
    plane = aligned_zeros(1, np.float32)
    for native_, expected in zip(made[::4], (1.0, 2.0, 1.0), strict=True):  # those of a plane that return a float
        assert native_.from_python()(address_of(plane), 0) == expected
    with pytest.raises(TypeError, match=r"add: closes over .* plain numbers and strings are allowed"):
        _ = Native(adding([1]), (PLANE, INTEGER), "add").address


def test_the_cache_lies_where_the_user_says(empty_cache):
    _ = Native(_plus_one, (INTEGER,), returns=INTEGER).address
    assert cache_folder().parent == empty_cache
    assert list(empty_cache.rglob("*.o"))


def test_machine_code_that_is_at_hand_needs_no_numba(tmp_path):
    """All presets in the box and all blocks are laid out and played in a process that has not even imported it."""
    code = (
        "import sys; from pathlib import Path; from chainrt import preset; from chainrt.block import BLOCKS\n"
        "from chainrt.chain import Chain\n"
        f"for path in Path('{PACKAGE.parent}/presets').glob('*.yaml'):\n"
        "    Chain(preset.load(path), 48_000, 64)\n"
        "kinds = [kind for kind, block in BLOCKS.items() if not block.files]\n"
        f"path = Path('{tmp_path}/all.yaml')\n"
        "path.write_text(''.join(['version: 1\\nname: all\\nchain:\\n', *[f'  - {kind}\\n' for kind in kinds]]))\n"
        "assert len(Chain(preset.load(path), 48_000, 64).blocks) > 20\n"
        "print('numba' in sys.modules)"
    )
    env = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    _first, second = (
        subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    )
    assert second == "False\n"


KEPT = [*(block.native for block in BLOCKS.values()), period, callback, perform, work, pair_period]


@pytest.mark.parametrize("kept", KEPT, ids=lambda native: native.label)
def test_machine_code_does_not_know_the_interpreter(kept):
    """No name of Python's C library is in the object file, so neither its lock nor its exceptions can be met."""
    _ = kept.address
    code = kept._file.read_bytes()
    assert b"enter" in code
    assert not re.findall(rb"Py[A-Z][a-z]+_|numba_gil|numba_unpickle|NRT_(?!MemInfo_call_dtor|decref|incref)", code)


def test_compiling_tells_what_is_missing_before_each_and_at_the_end(empty_cache):
    natives = [Native(_plus_one, (INTEGER,), "one", INTEGER), Native(_twice, (INTEGER,), "two", INTEGER)]
    told = []
    compile_all([*natives, natives[0]], lambda *news: told.append(news))
    assert told == [(0, 2, "one"), (1, 2, "two"), (2, 2, "")]
    compile_all(natives, lambda *news: told.append(news))
    assert len(told) == 3
    compile_all([Native(_plus_one, (INTEGER,), "three", INTEGER)])  # nobody need listen
    assert len(told) == 3


def test_a_changed_source_means_another_cache_folder_for_what_imports_it_and_for_nothing_else(
    empty_cache, tmp_path, monkeypatch
):
    package = tmp_path / "chainrt"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(native, "PACKAGE", package)
    modules = "engine.one_period", "blocks.echo", "blocks.gate", "blocks.nam", "timing", ""

    def folders():
        for cached in (cache_folder, native._read_source, native._imported, native._file):
            cached.cache_clear()
        return {module: cache_folder(module and f"chainrt.{module}") for module in modules}

    unchanged = folders()
    assert len(set(unchanged.values())) == len(modules)
    for source, affected in {
        "blocks/echo.py": {"blocks.echo"},
        "dsp.py": {"blocks.echo", "blocks.gate", "blocks.nam", "engine.one_period"},
        "block.py": {"blocks.echo", "blocks.gate", "blocks.nam"},
        "engine/program.py": {"engine.one_period"},
        "compiled/clock.py": {"engine.one_period", "timing"},
        "compiled/native.py": set(modules),
        "nam/lstm_kernel.py": {"blocks.nam"},
        "report.py": set(),
    }.items():
        text = (package / source).read_text("utf-8")
        (package / source).write_text(text + "\n# another line\n", "utf-8")
        changed = {module for module, folder in folders().items() if folder != unchanged[module]}
        assert changed - {""} == affected - {""}, source
        assert ("" in changed) == bool(affected), source  # everything together
        (package / source).write_text(text, "utf-8")
        assert folders() == unchanged, source


def test_every_module_that_speaks_to_numba_counts_as_a_source():
    counted = {path for pattern in SOURCES for path in PACKAGE.glob(pattern)}
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text("utf-8")
        if "compiled.language" in text or "import numba" in text or "from numba" in text or "Native(" in text:
            assert path in counted, path


def test_cache_folders_long_unused_are_removed_and_the_present_one_never(empty_cache):
    for name, unused_seconds in (("kernels-used", UNUSED_SECONDS - 3600), ("kernels-old", UNUSED_SECONDS + 3600)):
        (empty_cache / name).mkdir(parents=True)
        os.utime(empty_cache / name, (time.time() - unused_seconds,) * 2)
    (empty_cache / "costs").mkdir()
    os.utime(empty_cache / "costs", (1e9, 1e9))
    present = cache_folder()
    assert {path.name for path in empty_cache.iterdir()} == {present.name, "costs", "kernels-used"}


def _divide(x, n):
    for i in range(n):
        x[i] = np.float32(1.0) / x[i]


def test_a_division_by_zero_is_infinite_and_raises_nothing():
    plane = aligned_zeros(2, np.float32)
    plane[1] = 4
    divide = Native(_divide, (PLANE, INTEGER))
    divide.from_python()(address_of(plane), 2)
    assert plane.tolist() == [np.inf, 0.25]
    assert wrongs_of(divide) == set()


@given(
    shape=st.one_of(st.just(()), st.integers(0, 40), st.tuples(st.integers(1, 5), st.integers(1, 9))),
    dtype=st.sampled_from([np.float32, np.int64, np.dtype([("a", "i8"), ("b", "f4", (3,))], align=True)]),
)
def test_aligned_memory_is_silent_and_starts_on_a_cache_line(shape, dtype):
    memory = aligned_zeros(shape, dtype)
    assert memory.shape == (shape if isinstance(shape, tuple) else (shape,))
    assert memory.dtype == dtype
    assert memory.nbytes == 0 or address_of(memory) % 64 == 0
    assert not any(memory.tobytes())
    memory[...] = np.ones((), dtype)


def test_pieces_of_an_arena_do_not_touch_each_other():
    sizes = [1, 63, 64, 65, 300_000, 600_000, 5_000_000] * 9  # more than one arena; some have one of their own
    pieces = [aligned_zeros(size, np.uint8) for size in sizes]
    for number, piece in enumerate(pieces):
        piece[:] = number + 1
    assert all((piece == number + 1).all() for number, piece in enumerate(pieces))
    starts = sorted((address_of(piece), piece.size) for piece in pieces)
    assert all(start + size <= after for (start, size), (after, _) in pairwise(starts))


def test_a_piece_outlives_all_others_of_its_arena():
    first = aligned_zeros(1000, np.float32)
    first[:] = 5
    for _ in range(50):
        aligned_zeros(100_000, np.float32)[:] = 7
    assert (first == 5).all()


def test_without_large_pages_memory_is_the_same(monkeypatch):
    monkeypatch.delattr(arena.mmap, "MADV_HUGEPAGE", raising=False)
    memory = arena._new_arena(arena.PAGE + 1)
    assert memory.size == 2 * arena.PAGE
    assert address_of(memory) % arena.PAGE == 0
    assert not memory.any()


# -- calls and addresses ----------------------------------------------------------------------------------------


def _note2(a, b):
    carray(pointer(a), 5, np.int64)[0] = b


def _note3(a, b, c):
    carray(pointer(a), 5, np.int64)[1] = 10 * b + c


def _note4(a, b, c, d):
    carray(pointer(a), 5, np.int64)[2] = 100 * b + 10 * c + d


def _note5(a, b, c, d, e):
    carray(pointer(a), 5, np.int64)[3] = 1000 * b + 100 * c + 10 * d + e


def _call_all(two, three, four, five, notes):
    call2(two, notes, 1)
    call3(three, notes, 1, 2)
    call4(four, notes, 1, 2, 3)
    call5(five, notes, 1, 2, 3, 4)


def test_a_call_by_address_hands_over_its_arguments_in_order():
    targets = [Native(f, (INTEGER,) * n) for n, f in enumerate((_note2, _note3, _note4, _note5), 2)]
    notes = aligned_zeros(5, np.int64)
    Native(_call_all, (INTEGER,) * 5).from_python()(*(target.address for target in targets), address_of(notes))
    assert notes.tolist() == [1, 12, 123, 1234, 0]


PAIR = np.dtype([("first", "i8"), ("second", "f8")])


def _where(record, x, notes):
    found = carray(pointer(notes), 2, np.int64)
    found[0], found[1] = address(record), address(x)


def test_the_address_of_a_record_or_a_plane_is_where_it_lies():
    record, plane, notes = aligned_zeros((), PAIR), aligned_zeros(4, np.float32), aligned_zeros(2, np.int64)
    Native(_where, (PAIR, PLANE, INTEGER)).from_python()(address_of(record), address_of(plane), address_of(notes))
    assert notes.tolist() == [address_of(record), address_of(plane)]


# -- messages between threads -----------------------------------------------------------------------------------

WORDS, PLACES = 5, 256  # numbers in a message; messages that the ring holds
HASH = 0x9E3779B97F4A7C15 - 2**64  # odd, so that every message differs from the one before in about half its bits


def _produce(ring, posted, taken, messages):
    """Put messages into the ring; each word says which message it belongs to."""
    words = carray(pointer(ring), PLACES * WORDS, np.int64)
    for message in range(messages):
        spins = 0
        while message - load_acquire(taken) >= PLACES:
            spins += 1
            if spins > 200:
                sleep_ns(1000)
        for word in range(WORDS):
            words[(message % PLACES) * WORDS + word] = (message * WORDS + word) * HASH
        store_release(posted, message + 1)


def _consume(ring, posted, taken, messages):
    """Take so many messages out of the ring; returns how many were not what they should be."""
    words = carray(pointer(ring), PLACES * WORDS, np.int64)
    bad = 0
    for message in range(messages):
        spins = 0
        while load_acquire(posted) <= message:
            spins += 1
            if spins > 200:
                sleep_ns(1000)
        for word in range(WORDS):
            bad += words[(message % PLACES) * WORDS + word] != (message * WORDS + word) * HASH
        store_release(taken, message + 1)
    return bad


produce = Native(_produce, (INTEGER,) * 4)
consume = Native(_consume, (INTEGER,) * 4, returns=INTEGER)


class Ring:
    def __init__(self):
        self.words = aligned_zeros(PLACES * WORDS, np.int64)
        self.posted, self.taken = aligned_zeros(1, np.int64), aligned_zeros(1, np.int64)
        self.addresses = tuple(map(address_of, (self.words, self.posted, self.taken)))


def test_tens_of_millions_of_messages_between_two_threads_arrive_whole_and_in_order():
    """In batches, of which a machine that is busy elsewhere plays fewer, one at least."""
    batch, most, end = 5_000_000, 8, time.monotonic_ns() + STRESS_NS
    run_producer, run_consumer = produce.from_python(), consume.from_python()
    for _ in range(most):
        ring = Ring()
        producer = threading.Thread(target=run_producer, args=(*ring.addresses, batch))
        producer.start()
        bad = run_consumer(*ring.addresses, batch)
        producer.join()
        assert bad == 0
        assert ring.posted[0] == ring.taken[0] == batch
        if time.monotonic_ns() > end:
            break


def test_a_torn_or_lost_message_would_be_noticed():
    ring = Ring()
    produce.from_python()(*ring.addresses, PLACES)
    ring.words[7 * WORDS + 3] ^= 1 << 40
    ring.words[9 * WORDS : 10 * WORDS] = ring.words[8 * WORDS : 9 * WORDS]
    assert consume.from_python()(*ring.addresses, PLACES) == 1 + WORDS


def _answer(question, answer, rounds):
    """Wait for each question, in a loop that a careless compiler would read only once, and answer it."""
    for round_ in range(rounds):
        give_up = now_ns() + PATIENCE_NS
        while load_acquire(question) != round_ + 1:
            if now_ns() > give_up:
                return
        store_release(answer, 3 * (round_ + 1))


def test_python_and_a_compiled_loop_in_another_thread_hear_each_other():
    """The compiled loop only ends if it sees what Python publishes, so it cannot hold the interpreter's lock."""
    question, answer, rounds = aligned_zeros(1, np.int64), aligned_zeros(1, np.int64), 100
    loop = Native(_answer, (INTEGER,) * 3).from_python()
    ask, look = publish.from_python(), peek.from_python()
    thread = threading.Thread(target=lambda: loop(address_of(question), address_of(answer), rounds), daemon=True)
    thread.start()
    for round_ in range(1, rounds + 1):
        ask(address_of(question), round_)
        give_up = time.monotonic_ns() + PATIENCE_NS
        while look(address_of(answer)) != 3 * round_:
            assert time.monotonic_ns() < give_up
    thread.join(timeout=60)
    assert not thread.is_alive()


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_number_that_is_published_can_be_peeked_at(number):
    place = aligned_zeros(3, np.int64)
    publish.from_python()(address_of(place[1:]), number)
    assert peek.from_python()(address_of(place[1:])) == number
    assert place[[0, 2]].tolist() == [0, 0]


def test_messages_need_nothing_but_loads_and_stores():
    assert wrongs_of(peek) == wrongs_of(publish) == set()


# -- denormals --------------------------------------------------------------------------------------------------

FADING = 1e-39  # below the smallest normal float32


def _halve(x, n):
    for i in range(n):
        x[i] *= np.float32(0.5)


def _halve_three_times(halve, planes, n):
    """Before, inside and after flush-to-zero; returns whether the switch then stood as before."""
    call2(halve, planes, n)
    floating = flush_denormals()
    call2(halve, planes + 4 * n, n)
    restore_denormals(floating)
    call2(halve, planes + 8 * n, n)
    again = flush_denormals()
    restore_denormals(again)
    return again == floating


def test_denormals_are_flushed_inside_and_only_there():
    planes = aligned_zeros((3, 16), np.float32)
    planes[:] = FADING
    halve = Native(_halve, (PLANE, INTEGER))
    run = Native(_halve_three_times, (INTEGER,) * 3, returns=INTEGER).from_python()
    assert run(halve.address, address_of(planes), 16) == 1
    before, inside, after = planes
    assert (inside == 0).all()
    assert (before == np.float32(FADING) / 2).all()
    assert (after == before).all()
    assert (before > 0).all()


def _flush_and_wait(inside, go_on):
    floating = flush_denormals()
    store_release(inside, 1)
    give_up = now_ns() + PATIENCE_NS
    while load_acquire(go_on) == 0 and now_ns() < give_up:
        sleep_ns(10_000)
    restore_denormals(floating)


def test_a_thread_that_flushes_denormals_leaves_the_others_alone():
    inside, go_on = aligned_zeros(1, np.int64), aligned_zeros(1, np.int64)
    run = Native(_flush_and_wait, (INTEGER, INTEGER)).from_python()
    thread = threading.Thread(target=lambda: run(address_of(inside), address_of(go_on)), daemon=True)
    thread.start()
    while thread.is_alive() and peek.from_python()(address_of(inside)) == 0:
        time.sleep(0.001)
    fading = np.full(8, FADING, np.float32)
    here = fading * np.float32(0.5)
    publish.from_python()(address_of(go_on), 1)
    thread.join(timeout=60)
    assert inside[0] == 1
    assert (here > 0).all()


# -- the clock --------------------------------------------------------------------------------------------------


def _now():
    return now_ns()


def _read_often(times, count):
    kept = carray(pointer(times), count, np.int64)
    for i in range(count):
        kept[i] = now_ns()


def _nap(duration):
    before = now_ns()
    sleep_ns(duration)
    return now_ns() - before


def test_the_clock_is_the_one_that_python_reads():
    now = Native(_now, (), returns=INTEGER).from_python()
    for _ in range(1000):
        before = time.monotonic_ns()
        read = now()
        assert before <= read <= time.monotonic_ns()


def test_the_clock_never_goes_back():
    times = aligned_zeros(200_000, np.int64)
    Native(_read_often, (INTEGER, INTEGER)).from_python()(address_of(times), len(times))
    assert np.diff(times).min() >= 0
    assert times[-1] > times[0] > 0


def test_a_sleep_lasts_at_least_as_long_as_it_was_told():
    nap = Native(_nap, (INTEGER,), returns=INTEGER).from_python()
    assert nap(3_000_000) >= 3_000_000
    assert nap(1) >= 1
