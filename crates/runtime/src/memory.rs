//! An engine in memory that can be told to fail.
