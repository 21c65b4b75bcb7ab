"""What is an adapter's own: the wire, faults of servers, start-up checks, worker leases, blobs."""
