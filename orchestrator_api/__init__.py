"""The HTTP API: definitions, runs and their events, commands and live edits. One file a resource; stateless."""
