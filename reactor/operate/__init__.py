"""What people may look at and change while the reactor works: the same from the command line and over HTTP."""
