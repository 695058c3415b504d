//! Who talks to whom: what is declared, and what the gateway and the inner addresses counted.

use std::collections::{BTreeMap, HashMap};

use axum::extract::State;
use indexmap::IndexMap;
use pluvio_api::applications::{ApplicationSummary, ComponentDetail, PortDetail, Status};
use pluvio_api::topology::*;
use pluvio_model::id::ApplicationId;
use pluvio_model::id::ClusterId;
use pluvio_model::observed::InstanceState;
use pluvio_model::permission::Permission;
use pluvio_model::problem::{self, Problem};
use pluvio_model::release::{DecidedComponent, Release};
use pluvio_model::spec::AppSpec;
use pluvio_node::wire::{CallerMetrics, Metrics, RouteMetrics};
use pluvio_runtime::{RuntimeError, Scope as RuntimeScope};
use pluvio_store::{Application, ApplicationFilter, PageRequest, Scope};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::releases::word;
use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Query, Refusal};
use crate::view::{self, Seen};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(application_topology))
        .routes(routes!(environment_topology))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Window {
    /// Seconds that rates and percentiles are over; the last minute when absent.
    #[param(minimum = 60, maximum = 3600)]
    window: Option<u64>,
}

impl Window {
    pub(super) fn seconds(&self) -> Result<u64, Refusal> {
        let seconds = self.window.unwrap_or(60);
        if (60..=3600).contains(&seconds) {
            return Ok(seconds);
        }
        Err(Refusal(problem::REQUEST_INVALID.problem(
            format!("window={seconds} is not between 60 and 3600 seconds."),
            "Ask for the last minute (60) up to the last hour (3600).",
        )))
    }
}

/// The graph of one application: its components, the gateway, and what passes between them.
#[utoipa::path(get, path = "/applications/{application}/topology", tag = "applications", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), Window),
    responses((status = 200, body = Topology), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("application:read"))))]
async fn application_topology(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name)): Path<(String, String, String)>,
    Query(window): Query<Window>,
) -> Result<Json<Topology>, Refusal> {
    let may = Permission::ApplicationRead;
    let (scope, application) = caller
        .application(&app, &team, &environment, &name, may)
        .await?;
    let seconds = window.seconds()?;
    let (control, store) = (&app.control, app.control.store());
    // A place that is away hides no component.
    let place = control.place(application.cluster).ok();
    let seen = async {
        let place = place.as_ref()?;
        let whose = RuntimeScope::Application(application.id);
        let (observed, usage) =
            tokio::join!(place.observe(whose), place.usage(application.id, false));
        Some((observed.ok()?, usage.unwrap_or_default()))
    };
    let (seen, metrics) = tokio::join!(seen, metrics(&app, application.cluster, seconds));
    let (observed, usage) = seen.unzip();
    let silence = observed.is_none().then(|| {
        let told = super::now::silence(&app, application.cluster);
        told.unwrap_or_else(|| "the node does not answer".to_owned())
    });
    let metrics = metrics.unwrap_or_default();
    let mut graph = Graph::new(seconds);
    graph.seen(observed.as_ref().and_then(|o| o.at), observed.is_some());
    let Some(number) = application.release else {
        // Nothing was decided yet; what was asked shows at least who shall use whom.
        if application.revision.is_some() {
            graph.asked(&control.target_revision(&application).await?.spec);
        }
        return Ok(Json(graph.done()));
    };
    let release = store.release(application.id, number).await?.release;
    let spec = store.revision(application.id, number).await?.spec;
    let target = match control.cluster_id(application.cluster) {
        Some(cluster) => store.target(application.id, cluster).await?,
        None => None,
    };
    let running = super::applications::running(&app, scope.team, Some(scope.environment)).await?;
    let seen = Seen {
        observed: observed
            .as_ref()
            .and_then(|o| o.applications.get(&application.id)),
        silence,
        usage: usage.unwrap_or_default(),
        routes: Vec::new(),
        running: running
            .iter()
            .find(|o| o.application == application.id && view::moves(o)),
        target: target.as_ref(),
    };
    for decided in release.components.values() {
        graph.component(&application, &spec, decided, &seen);
    }
    for decided in release.externals.values() {
        graph.external(&view::external(&application, &release, decided, &seen));
    }
    graph.declared(&spec);
    graph.routes(&release, &metrics.routes, application.id);
    graph.inner(&release, &metrics.routes, application.id);
    for asked in metrics.callers {
        if asked.caller == application.id && asked.traffic.application != application.id {
            graph.asks_another(&app, &scope, &asked).await?;
        }
    }
    Ok(Json(graph.done()))
}

