//! What is checked of every request before any handler: the host it names, and the page it comes from.
//!
//! A page of another site can make a browser send requests here, and by rebinding its own DNS name it can make them look
//! like requests of its own site. So a name that is not ours is refused (addresses are not names, and cannot be rebound),
//! and so is a change or a WebSocket that a page of another origin asks for. Programs that are no browser send no `Origin`.

use axum::extract::{ConnectInfo, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use pluvio_model::problem::{self, Problem};

use crate::App;
use crate::listen::Peer;
use crate::refusal::Refusal;

pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let socket = matches!(
        request.extensions().get(),
        Some(ConnectInfo(Peer::Socket { .. }))
    );
    let host = host_of(&request);
    if let Some(host) = &host
        && !socket
        && !is_ours(
            host,
            &[
                public_host(&app.config.public_url),
                &app.control.config().domain,
            ],
        )
    {
        return wrong_host(host).into_response();
    }
    let upgrade = request.headers().contains_key(header::UPGRADE);
    let changes = !matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if (changes || upgrade)
        && !same_origin(request.headers(), host.as_ref(), &app.config.public_url)
    {
        return Refusal(problem::PERMISSION_DENIED.problem(
            "The request comes from a page of another site.",
            "Open the console itself.",
        ))
        .into_response();
    }
    let api = request.uri().path().starts_with("/api/");
    let mut response = next.run(request).await;
    if api && !response.headers().contains_key(header::CACHE_CONTROL) {
        // What an answer shows belongs to who asked; no cache between may keep it.
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// The same for the operations listener, which has no sign-in and is for this machine alone.
pub(crate) async fn guard_operations(request: Request, next: Next) -> Response {
    match host_of(&request) {
        Some(host) if !is_ours(&host, &[]) => wrong_host(&host).into_response(),
        _ => next.run(request).await,
    }
}

fn wrong_host(host: &Authority) -> Refusal {
    Refusal(Problem {
        status: 421,
        ..problem::REQUEST_INVALID.problem(
            format!("{} is not a name of this server.", host.host()),
            "Use localhost, an address, or the domain that `pluvio up --domain` was given.",
        )
    })
}

/// Of the request line in HTTP/2, of the header in HTTP/1.
fn host_of(request: &Request) -> Option<Authority> {
    let of_line = request.uri().authority().cloned();
    of_line.or_else(|| text(request.headers(), header::HOST)?.parse().ok())
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

pub(crate) fn public_host(url: &str) -> &str {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host)
}

/// `localhost`, any address, and these domains. What lies below them is for applications: a console that answered there too
/// would have its cookie sent to the application of that name, as cookies know hosts and no ports.
fn is_ours(host: &Authority, domains: &[&str]) -> bool {
    let name = host.host().trim_end_matches('.').to_ascii_lowercase();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    if name == "localhost" || address.parse::<std::net::IpAddr>().is_ok() {
        return true;
    }
    domains
        .iter()
        .any(|domain| name.eq_ignore_ascii_case(domain))
}

fn same_origin(headers: &HeaderMap, host: Option<&Authority>, public_url: &str) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    if origin.eq_ignore_ascii_case(public_url) {
        return true;
    }
    let of_page = origin.split_once("://").map(|(_, authority)| authority);
    host.is_some_and(|host| of_page.is_some_and(|page| page.eq_ignore_ascii_case(host.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_refused() {
        let ours = |host: &str| is_ours(&host.parse().unwrap(), &["localhost", "apps.example.org"]);
        for host in [
            "localhost",
            "LOCALHOST:7080",
            "localhost.",
            "127.0.0.1:7080",
            "[::1]:7080",
            "192.0.2.7",
            "apps.example.org:7080",
        ] {
            assert!(ours(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "evilapps.example.org",
            "shop.apps.example.org",
            "shop.localhost:7080",
            "example.org",
            "127.0.0.1.evil.example",
        ] {
            assert!(!ours(host), "{host}");
        }
    }

    #[test]
    fn pages_of_others_are_refused() {
        let same = |origin: Option<&str>, host: &str| {
            let mut headers = HeaderMap::new();
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            same_origin(
                &headers,
                host.parse().ok().as_ref(),
                "https://console.example.org",
            )
        };
        assert!(same(None, "localhost:7080"));
        assert!(same(Some("http://localhost:7080"), "localhost:7080"));
        assert!(
            same(Some("https://console.example.org"), "10.0.0.1:7080"),
            "behind a proxy"
        );
        for origin in [
            "http://shop.localhost:8080",
            "http://localhost:8080",
            "http://localhost",
            "null",
            "http://evil.example",
        ] {
            assert!(!same(Some(origin), "localhost:7080"), "{origin}");
        }
    }
}
