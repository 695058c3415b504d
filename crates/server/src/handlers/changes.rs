//! Changing applications. Each answers 202 with the operation that was made.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use pluvio_api::applications::*;
use pluvio_api::releases::ChangePreview;
use pluvio_control::{DeployAsk, PatchAsk};
use pluvio_model::name::{EnvName, Name};
use pluvio_model::operation::{Operation, OperationKind};
use pluvio_model::permission::Permission;
use pluvio_model::problem::{self, Problem};
use pluvio_model::revision::{Origin, SourceRecord};
use pluvio_model::spec::{AppSpec, CpuRange, MemoryRange, Resources};
use pluvio_model::stage::{Power, SecretValue};
use pluvio_plan::patch::Patch;
use pluvio_store::{Application, Asked};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{asker, fingerprint};
use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Query, Refusal};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(deploy))
        .routes(routes!(replace))
        .routes(routes!(patch))
        .routes(routes!(preview))
        .routes(routes!(scale))
        .routes(routes!(restart))
        .routes(routes!(stop))
        .routes(routes!(start))
        .routes(routes!(rollback))
        .routes(routes!(delete))
        .routes(routes!(secrets))
        .routes(routes!(set_secret, remove_secret))
        .routes(routes!(delete_volume))
}

pub(super) fn accepted(asked: Asked) -> Response {
    (StatusCode::ACCEPTED, Json(asked.operation)).into_response()
}

/// Reads an AppSpec out of JSON, with the key path of what does not fit.
pub(super) fn parse_spec(value: &serde_json::Value) -> Result<AppSpec, Refusal> {
    // JSON is YAML: one reader for both, so that problems name the key wherever the text came from.
    let reading =
        pluvio_formats::app::read(&value.to_string(), "spec").map_err(|mut problems| {
            for problem in &mut problems {
                if let Some(at) = &mut problem.at {
                    // Lines of a document that the sender never saw as lines.
                    (at.file, at.line, at.column) = (None, None, None);
                }
            }
            Refusal(first(problems))
        })?;
    Ok(reading.spec)
}

fn first(problems: Vec<Problem>) -> Problem {
    let mut problems = problems.into_iter();
    let first = problems.next().unwrap_or_else(|| {
        problem::SPEC_INVALID.problem(
            "The specification does not fit.",
            "Compare it with `pluvio schema app`.",
        )
    });
    first.evidence(problems.map(|p| format!("{}: {}", p.title, p.cause)))
}

/// Some settings reach beyond the container and need a permission of their own.
fn check_reach(
    caller: &Caller,
    team: pluvio_model::id::TeamId,
    spec: &AppSpec,
) -> Result<(), Refusal> {
    for needed in pluvio_plan::permissions::permissions_needed(spec) {
        caller
            .may_in(team, needed.permission)
            .map_err(|refusal| Refusal(refusal.0.path(needed.path)))?;
    }
    Ok(())
}

pub(super) fn secret_pairs(
    secrets: &std::collections::BTreeMap<String, String>,
) -> Result<Vec<(EnvName, SecretValue)>, Refusal> {
    let mut out = Vec::new();
    for (name, value) in secrets {
        let name: EnvName = name.parse().map_err(|e: pluvio_model::name::InvalidName| {
            Refusal(
                problem::REQUEST_INVALID
                    .problem(e.to_string(), "Name secrets like environment variables."),
            )
        })?;
        out.push((name, SecretValue(value.clone())));
    }
    Ok(out)
}

