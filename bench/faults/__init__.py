"""The faults that lose, repeat or strand jobs: stock RQ beside the reactor's worker, real processes at a real server.

`table` declares each fault: how stock RQ suffers it, how ours does, and how each is judged, or why it can't be caused here.
`stock` and `ours` are the two sides, `jobs` and `stock_worker` what runs in RQ's processes.
"""
