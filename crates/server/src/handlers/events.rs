//! What happened to an application's instances.

use axum::extract::State;
use pluvio_api::applications::Page;
use pluvio_model::observed::InstanceEvent;
use pluvio_model::permission::Permission;
use pluvio_model::problem::Problem;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::runs::component;
use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Query, Refusal};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(happened))
}

#[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// A component's name; all of them when absent.
    component: Option<String>,
    /// The whole name of an instance; all of them when absent.
    instance: Option<String>,
    /// Only what is a warning.
    #[serde(default)]
    warnings: bool,
}

/// What happened to instances, the newest first: started, ready, failing probes, ends, what could not be done. The same thing
/// again is counted. The last two hundred are told; an engine keeps those of instances that are gone too, a cluster keeps an hour.
#[utoipa::path(get, path = "/applications/{application}/events", tag = "instances", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), Which),
    responses((status = 200, body = Page<InstanceEvent>), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:read"))))]
async fn happened(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name)): Path<(String, String, String)>,
    Query(which): Query<Which>,
) -> Result<Json<Page<InstanceEvent>>, Refusal> {
    let (_, application) = caller
        .application(
            &app,
            &team,
            &environment,
            &name,
            Permission::ApplicationRead,
        )
        .await?;
    let component = which.component.as_deref().map(component).transpose()?;
    let mut events = app
        .control
        .place(application.cluster)?
        .events(application.id, which.instance.as_deref())
        .await?;
    events.retain(|event| {
        component.as_ref().is_none_or(|of| event.component == *of)
            && (event.is_warning || !which.warnings)
    });
    Ok(super::applications::single(events))
}
