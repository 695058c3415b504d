//! A release in a runtime's own words: pure, in small structs of our own.

pub mod engine;
pub mod kubernetes;
mod merge;
