"""From the text of a word to its wake model: clips, training, INT8, and how good it is."""
