"""Text to sound: a voice behind a pipe, a simpler one beside it, and what they say cut into 20 ms."""
