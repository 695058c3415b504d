//! A specification as it is edited: read and written as text, previewed, put in the place of the target's.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use pluvio_api::editing::*;
use pluvio_api::releases::{ChangePreview, PreviewNote};
use pluvio_model::name::Name;
use pluvio_model::operation::Operation;
use pluvio_model::permission::Permission;
use pluvio_model::problem::{self, Problem};
use pluvio_model::spec::AppSpec;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::asker;
use super::changes::{accepted, check_reach, parse_spec, secret_pairs};
use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Refusal};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(read_spec))
        .routes(routes!(edit_spec))
        .routes(routes!(preview_spec))
}

/// Reads an app.yaml, or writes one: the same specification as JSON and as text, with all that is wrong with it. Nothing is kept.
#[utoipa::path(post, path = "/spec/read", tag = "plans", params(("team" = String, Path), ("environment" = String, Path)), request_body = SpecToRead,
    responses((status = 200, body = SpecReading), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem)), extensions(("x-permission" = json!("application:read"))))]
async fn read_spec(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment)): Path<(String, String)>,
    Json(request): Json<SpecToRead>,
) -> Result<Json<SpecReading>, Refusal> {
    caller
        .enter(&app, &team, &environment, Permission::ApplicationRead)
        .await?;
    let (text, is_text) = match (request.yaml, request.spec) {
        (Some(yaml), None) => (yaml, true),
        // JSON is YAML: one reader for both.
        (None, Some(spec)) => (spec.to_string(), false),
        _ => {
            return Err(Refusal(problem::REQUEST_INVALID.problem(
                "Exactly one of `yaml` and `spec` is read.",
                "Send the text of an app.yaml, or a specification as JSON.",
            )));
        }
    };
    let (reading, mut problems) = pluvio_formats::app::check(&text, "app.yaml");
    if let Some(reading) = &reading {
        problems.extend(reading.place(pluvio_plan::foreseen(&reading.spec)));
    }
    if !is_text {
        for at in problems.iter_mut().filter_map(|one| one.at.as_mut()) {
            // Lines of a document that the sender never saw as lines.
            (at.file, at.line, at.column) = (None, None, None);
        }
    }
    let yaml = reading
        .as_ref()
        .map(|reading| pluvio_formats::app::write(&reading.spec));
    let spec = reading
        .as_ref()
        .map(|reading| serde_json::to_value(&reading.spec).expect("a spec serialises"));
    let report = reading.map(|reading| reading.report).unwrap_or_default();
    Ok(Json(SpecReading {
        spec,
        yaml: yaml.unwrap_or_else(|| if is_text { text } else { String::new() }),
        problems,
        report: report.into_iter().map(super::plans::row).collect(),
    }))
}

fn named(value: &serde_json::Value, name: &str) -> Result<AppSpec, Refusal> {
    let spec = parse_spec(value)?;
    if spec.name.as_str() == name {
        return Ok(spec);
    }
    Err(Refusal(problem::REQUEST_INVALID.problem(
        format!(
            "The specification is named {}, the path says {name}.",
            spec.name
        ),
        "An application keeps its name; use the same in both.",
    )))
}

/// Puts a whole specification in the place of the target's, as one change: components are added, changed and removed, images that nothing changed about stay. Send `If-Match`, so that nobody else's change is lost.
#[utoipa::path(patch, path = "/applications/{application}/spec", tag = "changes", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path)), request_body = SpecEdit,
    responses((status = 202, body = Operation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:configure"))))]
async fn edit_spec(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name)): Path<(String, String, String)>,
    headers: HeaderMap,
    Json(request): Json<SpecEdit>,
) -> Result<Response, Refusal> {
    let may = Permission::ApplicationConfigure;
    let (_, application) = caller
        .application(&app, &team, &environment, &name, may)
        .await?;
    let text = serde_json::to_string(&request).unwrap_or_default();
    let words = ["edit", &team, &environment, &name, &text];
    let by = asker(&app, &caller, &headers, &words)?;
    let spec = named(&request.spec, &name)?;
    let before = app.control.target_revision(&application).await?.spec;
    check_reach(&caller, application.team, Some(&before), &spec)?;
    let secrets = secret_pairs(&request.secrets)?;
    let asked = app.control.edit(by, &application, spec, secrets).await?;
    Ok(accepted(asked))
}

/// What such a change would do. Nothing is kept, nothing is pulled.
#[utoipa::path(post, path = "/applications/{application}/spec/preview", tag = "changes", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path)), request_body = SpecEdit,
    responses((status = 200, body = ChangePreview), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:configure"))))]
async fn preview_spec(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name)): Path<(String, String, String)>,
    Json(request): Json<SpecEdit>,
) -> Result<Json<ChangePreview>, Refusal> {
    let may = Permission::ApplicationConfigure;
    let (_, application) = caller
        .application(&app, &team, &environment, &name, may)
        .await?;
    let spec = named(&request.spec, &name)?;
    let secrets = secret_pairs(&request.secrets)?;
    let seen = app
        .control
        .preview_edit(&application, spec, &secrets)
        .await?;
    let mut preview = super::releases::preview_of(seen.current.as_ref(), &seen.next, seen.number);
    let note = |code: &str, about: &Name, text: String| PreviewNote {
        code: code.to_owned(),
        about: about.to_string(),
        text,
    };
    for name in &seen.pulled {
        let text = format!(
            "The image of {name} is pulled first; the ports it declares are not known yet."
        );
        preview.notes.push(note("pulled-first", name, text));
    }
    for name in &seen.built {
        let text = format!("{name} is built first.");
        preview.notes.push(note("built-first", name, text));
    }
    Ok(Json(preview))
}
