"""Wake word, recognizer and voice for others, above all Home Assistant, over the Wyoming protocol."""
