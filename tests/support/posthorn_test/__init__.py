"""What Posthorn's script tests, its demo and its benchmarks share: a DNS server, a receiving server, keys, the daemon."""