/// Who asked whom; only the node of this machine counts that.
pub(super) async fn metrics(
    app: &App,
    at: Option<ClusterId>,
    seconds: u64,
) -> Result<Metrics, RuntimeError> {
    match at {
        None => app.control.node().metrics_over(seconds).await,
        Some(_) => Ok(Metrics::default()),
    }
}

/// The graph of an environment: its applications, the gateway, and which of them asks which.
#[utoipa::path(get, path = "/topology", tag = "applications", params(("team" = String, Path), ("environment" = String, Path), Window),
    responses((status = 200, body = Topology), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("application:read"))))]
async fn environment_topology(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment)): Path<(String, String)>,
    Query(window): Query<Window>,
) -> Result<Json<Topology>, Refusal> {
    let may = Permission::ApplicationRead;
    let scope = caller.enter(&app, &team, &environment, may).await?;
    let seconds = window.seconds()?;
    let applications = all(&app, &scope).await?;
    let summaries = super::applications::summaries(&app, &scope, &applications).await?;
    let metrics = metrics(&app, scope.cluster, seconds).await;
    let mut graph = Graph::new(seconds);
    graph.seen(None, metrics.is_ok());
    for summary in &summaries {
        graph.application(summary);
    }
    let names: HashMap<ApplicationId, String> = summaries
        .iter()
        .map(|one| (one.id, one.name.clone()))
        .collect();
    graph.between(&names, metrics.unwrap_or_default());
    // An external component may stand for an application beside it.
    for application in &applications {
        if application.release.is_some() {
            let spec = app.control.target_revision(application).await?.spec;
            graph.addresses(application.name.as_str(), &spec, &summaries);
        }
    }
    Ok(Json(graph.done()))
}

pub(super) async fn all(app: &App, scope: &Scope) -> Result<Vec<Application>, Refusal> {
    let filter = ApplicationFilter {
        team: scope.team,
        environment: Some(scope.environment),
        state: None,
        contains: None,
    };
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = PageRequest { limit: 200, after };
        let page = app.control.store().applications(&filter, &page).await?;
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(all);
        }
    }
}

/// A topology that is being put together.
pub(super) struct Graph {
    window_seconds: u64,
    seen_ms_ago: Option<u64>,
    pub(super) nodes: IndexMap<String, TopologyNode>,
    edges: IndexMap<(String, String), TopologyEdge>,
}

impl Graph {
    pub(super) fn new(window_seconds: u64) -> Graph {
        Graph {
            window_seconds,
            seen_ms_ago: None,
            nodes: IndexMap::new(),
            edges: IndexMap::new(),
        }
    }

    pub(super) fn seen(&mut self, at: Option<jiff::Timestamp>, answers: bool) {
        let age = at.map(|at| jiff::Timestamp::now().duration_since(at).as_millis());
        let age = age.map(|age| u64::try_from(age).unwrap_or(0));
        self.seen_ms_ago = age.or(answers.then_some(0));
    }

    pub(super) fn done(self) -> Topology {
        Topology {
            window_seconds: self.window_seconds,
            seen_ms_ago: self.seen_ms_ago,
            nodes: self.nodes.into_values().collect(),
            edges: self.edges.into_values().collect(),
        }
    }

