//! One file for each group of the API. Each handler names the permission it needs in `x-permission` beside its path; a test
//! walks the document and tries every operation as nobody, as a stranger and as a reader.

mod applications;
mod changes;
mod credentials;
pub(crate) mod health;
mod live;
mod operations;
mod plans;
mod platform;
mod releases;
mod sessions;
mod streams;

use axum::http::HeaderMap;
use axum::response::IntoResponse;
use pluvio_control::Asker;
use pluvio_model::problem;
use pluvio_store::{Idempotency, PageRequest};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;

use crate::App;
use crate::access::Caller;
use crate::refusal::Refusal;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(sessions::routes())
        .merge(platform::routes())
        .merge(credentials::routes())
        .nest(
            "/teams/{team}/environments/{environment}",
            applications::routes()
                .merge(changes::routes())
                .merge(releases::routes())
                .merge(plans::routes())
                .merge(live::routes())
                .merge(streams::environment_routes())
                .merge(operations::environment_routes()),
        )
        .merge(plans::upload_routes())
        .merge(operations::routes())
        .merge(streams::operation_routes())
}

pub(crate) async fn unknown() -> impl IntoResponse {
    crate::refusal::not_found("path in the API")
}

pub(crate) async fn wrong_method() -> impl IntoResponse {
    Refusal(problem::METHOD.problem(
        "This path does not take that method.",
        "Compare it with /api/v1/openapi.json.",
    ))
}

/// `?limit=&after=`
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// Rows of one page, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

impl Paging {
    pub(crate) fn request(self) -> Result<PageRequest, Refusal> {
        let limit = self.limit.unwrap_or(50);
        if !(1..=200).contains(&limit) {
            return Err(Refusal(problem::REQUEST_INVALID.problem(
                format!("limit={limit} is not between 1 and 200."),
                "Ask for fewer rows and follow `next`.",
            )));
        }
        Ok(PageRequest {
            limit,
            after: self.after,
        })
    }
}

/// Who asks, with `Idempotency-Key` and `If-Match`.
pub(crate) fn asker(
    caller: &Caller,
    headers: &HeaderMap,
    fingerprint: &str,
) -> Result<Asker, Refusal> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let if_revision = match text("if-match") {
        None | Some("*") => None,
        Some(tag) => Some(tag.trim_matches('"').parse().map_err(|_| {
            Refusal(problem::PRECONDITION.problem(
                format!("If-Match {tag} is not a revision of this application."),
                "Send the ETag that the last reading answered with.",
            ))
        })?),
    };
    let idempotency = text("idempotency-key").map(|key| Idempotency {
        key: key.chars().take(200).collect(),
        fingerprint: fingerprint.to_owned(),
    });
    Ok(Asker {
        actor: caller.actor(),
        idempotency,
        if_revision,
    })
}

/// A short hash of a request, by which the same idempotency key for another request is told.
pub(crate) fn fingerprint(parts: &[&str]) -> String {
    use sha2::Digest;
    let mut hash = sha2::Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hex::encode(&hash.finalize()[..16])
}

pub(crate) fn page<T>(items: Vec<T>) -> pluvio_api::applications::Page<T> {
    pluvio_api::applications::Page { items, next: None }
}

pub(crate) fn paged<T>(page: pluvio_store::Page<T>) -> pluvio_api::applications::Page<T> {
    pluvio_api::applications::Page {
        items: page.items,
        next: page.next,
    }
}
