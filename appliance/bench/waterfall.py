"""A picture of turns: what the person waits for after the last word, stage below stage, in ms. SVG, made of text."""

from collections.abc import Sequence
from html import escape

from appliance.bench.turns import TimedTurn

WIDTH, LEFT, RIGHT, LABEL, ROW, BAR, TOP, FOOT = 960, 250, 60, 170, 30, 18, 74, 46
"""Pixels."""

COLOURS = ("#8fb3d9", "#f28e2b", "#59a14f", "#b07aa1")
GRID_MS = 100
PANEL_ROWS = 4


def picture(turns: Sequence[tuple[str, TimedTurn]], target_ms: int) -> str:
    """The picture of some turns, each below its title; a line marks the service level's target."""
    longest_ms = max([target_ms, *(turn.waited_ms for _, turn in turns)])
    scale = (WIDTH - LEFT - RIGHT) / (-(-longest_ms // GRID_MS) * GRID_MS)
    height_px = TOP + PANEL_ROWS * ROW + FOOT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height_px * len(turns)}" '
        f'width="{WIDTH}" height="{height_px * len(turns)}" font-family="sans-serif" font-size="14">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, (title, turn) in enumerate(turns):
        parts.append(f'<g transform="translate(0,{number * height_px})">')
        parts += _panel(title, turn, target_ms, scale)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def stages(turn: TimedTurn) -> list[tuple[str, int, int, str]]:
    """Name, begin and end in ms after the last speech, and what is told beside."""
    times, cpu = turn.times, turn.processor
    endpoint = times.endpoint_ms or 0
    text = endpoint + (times.recognition_ms or 0)
    action = times.action_ms if times.action_ms is not None else text
    sound = times.first_audio_ms if times.first_audio_ms is not None else action
    return [
        ("silence that ends the command", 0, endpoint, ""),
        ("recognition and meaning", endpoint, text, f"{cpu.recognition_ms:.0f} ms CPU"),
        ("action", text, action, f"{cpu.action_ms:.0f} ms CPU"),
        ("first sound of the answer", action, sound, f"{cpu.answer_ms:.0f} ms CPU"),
    ]


def _panel(title: str, turn: TimedTurn, target_ms: int, scale: float) -> list[str]:
    bottom = TOP + PANEL_ROWS * ROW
    parts = [
        f'<text x="16" y="26" font-size="17" font-weight="bold">{escape(title)}: {turn.waited_ms} ms</text>',
        f'<text x="16" y="48" fill="#555">{escape(turn.name)}</text>',
    ]
    for at_ms in range(0, round((WIDTH - LEFT - RIGHT) / scale) + 1, GRID_MS):
        x = LEFT + at_ms * scale
        parts.append(f'<line x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{bottom}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle" fill="#555">{at_ms} ms</text>')
    for row, ((name, begin, end, told), colour) in enumerate(zip(stages(turn), COLOURS, strict=True)):
        y = TOP + row * ROW
        width = max(2.0, (end - begin) * scale)
        label = f"{end - begin} ms" + (f", {told}" if told else "")
        x = LEFT + begin * scale + width + 6
        if x > WIDTH - LABEL:  # no room behind the bar: in it, or before it
            x = LEFT + begin * scale + (width if width > LABEL else 0) - 6
        anchor = "start" if x > LEFT + end * scale else "end"
        parts.append(f'<text x="{LEFT - 12}" y="{y + 14}" text-anchor="end">{name}</text>')
        parts.append(
            f'<rect x="{LEFT + begin * scale:.1f}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>'
        )
        parts.append(f'<text x="{x:.1f}" y="{y + 14}" text-anchor="{anchor}" fill="#222">{label}</text>')
    x = LEFT + target_ms * scale
    parts.append(
        f'<line x1="{x:.1f}" y1="{TOP - 12}" x2="{x:.1f}" y2="{bottom}" stroke="#e15759" stroke-dasharray="5 4"/>'
    )
    parts.append(f'<text x="{x:.1f}" y="{TOP - 16}" text-anchor="middle" fill="#e15759">target {target_ms} ms</text>')
    return parts
