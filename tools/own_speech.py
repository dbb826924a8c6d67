"""What the device says in simulations: answers as it gives them, and answers that name its own wake and stop words."""

from collections.abc import Sequence

from appliance.audio.convert import resample
from appliance.audio.format import SAMPLE_RATE_HZ, Pcm
from appliance.voice.voice import Voice

ANSWERS = (
    "Here is the weather for today. It will be partly cloudy in the morning with a light wind from the west.",
    "In the afternoon there is a small chance of rain, and the temperature will reach eighteen degrees.",
    "Your timer for the pasta is set for ten minutes.",
    "The kitchen light is on, and the bedroom lamp is at forty percent.",
    "You have three reminders for tomorrow: call the dentist, buy bread, and water the plants.",
    "It is a quarter past seven in the evening.",
    "On your shopping list there are milk, eggs, butter and two bottles of orange juice.",
    "Twenty five percent of two hundred is fifty.",
    "I have turned off everything in the living room and closed the blinds.",
    "The alarm on weekdays at half past six is cancelled.",
    "The heating in the office is set to twenty one degrees.",
    "Good morning. Today is Monday, the third of August, and the sun rises at five fifty two.",
)

OWN_WORDS = (
    "My wake word is computer. Say computer, and then what you want.",
    "Computer, what time is it? That is how you ask me.",
    "Say stop, and I will be silent at once.",
    "To end a ring just say stop. To ask something say computer first.",
    "I heard computer, but then nobody spoke.",
    "Did you mean: stop the timer? Say stop or say no.",
    "Jarvis is a wake word, too, and so are alexa and computer.",
    "Stop. Computer. Stop. Computer.",
    "Hey, computer! Computer? Computer, stop!",
    "The stop word is stop. Stop means stop.",
)


def synthesized(voice: Voice, sentences: Sequence[str]) -> list[Pcm]:
    """Each sentence at 16 kHz."""
    return [resample(voice.synthesize(sentence), voice.rate_hz, SAMPLE_RATE_HZ) for sentence in sentences]
