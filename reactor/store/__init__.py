"""Everything that knows a Redis key. What belongs together is written by one script, or not at all."""
