//! The API over HTTP, and the console's files.
//!
//! Handlers parse, check the permission that is declared beside them, call a verb of `control` or read from `store` and
//! `node`, and answer with wire types of `pluvio-api`. They decide nothing and hold no SQL. The OpenAPI document is made
//! from them ([`openapi`]) and committed as `crates/api/openapi.json`.
//!
//! Start with [`router`], then `guard` (what is checked of every request), [`access`] (who is it, may they), then `handlers`.

pub mod access;
mod assets;
mod attempts;
pub mod doctor;
mod document;
mod guard;
mod handlers;
mod listen;
mod outward;
mod passkeys;
mod refusal;
mod samples;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware;
use axum::routing::get;
use pluvio_control::Control;
use tower_http::set_header::SetResponseHeaderLayer;

pub use document::openapi;
pub use listen::{Listeners, Peer, serve};
pub use refusal::Refusal;

/// What the server is told once, at its start.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where people reach console and API: `http://localhost:7080`.
    pub public_url: String,
    /// The gateway's address for people: `http://*.localhost:8080`.
    pub gateway: String,
    /// The largest upload in bytes.
    pub upload_limit: u64,
    /// Whether files may be fetched from addresses of this machine and of private networks.
    pub fetch_private: bool,
}

/// Shared by all handlers.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) control: Control,
    pub(crate) config: Arc<Config>,
    pub(crate) attempts: attempts::Attempts,
    pub(crate) passkeys: Arc<passkeys::Passkeys>,
    pub(crate) looked: Arc<handlers::Looks>,
}

/// Everything that is served on the console's port and on the control socket.
pub fn router(control: Control, config: Config) -> Router {
    let passkeys = Arc::new(passkeys::Passkeys::at(&config.public_url));
    let app = App {
        control,
        passkeys,
        config: Arc::new(config),
        attempts: attempts::Attempts::default(),
        looked: Arc::default(),
    };
    let (router, document) = document::parts();
    let document = document.to_json().expect("the document serialises");
    let policy = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; connect-src 'self'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
    let header = |name: &'static str, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    };
    router
        .route(
            "/api/v1/openapi.json",
            get(move || async move { ([(header::CONTENT_TYPE, "application/json")], document) }),
        )
        .route("/api/{*rest}", axum::routing::any(handlers::unknown))
        .fallback(assets::serve)
        .method_not_allowed_fallback(handlers::wrong_method)
        .layer(DefaultBodyLimit::max(4 << 20))
        .layer(header("content-security-policy", policy))
        .layer(header("x-content-type-options", "nosniff"))
        .layer(header("referrer-policy", "same-origin"))
        .layer(header("cross-origin-opener-policy", "same-origin"))
        .layer(header("cross-origin-resource-policy", "same-origin"))
        .layer(middleware::from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
}

/// What is served on the operations listener: health, readiness, metrics. No sign-in: it listens on loopback.
pub fn operations_router(control: Control) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(handlers::health::ready))
        .route("/metrics", get(handlers::health::metrics))
        .layer(middleware::from_fn(guard::guard_operations))
        .with_state(control)
}
