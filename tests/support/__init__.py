"""What tests of several packages stand on: real servers, and waiting for named conditions."""
