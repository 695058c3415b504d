//! HTTP/1.1 towards instances.
//!
//! Written here rather than taken from hyper's client for two reasons. Retrying safely needs to know exactly what was sent and
//! what came back. And the request, the exchange and the answer then live in the one task that serves the client, without
//! channels and wake-ups between tasks for each request.
//!
//! [`head`], [`answer`] and [`chunks`] are the protocol: bytes in, values out, no I/O. [`exchange`] moves the bytes.

mod answer;
mod chunks;
mod connection;
mod exchange;
mod head;

pub(crate) use answer::Answer;
pub(crate) use connection::Connection;
pub(crate) use exchange::{AnswerBody, Exchange, Failure};
pub(crate) use head::{Forwarded, Framing, connection_options, is_dropped, write_head};