    fn node(&mut self, id: &str, name: &str, kind: &str) -> &mut TopologyNode {
        self.nodes
            .entry(id.to_owned())
            .or_insert_with(|| TopologyNode {
                id: id.to_owned(),
                name: name.to_owned(),
                environment: None,
                kind: kind.to_owned(),
                status: Status::Running,
                status_note: String::new(),
                instances_ready: 0,
                instances_wanted: 0,
                cpu_millis: None,
                memory_bytes: None,
                what: String::new(),
                ports: Vec::new(),
                hosts: Vec::new(),
                next_run_at: None,
            })
    }

    fn edge(&mut self, from: &str, to: &str) -> &mut TopologyEdge {
        self.edges
            .entry((from.to_owned(), to.to_owned()))
            .or_insert_with(|| TopologyEdge {
                from: from.to_owned(),
                to: to.to_owned(),
                declared: false,
                prefix: None,
                traffic: Vec::new(),
            })
    }

    fn gateway(&mut self) -> &mut TopologyNode {
        self.node(GATEWAY, "gateway", "gateway")
    }

    fn component(
        &mut self,
        application: &Application,
        spec: &AppSpec,
        decided: &DecidedComponent,
        seen: &Seen,
    ) {
        let name = decided.name.as_str();
        let (status, note) = view::component_status(application, decided, seen);
        let observed = seen.observed;
        let own = observed.and_then(|o| o.components.get(&decided.name));
        let last = own.into_iter().flat_map(|c| &c.instances);
        let last = last.filter(|one| !view::rests(one));
        let last = last.filter_map(|one| seen.usage.get(&one.name)?.last());
        let last: Vec<_> = last.collect();
        let declared = spec.components.get(&decided.name);
        let node = self.node(name, name, &word(&decided.kind));
        (node.status, node.status_note) = (status, note);
        node.instances_ready = own.map_or(0, view::ready);
        node.instances_wanted = own.map_or(decided.instances, |c| c.wanted_instances);
        if !last.is_empty() {
            node.cpu_millis = Some(last.iter().map(|s| u64::from(s.cpu_millis)).sum());
            node.memory_bytes = Some(last.iter().map(|s| s.memory_bytes).sum());
        }
        node.what = match declared {
            Some(spec) if spec.database.is_some() => spec.database.clone().unwrap_or_default(),
            Some(spec) if spec.source.is_some() => decided
                .build
                .as_ref()
                .map_or_else(String::new, |build| build.builder.clone()),
            _ => decided.content.main.image.to_string(),
        };
        node.ports = decided
            .content
            .ports
            .iter()
            .map(|(name, port)| PortDetail {
                name: name.to_string(),
                port: port.port,
                protocol: word(&port.protocol),
            })
            .collect();
        node.next_run_at = observed
            .and_then(|o| o.schedules.get(&decided.name))
            .copied();
    }

    /// What is outside: its addresses count as instances.
    fn external(&mut self, shown: &ComponentDetail) {
        let ready = shown.instances.iter();
        let ready = ready.filter(|one| one.instance.state == InstanceState::Ready);
        let node = self.node(&shown.name, &shown.name, &shown.kind);
        (node.status, node.status_note) = (shown.status, shown.status_note.clone());
        node.instances_ready = ready.count() as u32;
        node.instances_wanted = shown.instances_wanted;
        node.what = shown.addresses.join(", ");
        node.ports.clone_from(&shown.ports);
    }

    /// What nobody has decided yet.
    fn asked(&mut self, spec: &AppSpec) {
        for (name, component) in &spec.components {
            let node = self.node(name.as_str(), name.as_str(), &word(&component.kind));
            node.status = Status::Waiting;
        }
        self.declared(spec);
    }

