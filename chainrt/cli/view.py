"""The full-screen view of a session that plays: what each block costs, and keys to play with.

The terminal is textual's while the view is open; it is given back however the view ends.
"""

import signal
import threading
from contextlib import contextmanager
from pathlib import Path

from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.widgets import Static

from ..errors import ChainrtError
from ..session import Session
from . import screen

LOOKS_A_SECOND = 15
BUDGET_STEP = 0.05
LEAST_BUDGET = 0.05
OTHER_LINES = 13  # beside the blocks and the chart: heading, loads, the knob, the last changes, the keys
LOW = 30  # lines; below it the chart is lower
LOW_CHART = 2
COARSE, FINE = 1.0, 0.1  # steps of a knob: see screen.turned
HELP = "↑↓←→ choose  + - turn  b bypass  [ ] budget  1-9 scene  t tempo  ? all  q quit"


class View(App[None]):
    """Shows a session, and lets its player turn it; ends when the player quits or the sound ends."""

    CSS = """
    Screen { layout: vertical; padding: 0 1; }
    #heading { height: 2; margin-bottom: 1; }
    #loads { height: auto; margin-bottom: 1; }
    #blocks { height: auto; }
    #knob { height: 1; text-style: dim; margin-bottom: 1; }
    #changes { height: 1fr; min-height: 2; }
    #message { height: 1; color: $warning; }
    #help { height: 1; text-style: dim; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS = (
        Binding("q,ctrl+q,escape", "quit", priority=True),
        Binding("ctrl+c", "interrupt", priority=True),
        *(Binding(key, f"choose({step})") for key, step in (("up,k", -1), ("down,j", 1))),
        *(Binding(key, f"choose_knob({step})") for key, step in (("left,h", -1), ("right,l", 1))),
        *(
            Binding(key, f"turn({steps})")
            for key, steps in (("plus,equals_sign", COARSE), ("minus", -COARSE), ("full_stop", FINE), ("comma", -FINE))
        ),
        Binding("0", "reset"),
        Binding("t", "tap"),
        *(Binding(key, f"preset({step})") for key, step in (("n", 1), ("p", -1))),
        Binding("question_mark", "help"),
        Binding("b", "bypass"),
        Binding("left_square_bracket", "budget(-1)"),
        Binding("right_square_bracket", "budget(1)"),
        *(Binding(str(number), f"scene({number})") for number in range(1, 10)),
    )

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self.is_interrupted = False
        self._block = self._knob = 0
        self._message, self._noted, self._taps, self._is_help_wanted = "", 0, [], False
        self._loading: threading.Thread | None = None
        names = ("heading", "loads", "blocks", "knob", "changes", "message", "help")
        self._parts = {name: Static(id=name, markup=False) for name in names}

    def compose(self) -> ComposeResult:
        yield from self._parts.values()

    def on_mount(self) -> None:
        self._show("help", HELP)
        self.set_interval(1 / LOOKS_A_SECOND, self.look)
        self.look()

    def look(self) -> None:
        """Draw the session as it is now."""
        snapshot = self._session.snapshot()
        self._block = min(self._block, max(0, len(snapshot.blocks) - 1))
        width = max(40, self.size.width - 2)
        chart_rows = LOW_CHART if self.size.height < LOW else screen.CHART_ROWS
        self._show("heading", screen.heading(snapshot, width))
        self._show("loads", screen.loads(snapshot, width, chart_rows))
        other = OTHER_LINES + bool(snapshot.second_core)
        rows = max(1, self.size.height - other - chart_rows)
        first = max(0, min(self._block - rows // 2, len(snapshot.blocks) - rows))
        shown = screen.blocks(snapshot, (self._block, self._knob), width, first, rows)
        self._show("blocks", screen.keys() if self._is_help_wanted else shown)
        knob = self._chosen_knob()
        self._show("knob", screen.explained(knob) if knob else "")
        self._show("changes", screen.changes(snapshot, max(1, self._parts["changes"].size.height)))
        self._show("message", self._newest(snapshot.notes))
        if self.is_interrupted or not snapshot.is_playing:
            self.exit()

    def _newest(self, notes: tuple[str, ...]) -> str:
        """The last that there is to be told: a note of the session, or what a key brought about since."""
        if len(notes) > self._noted:
            self._noted, self._message = len(notes), notes[-1]
        return self._message

    def interrupt(self) -> None:
        """End soon, as by Ctrl-C; a signal's handler may call it."""
        self.is_interrupted = True

    def _show(self, name: str, drawn) -> None:
        self._parts[name].update(drawn)

    # keys

    def action_interrupt(self) -> None:
        self.interrupt()
        self.exit()

    def action_choose(self, step: int) -> None:
        count = len(self._session.snapshot().blocks)
        self._block, self._knob = (self._block + step) % max(1, count), 0
        self.look()

    def action_choose_knob(self, step: int) -> None:
        block = self._chosen_block()
        if block and block.knobs:
            self._knob = (self._knob + step) % len(block.knobs)
            self.look()

    def action_turn(self, steps: float) -> None:
        if knob := self._chosen_knob():
            self._do(self._session.turn, self._chosen_block().id, knob.name, screen.turned(knob, steps))

    def action_reset(self) -> None:
        if knob := self._chosen_knob():
            self._do(self._session.turn, self._chosen_block().id, knob.name, knob.default)

    def action_bypass(self) -> None:
        if block := self._chosen_block():
            self._do(self._session.bypass, block.id, block.enabled)

    def action_budget(self, step: int) -> None:
        budget = round(self._session.budget / BUDGET_STEP + step) * BUDGET_STEP
        self._do(self._session.set_budget, min(1.0, max(LEAST_BUDGET, budget)))

    def action_scene(self, number: int) -> None:
        scenes = self._session.snapshot().scenes
        if number <= len(scenes):
            self._do(self._session.scene, scenes[number - 1])
        else:
            only = "This preset has no scenes.", "There is only one scene."
            self._tell(only[len(scenes)] if len(scenes) < 2 else f"There are {len(scenes)} scenes.")

    def action_tap(self) -> None:
        self._taps = [*self._taps[-screen.TAPS :], self._session.snapshot().time_s]
        bpm = screen.tempo(self._taps)
        if bpm is None:
            self._tell("Tap on.")
        elif self._do(self._session.set_tempo, bpm) == 0:
            self._tell(f"{bpm:.0f} BPM; no knob of this preset is set in note values.")
        elif not self._message:
            self._tell(f"{bpm:.0f} BPM")

    def action_help(self) -> None:
        self._is_help_wanted = not self._is_help_wanted
        self.look()

    def action_preset(self, step: int) -> None:
        """Load the next or the previous preset of the folder, in a thread of its own: it takes seconds."""
        if self._loading and self._loading.is_alive():
            return
        present = Path(self._session.snapshot().path)
        presets = sorted(present.parent.glob("*.yaml"))
        if present not in presets or len(presets) < 2:
            self._tell("There is no other preset in this folder.")
            return
        path = presets[(presets.index(present) + step) % len(presets)]
        self._tell(f"{path.name}: getting ready ...")
        self._loading = threading.Thread(target=self._load, args=(path,), daemon=True)
        self._loading.start()

    def _load(self, path: Path) -> None:
        try:
            self._session.load(str(path))
            self._message = ""
        except (ValueError, ChainrtError) as fault:
            self._message = str(fault).splitlines()[0]

    def _tell(self, message: str) -> None:
        self._message = message
        self.look()

    def _do(self, act, *arguments):
        """Act on the session, and return what it returns; what it refuses is told in the view."""
        answer = None
        try:
            answer = act(*arguments)
            self._message = ""
        except (ValueError, ChainrtError) as fault:
            self._message = str(fault)
        self.look()
        return answer

    def _chosen_block(self):
        blocks = self._session.snapshot().blocks
        return blocks[self._block] if self._block < len(blocks) else None

    def _chosen_knob(self):
        block = self._chosen_block()
        return block.knobs[self._knob] if block and self._knob < len(block.knobs) else None


def watch(session: Session) -> None:
    """Play a session and show it until its player quits or the sound ends. Raises KeyboardInterrupt, DeviceError."""
    view = View(session)
    with session, _interrupting(view):
        view.run()
    if view.is_interrupted:
        raise KeyboardInterrupt


@contextmanager
def _interrupting(view: View):
    """A signal of interrupt, which may come before the terminal is the view's, ends it as the key does."""
    before = signal.signal(signal.SIGINT, lambda *_: view.interrupt())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
