"""End to end: real processes, a real server, an emulated Daytona. One scenario a file; the listing is the feature list."""
