"""Which short sound an event makes. Pure; `audio/tones.py` makes the sounds."""

from appliance.audio.tones import Earcon
from appliance.events import Event, IntentRejected, MicrophoneLost, SpeakingEnded, State, StateChanged


def earcon_of(event: Event) -> Earcon | None:
    """The sound, None for most events: what is followed by an answer needs none."""
    match event:
        case StateChanged(to=State.LISTENING):
            return Earcon.LISTENS
        case StateChanged(to=State.FOLLOWING_UP):
            return Earcon.LISTENS_ON
        case StateChanged(to=State.MUTED, from_=State.IDLE) | IntentRejected(reason="no_speech"):
            return Earcon.ENDS
        case StateChanged(to=State.IDLE, from_=State.MUTED):
            return Earcon.LISTENS_ON
        case SpeakingEnded(reason="failed") | MicrophoneLost():
            return Earcon.TROUBLE
    return None
