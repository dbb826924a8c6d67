"""Looks over the machine and says what is well, what is not, and what to do: `appliance doctor`."""
