//! Measurements, beside the tests: each prints a table and is compared with a peer in the same run.
