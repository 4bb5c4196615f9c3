"""The operations listener: what probes, Prometheus, people and programs ask of a process, on an address of its own."""
