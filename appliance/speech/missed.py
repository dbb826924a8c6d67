"""How much of what was surely said no word of a text accounts for: words that were lost in noise."""

from collections.abc import Sequence

from appliance.audio.format import FRAME_MS

Span = tuple[float, float]
"""When a word was said: begin and end, in seconds."""

EDGE_S = 0.04
"""So much before and behind a word may still be its sound. Of 0, 40, 80 and 120 ms this told lost words best."""

SPEECH_LEAST_S = 0.2
"""Where less than this is speech, nobody spoke as far as can be told."""


def missed_s(sure: Sequence[bool], words: Sequence[Span], begun_s: float = 0.0) -> float | None:
    """Seconds of speech outside of all words; None where there is no speech that could tell.

    Args:
        sure: of each frame of the utterance, whether it is surely speech.
        words: of a text, in any order.
        begun_s: when the first frame began, on the clock of the words.
    """
    frame_s = FRAME_MS / 1000
    spoken = [begun_s + (index + 0.5) * frame_s for index, is_speech in enumerate(sure) if is_speech]
    if len(spoken) * frame_s < SPEECH_LEAST_S:
        return None
    missed = sum(not any(begin - EDGE_S <= at <= end + EDGE_S for begin, end in words) for at in spoken)
    return missed * frame_s
