//! Plans: what is this, what would be built and run. And the uploads they are made from.

use std::path::PathBuf;

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt;
use pluvio_api::applications::*;
use pluvio_api::plans::{NeededPermission, TextFile};
use pluvio_build::BuildSource;
use pluvio_build::plan_beside::Reach;
use pluvio_build::plan_compose::Asked;
use pluvio_build::plan_fetched;
use pluvio_build::plan_files::is_dotenv;
use pluvio_build::plan_source::Planned;
use pluvio_model::name::Name;
use pluvio_model::permission::Permission;
use pluvio_model::problem::{self, Problem};
use pluvio_model::spec::GitSource;
use pluvio_store::NewAudit;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::changes::new_name;
use super::sources::{PASTED, docker_run, folders_missing, internal, of_fetched, of_files};
use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Refusal};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(plan))
}

pub(super) fn upload_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(upload))
        .merge(super::sources::routes())
}

/// Keeps an archive (zip, tar, or tar compressed with gzip) that an application shall be built from.
#[utoipa::path(post, path = "/uploads", tag = "plans", request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = UploadReceipt), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 413, body = Problem), (status = 507, body = Problem)), extensions(("x-permission" = json!("application:deploy"))))]
async fn upload(State(app): State<App>, caller: Caller, body: Body) -> Result<Response, Refusal> {
    caller.may(&app, Permission::ApplicationDeploy)?;
    let data = body.into_data_stream().map_err(std::io::Error::other);
    let info = app
        .control
        .blobs()
        .put_by_content("uploads", data, app.config.upload_limit)
        .await?;
    if info.bytes == 0 {
        let _ = app.control.blobs().delete(&info.key).await;
        return Err(Refusal(problem::REQUEST_INVALID.problem(
            "The archive is empty.",
            "Send a tar or zip archive of the folder.",
        )));
    }
    let upload = info
        .key
        .as_str()
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned();
    let row = NewAudit {
        team: Some(app.control.store().home().team),
        actor: caller.actor(),
        action: Permission::ApplicationDeploy.as_str().to_owned(),
        object: format!("upload {upload}"),
        result: "kept".to_owned(),
    };
    app.control.store().audit(row).await?;
    Ok((
        StatusCode::CREATED,
        [(header::CACHE_CONTROL, "no-store")],
        Json(UploadReceipt {
            upload,
            bytes: info.bytes,
        }),
    )
        .into_response())
}

/// Says what a source is and what would run. Nothing is kept but the upload, and nothing runs.
#[utoipa::path(post, path = "/plan", tag = "plans", params(("team" = String, Path), ("environment" = String, Path)), request_body = PlanRequest,
    responses((status = 200, body = PlanReport), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:create"))))]
async fn plan(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment)): Path<(String, String)>,
    Json(request): Json<PlanRequest>,
) -> Result<Json<PlanReport>, Refusal> {
    let scope = caller
        .enter(&app, &team, &environment, Permission::ApplicationCreate)
        .await?;
    let name = request.name.as_deref();
    let name = name.map(|name| new_name(name, "name")).transpose()?;
    let folder = tempfile::tempdir().map_err(|e| internal(&e))?;
    let work = folder.path().to_owned();
    let asked = Asked {
        name: name.clone(),
        variables: request.variables.into_iter().collect(),
        reach: Reach::Folder,
        ..Asked::default()
    };
    let path = request.path.filter(|path| !path.is_empty());
    if path.is_some() && !matches!(request.source, SourceRequest::Upload(_)) {
        return Err(Refusal(
            problem::REQUEST_INVALID
                .problem(
                    "Only of an upload a folder is named so.",
                    "Name the folder of a Git repository in `source.git.path`; leave it out of others.",
                )
                .path("path"),
        ));
    }
    let (mut planned, has_source, suggestion, texts) = match request.source {
        SourceRequest::Image(text) => (
            pluvio_build::plan_source::of_image(&text, &asked),
            false,
            None,
            docker_run(text),
        ),
        SourceRequest::Text(text) => {
            let file = TextFile {
                path: PASTED.to_owned(),
                text,
            };
            let files = vec![file];
            (
                of_files(work, files.clone(), asked).await?,
                false,
                None,
                files,
            )
        }
        SourceRequest::Files(files) => (
            of_files(work, files.clone(), asked).await?,
            false,
            None,
            files
                .into_iter()
                .filter(|file| !is_dotenv(&file.path))
                .collect(),
        ),
        SourceRequest::Upload(sha256) => {
            let archive = app
                .control
                .blobs()
                .path(&pluvio_control::sources::upload_key(&sha256)?);
            if !archive.exists() {
                return Err(Refusal(problem::SOURCE_MISSING.problem(
                    "There is no such upload.",
                    "Send the archive to /api/v1/uploads first.",
                )));
            }
            let whole = unpack(archive, work).await?;
            let (planned, texts) = of_fetched(move || {
                let folder = plan_fetched::folder_of(&whole, path.as_deref())?;
                let planned = plan_fetched::of_upload(&whole, path.as_deref(), &sha256, &asked)?;
                Ok((planned, folder))
            })
            .await?;
            (planned, true, None, texts)
        }
        SourceRequest::Sample(sample) => {
            let found =
                crate::samples::find(&sample).ok_or_else(|| crate::refusal::not_found("sample"))?;
            let sha256 = crate::samples::upload(&app, &sample).await?;
            let whole = unpack(
                app.control
                    .blobs()
                    .path(&pluvio_control::sources::upload_key(&sha256)?),
                work,
            )
            .await?;
            let suggestion = Name::suggest(&found.name);
            let asked = Asked {
                fallback: suggestion.clone(),
                ..asked
            };
            let (planned, texts) = of_fetched(move || {
                let planned = plan_fetched::of_upload(&whole, None, &sha256, &asked)?;
                Ok((planned, whole))
            })
            .await?;
            (planned, true, suggestion, texts)
        }
        SourceRequest::Git(git) => {
            let git = source_of(git);
            let credential =
                pluvio_control::sources::git_credential(app.control.store(), scope.team, &git)
                    .await?;
            let quiet: pluvio_build::Log = std::sync::Arc::new(|_| {});
            let fetched = pluvio_build::fetch::fetch(
                &BuildSource::Git {
                    git: git.clone(),
                    credential,
                    hosts: pluvio_control::sources::ssh_hosts(&app.control.config().data),
                },
                &work,
                &quiet,
            )
            .await?;
            let suggestion = Name::suggest(git.short_name());
            let asked = Asked {
                fallback: suggestion.clone(),
                ..asked
            };
            // It is gone with the last who has it.
            let fetched = std::sync::Arc::new(fetched);
            let here = fetched.clone();
            let (planned, texts) = of_fetched(move || {
                let planned = plan_fetched::of_repository(&here, &git, &asked)?;
                Ok((planned, here.folder.clone()))
            })
            .await?;
            drop(fetched);
            (planned, true, suggestion, texts)
        }
    };
    if name.is_none()
        && let (Some(suggested), true) = (&suggestion, planned.spec.components.len() <= 1)
    {
        planned.spec.name = suggested.clone();
    }
    if !has_source {
        folders_missing(&mut planned);
    }
    if app
        .control
        .find(&scope, planned.spec.name.as_str())
        .await?
        .is_some()
        && name.is_none()
    {
        // A suggestion is free to be another; a name that was typed is a deploy to what is there.
        for number in 2..100 {
            if let Ok(other) = format!("{}-{number}", planned.spec.name).parse::<Name>()
                && app.control.find(&scope, other.as_str()).await?.is_none()
            {
                planned.spec.name = other;
                break;
            }
        }
    }
    let held = caller.permissions(scope.team);
    Ok(Json(report(&app, planned, texts, &held)))
}

