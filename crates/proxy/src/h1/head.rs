//! The head of a request as it is sent to an instance.

use std::net::IpAddr;

use bytes::{BufMut, BytesMut};
use http::{HeaderMap, HeaderName, Method, header, request::Parts};

/// How the end of a request's body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// No body, and none announced.
    None,
    Length(u64),
    Chunked,
}

/// What the instance is told about the client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Forwarded<'a> {
    pub(crate) client: IpAddr,
    /// The client is a proxy of ours: what it says about its own clients is passed on and added to. What anybody else says is
    /// dropped, since applications rely on it.
    pub(crate) trusted: bool,
    /// The client is a component of the same application: its request is passed on as it is, and nothing is added.
    pub(crate) inner: bool,
    pub(crate) scheme: &'static str,
    /// As the client named it, with the port if it gave one.
    pub(crate) host: &'a str,
}

/// True for headers that concern one connection only, or that the gateway writes itself.
pub(crate) fn is_dropped(name: &HeaderName, forwarded: &Forwarded<'_>) -> bool {
    match name.as_str() {
        "connection" | "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade"
        | "te" | "http2-settings" | "host" | "content-length" | "expect" => true,
        "x-forwarded-for" | "x-forwarded-proto" | "x-forwarded-host" => !forwarded.inner,
        "forwarded" | "x-real-ip" | "x-forwarded-port" | "x-forwarded-prefix" => {
            !(forwarded.trusted || forwarded.inner)
        }
        _ => false,
    }
}

/// Appends the request's head to `out`.
///
/// `upgrade` is the protocol that the client asks to change to, if it does.
pub(crate) fn write_head(
    out: &mut BytesMut,
    parts: &Parts,
    framing: Framing,
    forwarded: &Forwarded<'_>,
    upgrade: Option<&[u8]>,
) {
    out.put_slice(parts.method.as_str().as_bytes());
    out.put_u8(b' ');
    match parts.uri.path_and_query() {
        Some(target) => out.put_slice(target.as_str().as_bytes()),
        None => out.put_u8(b'/'),
    }
    out.put_slice(b" HTTP/1.1\r\nhost: ");
    out.put_slice(forwarded.host.as_bytes());
    out.put_slice(b"\r\n");

    let named = connection_options(&parts.headers);
    let mut cookies = false;
    for (name, value) in &parts.headers {
        if is_dropped(name, forwarded) || named.as_ref().is_some_and(|n| n.contains(name)) {
            continue;
        }
        // HTTP/2 may split cookies into several fields; HTTP/1.1 servers expect one (RFC 9113, 8.2.3).
        if *name == header::COOKIE {
            if cookies {
                continue;
            }
            cookies = true;
            out.put_slice(b"cookie: ");
            for (nth, value) in parts.headers.get_all(header::COOKIE).iter().enumerate() {
                if nth > 0 {
                    out.put_slice(b"; ");
                }
                out.put_slice(value.as_bytes());
            }
            out.put_slice(b"\r\n");
            continue;
        }
        put_field(out, name.as_str(), value.as_bytes());
    }
    if let Some(te) = parts.headers.get(header::TE)
        && te
            .as_bytes()
            .split(|b| *b == b',')
            .any(|t| t.trim_ascii().eq_ignore_ascii_case(b"trailers"))
    {
        out.put_slice(b"te: trailers\r\nconnection: te\r\n");
    }
    if !forwarded.inner {
        put_forwarded(out, &parts.headers, forwarded);
    }
    match framing {
        Framing::None => {
            // A method that usually has a body announces that it has none (RFC 9110, 8.6).
            if parts.method == Method::POST
                || parts.method == Method::PUT
                || parts.method == Method::PATCH
            {
                out.put_slice(b"content-length: 0\r\n");
            }
        }
        Framing::Length(length) => {
            out.put_slice(b"content-length: ");
            put_decimal(out, length);
            out.put_slice(b"\r\n");
        }
        Framing::Chunked => out.put_slice(b"transfer-encoding: chunked\r\n"),
    }
    if let Some(protocol) = upgrade {
        out.put_slice(b"connection: upgrade\r\n");
        put_field(out, "upgrade", protocol);
    }
    out.put_slice(b"\r\n");
}

fn put_field(out: &mut BytesMut, name: &str, value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.put_slice(name.as_bytes());
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

fn put_forwarded(out: &mut BytesMut, headers: &HeaderMap, forwarded: &Forwarded<'_>) {
    let said = |name: &str| headers.get(name).filter(|_| forwarded.trusted);
    out.put_slice(b"x-forwarded-for: ");
    if forwarded.trusted {
        for value in headers.get_all("x-forwarded-for") {
            out.put_slice(value.as_bytes());
            out.put_slice(b", ");
        }
    }
    put_address(out, forwarded.client);
    out.put_slice(b"\r\nx-forwarded-proto: ");
    match said("x-forwarded-proto") {
        Some(value) => out.put_slice(value.as_bytes()),
        None => out.put_slice(forwarded.scheme.as_bytes()),
    }
    out.put_slice(b"\r\nx-forwarded-host: ");
    match said("x-forwarded-host") {
        Some(value) => out.put_slice(value.as_bytes()),
        None => out.put_slice(forwarded.host.as_bytes()),
    }
    out.put_slice(b"\r\n");
}

/// Writes an address without the formatting machinery: it is done for each request.
pub(crate) fn put_address(out: &mut BytesMut, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => {
            for (nth, octet) in v4.octets().into_iter().enumerate() {
                if nth > 0 {
                    out.put_u8(b'.');
                }
                put_decimal(out, u64::from(octet));
            }
        }
        IpAddr::V6(v6) => out.put_slice(v6.to_string().as_bytes()),
    }
}

