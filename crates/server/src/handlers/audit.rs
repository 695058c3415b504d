//! The audit log: who did what, and whether the log is as it was written.

use axum::extract::State;
use jiff::Timestamp;
use pluvio_api::applications::Page;
use pluvio_api::audit::{AuditReport, AuditRow};
use pluvio_model::id::TeamId;
use pluvio_model::permission::Permission;
use pluvio_model::problem::{self, Problem};
use pluvio_store::{AuditFilter, AuditRecord};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Paging;
use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Query, Refusal};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(of_team))
        .routes(routes!(of_all))
        .routes(routes!(verify))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Rows of one page, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
    /// Only what this one did.
    actor: Option<String>,
    /// Only this: `application:deploy`, or `application` for all that is done to applications.
    action: Option<String>,
    /// Only what was done to something whose name has this in it.
    object: Option<String>,
    /// Only with this result: `done`, `refused` …
    result: Option<String>,
    /// Only from this time on.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Only before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

async fn page(
    app: &App,
    team: Option<TeamId>,
    which: Which,
) -> Result<Json<Page<AuditRow>>, Refusal> {
    let filter = AuditFilter {
        team,
        actor: which.actor,
        action: which.action,
        object: which.object,
        result: which.result,
        since: which.since,
        until: which.until,
    };
    let paging = Paging {
        limit: which.limit,
        after: which.after,
    };
    let store = app.control.store();
    let rows = store.audit_records(&filter, &paging.request()?).await?;
    Ok(Json(super::paged(rows.map(row))))
}

fn row(record: AuditRecord) -> AuditRow {
    AuditRow {
        number: record.number,
        at: record.at,
        team: record
            .team
            .map(|id| record.team_name.unwrap_or_else(|| id.to_string())),
        actor: record.actor,
        action: record.action,
        object: record.object,
        result: record.result,
        sealed: record.sealed,
    }
}

/// What was done in a team, the newest first.
#[utoipa::path(get, path = "/teams/{team}/audit", tag = "audit", params(("team" = String, Path), Which),
    responses((status = 200, body = Page<AuditRow>), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("audit:view"))))]
async fn of_team(
    State(app): State<App>,
    caller: Caller,
    Path(team): Path<String>,
    Query(which): Query<Which>,
) -> Result<Json<Page<AuditRow>>, Refusal> {
    let team = caller.team(&team, Permission::AuditView)?;
    page(&app, Some(team), which).await
}

/// What was done in the whole installation, the newest first: every team's, sign-ins, users, tokens, the cluster.
#[utoipa::path(get, path = "/audit", tag = "audit", params(Which),
    responses((status = 200, body = Page<AuditRow>), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("audit:view"))))]
async fn of_all(
    State(app): State<App>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Json<Page<AuditRow>>, Refusal> {
    caller.may(&app, Permission::AuditView)?;
    page(&app, None, which).await
}

/// Walks the chain of all records: `audit.broken` names the first that is not as it was written.
#[utoipa::path(post, path = "/audit/verify", tag = "audit",
    responses((status = 200, body = AuditReport), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)), extensions(("x-permission" = json!("audit:view"))))]
async fn verify(State(app): State<App>, caller: Caller) -> Result<Json<AuditReport>, Refusal> {
    caller.may(&app, Permission::AuditView)?;
    match app.control.verify_audit().await? {
        pluvio_store::AuditVerdict::Intact { sealed, open } => {
            Ok(Json(AuditReport { sealed, open }))
        }
        pluvio_store::AuditVerdict::Broken { number } => {
            let cause = format!(
                "The chain breaks at record {number}: it, or what was before it, is not as it was written."
            );
            let remedy = "Trust no record from there on, compare with a backup, and find out who can write to the database.";
            Err(Refusal(problem::AUDIT_BROKEN.problem(cause, remedy)))
        }
    }
}
