//! Credentials of a team for private registries and Git hosts.

use axum::extract::State;
use axum::http::StatusCode;
use pluvio_api::applications::Page;
use pluvio_api::identity::{CredentialRequest, CredentialSummary};
use pluvio_model::permission::Permission;
use pluvio_model::problem::{self, Problem};
use pluvio_store::{Credential, CredentialKind, CredentialSecret, NewCredential};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Refusal};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(put, remove))
}

fn summary(credential: &Credential) -> CredentialSummary {
    let kind = match credential.kind {
        CredentialKind::Registry => "registry",
        CredentialKind::GitHttps => "git-https",
        CredentialKind::GitSsh => "git-ssh",
    };
    CredentialSummary {
        name: credential.name.to_string(),
        kind: kind.into(),
        host: credential.host.clone(),
        username: credential.username.clone(),
        set_at: credential.updated_at,
    }
}

/// Names and hosts; never the secrets.
#[utoipa::path(get, path = "/teams/{team}/credentials", tag = "credentials", params(("team" = String, Path)), responses((status = 200, body = Page<CredentialSummary>), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("credential:read"))))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<Page<CredentialSummary>>, Refusal> {
    let team = caller.team(&name, Permission::CredentialRead)?;
    Ok(super::applications::single(
        app.control
            .store()
            .credentials(team)
            .await?
            .iter()
            .map(summary)
            .collect(),
    ))
}

/// Stores a credential, in place of the one of that name.
#[utoipa::path(put, path = "/teams/{team}/credentials/{credential}", tag = "credentials", params(("team" = String, Path), ("credential" = String, Path)), request_body = CredentialRequest,
    responses((status = 200, body = CredentialSummary), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem)), extensions(("x-permission" = json!("credential:write"))))]
async fn put(
    State(app): State<App>,
    caller: Caller,
    Path((team_name, name)): Path<(String, String)>,
    Json(request): Json<CredentialRequest>,
) -> Result<Json<CredentialSummary>, Refusal> {
    let team = caller.team(&team_name, Permission::CredentialWrite)?;
    let name = name.parse().map_err(|e: pluvio_model::name::InvalidName| {
        Refusal(
            problem::REQUEST_INVALID
                .problem(e.to_string(), "Choose a name of a-z, 0-9 and dashes."),
        )
    })?;
    let kind = match request.kind.as_str() {
        "registry" => CredentialKind::Registry,
        "git-https" => CredentialKind::GitHttps,
        "git-ssh" => CredentialKind::GitSsh,
        other => {
            return Err(Refusal(problem::REQUEST_INVALID.problem(
                format!("There is no kind {other:?}."),
                "Choose registry, git-https or git-ssh.",
            )));
        }
    };
    let host = request.host.trim().to_ascii_lowercase();
    if host.is_empty()
        || host.len() > 255
        || !host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-.:[]_".contains(&b))
    {
        return Err(Refusal(problem::REQUEST_INVALID.problem(
            format!("{:?} is not a host.", request.host),
            "Write it as ghcr.io or git.example.org.",
        )));
    }
    if request.secret.is_empty() || request.secret.len() > 64 << 10 {
        return Err(Refusal(problem::REQUEST_INVALID.problem(
            "The secret is empty or larger than 64 KiB.",
            "Send a password, a token or a private key.",
        )));
    }
    let secret = CredentialSecret(request.secret);
    let new = NewCredential {
        team,
        name,
        kind,
        host,
        username: request.username.filter(|u| !u.is_empty()),
        secret,
    };
    Ok(Json(summary(
        &app.control
            .store()
            .put_credential(new, &caller.actor())
            .await?,
    )))
}

/// Forgets a credential.
#[utoipa::path(delete, path = "/teams/{team}/credentials/{credential}", tag = "credentials", params(("team" = String, Path), ("credential" = String, Path)), responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("credential:write"))))]
async fn remove(
    State(app): State<App>,
    caller: Caller,
    Path((team_name, name)): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    let team = caller.team(&team_name, Permission::CredentialWrite)?;
    app.control
        .store()
        .delete_credential(team, &name, &caller.actor())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
