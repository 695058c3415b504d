//! The chunked coding of an answer's body (RFC 9112, 7.1), bytes in, pieces out.

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::answer::Invalid;

/// A size line with its extensions, and the trailers, may be so long.
const LONGEST_LINE: usize = 4 * 1024;
const LARGEST_TRAILERS: usize = 16 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Chunks {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailers,
    Done,
}

#[derive(Debug)]
pub(crate) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
    /// What is there is not a whole piece yet.
    More,
}

impl Chunks {
    /// Takes the next piece from the front of `bytes`.
    pub(crate) fn take(&mut self, bytes: &mut BytesMut) -> Result<Piece, Invalid> {
        loop {
            match *self {
                Chunks::Size => match httparse::parse_chunk_size(bytes) {
                    Ok(httparse::Status::Complete((length, size))) => {
                        bytes.advance(length);
                        *self = if size == 0 {
                            Chunks::Trailers
                        } else {
                            Chunks::Data(size)
                        };
                    }
                    Ok(httparse::Status::Partial) if bytes.len() <= LONGEST_LINE => {
                        return Ok(Piece::More);
                    }
                    _ => return Err(Invalid::Chunk),
                },
                Chunks::Data(left) => {
                    if bytes.is_empty() {
                        return Ok(Piece::More);
                    }
                    let length = left.min(bytes.len() as u64);
                    let data = bytes.split_to(length as usize).freeze();
                    *self = if left == length {
                        Chunks::DataEnd
                    } else {
                        Chunks::Data(left - length)
                    };
                    return Ok(Piece::Data(data));
                }
                Chunks::DataEnd => {
                    match bytes.get(..2) {
                        Some(b"\r\n") => bytes.advance(2),
                        Some(_) => return Err(Invalid::Chunk),
                        None => return Ok(Piece::More),
                    }
                    *self = Chunks::Size;
                }
                Chunks::Trailers => {
                    let mut storage = [httparse::EMPTY_HEADER; 32];
                    let (length, trailers) = match httparse::parse_headers(bytes, &mut storage) {
                        Ok(httparse::Status::Complete((length, []))) => (length, None),
                        Ok(httparse::Status::Complete((length, fields))) => {
                            let mut trailers = HeaderMap::new();
                            for field in fields {
                                let name = HeaderName::from_bytes(field.name.as_bytes());
                                let value = HeaderValue::from_bytes(field.value);
                                let (Ok(name), Ok(value)) = (name, value) else {
                                    return Err(Invalid::Chunk);
                                };
                                trailers.append(name, value);
                            }
                            (length, Some(trailers))
                        }
                        Ok(httparse::Status::Partial) if bytes.len() <= LARGEST_TRAILERS => {
                            return Ok(Piece::More);
                        }
                        _ => return Err(Invalid::Chunk),
                    };
                    bytes.advance(length);
                    *self = Chunks::Done;
                    if let Some(trailers) = trailers {
                        return Ok(Piece::Trailers(trailers));
                    }
                }
                Chunks::Done => return Ok(Piece::End),
            }
        }
    }

    pub(crate) fn is_done(self) -> bool {
        self == Chunks::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the text in pieces of `step` bytes and shows what came out.
    fn decode(text: &str, step: usize) -> Result<(String, Option<HeaderMap>, bool), Invalid> {
        let (mut chunks, mut buffer) = (Chunks::default(), BytesMut::new());
        let (mut out, mut trailers) = (String::new(), None);
        for piece in text.as_bytes().chunks(step) {
            buffer.extend_from_slice(piece);
            loop {
                match chunks.take(&mut buffer)? {
                    Piece::Data(data) => out.push_str(std::str::from_utf8(&data).unwrap()),
                    Piece::Trailers(map) => trailers = Some(map),
                    Piece::More | Piece::End => break,
                }
            }
        }
        Ok((out, trailers, chunks.is_done()))
    }

    #[test]
    fn however_it_is_cut_the_same_comes_out() {
        let text = "5\r\nhello\r\n7;ext=\"a\"\r\n, world\r\n0\r\nx-sum: 12\r\n\r\n";
        for step in 1..text.len() {
            let (out, trailers, done) = decode(text, step).unwrap();
            assert_eq!(out, "hello, world");
            assert_eq!(trailers.unwrap()["x-sum"], "12");
            assert!(done);
        }
    }

    #[test]
    fn what_is_not_well_formed_is_refused_and_what_is_cut_short_is_not_done() {
        for bad in [
            "x\r\n",
            "5\r\nhelloX\r\n",
            "fffffffffffffffff\r\n",
            "-1\r\n",
            "0\r\n\0: a\r\n\r\n",
        ] {
            assert_eq!(decode(bad, 1).unwrap_err(), Invalid::Chunk, "{bad}");
        }
        assert!(!decode("5\r\nhel", 3).unwrap().2);
        let endless = format!("5;{}", "x".repeat(10_000));
        assert_eq!(decode(&endless, 100).unwrap_err(), Invalid::Chunk);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            let mut chunks = Chunks::default();
            while let Ok(Piece::Data(_) | Piece::Trailers(_)) = chunks.take(&mut buffer) {}
        }
    }
}