/// Deploys; makes the application if it is not there.
#[utoipa::path(post, path = "/applications/{application}/deploy", tag = "changes", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path)), request_body = DeployRequest,
    responses((status = 202, body = Operation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:deploy"))))]
async fn deploy(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name)): Path<(String, String, String)>,
    headers: HeaderMap,
    Json(request): Json<DeployRequest>,
) -> Result<Response, Refusal> {
    let scope = caller
        .enter(&app, &team, &environment, Permission::ApplicationDeploy)
        .await?;
    let by = asker(
        &caller,
        &headers,
        &fingerprint(&[
            "deploy",
            &name,
            &serde_json::to_string(&request).unwrap_or_default(),
        ]),
    )?;
    let note = request.source_note.clone().unwrap_or_default();
    let note = SourceRecord {
        commit: note.commit,
        message: note.message,
        author: note.author,
        branch: note.branch,
        tree: None,
    };
    let asked = match &request.spec {
        Some(value) => {
            let spec = parse_spec(value)?;
            if spec.name.as_str() != name {
                return Err(Refusal(problem::REQUEST_INVALID.problem(
                    format!(
                        "The specification is named {}, the path says {name}.",
                        spec.name
                    ),
                    "Use the same name in both.",
                )));
            }
            check_reach(&caller, scope.team, &spec)?;
            let ask = DeployAsk {
                scope,
                spec,
                upload: request.upload,
                source_note: note,
                pull: request.pull,
                secrets: secret_pairs(&request.secrets)?,
                origin: Origin::Deploy,
                create_only: request.create_only,
            };
            app.control.deploy(by, ask).await?
        }
        None => {
            let application = app
                .control
                .find(&scope, &name)
                .await?
                .ok_or_else(|| crate::refusal::not_found("application"))?;
            app.control
                .redeploy(by, &scope, &application, request.upload, note, request.pull)
                .await?
        }
    };
    Ok(accepted(asked))
}

/// Replaces the specification (`pluvio apply`).
#[utoipa::path(put, path = "/applications/{application}/spec", tag = "changes", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path)), request_body = DeployRequest,
    responses((status = 202, body = Operation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:configure"))))]
async fn replace(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name)): Path<(String, String, String)>,
    headers: HeaderMap,
    Json(request): Json<DeployRequest>,
) -> Result<Response, Refusal> {
    let scope = caller
        .enter(&app, &team, &environment, Permission::ApplicationConfigure)
        .await?;
    let by = asker(
        &caller,
        &headers,
        &fingerprint(&[
            "apply",
            &name,
            &serde_json::to_string(&request).unwrap_or_default(),
        ]),
    )?;
    let value = request.spec.as_ref().ok_or_else(|| {
        Refusal(
            problem::REQUEST_INVALID
                .problem("There is no `spec`.", "Send the whole specification."),
        )
    })?;
    let spec = parse_spec(value)?;
    if spec.name.as_str() != name {
        return Err(Refusal(problem::REQUEST_INVALID.problem(
            format!(
                "The specification is named {}, the path says {name}.",
                spec.name
            ),
            "Use the same name in both.",
        )));
    }
    check_reach(&caller, scope.team, &spec)?;
    let ask = DeployAsk {
        scope,
        spec,
        upload: request.upload,
        source_note: SourceRecord::default(),
        pull: request.pull,
        secrets: secret_pairs(&request.secrets)?,
        origin: Origin::Apply,
        create_only: request.create_only,
    };
    Ok(accepted(app.control.deploy(by, ask).await?))
}

