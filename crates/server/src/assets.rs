//! The console: files that the build put into `console/dist`, embedded in the binary.
//!
//! Where the build wrote `NAME.gz` beside `NAME`, clients that take gzip get that: nothing is compressed while it is asked
//! for. Names under `assets/` hold a hash of their content and never change; everything else is asked for again each time,
//! and answered 304 while it is the same.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "../../console/dist"]
#[exclude = "*.map"]
#[allow_missing = true]
struct Console;

/// A file by its path; everything that is no file is a page of the console, which routes itself.
pub(crate) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return crate::handlers::wrong_method().await.into_response();
    }
    let path = uri.path().trim_start_matches('/');
    let name = match Console::get(path) {
        Some(_) if !path.is_empty() => path,
        _ if path.starts_with("assets/") => {
            return (StatusCode::NOT_FOUND, "There is no such file.\n").into_response();
        }
        _ => "index.html",
    };
    let Some(plain) = Console::get(name) else {
        let text =
            "The console was not built into this binary; the API and the command line work.\n";
        return (StatusCode::NOT_FOUND, text).into_response();
    };
    let zipped = takes_gzip(&headers)
        .then(|| Console::get(&format!("{name}.gz")))
        .flatten();
    let tag = tag(zipped.as_ref().unwrap_or(&plain));
    let cache = match name.starts_with("assets/") {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    let known = has_tag(&headers, &tag);
    let encoding = zipped.is_some().then(|| HeaderValue::from_static("gzip"));
    let mut response = match known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Response::new(Body::from(zipped.unwrap_or(plain).data.into_owned())),
    };
    let out = response.headers_mut();
    if !known {
        out.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind(name)));
        encoding.map(|encoding| out.insert(header::CONTENT_ENCODING, encoding));
    }
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    out.insert(
        header::ETAG,
        HeaderValue::from_str(&tag).expect("hexadecimal"),
    );
    response
}

fn tag(file: &EmbeddedFile) -> String {
    format!("\"{}\"", hex::encode(&file.metadata.sha256_hash()[..12]))
}

fn has_tag(headers: &HeaderMap, tag: &str) -> bool {
    let sent = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|v| v.to_str().ok());
    let mut sent = sent.unwrap_or_default().split(',').map(str::trim);
    sent.any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

/// `gzip` or `*`, unless its weight is nought.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| {
        let (name, weight) = one.split_once(';').unwrap_or((one, ""));
        let weight = weight.trim().strip_prefix("q=").map(str::parse::<f32>);
        matches!(name.trim(), "gzip" | "*") && weight.is_none_or(|w| w.is_ok_and(|w| w > 0.0))
    })
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "json" | "webmanifest" => "application/json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(path: &'static str, more: &[(header::HeaderName, &str)]) -> Response {
        let mut headers = HeaderMap::new();
        for (name, value) in more {
            headers.insert(name, value.parse().unwrap());
        }
        serve(Method::GET, Uri::from_static(path), headers).await
    }

    #[test]
    fn who_takes_gzip_gets_it() {
        let takes = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, value.parse().unwrap());
            takes_gzip(&headers)
        };
        assert!(takes("gzip, deflate, br") && takes("br;q=1, gzip;q=0.5") && takes("*"));
        assert!(!takes("br") && !takes("gzip;q=0") && !takes("identity"));
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    /// Runs on what was built, if the console was; a clone without it has nothing to serve.
    #[tokio::test]
    async fn pages_are_asked_for_again_and_not_sent_again() {
        let page = get("/teams/anything", &[]).await;
        if page.status() == StatusCode::NOT_FOUND {
            return;
        }
        assert_eq!(
            page.headers()[header::CONTENT_TYPE],
            "text/html; charset=utf-8"
        );
        assert_eq!(page.headers()[header::CACHE_CONTROL], "no-cache");
        let zipped = get("/", &[(header::ACCEPT_ENCODING, "gzip, br")]).await;
        assert_eq!(zipped.headers()[header::CONTENT_ENCODING], "gzip");
        assert_ne!(zipped.headers()[header::ETAG], page.headers()[header::ETAG]);
        let tag = page.headers()[header::ETAG].to_str().unwrap().to_owned();
        let again = get("/", &[(header::IF_NONE_MATCH, &tag)]).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let other = get("/", &[(header::IF_NONE_MATCH, "\"other\"")]).await;
        assert_eq!(other.status(), StatusCode::OK);
        let none = get("/assets/..%2f..%2fCargo.toml", &[]).await;
        assert_eq!(none.status(), StatusCode::NOT_FOUND);
    }
}
