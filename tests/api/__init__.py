"""Tests of the HTTP API, on real Redis and Postgres."""
