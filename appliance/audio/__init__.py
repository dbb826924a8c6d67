"""Audio room: frames, the ring, sources, playback. Re-exports nothing; import the file you need."""
