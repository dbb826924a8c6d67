"""From words to intents: the built-in language, the owner's home, and the sentences the recognizer is taught."""