    fn declared(&mut self, spec: &AppSpec) {
        for (name, component) in &spec.components {
            for used in &component.uses {
                let edge = self.edge(name.as_str(), used.component().as_str());
                edge.declared = true;
                if let pluvio_model::spec::Use::As(named) = used {
                    edge.prefix = named.prefix.as_ref().map(ToString::to_string);
                }
            }
        }
    }

    fn routes(&mut self, release: &Release, metrics: &[RouteMetrics], of: ApplicationId) {
        for route in &release.routes {
            let hosts: Vec<String> = route.hosts.iter().map(ToString::to_string).collect();
            let path = route.matches.first().map(|m| m.path.path().to_string());
            let path = path.filter(|path| path != "/").unwrap_or_default();
            let counted = metrics
                .iter()
                .find(|m| m.application == of && m.route == route.id.as_str());
            for backend in &route.backends {
                let (to, port) = (backend.backend.component(), backend.backend.port());
                let gateway = self.gateway();
                for host in &hosts {
                    if !gateway.hosts.contains(host) {
                        gateway.hosts.push(host.clone());
                    }
                }
                if let Some(node) = self.nodes.get_mut(to.as_str()) {
                    node.hosts
                        .extend(hosts.iter().map(|host| format!("{host}{path}")));
                }
                let edge = self.edge(GATEWAY, to.as_str());
                edge.declared = true;
                if let Some(counted) = counted {
                    let shown = hosts.first().map(|host| format!("{host}{path}"));
                    edge.traffic
                        .push(traffic(counted, port.as_str(), "http", shown));
                }
            }
        }
    }

    /// What the inner addresses counted.
    fn inner(&mut self, release: &Release, metrics: &[RouteMetrics], of: ApplicationId) {
        for counted in metrics.iter().filter(|m| m.application == of) {
            let Some((client, component, port)) = counted.edge() else {
                continue;
            };
            let run = release.components.values();
            let run = run.map(|c| (&c.name, &c.content.ports));
            let outside = release.externals.values().map(|c| (&c.name, &c.ports));
            let asked = run
                .chain(outside)
                .find(|(name, _)| name.as_str() == component);
            let Some((_, ports)) = asked else {
                // It was removed, and its last connections end.
                continue;
            };
            let from = match self.nodes.contains_key(client) {
                true => client,
                false => {
                    self.node(ELSEWHERE, "elsewhere", "elsewhere");
                    ELSEWHERE
                }
            };
            let protocol = ports.iter().find(|(name, _)| name.as_str() == port);
            let protocol = protocol.map_or_else(|| "tcp".to_owned(), |(_, p)| word(&p.protocol));
            let counted = traffic(counted, port, &protocol, None);
            self.edge(from, component).traffic.push(counted);
        }
    }

    /// A component asked another application at the front door.
    async fn asks_another(
        &mut self,
        app: &App,
        scope: &Scope,
        asked: &CallerMetrics,
    ) -> Result<(), Refusal> {
        let store = app.control.store();
        // One of another team or environment is nobody's to see here.
        let Ok(other) = store.application(asked.traffic.application).await else {
            return Ok(());
        };
        if other.team != scope.team || other.environment != scope.environment {
            return Ok(());
        }
        let id = format!("@app.{}", other.name);
        self.node(&id, other.name.as_str(), "application");
        let counted = traffic(&asked.traffic, "", "http", None);
        self.edge(asked.component.as_str(), &id)
            .traffic
            .push(counted);
        Ok(())
    }

    pub(super) fn application(&mut self, summary: &ApplicationSummary) {
        let node = self.node(&summary.name, &summary.name, "application");
        node.status = summary.status;
        node.status_note.clone_from(&summary.status_note);
        node.instances_ready = summary.instances_ready;
        node.instances_wanted = summary.instances_wanted;
        node.cpu_millis = summary.cpu_millis;
        node.memory_bytes = summary.memory_bytes;
        node.hosts = summary.urls.iter().map(|url| host_of(url)).collect();
        if !summary.urls.is_empty() {
            self.gateway();
            self.edge(GATEWAY, &summary.name).declared = true;
        }
    }

