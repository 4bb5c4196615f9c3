"""What an operator can look at and change, as plain values: the command line and the HTTP API both ask here."""
