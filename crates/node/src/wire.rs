//! What passes over the socket between control and node: HTTP/1.1 with JSON, and two upgraded connections.
//!
//! | request | answer |
//! | --- | --- |
//! | `PUT /stages/APPLICATION` (a `Stage`) | 204 |
//! | `GET /observed[?application=ID]` | `Observed` |
//! | `GET /changes` | a line for each hint, and one every 10 s that nothing happened |
//! | `GET /facts` | `Facts` |
//! | `POST /rebind` | `Facts` of the engine that is the node's from now on |
//! | `POST /logs` (a `LogQuery`) | a `LogLine` a line |
//! | `POST /exec` (an `ExecRequest`), upgraded | [`Frame`]s both ways |
//! | `POST /connect` (a [`ConnectRequest`]), upgraded | bytes both ways |
//! | `GET /usage?application=ID[&history]` | samples by instance |
//! | `GET /usage` | the same for every application, its last samples only |
//! | `GET /events?application=ID[&instance=NAME]` | `[InstanceEvent]`, the newest first |
//! | `GET /images/REFERENCE` | `ImageFacts` or `null` |
//! | `GET /runs?application=ID[&component=NAME]` | `[ObservedRun]` |
//! | `POST /runs?application=ID&component=NAME` | the key of a run of that component, which begins now |
//! | `GET /volumes[?application=ID]` | `[KeptVolume]` |
//! | `DELETE /volumes/HANDLE?application=ID` | 204 |
//! | `POST /volumes/files` (a `HandRequest`), upgraded | [`Frame`]s both ways |
//! | `POST /volumes/copies` (a `CopyVolume`) | `CopyState` |
//! | `DELETE /volumes/copies/TARGET[?keep]` | 204 |
//! | `GET /metrics[?window=SECONDS]` | [`Metrics`], rates over the last minute or so many seconds |
//! | `GET /health` | [`Health`] |
//!
//! An error is a status of 400 and above with a [`WireError`]. The socket is mode 0600: who may connect may do all of it.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use pluvio_model::id::{ApplicationId, Generation};
use pluvio_model::name::Name;
use pluvio_model::problem::Problem;
use pluvio_runtime::{ExecInput, ExecOutput, RuntimeError};
use serde::{Deserialize, Serialize};

/// A [`RuntimeError`] on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "error", rename_all = "kebab-case")]
pub enum WireError {
    Stale {
        held: Generation,
        offered: Generation,
    },
    Unreachable {
        why: String,
    },
    Refused {
        problem: Box<Problem>,
    },
    NotFound {
        what: String,
    },
}

impl WireError {
    pub fn status(&self) -> u16 {
        match self {
            WireError::Stale { .. } => 409,
            WireError::Unreachable { .. } => 503,
            WireError::Refused { problem } => problem.status,
            WireError::NotFound { .. } => 404,
        }
    }
}
impl From<RuntimeError> for WireError {
    fn from(error: RuntimeError) -> WireError {
        match error {
            RuntimeError::Stale { held, offered } => WireError::Stale { held, offered },
            RuntimeError::Unreachable(why) => WireError::Unreachable { why },
            RuntimeError::Refused(problem) => WireError::Refused {
                problem: Box::new(problem),
            },
            RuntimeError::NotFound { what } => WireError::NotFound { what },
        }
    }
}
impl From<WireError> for RuntimeError {
    fn from(error: WireError) -> RuntimeError {
        match error {
            WireError::Stale { held, offered } => RuntimeError::Stale { held, offered },
            WireError::Unreachable { why } => RuntimeError::Unreachable(why),
            WireError::Refused { problem } => RuntimeError::Refused(*problem),
            WireError::NotFound { what } => RuntimeError::NotFound { what },
        }
    }
}

/// A TCP connection to a port of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectRequest {
    pub application: ApplicationId,
    pub instance: String,
    pub port: u16,
}

/// How the node does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Health {
    pub version: String,
    pub pid: u32,
    pub started_at: jiff::Timestamp,
    /// Where the gateway listens.
    pub listen: Vec<std::net::SocketAddr>,
    /// Applications that the node has a stage of (without those that are gone).
    pub applications: usize,
    /// Why the engine does not answer, if so. Applications and gateway go on.
    pub engine: Option<Problem>,
    /// Resident memory of the node's process.
    pub memory_bytes: u64,
}

/// What passed through the gateway.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Client connections open now.
    pub connections: u64,
    /// Routes, and edges between components ([`RouteMetrics::edge`]).
    pub routes: Vec<RouteMetrics>,
    /// What instances asked of applications at the front door.
    #[serde(default)]
    pub callers: Vec<CallerMetrics>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallerMetrics {
    /// Whose instance asked.
    pub caller: ApplicationId,
    pub component: Name,
    /// Of the application that was asked; over all its routes.
    pub traffic: RouteMetrics,
}

impl RouteMetrics {
    /// Who asks whom at which port: `None` where it is a route.
    pub fn edge(&self) -> Option<(&str, &str, &str)> {
        pluvio_proxy::edge_in(&self.route)
    }
}

