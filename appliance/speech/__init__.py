"""Speech room: the speech detector, endpointing, and the recognizer."""
