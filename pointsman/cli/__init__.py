"""The command line: `pointsman …`. It talks to the API over HTTP and starts processes; it decides nothing."""
