//! Whether a client at an inner address of HTTP speaks it.
//!
//! What a port speaks is often only guessed: files that say which ports a program opens say nothing more. Something else than
//! HTTP passes as bytes, which is what it would do between two containers.

use std::time::Duration;

use tokio::net::TcpStream;

use crate::{inner, table::CompiledRoute, upstream::Lease};

/// A client that is silent for so long may wait for a greeting: an instance that speaks first speaks no HTTP.
const SILENCE: Duration = Duration::from_millis(500);
/// How long an instance may take to greet.
const GREETING: Duration = Duration::from_secs(5);
/// Between two looks at a beginning that does not tell yet.
const AGAIN: Duration = Duration::from_millis(5);
/// After as many looks it is served as HTTP, which limits how long a request may take to come.
const LOOKS: u32 = 200;
/// How much of a connection is looked at. Methods are shorter.
const HEAD: usize = 64;

/// A connection to a ready instance, where there is one already.
pub(crate) type Reached = Option<(Lease, TcpStream)>;

/// What a connection turned out to be.
pub(crate) enum Speech {
    Http,
    /// Bytes, and the instance that was reached to find out.
    Bytes(Reached),
}

/// Waits for what tells it. Nothing is taken from the stream.
pub(crate) async fn of(stream: &TcpStream, edge: &CompiledRoute) -> Speech {
    let greeted = async {
        tokio::time::sleep(SILENCE).await;
        let Some(choice) = edge.choose() else {
            return std::future::pending().await;
        };
        let Some((lease, instance)) = inner::reach(&choice.backend).await else {
            return std::future::pending().await;
        };
        match tokio::time::timeout(GREETING, instance.peek(&mut [0])).await {
            Ok(Ok(1..)) => return (lease, instance),
            // It waits for its client, as HTTP does: it is let go, or it could not leave while nothing is said.
            _ => drop((lease, instance)),
        }
        std::future::pending().await
    };
    tokio::select! {
        is_http = begins(stream) => match is_http {
            true => Speech::Http,
            false => Speech::Bytes(None),
        },
        reached = greeted => Speech::Bytes(Some(reached)),
    }
}

/// Whether what the client says first is HTTP/1. The end of the connection is left to whoever serves it.
async fn begins(stream: &TcpStream) -> bool {
    let mut head = [0; HEAD];
    let (mut seen, mut looks) = (0, 0);
    loop {
        match stream.peek(&mut head).await {
            Ok(length) if length > seen => seen = length,
            Ok(1..) if looks < LOOKS => {
                looks += 1;
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            _ => return true,
        }
        if let Some(is_http) = is_http(&head[..seen]) {
            return is_http;
        }
    }
}

/// A method, a space, and what begins a request's target; `None` where more is needed to tell. HTTP/2 with prior knowledge is
/// none: its instances speak it too. (Source: RFC 9112, 3; RFC 9113, 3.4.)
fn is_http(head: &[u8]) -> Option<bool> {
    // An empty line before a request is allowed (RFC 9112, 2.2).
    let start = head.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    let head = &head[start.count()..];
    let method = head
        .iter()
        .take_while(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_'))
        .count();
    match &head[method..] {
        [] if method < HEAD / 2 => None,
        [b' '] => None,
        _ if head.starts_with(b"PRI * HTTP/2") => Some(false),
        [b' ', b'*'] => None,
        [b' ', b'/' | b'*', ..] => Some(method > 0),
        // An absolute target, or an authority.
        [b' ', b'h' | b'H', ..]
            if matches!(&head[..method], b"GET" | b"POST" | b"HEAD" | b"PUT") =>
        {
            Some(true)
        }
        [b' ', ..] => Some(head.starts_with(b"CONNECT")),
        _ => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_from_other_words() {
        for (head, want) in [
            (&b"GET / HTTP/1.1\r\n"[..], Some(true)),
            (b"\r\nPOST /a", Some(true)),
            (b"OPTIONS * HTTP/1.1", Some(true)),
            (b"VERSION-CONTROL /a", Some(true)),
            (b"GET http://a/ HTTP/1.1", Some(true)),
            (b"CONNECT a:443 HTTP/1.1", Some(true)),
            (b"GE", None),
            (b"GET ", None),
            (b"PRI *", None),
            (b"PRI * HTTP/2.0\r\n", Some(false)),
            // Kafka, TLS, Redis, PostgreSQL, AMQP, MQTT, SSH, SMTP, STOMP.
            (b"\0\0\0\x24\0\x12", Some(false)),
            (b"\x16\x03\x01\x02", Some(false)),
            (b"*1\r\n$4\r\nPING\r\n", Some(false)),
            (b"\0\0\0\x08\x04\xd2\x16\x2f", Some(false)),
            (b"AMQP\0\0\x09\x01", Some(false)),
            (b"\x10\x1a\0\x04MQTT", Some(false)),
            (b"SSH-2.0-OpenSSH_9.2", Some(false)),
            (b"EHLO host", Some(false)),
            (b"CONNECT\n", Some(false)),
            (b"PING\r\n", Some(false)),
        ] {
            assert_eq!(is_http(head), want, "{}", String::from_utf8_lossy(head));
        }
    }
}