/// A route's traffic since the gateway started, and over the last minute or the window asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteMetrics {
    pub application: ApplicationId,
    pub route: String,
    pub requests: u64,
    pub server_errors: u64,
    pub client_errors: u64,
    pub received_bytes: u64,
    pub sent_bytes: u64,
    pub active: u64,
    pub requests_per_second: f64,
    pub server_errors_per_second: f64,
    #[serde(default)]
    pub client_errors_per_second: f64,
    #[serde(default)]
    pub received_per_second: f64,
    #[serde(default)]
    pub sent_per_second: f64,
    /// Seconds from the request's head to the answer's; of a connection that passes as bytes, until its instance took it.
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
}

/// Part of an exec session: a kind, four bytes of length (big endian), then so many bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    Input(ExecInput),
    Output(ExecOutput),
}

const IN_BYTES: u8 = b'i';
const IN_RESIZE: u8 = b'r';
const IN_END: u8 = b'e';
const OUT: u8 = b'o';
const ERR: u8 = b's';
const EXIT: u8 = b'x';
/// Larger frames are refused: an exec reads and writes terminals' worth at a time.
const LARGEST: usize = 1 << 20;

#[derive(Debug, thiserror::Error)]
#[error("this is not a frame of an exec session")]
pub struct InvalidFrame;

impl Frame {
    pub fn encode(&self) -> Bytes {
        let (kind, content): (u8, Bytes) = match self {
            Frame::Input(ExecInput::Bytes(bytes)) => (IN_BYTES, bytes.clone()),
            Frame::Input(ExecInput::Resize(columns, rows)) => {
                let mut content = BytesMut::with_capacity(4);
                content.put_u16(*columns);
                content.put_u16(*rows);
                (IN_RESIZE, content.freeze())
            }
            Frame::Input(ExecInput::End) => (IN_END, Bytes::new()),
            Frame::Output(ExecOutput::Out(bytes)) => (OUT, bytes.clone()),
            Frame::Output(ExecOutput::Err(bytes)) => (ERR, bytes.clone()),
            Frame::Output(ExecOutput::Exit(code)) => {
                (EXIT, Bytes::copy_from_slice(&code.to_be_bytes()))
            }
        };
        let mut out = BytesMut::with_capacity(5 + content.len());
        out.put_u8(kind);
        out.put_u32(u32::try_from(content.len()).unwrap_or(u32::MAX));
        out.extend_from_slice(&content);
        out.freeze()
    }

    /// Takes one frame off the front; `None` when more bytes are needed.
    pub fn decode(buffer: &mut BytesMut) -> Result<Option<Frame>, InvalidFrame> {
        if buffer.len() < 5 {
            return Ok(None);
        }
        let length = u32::from_be_bytes([buffer[1], buffer[2], buffer[3], buffer[4]]) as usize;
        if length > LARGEST {
            return Err(InvalidFrame);
        }
        if buffer.len() < 5 + length {
            return Ok(None);
        }
        let kind = buffer[0];
        buffer.advance(5);
        let mut content = buffer.split_to(length).freeze();
        Ok(Some(match kind {
            IN_BYTES => Frame::Input(ExecInput::Bytes(content)),
            IN_RESIZE if length == 4 => {
                Frame::Input(ExecInput::Resize(content.get_u16(), content.get_u16()))
            }
            IN_END => Frame::Input(ExecInput::End),
            OUT => Frame::Output(ExecOutput::Out(content)),
            ERR => Frame::Output(ExecOutput::Err(content)),
            EXIT if length == 8 => Frame::Output(ExecOutput::Exit(content.get_i64())),
            _ => return Err(InvalidFrame),
        }))
    }
}

/// Percent-encodes what may not stand in a path segment or query value.
pub(crate) fn escape(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Undoes [`escape`]. Bytes that are not UTF-8 become replacement characters.
pub(crate) fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = tail
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(byte) => {
                out.push(byte);
                rest = &tail[2..];
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_the_same_however_they_are_cut() {
        let frames = [
            Frame::Input(ExecInput::Bytes(Bytes::from_static(b"ls\n"))),
            Frame::Input(ExecInput::Resize(80, 24)),
            Frame::Input(ExecInput::End),
            Frame::Output(ExecOutput::Out(Bytes::from_static(b"a\0b"))),
            Frame::Output(ExecOutput::Err(Bytes::new())),
            Frame::Output(ExecOutput::Exit(-9)),
        ];
        let bytes: Vec<u8> = frames.iter().flat_map(|frame| frame.encode()).collect();
        let (mut buffer, mut read) = (BytesMut::new(), Vec::new());
        for byte in bytes {
            buffer.put_u8(byte);
            while let Some(frame) = Frame::decode(&mut buffer).unwrap() {
                read.push(frame);
            }
        }
        assert_eq!(read, frames);
        assert!(Frame::decode(&mut BytesMut::from(&b"q\0\0\0\0"[..])).is_err());
        assert!(Frame::decode(&mut BytesMut::from(&b"o\xff\0\0\0"[..])).is_err());
    }

    #[test]
    fn references_pass_through_a_path() {
        let reference = "localhost:5000/a b@sha256:0f%";
        assert_eq!(unescape(&escape(reference)), reference);
    }
}