/// What a change of a component means, as patches and in a sentence.
fn patches(component: &Name, patch: &ComponentPatch) -> Result<(Vec<Patch>, String), Refusal> {
    let invalid = |what: &str, why: String| {
        Refusal(
            problem::SPEC_INVALID
                .problem(
                    format!("{what}: {why}"),
                    "Compare it with `pluvio schema app`.",
                )
                .path(format!("components.{component}.{what}")),
        )
    };
    let mut out = Vec::new();
    let mut said = Vec::new();
    if let Some(instances) = patch.instances {
        out.push(Patch::Scale {
            component: component.clone(),
            instances,
        });
        said.push(format!("scale {component} to {instances}"));
    }
    if !patch.env.is_empty() {
        let mut env = indexmap::IndexMap::new();
        for (name, value) in &patch.env {
            let parsed: EnvName = name
                .parse()
                .map_err(|e: pluvio_model::name::InvalidName| invalid("env", e.to_string()))?;
            env.insert(parsed, value.clone().map(pluvio_model::spec::EnvValue));
        }
        said.push(format!(
            "set {}",
            patch
                .env
                .keys()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", ")
        ));
        out.push(Patch::SetEnv {
            component: component.clone(),
            env,
        });
    }
    if !patch.files.is_empty() {
        let mut files = indexmap::IndexMap::new();
        for (path, file) in &patch.files {
            let parsed: pluvio_model::spec::AbsolutePath = path
                .parse()
                .map_err(|e: pluvio_model::spec::InvalidPath| invalid("files", e.to_string()))?;
            let file = match file {
                Some(file) => {
                    let mode = file.mode.as_deref().map(str::parse).transpose().map_err(
                        |e: pluvio_model::spec::InvalidMode| invalid("files", e.to_string()),
                    )?;
                    Some(pluvio_model::spec::FileSpec {
                        content: file.content.clone(),
                        hot: file.hot,
                        mode,
                        raw: false,
                        reload: None,
                    })
                }
                None => None,
            };
            files.insert(parsed, file);
        }
        said.push(format!(
            "files {}",
            patch
                .files
                .keys()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", ")
        ));
        out.push(Patch::SetFiles {
            component: component.clone(),
            files,
        });
    }
    if let Some(resources) = &patch.resources {
        let cpu = resources
            .cpu_limit
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|e: pluvio_model::quantity::InvalidQuantity| {
                invalid("resources", e.to_string())
            })?;
        let memory = resources
            .memory_limit
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|e: pluvio_model::quantity::InvalidQuantity| {
                invalid("resources", e.to_string())
            })?;
        said.push("resources".into());
        let cpu = cpu.map(|limit| CpuRange {
            request: None,
            limit: Some(limit),
        });
        let memory = memory.map(|limit| MemoryRange {
            request: None,
            limit: Some(limit),
        });
        let resources = (cpu.is_some() || memory.is_some()).then_some(Resources {
            cpu,
            memory,
            pids: None,
        });
        out.push(Patch::SetResources {
            component: component.clone(),
            resources,
        });
    }
    if let Some(value) = &patch.probes {
        let probes =
            serde_json::from_value(value.clone()).map_err(|e| invalid("probes", e.to_string()))?;
        said.push("health checks".into());
        out.push(Patch::SetProbes {
            component: component.clone(),
            probes,
        });
    }
    if let Some(value) = &patch.routes {
        let routes =
            serde_json::from_value(value.clone()).map_err(|e| invalid("routes", e.to_string()))?;
        said.push("routes".into());
        out.push(Patch::SetRoutes {
            component: component.clone(),
            routes,
        });
    }
    if let Some(value) = &patch.volumes {
        let volumes =
            serde_json::from_value(value.clone()).map_err(|e| invalid("volumes", e.to_string()))?;
        said.push("volumes".into());
        out.push(Patch::SetVolumes {
            component: component.clone(),
            volumes,
        });
    }
    if let Some(image) = &patch.image {
        let image = image
            .parse()
            .map_err(|e: pluvio_model::image::InvalidImage| invalid("image", e.to_string()))?;
        said.push(format!("image {image}"));
        out.push(Patch::SetImage {
            component: component.clone(),
            image,
        });
    }
    if out.is_empty() {
        return Err(Refusal(
            problem::REQUEST_INVALID
                .problem("Nothing is to be changed.", "Name at least one field."),
        ));
    }
    let mut title = said.join("; ");
    if let Some(first) = title.get(..1) {
        title = format!("{}{}", first.to_uppercase(), &title[1..]);
    }
    Ok((out, title))
}

fn component_name(text: &str) -> Result<Name, Refusal> {
    text.parse()
        .map_err(|_| crate::refusal::not_found("component"))
}

/// Changes a component: a new revision and release.
#[utoipa::path(patch, path = "/applications/{application}/components/{component}", tag = "changes", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), ("component" = String, Path)), request_body = ComponentPatch,
    responses((status = 202, body = Operation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:configure"))))]
async fn patch(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name, component)): Path<(String, String, String, String)>,
    headers: HeaderMap,
    Json(request): Json<ComponentPatch>,
) -> Result<Response, Refusal> {
    let (_, application) = caller
        .application(
            &app,
            &team,
            &environment,
            &name,
            Permission::ApplicationConfigure,
        )
        .await?;
    let by = asker(
        &caller,
        &headers,
        &fingerprint(&[
            "patch",
            &name,
            &component,
            &serde_json::to_string(&request).unwrap_or_default(),
        ]),
    )?;
    let component = component_name(&component)?;
    let (patches, title) = patches(&component, &request)?;
    let kind = if request.instances.is_some() && patches.len() == 1 {
        OperationKind::Scale
    } else {
        OperationKind::Configure
    };
    Ok(accepted(
        app.control
            .patch(
                by,
                &application,
                PatchAsk {
                    kind,
                    title,
                    patches,
                },
            )
            .await?,
    ))
}

