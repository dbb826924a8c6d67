"""The demo: a synthesized person in front of the real appliance, with a real broker and a subscriber."""
