"""One file a Lua script, on a real server."""
