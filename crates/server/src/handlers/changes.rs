//! Changing what an application is: deploy, apply, patch. Each answers 202 with the operation that was made.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use pluvio_api::applications::*;
use pluvio_api::releases::ChangePreview;
use pluvio_control::{DeployAsk, PatchAsk, RedeployAsk};
use pluvio_model::id::TeamId;
use pluvio_model::name::{EnvName, Name};
use pluvio_model::operation::{Operation, OperationKind};
use pluvio_model::permission::Permission;
use pluvio_model::problem::{self, Problem};
use pluvio_model::revision::{Origin, SourceRecord};
use pluvio_model::spec::{AppSpec, CpuRange, MemoryRange, Resources};
use pluvio_model::stage::SecretValue;
use pluvio_plan::patch::Patch;
use pluvio_store::Asked;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::asker;
use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Refusal};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(deploy))
        .routes(routes!(replace))
        .routes(routes!(patch))
        .routes(routes!(preview))
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
            Refusal(pluvio_control::first(problems))
        })?;
    Ok(reading.spec)
}

/// Some settings reach beyond the container and need a permission of their own. What was there before, as it was, stays without
/// it.
pub(super) fn check_reach(
    caller: &Caller,
    team: TeamId,
    before: Option<&AppSpec>,
    spec: &AppSpec,
) -> Result<(), Refusal> {
    for needed in pluvio_plan::permissions::widened(before, spec) {
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
        &app,
        &caller,
        &headers,
        &[
            "deploy",
            &team,
            &environment,
            &name,
            &serde_json::to_string(&request).unwrap_or_default(),
        ],
    )?;
    if app.control.find(&scope, &name).await?.is_none() {
        caller.may_in(scope.team, Permission::ApplicationCreate)?;
    }
    let note = request.source_note.clone().unwrap_or_default();
    let note = SourceRecord {
        commit: note.commit,
        message: note.message,
        author: note.author,
        branch: note.branch,
        tree: None,
    };
    let asked = match &request.spec {
        Some(_) if !request.components.is_empty() => {
            return Err(Refusal(problem::REQUEST_INVALID.problem(
                "`components` goes without a `spec`: it says what is deployed again as it is.",
                "Leave one of the two out.",
            )));
        }
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
            check_reach(&caller, scope.team, None, &spec)?;
            let ask = DeployAsk {
                scope,
                spec,
                upload: request.upload,
                source_note: note,
                pull: request.pull,
                secrets: secret_pairs(&request.secrets)?,
                origin: Origin::Deploy,
                create_only: request.create_only,
                take_over: true,
                only: Vec::new(),
            };
            app.control.deploy(by, ask).await?
        }
        None if !request.secrets.is_empty() || request.create_only => {
            return Err(Refusal(problem::REQUEST_INVALID.problem(
                "`secrets` and `create_only` go with a `spec`, and there is none.",
                "Send the specification too, or set secrets by themselves.",
            )));
        }
        None => {
            let application = app
                .control
                .find(&scope, &name)
                .await?
                .ok_or_else(|| crate::refusal::not_found("application"))?;
            // Another content is another program, also where the specification stays.
            if request.upload.is_some() {
                let spec = app.control.target_revision(&application).await?.spec;
                check_reach(&caller, scope.team, None, &spec)?;
            }
            app.control
                .redeploy(
                    by,
                    &scope,
                    &application,
                    RedeployAsk {
                        upload: request.upload,
                        note,
                        pull: request.pull,
                        components: chosen(&request.components)?,
                    },
                )
                .await?
        }
    };
    Ok(accepted(asked))
}

/// Replaces the specification (`pluvio apply`). One that would undo what was changed elsewhere since the last such request is
/// refused (409, `conflict`, the changes as its evidence) unless `take_over` is set.
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
        &app,
        &caller,
        &headers,
        &[
            "apply",
            &team,
            &environment,
            &name,
            &serde_json::to_string(&request).unwrap_or_default(),
        ],
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
    check_reach(&caller, scope.team, None, &spec)?;
    let ask = DeployAsk {
        scope,
        spec,
        upload: request.upload,
        source_note: SourceRecord::default(),
        pull: request.pull,
        secrets: secret_pairs(&request.secrets)?,
        origin: Origin::Apply,
        create_only: request.create_only,
        take_over: request.take_over,
        only: Vec::new(),
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

/// The components that are meant, each once.
pub(super) fn chosen(names: &[String]) -> Result<Vec<Name>, Refusal> {
    let mut chosen = Vec::new();
    for name in names.iter().filter(|name| !name.is_empty()) {
        let name = component_name(name)?;
        if !chosen.contains(&name) {
            chosen.push(name);
        }
    }
    Ok(chosen)
}

/// A name that is given to something new; `path` says where in the request.
pub(super) fn new_name(text: &str, path: &str) -> Result<Name, Refusal> {
    text.parse()
        .map_err(|error: pluvio_model::name::InvalidName| {
            let remedy = error.suggestion.as_ref().map_or_else(
                || "Choose a name of a-z, 0-9 and single dashes.".to_owned(),
                |name| format!("Use {name}."),
            );
            Refusal(
                problem::SPEC_INVALID
                    .problem(error.to_string(), remedy)
                    .path(path),
            )
        })
}

pub(super) fn component_name(text: &str) -> Result<Name, Refusal> {
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
        &app,
        &caller,
        &headers,
        &[
            "patch",
            &team,
            &environment,
            &name,
            &component,
            &serde_json::to_string(&request).unwrap_or_default(),
        ],
    )?;
    let component = component_name(&component)?;
    let (patches, title) = patches(&component, &request)?;
    let before = app.control.target_revision(&application).await?.spec;
    let mut after = before.clone();
    for patch in &patches {
        after = patch.apply(&after)?;
    }
    check_reach(&caller, application.team, Some(&before), &after)?;
    let kind = if request.instances.is_some() && patches.len() == 1 {
        OperationKind::Scale
    } else {
        OperationKind::Configure
    };
    let ask = PatchAsk {
        kind,
        title,
        patches,
        components: Vec::new(),
        secrets: Vec::new(),
    };
    Ok(accepted(app.control.patch(by, &application, ask).await?))
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
