//! Tests over the whole product: the rules of the code base (`tests/tidy.rs`), and scenarios with the real binary.