/// What the address itself says of branch and folder counts where nothing else does.
fn source_of(git: GitRequest) -> GitSource {
    let of = GitSource::of(&git.url);
    GitSource {
        reference: git.reference.filter(|r| !r.is_empty()).or(of.reference),
        path: git.path.filter(|p| !p.is_empty()).or(of.path),
        credential: git.credential,
        url: of.url,
    }
}

async fn unpack(archive: PathBuf, into: PathBuf) -> Result<PathBuf, Refusal> {
    let folder = into.join("source");
    let target = folder.clone();
    tokio::task::spawn_blocking(move || {
        pluvio_build::fetch::unpack(
            &archive,
            &target,
            &pluvio_build::fetch::ArchiveLimits::default(),
        )
        .map(|_| ())
    })
    .await
    .map_err(|e| internal(&e))??;
    Ok(folder)
}

fn report(
    app: &App,
    mut planned: Planned,
    texts: Vec<TextFile>,
    held: &[Permission],
) -> PlanReport {
    let foreseen = pluvio_plan::foreseen(&planned.spec);
    planned.errors.extend(foreseen);
    let host = format!("{}.{}", planned.spec.name, app.control.config().domain);
    let port = app.control.config().gateway_port;
    let url = if port == 80 {
        format!("http://{host}")
    } else {
        format!("http://{host}:{port}")
    };
    let reachable = planned.spec.components.values().any(|c| {
        c.ports.values().any(|p| {
            matches!(
                p.protocol,
                pluvio_model::spec::PortProtocol::Http | pluvio_model::spec::PortProtocol::Http2
            )
        }) && c.routes.as_ref().is_none_or(|r| !r.is_empty())
    });
    PlanReport {
        detected: Detected {
            kind: planned.detected.kind,
            why: planned.detected.why,
            alternatives: planned.detected.alternatives,
        },
        yaml: pluvio_formats::app::write(&planned.spec),
        spec: serde_json::to_value(&planned.spec).expect("a spec serialises"),
        report: planned.report.into_iter().map(row).collect(),
        errors: planned.errors,
        permissions: pluvio_plan::permissions::permissions_needed(&planned.spec)
            .into_iter()
            .map(|needed| NeededPermission {
                permission: needed.permission.as_str().to_owned(),
                path: needed.path,
                held: held.contains(&needed.permission),
            })
            .collect(),
        texts,
        secrets: planned.secrets,
        unset: planned.unset,
        urls: if reachable { vec![url] } else { Vec::new() },
    }
}

/// A line of a report as the wire has it.
pub(super) fn row(row: pluvio_formats::report::Row) -> ReportRow {
    ReportRow {
        outcome: row.outcome.as_str().to_owned(),
        at: row.at,
        line: row.line,
        file: row.file,
        message: row.message,
        remedy: row.remedy,
    }
}
