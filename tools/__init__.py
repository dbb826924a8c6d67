"""The workshop: programs for those who build the appliance. Nothing here runs on the device or is installed there."""
