#!lua
-- Guarantees: a delivery's signed id enters the event log once within the dedup window, whoever repeats it.
-- KEYS seen, log, copies   ARGV dedup window (ms), then the fields of the entry and their values
-- Returns {1, entry} for a new event, {0, entry of the first} for a duplicate.
-- @include append
local fresh, entry = append(KEYS[2], KEYS[1], KEYS[3], ARGV[1], {unpack(ARGV, 2)})
return {fresh and 1 or 0, entry}