/// What a change of a component would do. Nothing is kept.
#[utoipa::path(post, path = "/applications/{application}/components/{component}/preview", tag = "changes", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), ("component" = String, Path)), request_body = ComponentPatch,
    responses((status = 200, body = ChangePreview), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:configure"))))]
async fn preview(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name, component)): Path<(String, String, String, String)>,
    Json(request): Json<ComponentPatch>,
) -> Result<Json<ChangePreview>, Refusal> {
    let (_, application) = caller
        .application(
            &app,
            &team,
            &environment,
            &name,
            Permission::ApplicationConfigure,
        )
        .await?;
    let component = component_name(&component)?;
    let (patches, _) = patches(&component, &request)?;
    let (current, next, number) = app.control.preview_patch(&application, &patches).await?;
    Ok(Json(super::releases::preview_of(
        current.as_ref(),
        &next,
        number,
    )))
}

/// Changes the number of instances.
#[utoipa::path(post, path = "/applications/{application}/scale", tag = "changes", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path)), request_body = ScaleRequest,
    responses((status = 202, body = Operation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:operate"))))]
async fn scale(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name)): Path<(String, String, String)>,
    headers: HeaderMap,
    Json(request): Json<ScaleRequest>,
) -> Result<Response, Refusal> {
    let (_, application) = caller
        .application(
            &app,
            &team,
            &environment,
            &name,
            Permission::ApplicationOperate,
        )
        .await?;
    if request.instances > 1000 {
        return Err(Refusal(problem::SPEC_INVALID.problem(
            format!(
                "{} instances are more than one machine runs.",
                request.instances
            ),
            "Ask for at most 1,000.",
        )));
    }
    let by = asker(
        &caller,
        &headers,
        &fingerprint(&["scale", &name, &format!("{request:?}")]),
    )?;
    let component = match &request.component {
        Some(component) => component_name(component)?,
        None => only_component(&app, &application).await?,
    };
    let title = format!("Scale {component} to {}", request.instances);
    let patches = vec![Patch::Scale {
        component,
        instances: request.instances,
    }];
    Ok(accepted(
        app.control
            .patch(
                by,
                &application,
                PatchAsk {
                    kind: OperationKind::Scale,
                    title,
                    patches,
                },
            )
            .await?,
    ))
}

async fn only_component(app: &App, application: &Application) -> Result<Name, Refusal> {
    let revision = app.control.target_revision(application).await?;
    let mut names = revision.spec.components.keys();
    match (names.next(), names.next()) {
        (Some(only), None) => Ok(only.clone()),
        _ => Err(Refusal(problem::REQUEST_INVALID.problem(
            "The application has several components.",
            "Say which with `component`.",
        ))),
    }
}