pub(crate) fn put_decimal(out: &mut BytesMut, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.put_slice(&digits[at..]);
}

/// The further headers that the `Connection` header makes hop-by-hop. None in the usual case, without allocation.
pub(crate) fn connection_options(headers: &HeaderMap) -> Option<Vec<HeaderName>> {
    let mut named = None;
    for value in headers.get_all(header::CONNECTION) {
        for option in value.as_bytes().split(|b| *b == b',') {
            let option = option.trim_ascii();
            if ["keep-alive", "close", "upgrade", "te"]
                .iter()
                .any(|known| option.eq_ignore_ascii_case(known.as_bytes()))
            {
                continue;
            }
            if let Ok(name) = HeaderName::from_bytes(option) {
                named.get_or_insert_with(Vec::new).push(name);
            }
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn check(
        request: http::request::Builder,
        trusted: bool,
        framing: Framing,
        upgrade: Option<&[u8]>,
        want: &str,
    ) {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let mut out = BytesMut::new();
        let forwarded = Forwarded {
            client: "203.0.113.9".parse().unwrap(),
            trusted,
            inner: false,
            scheme: "http",
            host: "shop.test:8080",
        };
        write_head(&mut out, &parts, framing, &forwarded, upgrade);
        let text = String::from_utf8(out.to_vec()).unwrap();
        let lines: Vec<&str> = text.trim_end().split("\r\n").collect();
        let wanted: Vec<&str> = want.split('|').collect();
        assert_eq!(lines, wanted);
        assert!(text.ends_with("\r\n\r\n"));
    }

    const FORWARDED: &str =
        "x-forwarded-for: 203.0.113.9|x-forwarded-proto: http|x-forwarded-host: shop.test:8080";

    #[test]
    fn hop_by_hop_headers_and_what_strangers_say_about_clients_are_left_out() {
        check(
            Request::get("/a?b=c")
                .header("host", "other")
                .header("accept", "*/*")
                .header("connection", "keep-alive, x-secret")
                .header("x-secret", "1")
                .header("keep-alive", "5")
                .header("te", "gzip")
                .header("x-forwarded-for", "6.6.6.6")
                .header("forwarded", "for=6.6.6.6")
                .header("x-real-ip", "6.6.6.6"),
            false,
            Framing::None,
            None,
            &format!("GET /a?b=c HTTP/1.1|host: shop.test:8080|accept: */*|{FORWARDED}"),
        );
    }

    #[test]
    fn a_trusted_proxy_is_believed_and_added_to() {
        check(
            Request::get("/")
                .header("x-forwarded-for", "198.51.100.1")
                .header("x-forwarded-proto", "https"),
            true,
            Framing::None,
            None,
            "GET / HTTP/1.1|host: shop.test:8080|x-forwarded-for: 198.51.100.1, 203.0.113.9|\
             x-forwarded-proto: https|x-forwarded-host: shop.test:8080",
        );
    }

    #[test]
    fn bodies_are_announced_as_they_are() {
        check(
            Request::post("/"),
            false,
            Framing::None,
            None,
            &format!("POST / HTTP/1.1|host: shop.test:8080|{FORWARDED}|content-length: 0"),
        );
        check(
            Request::post("/").header("content-length", "999"),
            false,
            Framing::Length(1204),
            None,
            &format!("POST / HTTP/1.1|host: shop.test:8080|{FORWARDED}|content-length: 1204"),
        );
        check(
            Request::put("/").header("te", "trailers"),
            false,
            Framing::Chunked,
            None,
            &format!(
                "PUT / HTTP/1.1|host: shop.test:8080|te: trailers|connection: te|{FORWARDED}|\
                 transfer-encoding: chunked"
            ),
        );
    }

    #[test]
    fn split_cookies_are_joined_and_upgrades_asked_for() {
        check(
            Request::get("/ws")
                .header("cookie", "a=1")
                .header("cookie", "b=2")
                .header("connection", "Upgrade")
                .header("upgrade", "websocket"),
            false,
            Framing::None,
            Some(b"websocket"),
            &format!(
                "GET /ws HTTP/1.1|host: shop.test:8080|cookie: a=1; b=2|{FORWARDED}|\
                 connection: upgrade|upgrade: websocket"
            ),
        );
    }
}
