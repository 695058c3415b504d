//! Streams in an engine's formats: multiplexed output (logs, commands), and JSON documents one after another.

use bytes::{Buf, Bytes, BytesMut};
use pluvio_runtime::LogStream;

/// Output frames: `[stream, 0, 0, 0, length big-endian]` and the bytes. (Source: docs.docker.com, `ContainerAttach`.)
#[derive(Debug, Default)]
pub(crate) struct Frames {
    buffer: BytesMut,
}

impl Frames {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    pub(crate) fn next(&mut self) -> Option<(LogStream, Bytes)> {
        let header = self.buffer.get(..8)?;
        let length = u32::from_be_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let stream = if header[0] == 2 {
            LogStream::Err
        } else {
            LogStream::Out
        };
        if self.buffer.len() < 8 + length {
            return None;
        }
        self.buffer.advance(8);
        Some((stream, self.buffer.split_to(length).freeze()))
    }
}

/// Lines out of pieces of text; the last one may lack its end.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    buffer: Vec<u8>,
}

/// A line longer than this is given in pieces.
const LINE_MAX: usize = 64 * 1024;

impl Lines {
    pub(crate) fn push(&mut self, bytes: &[u8], mut line: impl FnMut(String)) {
        for &byte in bytes {
            match byte {
                b'\n' => line(self.take()),
                _ => {
                    self.buffer.push(byte);
                    if self.buffer.len() >= LINE_MAX {
                        line(self.take());
                    }
                }
            }
        }
    }

    pub(crate) fn rest(&mut self) -> Option<String> {
        (!self.buffer.is_empty()).then(|| self.take())
    }

    /// What there is of a line whose end has not come, unless it is a progress bar: that is told of when it is done.
    pub(crate) fn unfinished(&mut self) -> Option<String> {
        if self.buffer.contains(&b'\r') {
            return None;
        }
        self.rest()
    }

    fn take(&mut self) -> String {
        let bytes = std::mem::take(&mut self.buffer);
        let text = String::from_utf8_lossy(&bytes);
        // A progress bar rewrites its line: its last state is the line.
        let text = text.trim_end_matches('\r');
        text.rsplit('\r').next().unwrap_or(text).to_owned()
    }
}

/// JSON documents in a row, with or without line ends between them, in chunks cut anywhere.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    buffer: Vec<u8>,
}

impl Documents {
    /// The documents that are whole now.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<serde_json::Value> {
        self.buffer.extend_from_slice(bytes);
        let mut documents = Vec::new();
        let mut read = serde_json::Deserializer::from_slice(&self.buffer).into_iter();
        let mut used = 0;
        while let Some(Ok(document)) = read.next() {
            documents.push(document);
            used = read.byte_offset();
        }
        self.buffer.drain(..used);
        documents
    }

    /// What is left when the stream ended: an engine's plain-text error, if anything.
    pub(crate) fn rest(&self) -> String {
        String::from_utf8_lossy(&self.buffer).trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_whatever_the_chunks() {
        let mut wire = Vec::new();
        for (stream, text) in [(1_u8, "hello\n"), (2, "oops"), (1, "")] {
            wire.extend([stream, 0, 0, 0]);
            wire.extend((text.len() as u32).to_be_bytes());
            wire.extend(text.as_bytes());
        }
        for size in 1..wire.len() {
            let mut frames = Frames::default();
            let mut seen = Vec::new();
            for chunk in wire.chunks(size) {
                frames.push(chunk);
                while let Some(frame) = frames.next() {
                    seen.push(frame);
                }
            }
            assert_eq!(
                seen,
                [
                    (LogStream::Out, Bytes::from("hello\n")),
                    (LogStream::Err, Bytes::from("oops")),
                    (LogStream::Out, Bytes::new()),
                ]
            );
        }
    }

    #[test]
    fn documents_are_read_whatever_the_chunks() {
        let wire = "{\"a\":1}\r\n{\"b\":\"x y\"} {\"c\":[1,2]}\n";
        for size in 1..wire.len() {
            let mut documents = Documents::default();
            let seen: Vec<_> = wire
                .as_bytes()
                .chunks(size)
                .flat_map(|chunk| documents.push(chunk))
                .collect();
            assert_eq!(seen.len(), 3, "chunks of {size}");
            assert_eq!(documents.rest(), "");
        }
    }

    #[test]
    fn a_rewritten_line_is_its_last_state() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        lines.push(b"10%\r50%\r100%\r\nnext", |line| seen.push(line));
        assert_eq!(seen, ["100%"]);
        assert_eq!(lines.rest().as_deref(), Some("next"));
    }
}
