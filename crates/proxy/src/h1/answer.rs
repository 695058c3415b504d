//! The head of an answer, as an instance sends it.

use std::mem::MaybeUninit;

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// The largest head an instance may send. Offsets into it fit 16 bits.
const LARGEST_HEAD: usize = u16::MAX as usize;
const MOST_HEADERS: usize = 128;

/// How the end of an answer's body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyEnd {
    Length(u64),
    Chunked,
    Close,
}

/// A final answer's head (or 101), without what concerns the connection only.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: BodyEnd,
    /// The connection can take another request once this answer has ended.
    pub(crate) reusable: bool,
    /// What a 101 changes to.
    pub(crate) upgrade: Option<HeaderValue>,
}

/// Why bytes are no answer. The texts are for operators: clients learn only that the answer was invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Invalid {
    #[error("the head is not HTTP/1: {0}")]
    Syntax(httparse::Error),
    #[error("the head is larger than 64 KiB")]
    Large,
    #[error("the length of the body is told in two ways that differ")]
    Ambiguous,
    #[error("content-length is not a number")]
    Length,
    #[error("transfer-encoding is not `chunked`")]
    Encoding,
    #[error("a chunk is not well-formed")]
    Chunk,
}

/// Takes the head of a final answer from the front of `bytes`, skipping interim ones (100, 103). None if more is needed.
///
/// `head_only`: the request was HEAD, so that no body follows whatever the head says.
pub(crate) fn take(bytes: &mut BytesMut, head_only: bool) -> Result<Option<Answer>, Invalid> {
    loop {
        if bytes.is_empty() {
            return Ok(None);
        }
        match take_one(bytes, head_only)? {
            Some(answer)
                if answer.status.is_informational()
                    && answer.status != StatusCode::SWITCHING_PROTOCOLS => {}
            other => return Ok(other),
        }
    }
}

fn take_one(bytes: &mut BytesMut, head_only: bool) -> Result<Option<Answer>, Invalid> {
    let mut storage = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; MOST_HEADERS];
    let mut head = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut head, bytes, &mut storage)
        .map_err(Invalid::Syntax)?;
    let httparse::Status::Complete(length) = parsed else {
        return if bytes.len() > LARGEST_HEAD {
            Err(Invalid::Large)
        } else {
            Ok(None)
        };
    };
    let status = head
        .code
        .and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or(Invalid::Syntax(httparse::Error::Status))?;
    let mut reusable = head.version == Some(1);

    if length > LARGEST_HEAD {
        return Err(Invalid::Large);
    }

    // Where each field lies, so that values can share the buffer instead of being copied one by one.
    let base = bytes.as_ptr() as usize;
    let span = |part: &[u8]| match part {
        [] => (0, 0),
        _ => ((part.as_ptr() as usize - base) as u16, part.len() as u16),
    };
    let mut fields = [((0, 0), (0, 0)); MOST_HEADERS];
    let count = head.headers.len();
    for (field, header) in fields.iter_mut().zip(head.headers.iter()) {
        *field = (span(header.name.as_bytes()), span(header.value));
    }
    let head = bytes.split_to(length).freeze();

    let mut headers = HeaderMap::with_capacity(count);
    let mut content_length = None;
    let mut chunked = false;
    let mut upgrade = None;
    let mut options: Vec<HeaderName> = Vec::new();
    for (name, value) in &fields[..count] {
        let name = HeaderName::from_bytes(&head[range(*name)])
            .map_err(|_| Invalid::Syntax(httparse::Error::HeaderName))?;
        let value = range(*value);
        let bytes = &head[value.clone()];
        match name.as_str() {
            "content-length" => {
                let length = decimal(bytes).ok_or(Invalid::Length)?;
                if content_length.is_some_and(|known| known != length) {
                    return Err(Invalid::Ambiguous);
                }
                if content_length.replace(length).is_some() {
                    continue;
                }
            }
            "transfer-encoding" => {
                if chunked || !bytes.eq_ignore_ascii_case(b"chunked") {
                    return Err(Invalid::Encoding);
                }
                chunked = true;
                continue;
            }
            "connection" => {
                for option in bytes.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
                    if option.eq_ignore_ascii_case(b"close") {
                        reusable = false;
                    } else if option.eq_ignore_ascii_case(b"keep-alive") {
                        reusable = true;
                    } else if let Ok(name) = HeaderName::from_bytes(option) {
                        options.push(name);
                    }
                }
                continue;
            }
            "keep-alive" | "proxy-connection" => continue,
            "upgrade" => {
                upgrade = HeaderValue::from_bytes(bytes).ok();
                continue;
            }
            _ => {}
        }
        let value = HeaderValue::from_maybe_shared(head.slice(value))
            .map_err(|_| Invalid::Syntax(httparse::Error::HeaderValue))?;
        headers.append(name, value);
    }
    for option in options {
        headers.remove(option);
    }
    if chunked && content_length.is_some() {
        return Err(Invalid::Ambiguous);
    }

    let body = if head_only
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
    {
        BodyEnd::Length(0)
    } else if chunked {
        BodyEnd::Chunked
    } else if let Some(length) = content_length {
        BodyEnd::Length(length)
    } else {
        reusable = false;
        BodyEnd::Close
    };
    if status != StatusCode::SWITCHING_PROTOCOLS {
        upgrade = None;
    }
    Ok(Some(Answer {
        status,
        headers,
        body,
        reusable,
        upgrade,
    }))
}

