//! The API over HTTP, and the console's files.
//!
//! Handlers parse, check the permission that is declared beside them, call a verb of `control` or read from `store` and
//! `node`, and answer with wire types of `pluvio-api`. They decide nothing and hold no SQL. The OpenAPI document is made
//! from them ([`openapi`]) and committed as `crates/api/openapi.json`.
//!
//! Start with [`router`], then [`access`] (who is it, may they), then `handlers`.

pub mod access;
mod assets;
pub mod doctor;
mod handlers;
mod listen;
mod refusal;
mod samples;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, header};
use axum::routing::get;
use pluvio_control::Control;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

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
}

/// Shared by all handlers.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) control: Control,
    pub(crate) config: Arc<Config>,
    pub(crate) attempts: access::Attempts,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Pluvio", description = "Deploy and operate applications. Errors are problem documents (RFC 9457) with a stable code; `pluvio explain CODE` tells more."),
    components(schemas(pluvio_model::problem::Problem, pluvio_model::event::Event, pluvio_api::applications::LogEntry, pluvio_api::applications::OperationLogEntry)),
    modifiers(&Security),
)]
struct Document;

struct Security;

impl utoipa::Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{
            ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
        };
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(
            "bearer",
            SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
        );
        components.add_security_scheme(
            "session",
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(access::COOKIE))),
        );
        document.security = Some(vec![
            SecurityRequirement::new::<_, _, String>("bearer", []),
            SecurityRequirement::new::<_, _, String>("session", []),
        ]);
    }
}

fn api() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi()).nest("/api/v1", handlers::routes())
}

/// The OpenAPI 3.1 document of the API, pretty-printed.
pub fn openapi() -> String {
    let (_, document) = api().split_for_parts();
    let mut text = document.to_pretty_json().expect("the document serialises");
    text.push('\n');
    text
}

/// Everything that is served on the console's port and on the control socket.
pub fn router(control: Control, config: Config) -> Router {
    let app = App {
        control,
        config: Arc::new(config),
        attempts: access::Attempts::default(),
    };
    let (router, document) = api().split_for_parts();
    let document = document.to_json().expect("the document serialises");
    let policy = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
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
        .with_state(app)
}

/// What is served on the operations listener: health, readiness, metrics. No sign-in: it listens on loopback.
pub fn operations_router(control: Control) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(handlers::health::ready))
        .route("/metrics", get(handlers::health::metrics))
        .with_state(control)
}
