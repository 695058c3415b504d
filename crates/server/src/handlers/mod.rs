//! One file for each group of the API. Each handler names the permission it needs in `x-permission` beside its path; a test
//! walks the document and tries every operation as nobody, as a stranger and as a reader.

mod applications;
mod audit;
mod backups;
mod changes;
mod clusters;
mod copies;
mod credentials;
mod database_users;
mod databases;
mod editing;
mod environments;
mod events;
mod files;
pub(crate) mod health;
mod images;
mod live;
mod now;
mod objects;
mod operate;
mod operations;
mod passkeys;
mod plans;
mod platform;
mod releases;
mod runs;
mod secrets;
mod sessions;
mod sources;
mod streams;
mod team_topology;
mod topology;
mod volumes;
mod workloads;

use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
pub(crate) use now::Looks;
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
        .merge(passkeys::routes())
        .merge(platform::routes())
        .merge(clusters::routes())
        .merge(objects::routes())
        .merge(credentials::routes())
        .merge(images::routes())
        .merge(audit::routes())
        .merge(environments::routes())
        .merge(team_topology::routes())
        .merge(workloads::routes())
        .nest(
            "/teams/{team}/environments/{environment}",
            applications::routes()
                .merge(changes::routes())
                .merge(editing::routes())
                .merge(topology::routes())
                .merge(operate::routes())
                .merge(copies::routes())
                .merge(secrets::routes())
                .merge(volumes::routes())
                .merge(files::routes())
                .merge(releases::routes())
                .merge(events::routes())
                .merge(runs::routes())
                .merge(databases::routes())
                .merge(backups::routes())
                .merge(database_users::routes())
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

/// `?confirm=`
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Confirm {
    /// The name of what is deleted, to be sure.
    confirm: String,
}

impl Confirm {
    pub(crate) fn is(&self, name: &str) -> Result<(), Refusal> {
        if self.confirm == name {
            return Ok(());
        }
        Err(Refusal(problem::REFUSED.problem(
            format!("`confirm` says {:?}, the name is {name:?}.", self.confirm),
            "Repeat the name of what is to be deleted.",
        )))
    }
}

/// Who asks, with `If-Match` and `Idempotency-Key`. `request` is all that tells this request from another: the same key for
/// another request is a conflict (409), another revision than `If-Match` names a failed precondition (412).
pub(crate) fn asker(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    request: &[&str],
) -> Result<Asker, Refusal> {
    let if_revision = match headers.get(header::IF_MATCH) {
        None => None,
        Some(tag) => match tag.to_str() {
            Ok("*") => None,
            tag => Some(tag.ok().and_then(revision).ok_or_else(|| {
                Refusal(problem::PRECONDITION.problem(
                    "If-Match does not name a revision of this application.",
                    "Send the ETag that the last reading answered with.",
                ))
            })?),
        },
    };
    let idempotency = match headers.get("idempotency-key") {
        None => None,
        Some(key) => {
            let key = key
                .to_str()
                .ok()
                .filter(|key| (1..=200).contains(&key.len()));
            let key = key.ok_or_else(|| {
                Refusal(problem::REQUEST_INVALID.problem(
                    "Idempotency-Key has 1 to 200 printable ASCII characters.",
                    "Send a UUID.",
                ))
            })?;
            Some(Idempotency {
                key: key.to_owned(),
                fingerprint: fingerprint(app, request),
            })
        }
    };
    Ok(Asker {
        actor: caller.actor(),
        idempotency,
        if_revision,
    })
}

/// The revision in an ETag as `with_tag` writes it.
fn revision(tag: &str) -> Option<u64> {
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    digits.parse().ok()
}

/// Under the seal's key: a request may hold secrets, and a plain hash of a short one is soon guessed.
fn fingerprint(app: &App, parts: &[&str]) -> String {
    let mut text = Vec::new();
    for part in parts {
        text.extend_from_slice(part.as_bytes());
        text.push(0);
    }
    hex::encode(&app.control.store().mac("idempotency", &text)[..16])
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
