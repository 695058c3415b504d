//! Secrets of an application: names and versions go out, values only come in.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use pluvio_api::applications::*;
use pluvio_control::PatchAsk;
use pluvio_model::name::EnvName;
use pluvio_model::operation::{Operation, OperationKind};
use pluvio_model::permission::Permission;
use pluvio_model::problem::{self, Problem};
use pluvio_model::stage::SecretValue;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::asker;
use super::changes::accepted;
use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Refusal};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(secrets))
        .routes(routes!(set_secret, remove_secret))
}

/// Names and versions of the application's secrets; never values.
#[utoipa::path(get, path = "/applications/{application}/secrets", tag = "secrets", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path)),
    responses((status = 200, body = Page<SecretRow>), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("secret-names:read"))))]
async fn secrets(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name)): Path<(String, String, String)>,
) -> Result<Json<Page<SecretRow>>, Refusal> {
    let (_, application) = caller
        .application(&app, &team, &environment, &name, Permission::SecretRead)
        .await?;
    let rows = app.control.store().secrets(application.id).await?;
    Ok(super::applications::single(
        rows.into_iter().map(row).collect(),
    ))
}

fn row(row: pluvio_store::SecretRow) -> SecretRow {
    SecretRow {
        name: row.name.to_string(),
        version: row.version,
        generated: row.generated,
        set_at: row.at,
    }
}

/// Gives a secret a value, and rolls the application so that it takes it (unless `deploy` is false).
#[utoipa::path(put, path = "/applications/{application}/secrets/{secret}", tag = "secrets", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), ("secret" = String, Path)), request_body = SecretValueRequest,
    responses((status = 200, body = SecretRow), (status = 202, body = Operation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("secret:write"))))]
async fn set_secret(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name, secret)): Path<(String, String, String, String)>,
    headers: HeaderMap,
    Json(request): Json<SecretValueRequest>,
) -> Result<Response, Refusal> {
    let (_, application) = caller
        .application(&app, &team, &environment, &name, Permission::SecretWrite)
        .await?;
    let secret: EnvName = secret
        .parse()
        .map_err(|e: pluvio_model::name::InvalidName| {
            Refusal(
                problem::REQUEST_INVALID
                    .problem(e.to_string(), "Name it like an environment variable."),
            )
        })?;
    if request.value.len() > 1 << 20 {
        return Err(Refusal(problem::SPEC_TOO_LARGE.problem(
            "A secret may hold 1 MiB.",
            "Keep larger data in a volume.",
        )));
    }
    let by = asker(
        &app,
        &caller,
        &headers,
        &[
            "secret",
            &team,
            &environment,
            &name,
            secret.as_str(),
            &request.value,
        ],
    )?;
    let value = SecretValue(request.value);
    let used = match application.release {
        Some(_) if request.deploy => {
            let revision = app.control.target_revision(&application).await?;
            revision.spec.all_secrets().contains_key(&secret)
        }
        _ => false,
    };
    if used {
        let ask = PatchAsk {
            kind: OperationKind::Configure,
            title: format!("New value of secret {secret}"),
            patches: Vec::new(),
            // With the change, not before it: a refused change leaves the old value.
            components: Vec::new(),
            secrets: vec![(secret, value)],
        };
        return Ok(accepted(app.control.patch(by, &application, ask).await?));
    }
    let store = app.control.store();
    store
        .set_secret(application.id, &secret, &value, &caller.actor())
        .await?;
    let rows = store.secrets(application.id).await?;
    let found = rows
        .into_iter()
        .find(|r| r.name == secret)
        .ok_or_else(|| crate::refusal::not_found("secret"))?;
    Ok(Json(row(found)).into_response())
}

/// Removes a secret that the specification does not name any more.
#[utoipa::path(delete, path = "/applications/{application}/secrets/{secret}", tag = "secrets", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), ("secret" = String, Path)),
    responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)), extensions(("x-permission" = json!("secret:write"))))]
async fn remove_secret(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name, secret)): Path<(String, String, String, String)>,
) -> Result<StatusCode, Refusal> {
    let (_, application) = caller
        .application(&app, &team, &environment, &name, Permission::SecretWrite)
        .await?;
    let secret: EnvName = secret
        .parse()
        .map_err(|_| crate::refusal::not_found("secret"))?;
    if application.release.is_some()
        && app
            .control
            .target_revision(&application)
            .await?
            .spec
            .secrets
            .contains_key(&secret)
    {
        return Err(Refusal(problem::REFUSED.problem(
            format!("{name} still names the secret {secret}."),
            "Take it out of `secrets` and of what references it first.",
        )));
    }
    if !app
        .control
        .store()
        .secrets(application.id)
        .await?
        .iter()
        .any(|r| r.name == secret)
    {
        return Err(crate::refusal::not_found("secret"));
    }
    app.control
        .store()
        .delete_secret(application.id, &secret, &caller.actor())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
