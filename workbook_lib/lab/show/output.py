"""What a cell shows: static HTML or a PNG, always with plain text beside it for terminals, logs and diffs."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Picture", "Shown"]

DOTS_PER_INCH: Final = 200
PIXELS_PER_INCH: Final = 100  # as displayed: half of what is drawn, so that pictures stay sharp
MAX_WIDTH_PIXELS: Final = 900


@dataclass(frozen=True, repr=False)
class Shown:
    """HTML that needs no style sheet and no script, and the same as text."""

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True, repr=False)
class Picture:
    """A matplotlib figure that displays as PNG, and its content as text."""

    figure: Figure
    text: str

    def png(self) -> bytes:
        """The picture as a PNG file's bytes; its background is opaque, so it reads on a dark page too."""
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
        return buffer.getvalue()

    def save(self, path: str | Path) -> Path:
        """Write the picture as a PNG file."""
        target = Path(path)
        target.write_bytes(self.png())
        return target

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        wide, high = (float(inches) * PIXELS_PER_INCH for inches in self.figure.get_size_inches())
        scale = min(1.0, MAX_WIDTH_PIXELS / wide)
        return self.png(), {"width": round(wide * scale), "height": round(high * scale)}

    def __repr__(self) -> str:
        return self.text
