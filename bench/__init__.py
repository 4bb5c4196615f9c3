"""Programs that measure the reactor on this machine, with real processes. Tests hold their counts."""
