//! What is in a cluster, whoever made it: lists by kind, and one object whole. Nothing is changed here.

use axum::extract::State;
use pluvio_api::applications::Page;
use pluvio_api::clusters::*;
use pluvio_model::objects::ObjectsAsk;
use pluvio_model::permission::Permission;
use pluvio_model::problem::{self, Problem};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Paging;
use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Query, Refusal};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_objects))
        .routes(routes!(show_object))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Narrowed {
    /// Only those in this namespace.
    namespace: Option<String>,
    /// Words that the namespace, the name or what is told of it hold.
    find: Option<String>,
    /// `ours` or `foreign`; all when absent.
    #[param(inline)]
    whose: Option<Whose>,
    /// Rows of one page, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

/// A list of what is in a cluster, of one kind, as the cluster tells of it when it is asked: by namespace and name, events the
/// newest first. A page may be short and still go on, where something is looked for.
#[utoipa::path(get, path = "/clusters/{cluster}/objects/{kind}", tag = "platform", params(("cluster" = String, Path), ("kind" = inline(ObjectKind), Path), Narrowed),
    responses((status = 200, body = Page<ObjectRow>), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("cluster:manage"))))]
async fn list_objects(
    State(app): State<App>,
    caller: Caller,
    Path((cluster, kind)): Path<(String, String)>,
    Query(asked): Query<Narrowed>,
) -> Result<Json<Page<ObjectRow>>, Refusal> {
    caller.may(&app, Permission::ClusterManage)?;
    let cluster = app.control.store().cluster_named(&cluster).await?;
    let paging = Paging {
        limit: asked.limit,
        after: asked.after,
    };
    let page = paging.request()?;
    let namespace = asked.namespace.filter(|name| !name.is_empty());
    let find = asked.find.filter(|words| !words.trim().is_empty());
    let ask = ObjectsAsk {
        kind: kind_of(&kind)?,
        namespace: namespace.map(named).transpose()?,
        find,
        whose: asked.whose,
        limit: page.limit,
        after: page.after,
    };
    let page = app.control.look_into(&cluster)?.objects(&ask).await?;
    Ok(Json(Page {
        items: page.items,
        next: page.next,
    }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct In {
    /// The namespace, for kinds that have one.
    namespace: Option<String>,
}

/// One object of a cluster whole, as YAML, with what the cluster told of it. Values of Secrets and ConfigMaps are not in it.
#[utoipa::path(get, path = "/clusters/{cluster}/objects/{kind}/{name}", tag = "platform", params(("cluster" = String, Path), ("kind" = inline(ObjectKind), Path), ("name" = String, Path), In),
    responses((status = 200, body = ObjectDetail), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("cluster:manage"))))]
async fn show_object(
    State(app): State<App>,
    caller: Caller,
    Path((cluster, kind, name)): Path<(String, String, String)>,
    Query(at): Query<In>,
) -> Result<Json<ObjectDetail>, Refusal> {
    caller.may(&app, Permission::ClusterManage)?;
    let cluster = app.control.store().cluster_named(&cluster).await?;
    let kind = kind_of(&kind)?;
    let name = named(name)?;
    let namespace = at.namespace.filter(|name| !name.is_empty());
    let namespace = namespace.map(named).transpose()?;
    let inside = app.control.look_into(&cluster)?;
    let seen = inside.object(kind, namespace.as_deref(), &name).await?;
    Ok(Json(ObjectDetail {
        yaml: pluvio_formats::yaml::write::write(&seen.body, &|_| false),
        namespace: seen.namespace,
        name: seen.name,
        is_ours: seen.is_ours,
        containers: seen.containers,
        keys: seen.keys,
        events: seen.events,
    }))
}

fn kind_of(text: &str) -> Result<ObjectKind, Refusal> {
    text.parse().map_err(|()| {
        let all: Vec<String> = ObjectKind::ALL.iter().map(|kind| kind.word()).collect();
        let text: String = text.chars().take(64).collect();
        Refusal(problem::NOT_FOUND.problem(
            format!("{text:?} is no kind that can be listed."),
            format!("Those that can are {}.", all.join(", ")),
        ))
    })
}

/// A name that Kubernetes takes: it becomes part of a path there.
fn named(text: String) -> Result<String, Refusal> {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:_".contains(&byte);
    let is_name = (1..=253).contains(&text.len())
        && text.bytes().all(fits)
        && text.bytes().any(|byte| byte.is_ascii_alphanumeric());
    match is_name {
        true => Ok(text),
        false => Err(Refusal(problem::REQUEST_INVALID.problem(
            "A name on a cluster has at most 253 small letters, digits, dashes and dots.",
            "Name it as the list does.",
        ))),
    }
}
