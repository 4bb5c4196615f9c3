"""The operations listener: probes, figures for Prometheus and the HTTP API of a process, on an address of its own."""
