"""Redis and Postgres as children of this process, from binaries that come with the package or are on PATH."""
