//! The gateway over real sockets on loopback: real clients, real instances, and some that misbehave.
//!
//! `support` has the instances, a client that writes bytes as they are, and tables in one line. Each other module is one promise.

mod hostile;
mod inner;
mod large;
mod observed;
mod protocols;
mod streams;
mod support;
mod swaps;
