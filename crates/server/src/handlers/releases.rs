//! Releases: history, one release, differences, what going back would do.

use axum::extract::State;
use pluvio_api::applications::Page;
use pluvio_api::releases::*;
use pluvio_model::permission::Permission;
use pluvio_model::problem::Problem;
use pluvio_model::release::Release;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Paging;
use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Query, Refusal, not_found};
use crate::view;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(diff))
        .routes(routes!(detail))
        .routes(routes!(preview))
}

/// The newest first.
#[utoipa::path(get, path = "/applications/{application}/releases", tag = "releases", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), Paging),
    responses((status = 200, body = Page<ReleaseSummary>), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("application:read"))))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name)): Path<(String, String, String)>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<ReleaseSummary>>, Refusal> {
    let (_, application) = caller
        .application(
            &app,
            &team,
            &environment,
            &name,
            Permission::ApplicationRead,
        )
        .await?;
    let rows = app
        .control
        .store()
        .releases(application.id, &paging.request()?)
        .await?;
    Ok(Json(super::paged(
        rows.map(|row| view::release(&row, &application)),
    )))
}

fn number(text: &str) -> Result<u64, Refusal> {
    text.trim_start_matches('r')
        .parse()
        .ok()
        .filter(|n| i64::try_from(*n).is_ok())
        .ok_or_else(|| not_found("release"))
}

/// One release with its specification.
#[utoipa::path(get, path = "/applications/{application}/releases/{release}", tag = "releases", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), ("release" = String, Path)),
    responses((status = 200, body = ReleaseDetail), (status = 401, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("application:read"))))]
async fn detail(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name, release)): Path<(String, String, String, String)>,
) -> Result<Json<ReleaseDetail>, Refusal> {
    let (_, application) = caller
        .application(
            &app,
            &team,
            &environment,
            &name,
            Permission::ApplicationRead,
        )
        .await?;
    let number = number(&release)?;
    let stored = app.control.store().release(application.id, number).await?;
    let revision = app.control.store().revision(application.id, number).await?;
    let mut summary = view::release(&stored.row, &application);
    summary.images = stored
        .release
        .components
        .values()
        .map(|c| (c.name.to_string(), c.content.main.image_id.clone()))
        .collect();
    if let Some(build) = stored
        .release
        .components
        .values()
        .find_map(|c| c.build.as_ref())
    {
        summary.built_from = Some(view::built_from(build));
    }
    let yaml = pluvio_formats::app::write(&revision.spec);
    Ok(Json(ReleaseDetail {
        summary,
        spec: serde_json::to_value(&revision.spec).expect("a spec serialises"),
        yaml,
        urls: stored.release.urls,
    }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Between {
    #[param(minimum = 1)]
    from: u32,
    #[param(minimum = 1)]
    to: u32,
}

/// What differs between two releases.
#[utoipa::path(get, path = "/applications/{application}/releases/diff", tag = "releases", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), Between),
    responses((status = 200, body = ReleaseDiff), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("application:read"))))]
async fn diff(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name)): Path<(String, String, String)>,
    Query(between): Query<Between>,
) -> Result<Json<ReleaseDiff>, Refusal> {
    let (_, application) = caller
        .application(
            &app,
            &team,
            &environment,
            &name,
            Permission::ApplicationRead,
        )
        .await?;
    let (from, to) = (u64::from(between.from), u64::from(between.to));
    let a = app
        .control
        .store()
        .release(application.id, from)
        .await?
        .release;
    let b = app
        .control
        .store()
        .release(application.id, to)
        .await?
        .release;
    Ok(Json(ReleaseDiff {
        from,
        to,
        components: diff_of(&a, &b),
    }))
}

fn diff_of(a: &Release, b: &Release) -> Vec<ComponentDiff> {
    let change = |change: pluvio_plan::diff::Change| match change {
        pluvio_plan::diff::Change::Added => Change::Added,
        pluvio_plan::diff::Change::Changed => Change::Changed,
        pluvio_plan::diff::Change::Removed => Change::Removed,
    };
    let rows = |rows: Vec<pluvio_plan::diff::Row>| {
        rows.into_iter()
            .map(|r| DiffRow {
                what: r.what,
                change: change(r.change),
                before: r.before,
                after: r.after,
            })
            .collect()
    };
    pluvio_plan::diff::diff(a, b)
        .into_iter()
        .map(|d| ComponentDiff {
            component: d.component.to_string(),
            change: change(d.change),
            rows: rows(d.rows),
        })
        .collect()
}

/// What going back to this release would do.
#[utoipa::path(get, path = "/applications/{application}/releases/{release}/preview", tag = "releases", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), ("release" = String, Path)),
    responses((status = 200, body = ChangePreview), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:read"))))]
async fn preview(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name, release)): Path<(String, String, String, String)>,
) -> Result<Json<ChangePreview>, Refusal> {
    let (_, application) = caller
        .application(
            &app,
            &team,
            &environment,
            &name,
            Permission::ApplicationRead,
        )
        .await?;
    let (current, next, number) = app
        .control
        .preview_rollback(&application, number(&release)?)
        .await?;
    Ok(Json(preview_of(current.as_ref(), &next, number)))
}

/// A unit variant as serde writes it.
pub(super) fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|v| v.as_str().map(str::to_owned))
        .unwrap_or_default()
}

pub(super) fn preview_of(current: Option<&Release>, next: &Release, number: u64) -> ChangePreview {
    let preview = pluvio_plan::preview::preview(current, next);
    ChangePreview {
        number,
        diff: current
            .map(|current| diff_of(current, next))
            .unwrap_or_default(),
        effects: preview
            .effects
            .into_iter()
            .map(|e| ComponentEffect {
                component: e.component.to_string(),
                effect: word(&e.effect),
                instances_before: e.instances_before,
                instances_after: e.instances_after,
                held: e.held,
            })
            .collect(),
        notes: preview
            .notes
            .into_iter()
            .map(|n| PreviewNote {
                code: word(&n.code),
                about: n.about.to_string(),
                text: n.text,
            })
            .collect(),
        usual_ms: None,
    }
}
