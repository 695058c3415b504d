//! What a source tree is, how it is built and how it runs, each with its evidence.

mod ignore;
mod tree;

pub use ignore::{Dialect, Ignore};
pub use tree::{Limits, SourceFile, SourceTree};