fn range((start, length): (u16, u16)) -> std::ops::Range<usize> {
    let start = usize::from(start);
    start..start + usize::from(length)
}

/// Digits only: no sign, no blank, no overflow.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<Answer>, Invalid> {
        take(&mut BytesMut::from(text), false)
    }

    #[test]
    fn the_body_ends_where_the_head_says() {
        let check = |text: &str, body: BodyEnd, reusable: bool| {
            let answer = parse(text).unwrap().unwrap();
            assert_eq!((answer.body, answer.reusable), (body, reusable), "{text}");
        };
        let length = BodyEnd::Length;
        check(
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
            length(5),
            true,
        );
        check(
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\n",
            length(5),
            true,
        );
        check(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n",
            BodyEnd::Chunked,
            true,
        );
        check("HTTP/1.1 200 OK\r\n\r\n", BodyEnd::Close, false);
        check("HTTP/1.1 204 No\r\n\r\n", length(0), true);
        check(
            "HTTP/1.1 304 No\r\ncontent-length: 9\r\n\r\n",
            length(0),
            true,
        );
        check(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            length(0),
            false,
        );
        check(
            "HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
            length(0),
            false,
        );
        check(
            "HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 0\r\n\r\n",
            length(0),
            true,
        );
        check(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
            length(0),
            true,
        );
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let check = |text: &str, why: Invalid| assert_eq!(parse(text).unwrap_err(), why, "{text}");
        check(
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
            Invalid::Ambiguous,
        );
        check(
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
            Invalid::Ambiguous,
        );
        check(
            "HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\n",
            Invalid::Length,
        );
        check(
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
            Invalid::Length,
        );
        check(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
            Invalid::Encoding,
        );
        check(
            "SSH-2.0-OpenSSH_9.2\r\n",
            Invalid::Syntax(httparse::Error::Version),
        );
        let long = format!("HTTP/1.1 200 OK\r\na: {}", "x".repeat(70_000));
        check(&long, Invalid::Large);
    }

    #[test]
    fn headers_are_kept_but_for_those_of_the_connection() {
        let answer = parse(
            "HTTP/1.1 200 OK\r\nServer: x\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nEmpty:\r\n\
             Connection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n",
        )
        .unwrap()
        .unwrap();
        let mut shown: Vec<String> = answer
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        shown.sort();
        assert_eq!(
            shown,
            [
                "content-length: 0",
                "empty: ",
                "server: x",
                "set-cookie: a=1",
                "set-cookie: b=2"
            ]
        );
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_pieces_read_as_the_whole(
            bytes in proptest::collection::vec(
                proptest::prop_oneof![
                    proptest::strategy::Just(&b"HTTP/1.1 200 OK\r\n"[..]),
                    proptest::strategy::Just(&b"content-length: 3\r\n"[..]),
                    proptest::strategy::Just(&b"x: y\r\n"[..]),
                    proptest::strategy::Just(&b"\r\n"[..]),
                    proptest::strategy::Just(&b"\0"[..]),
                    proptest::strategy::Just(&b"HTTP/1.1 100 C\r\n\r\n"[..]),
                ],
                0..8,
            ),
            cut in 0usize..80,
        ) {
            let whole: Vec<u8> = bytes.concat();
            let at_once = take(&mut BytesMut::from(&whole[..]), false);
            let (first, rest) = whole.split_at(cut.min(whole.len()));
            let mut buffer = BytesMut::from(first);
            if let Ok(None) = take(&mut buffer, false) {
                buffer.extend_from_slice(rest);
                let in_pieces = take(&mut buffer, false);
                proptest::prop_assert_eq!(
                    in_pieces.map(|a| a.map(|a| (a.status, a.body))),
                    at_once.map(|a| a.map(|a| (a.status, a.body)))
                );
            }
        }
    }
}
