//! The suite that every [`Runtime`](crate::Runtime) must pass.
