"""Figures of this machine: processor time, memory, delays. Printed, never asserted."""
