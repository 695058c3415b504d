//! The platform itself: version, cluster, checks.

use axum::extract::State;
use pluvio_api::platform::*;
use pluvio_model::permission::Permission;
use pluvio_model::problem::Problem;
use pluvio_runtime::Runtime;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Refusal};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(version))
        .routes(routes!(cluster))
        .routes(routes!(rebind))
        .routes(routes!(doctor))
}

/// The server's version.
#[utoipa::path(get, path = "/version", tag = "platform", security(()), responses((status = 200, body = VersionInfo)), extensions(("x-permission" = json!("nobody"))))]
async fn version() -> Json<VersionInfo> {
    Json(VersionInfo {
        version: env!("CARGO_PKG_VERSION").into(),
        api: "v1".into(),
    })
}

async fn describe(app: &App) -> ClusterDetail {
    let health = app.control.node().health().await;
    let facts = app.control.node().facts().await;
    let message = match (&health, &facts) {
        (Err(error), _) => error.to_string(),
        (Ok(health), Err(error)) => health
            .engine
            .as_ref()
            .map_or_else(|| error.to_string(), |p| p.cause.clone()),
        (Ok(health), Ok(_)) => format!(
            "{} applications, node {} MiB",
            health.applications,
            health.memory_bytes >> 20
        ),
    };
    ClusterDetail {
        name: "local".into(),
        reachable: facts.is_ok(),
        facts: facts.ok(),
        message,
    }
}

/// The engine that applications run on.
#[utoipa::path(get, path = "/cluster", tag = "platform", responses((status = 200, body = ClusterDetail), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("cluster:read"))))]
async fn cluster(State(app): State<App>, caller: Caller) -> Result<Json<ClusterDetail>, Refusal> {
    caller.may(&app, Permission::ClusterRead)?;
    Ok(Json(describe(&app).await))
}

/// Takes the engine that answers now for the one of before.
#[utoipa::path(post, path = "/cluster/rebind", tag = "platform", responses((status = 200, body = ClusterDetail), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("cluster:manage"))))]
async fn rebind(State(app): State<App>, caller: Caller) -> Result<Json<ClusterDetail>, Refusal> {
    caller.may(&app, Permission::ClusterManage)?;
    app.control.rebind(&caller.actor()).await?;
    Ok(Json(describe(&app).await))
}

/// Checks of the machine, each with verdict and remedy.
#[utoipa::path(get, path = "/doctor", tag = "platform", responses((status = 200, body = DoctorReport), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("cluster:read"))))]
async fn doctor(State(app): State<App>, caller: Caller) -> Result<Json<DoctorReport>, Refusal> {
    caller.may(&app, Permission::ClusterRead)?;
    let mut report = {
        // The engine that is used, not the first that answers.
        let engine = app
            .control
            .builder()
            .engine()
            .socket()
            .display()
            .to_string();
        crate::doctor::examine(&app.control.config().data, Some(&engine), &[]).await
    };
    if let Ok(health) = app.control.node().health().await {
        let (verdict, message) = match &health.engine {
            None => (
                "ok",
                format!(
                    "the node serves {} applications on {}",
                    health.applications,
                    health
                        .listen
                        .iter()
                        .map(ToString::to_string)
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            ),
            Some(problem) => ("failed", problem.cause.clone()),
        };
        report.checks.insert(
            0,
            DoctorCheck {
                name: "node".into(),
                verdict: verdict.into(),
                message,
                remedy: health.engine.map(|p| p.remedy),
            },
        );
    } else {
        report.checks.insert(
            0,
            DoctorCheck {
                name: "node".into(),
                verdict: "failed".into(),
                message:
                    "the node does not answer; applications that run go on, the gateway may be down"
                        .into(),
                remedy: Some("Start it with `pluvio up`.".into()),
            },
        );
    }
    Ok(Json(report))
}