/// New instances of the same release.
#[utoipa::path(post, path = "/applications/{application}/restart", tag = "changes", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path)),
    responses((status = 202, body = Operation), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:operate"))))]
async fn restart(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (_, application) = caller
        .application(
            &app,
            &team,
            &environment,
            &name,
            Permission::ApplicationOperate,
        )
        .await?;
    let by = asker(&caller, &headers, &fingerprint(&["restart", &name]))?;
    let ask = PatchAsk {
        kind: OperationKind::Restart,
        title: format!("Restart {name}"),
        patches: vec![Patch::Restart],
    };
    Ok(accepted(app.control.patch(by, &application, ask).await?))
}

async fn power(
    app: &App,
    caller: &Caller,
    names: (String, String, String),
    headers: &HeaderMap,
    power: Power,
) -> Result<Response, Refusal> {
    let (team, environment, name) = names;
    let (_, application) = caller
        .application(
            app,
            &team,
            &environment,
            &name,
            Permission::ApplicationOperate,
        )
        .await?;
    let by = asker(
        caller,
        headers,
        &fingerprint(&["power", &name, &format!("{power:?}")]),
    )?;
    Ok(accepted(
        app.control.set_power(by, &application, power).await?,
    ))
}

/// Stops the application; data and history stay.
#[utoipa::path(post, path = "/applications/{application}/stop", tag = "changes", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path)),
    responses((status = 202, body = Operation), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:operate"))))]
async fn stop(
    State(app): State<App>,
    caller: Caller,
    Path(names): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    power(&app, &caller, names, &headers, Power::Off).await
}

/// Starts a stopped application.
#[utoipa::path(post, path = "/applications/{application}/start", tag = "changes", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path)),
    responses((status = 202, body = Operation), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:operate"))))]
async fn start(
    State(app): State<App>,
    caller: Caller,
    Path(names): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    power(&app, &caller, names, &headers, Power::On).await
}

/// Goes back to an earlier release: its code and settings, today's instance counts.
#[utoipa::path(post, path = "/applications/{application}/rollback", tag = "changes", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path)), request_body = RollbackRequest,
    responses((status = 202, body = Operation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:deploy"))))]
async fn rollback(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name)): Path<(String, String, String)>,
    headers: HeaderMap,
    Json(request): Json<RollbackRequest>,
) -> Result<Response, Refusal> {
    let (_, application) = caller
        .application(
            &app,
            &team,
            &environment,
            &name,
            Permission::ApplicationDeploy,
        )
        .await?;
    let by = asker(
        &caller,
        &headers,
        &fingerprint(&["rollback", &name, &format!("{request:?}")]),
    )?;
    Ok(accepted(
        app.control.rollback(by, &application, request.to).await?,
    ))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Confirm {
    /// The name, to be sure.
    confirm: String,
}

fn confirmed(said: &str, name: &str) -> Result<(), Refusal> {
    if said == name {
        return Ok(());
    }
    Err(Refusal(problem::REFUSED.problem(
        format!("`confirm` says {said:?}, the name is {name:?}."),
        "Repeat the name of what is to be deleted.",
    )))
}

/// Deletes the application. Data volumes are kept and listed.
#[utoipa::path(delete, path = "/applications/{application}", tag = "changes", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), Confirm),
    responses((status = 202, body = Operation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:delete"))))]
async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name)): Path<(String, String, String)>,
    Query(query): Query<Confirm>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (_, application) = caller
        .application(
            &app,
            &team,
            &environment,
            &name,
            Permission::ApplicationDelete,
        )
        .await?;
    confirmed(&query.confirm, &name)?;
    let by = asker(&caller, &headers, &fingerprint(&["delete", &name]))?;
    Ok(accepted(app.control.delete(by, &application).await?))
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
    let store = app.control.store();
    store
        .set_secret(
            application.id,
            &secret,
            &SecretValue(request.value),
            &caller.actor(),
        )
        .await?;
    let used = match application.release {
        Some(_) if request.deploy => {
            let revision = app.control.target_revision(&application).await?;
            revision.spec.secrets.contains_key(&secret)
        }
        _ => false,
    };
    if used {
        let by = asker(
            &caller,
            &headers,
            &fingerprint(&[
                "secret",
                &name,
                secret.as_str(),
                &jiff::Timestamp::now().to_string(),
            ]),
        )?;
        let ask = PatchAsk {
            kind: OperationKind::Configure,
            title: format!("New value of secret {secret}"),
            patches: Vec::new(),
        };
        return Ok(accepted(app.control.patch(by, &application, ask).await?));
    }
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

/// Deletes the data of a volume whose application is gone, for good.
#[utoipa::path(delete, path = "/volumes/{volume}", tag = "volumes", params(("team" = String, Path), ("environment" = String, Path), ("volume" = String, Path), Confirm),
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("volume:delete"))))]
async fn delete_volume(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, volume)): Path<(String, String, String)>,
    Query(query): Query<Confirm>,
) -> Result<StatusCode, Refusal> {
    let scope = caller
        .enter(&app, &team, &environment, Permission::VolumeDelete)
        .await?;
    let id = volume
        .parse()
        .map_err(|_| crate::refusal::not_found("volume"))?;
    let row = app.control.store().volume(scope.team, id).await?;
    confirmed(&query.confirm, row.name.as_str())?;
    app.control.delete_volume(&row, &caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}