    pub(super) fn between(&mut self, names: &HashMap<ApplicationId, String>, metrics: Metrics) {
        let mut front: BTreeMap<&str, Vec<&RouteMetrics>> = BTreeMap::new();
        for counted in metrics.routes.iter().filter(|m| m.edge().is_none()) {
            if let Some(name) = names.get(&counted.application) {
                front.entry(name).or_default().push(counted);
            }
        }
        for (name, routes) in front {
            self.gateway();
            let sum = sum(&routes);
            self.edge(GATEWAY, name).traffic.push(sum);
        }
        let mut asked: BTreeMap<(&str, &str), Vec<&RouteMetrics>> = BTreeMap::new();
        for one in metrics
            .callers
            .iter()
            .filter(|c| c.caller != c.traffic.application)
        {
            let ends = (names.get(&one.caller), names.get(&one.traffic.application));
            if let (Some(from), Some(to)) = ends {
                asked.entry((from, to)).or_default().push(&one.traffic);
            }
        }
        for ((from, to), counted) in asked {
            let sum = sum(&counted);
            self.edge(from, to).traffic.push(sum);
        }
    }

    /// Declares an edge for each external component whose address is another application's host.
    pub(super) fn addresses(&mut self, from: &str, spec: &AppSpec, all: &[ApplicationSummary]) {
        let outside = spec.components.values().filter_map(|c| c.external.as_ref());
        for address in outside.flat_map(|external| &external.addresses) {
            let host = address.host.to_string();
            let named = all.iter().find(|other| {
                other.name != from && other.urls.iter().any(|url| host_of(url) == host)
            });
            if let Some(to) = named {
                self.edge(from, &to.name).declared = true;
            }
        }
    }
}

/// `shop.localhost` of `http://shop.localhost:8080/x`, of `shop.localhost:8080` and of itself.
fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = rest.find(['/', ':']).unwrap_or(rest.len());
    rest[..end].to_owned()
}

fn traffic(
    counted: &RouteMetrics,
    port: &str,
    protocol: &str,
    route: Option<String>,
) -> EdgeTraffic {
    // Of a connection that passes as bytes it is how long the instance took to accept it.
    let answers = |seconds: Option<f64>| seconds.filter(|_| protocol != "tcp").map(|s| s * 1000.0);
    EdgeTraffic {
        port: port.to_owned(),
        protocol: protocol.to_owned(),
        route,
        requests_per_second: counted.requests_per_second,
        errors_per_second: counted.server_errors_per_second,
        client_errors_per_second: counted.client_errors_per_second,
        p50_ms: answers(counted.p50),
        p95_ms: answers(counted.p95),
        received_per_second: counted.received_per_second,
        sent_per_second: counted.sent_per_second,
        open: counted.active,
    }
}

/// Of several routes: rates add up, of times the worst is told.
fn sum(all: &[&RouteMetrics]) -> EdgeTraffic {
    let rate = |read: fn(&RouteMetrics) -> f64| all.iter().map(|one| read(one)).sum::<f64>();
    let worst = |read: fn(&RouteMetrics) -> Option<f64>| {
        let known = all.iter().filter_map(|one| read(one));
        known.reduce(f64::max).map(|seconds| seconds * 1000.0)
    };
    EdgeTraffic {
        port: String::new(),
        protocol: "http".to_owned(),
        route: None,
        requests_per_second: rate(|one| one.requests_per_second),
        errors_per_second: rate(|one| one.server_errors_per_second),
        client_errors_per_second: rate(|one| one.client_errors_per_second),
        p50_ms: worst(|one| one.p50),
        p95_ms: worst(|one| one.p95),
        received_per_second: rate(|one| one.received_per_second),
        sent_per_second: rate(|one| one.sent_per_second),
        open: all.iter().map(|one| one.active).sum(),
    }
}
