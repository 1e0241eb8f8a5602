"""Colours of the pictures: the same names for light and dark pages.

The eight colours are those of Okabe and Ito (Color Universal Design, 2008), told apart by colour-blind eyes, lightened
a little for dark pages. More lines than colours differ in their dashes.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Ink:
    name: str
    back: str
    text: str
    faint: str
    """Grids, borders, things in the background."""
    alarm: str
    """Deadlines and misses."""
    lines: tuple[str, ...]

    def line(self, number: int) -> dict:
        """Colour, dashes and marker of the number-th line, for Axes.plot."""
        turn, place = divmod(number, len(self.lines))
        return {"color": self.lines[place], "linestyle": ("-", "--", ":")[turn % 3], "marker": MARKERS[number % 10]}

    @property
    def style(self) -> dict:
        """For matplotlib.rc_context: whatever is drawn in it is in these colours."""
        text = ("text.color", "axes.labelcolor", "axes.titlecolor", "xtick.labelcolor", "ytick.labelcolor")
        faint = ("axes.edgecolor", "xtick.color", "ytick.color", "grid.color", "legend.edgecolor")
        back = ("figure.facecolor", "axes.facecolor", "savefig.facecolor", "legend.facecolor")
        colours = dict.fromkeys(text, self.text) | dict.fromkeys(faint, self.faint) | dict.fromkeys(back, self.back)
        return colours | {"font.size": 10, "axes.titlesize": 11, "legend.fontsize": 9, "axes.grid": True}


MARKERS = "osD^vP*X<>"
LIGHT = Ink(
    *("light", "#ffffff", "#1d1d1f", "#c8c8cc", "#c62828"),
    ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#5f5f5f", "#000000"),
)
DARK = Ink(
    *("dark", "#16171a", "#e8e8ea", "#4a4b50", "#ff6b6b"),
    ("#4aa8e0", "#ff8a3c", "#2ecc9b", "#e39bc6", "#e6c229", "#8fd0f5", "#a0a0a0", "#ffffff"),
)
