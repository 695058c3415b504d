//! From what is stored and seen to what the wire shows.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use pluvio_api::applications::*;
use pluvio_api::releases::{ReleaseStatus, ReleaseSummary};
use pluvio_model::name::Name;
use pluvio_model::observed::{
    InstanceState, ObservedApplication, ObservedComponent, RunKind, RunState,
};
use pluvio_model::operation::{Operation, StepName, StepState};
use pluvio_model::release::{
    BuildRecord, Check, DecidedComponent, DecidedExternal, DecidedPort, DecidedProbe, Release,
    Strategy,
};
use pluvio_model::revision::Origin;
use pluvio_model::route::{HostPattern, PathMatch};
use pluvio_model::spec::{ComponentSpec, Kind, VolumeKind};
use pluvio_model::stage::Power;
use pluvio_node::wire::RouteMetrics;
use pluvio_runtime::UsageSample;
use pluvio_store::{Application, ApplicationState, ReleaseRow, ReleaseState, Target};

mod instance;

use instance::instance;
pub(crate) use instance::rests;

/// Everything an application's page is made of, fetched before it is made.
#[derive(Debug, Default)]
pub(crate) struct Seen<'a> {
    pub(crate) observed: Option<&'a ObservedApplication>,
    /// Why nothing is seen now, when nothing is.
    pub(crate) silence: Option<String>,
    pub(crate) usage: BTreeMap<String, Vec<UsageSample>>,
    pub(crate) routes: Vec<RouteMetrics>,
    pub(crate) running: Option<&'a Operation>,
    pub(crate) target: Option<&'a Target>,
}

/// How many instances are as they are wanted: those that serve, and those whose program is done.
pub(crate) fn ready(component: &ObservedComponent) -> u32 {
    component.instances.iter().filter(|i| i.is_up()).count() as u32
}

/// Whether an operation is one that the application's state shows. A copy of its data leaves it as it is.
pub(crate) fn moves(operation: &Operation) -> bool {
    !operation.kind.is_aside()
}

/// The worst state that is not intended, and what there is to say about it.
pub(crate) fn status(application: &Application, seen: &Seen) -> (Status, String) {
    if application.state == ApplicationState::Deleting {
        return (Status::Deploying, "being deleted".into());
    }
    if let Some(operation) = seen.running {
        let step = operation
            .steps
            .iter()
            .find(|s| s.state == StepState::Running);
        let building = step.is_some_and(|s| {
            matches!(
                s.name,
                StepName::Fetch | StepName::Base | StepName::Build | StepName::Keep
            )
        });
        let note = step.map(|s| s.note.clone()).unwrap_or_default();
        return (
            if building {
                Status::Building
            } else {
                Status::Deploying
            },
            note,
        );
    }
    if seen.target.is_some_and(|t| t.power == Power::Off) {
        return (Status::Stopped, String::new());
    }
    if seen.target.is_none() {
        return match application.state {
            ApplicationState::Failed => (Status::Failed, "nothing serves yet".into()),
            _ => (Status::Waiting, "nothing was deployed yet".into()),
        };
    }
    if let Some(silence) = &seen.silence {
        return (Status::Unknown, silence.clone());
    }
    let Some(observed) = seen.observed else {
        return (Status::Unknown, "not seen yet".into());
    };
    let (is, wanted) = observed
        .components
        .values()
        .fold((0, 0), |(is, wanted), c| {
            (is + ready(c), wanted + c.wanted_instances)
        });
    let silent = observed.externals.iter().find(|(_, addresses)| {
        addresses
            .iter()
            .all(|address| address.state == InstanceState::NotReady)
    });
    if let Some((name, _)) = silent.filter(|_| is >= wanted) {
        (Status::Degraded, format!("{name} outside does not answer"))
    } else if is >= wanted && wanted > 0 {
        (Status::Running, String::new())
    } else if wanted == 0 {
        (Status::Running, "no instances wanted".into())
    } else if is == 0 {
        (Status::Failed, format!("0 of {wanted} ready"))
    } else {
        (Status::Degraded, format!("{is} of {wanted} ready"))
    }
}

pub(crate) fn summary(
    application: &Application,
    release: Option<&Release>,
    seen: &Seen,
) -> ApplicationSummary {
    let (status, status_note) = status(application, seen);
    let components = seen.observed.map(|o| &o.components);
    let instances = components.into_iter().flat_map(|all| all.values());
    let resting: BTreeSet<&str> = instances
        .flat_map(|component| &component.instances)
        .filter(|instance| rests(instance))
        .map(|instance| &*instance.name)
        .collect();
    let used = seen.usage.iter();
    let used = used.filter(|(name, _)| !resting.contains(name.as_str()));
    let last: Vec<&UsageSample> = used.filter_map(|(_, samples)| samples.last()).collect();
    // What components ask of each other is no request from outside.
    let front = seen.routes.iter().filter(|route| route.edge().is_none());
    let front = front.map(|route| route.requests_per_second);
    ApplicationSummary {
        id: application.id,
        name: application.name.to_string(),
        display_name: application.display_name.clone(),
        status,
        status_note,
        urls: release
            .map(|r| r.urls.clone())
            .unwrap_or_else(|| application.url.clone().into_iter().collect()),
        live_release: seen.target.and_then(|t| t.live_release),
        target_release: application.release,
        instances_ready: components.map_or(0, |c| c.values().map(ready).sum()),
        instances_wanted: components.map_or(0, |c| c.values().map(|c| c.wanted_instances).sum()),
        cpu_millis: (!last.is_empty()).then(|| last.iter().map(|s| u64::from(s.cpu_millis)).sum()),
        memory_bytes: (!last.is_empty()).then(|| last.iter().map(|s| s.memory_bytes).sum()),
        requests_per_second: front.clone().next().map(|_| front.sum()),
        updated_at: application.updated_at,
        operation: seen.running.map(|o| o.id),
    }
}

/// One component's word. Of the application's own, those count for it that are about all of it.
pub(crate) fn component_status(
    application: &Application,
    decided: &DecidedComponent,
    seen: &Seen,
) -> (Status, String) {
    let (whole, note) = status(application, seen);
    let left = seen.observed.and_then(|o| o.components.get(&decided.name));
    if is_stopped(decided, seen) && left.is_none_or(|seen| seen.instances.is_empty()) {
        return (Status::Stopped, String::new());
    }
    if !matches!(
        whole,
        Status::Running | Status::Degraded | Status::Failed | Status::Deploying | Status::Building
    ) {
        return (whole, note);
    }
    if let Some(word) = seen.observed.and_then(|o| run_status(o, decided)) {
        return word;
    }
    let observed = seen.observed.and_then(|o| o.components.get(&decided.name));
    let (is, wanted) = observed.map_or((0, decided.instances), |o| (ready(o), o.wanted_instances));
    let word = match observed {
        // Only those that an operation has to do with are in motion.
        None | Some(ObservedComponent { settled: false, .. })
            if matches!(whole, Status::Deploying | Status::Building) =>
        {
            return (whole, note);
        }
        Some(seen) if is >= wanted && is > 0 && seen.instances.iter().all(|i| i.is_done()) => {
            return (Status::Succeeded, String::new());
        }
        _ if is >= wanted => return (Status::Running, String::new()),
        _ if is == 0 => Status::Failed,
        _ => Status::Degraded,
    };
    (word, format!("{is} of {wanted} ready"))
}

/// Whether a person stopped it, by itself or with the application.
pub(crate) fn is_stopped(decided: &DecidedComponent, seen: &Seen) -> bool {
    seen.target
        .is_some_and(|t| t.power == Power::Off || t.stopped.contains(&decided.name))
}

/// Of what runs to its end: its newest run says how it is.
fn run_status(
    observed: &ObservedApplication,
    decided: &DecidedComponent,
) -> Option<(Status, String)> {
    if !matches!(decided.kind, Kind::Job | Kind::Cron) {
        return None;
    }
    let own = observed
        .runs
        .iter()
        .filter(|run| run.component == decided.name && run.kind != RunKind::Release);
    let last = own.max_by_key(|run| run.scheduled_at.max(run.started_at));
    let word = match last.map(|run| run.state) {
        Some(RunState::Running) => Status::Running,
        Some(RunState::Failed) => Status::Failed,
        _ if decided.kind == Kind::Cron => Status::Scheduled,
        Some(RunState::Succeeded | RunState::Skipped) => Status::Succeeded,
        Some(RunState::Unknown) => Status::Unknown,
        Some(RunState::Waiting) | None => Status::Waiting,
    };
    let note = match last {
        Some(run) if word == Status::Failed => run.exit.as_ref().map_or_else(
            || "its last run failed".to_owned(),
            |exit| format!("its last run ended with exit code {}", exit.code),
        ),
        _ => String::new(),
    };
    Some((word, note))
}

pub(crate) fn component(
    application: &Application,
    release: &Release,
    spec: Option<&ComponentSpec>,
    decided: &DecidedComponent,
    seen: &Seen,
) -> ComponentDetail {
    let observed = seen.observed.and_then(|o| o.components.get(&decided.name));
    let main = &decided.content.main;
    let wanted = observed.map_or(decided.instances, |o| o.wanted_instances);
    let stopped = is_stopped(decided, seen);
    let (status, status_note) = component_status(application, decided, seen);
    let env = main.env.iter().map(|(name, value)| {
        let own = spec.is_some_and(|s| s.env.contains_key(name));
        let origin = if own {
            "yours"
        } else if name.as_str() == "PORT" {
            "pluvio"
        } else {
            "received"
        };
        EnvRow {
            name: name.to_string(),
            value: value.masked(),
            secret: value.is_secret(),
            origin: origin.into(),
        }
    });
    let file = |hot: bool| {
        move |(path, file): (
            &pluvio_model::spec::AbsolutePath,
            &pluvio_model::release::DecidedFile,
        )| FileRow {
            path: path.to_string(),
            content: file.content.masked(),
            hot,
            secret: file.content.is_secret(),
        }
    };
    let mounts = main.mounts.iter().map(|(path, mount)| MountRow {
        path: path.to_string(),
        kind: match mount.kind {
            VolumeKind::Disk => "disk",
            VolumeKind::Memory => "memory",
            VolumeKind::Host => "host",
        }
        .into(),
        volume: mount.volume.as_ref().map(ToString::to_string),
        access: mount
            .volume
            .as_ref()
            .and_then(|v| release.volumes.get(v))
            .map(|v| format!("{:?}", v.access).to_lowercase()),
        size: mount.size.map(|s| s.0),
    });
    ComponentDetail {
        name: decided.name.to_string(),
        kind: format!("{:?}", decided.kind).to_lowercase(),
        status,
        status_note,
        stopped,
        image: main.image.to_string(),
        image_id: main.image_id.clone(),
        instances_wanted: wanted,
        scale: decided.scale.clone(),
        scaling: observed.and_then(|o| o.scaling.clone()),
        instances: observed
            .map(|o| {
                o.instances
                    .iter()
                    .map(|i| instance(i, decided, seen))
                    .collect()
            })
            .unwrap_or_default(),
        addresses: Vec::new(),
        ports: ports(&decided.content.ports),
        routes: routes(application, release, &seen.routes)
            .into_iter()
            .filter(|r| r.component == decided.name.as_str())
            .collect(),
        env: env.collect(),
        files: main
            .files
            .iter()
            .map(file(false))
            .chain(decided.hot_files.iter().map(file(true)))
            .collect(),
        mounts: mounts.collect(),
        resources: ResourcesRow {
            cpu_limit_millis: main.cpu_limit.map(|c| c.0),
            memory_limit_bytes: main.memory_limit.map(|m| m.0),
        },
        probes: main
            .probes
            .each()
            .map(|(kind, probe)| ProbeRow {
                kind: kind.into(),
                text: probe_text(probe),
            })
            .collect(),
        strategy: match decided.rollout.strategy {
            Strategy::Surge { .. } => "surge".into(),
            Strategy::StopThenStart => "stop-then-start".into(),
            Strategy::Ordered => "ordered".into(),
        },
        drain_ms: decided.rollout.drain.0,
        built_from: decided.build.as_ref().map(built_from),
    }
}

/// A component outside: its addresses stand where others have instances.
pub(crate) fn external(
    application: &Application,
    release: &Release,
    decided: &DecidedExternal,
    seen: &Seen,
) -> ComponentDetail {
    let addresses = seen
        .observed
        .and_then(|observed| observed.externals.get(&decided.name));
    let addresses = addresses.map(Vec::as_slice).unwrap_or_default();
    let wanted = addresses.len() as u32;
    let is = addresses
        .iter()
        .filter(|address| address.state == InstanceState::Ready)
        .count() as u32;
    let (status, status_note) = match status(application, seen) {
        (Status::Running | Status::Degraded | Status::Failed, _) => match (is, wanted) {
            (_, 0) => (Status::Unknown, "not seen yet".to_owned()),
            (0, _) => (Status::Failed, "no address answers".to_owned()),
            _ if is < wanted => (Status::Degraded, format!("{is} of {wanted} answer")),
            _ => (Status::Running, String::new()),
        },
        other => other,
    };
    let told = |address: &pluvio_model::observed::ObservedInstance| InstanceDetail {
        instance: address.clone(),
        current: true,
        cpu_millis: Vec::new(),
        memory_bytes: Vec::new(),
        memory_limit: None,
    };
    let written: Vec<String> = decided.addresses.iter().map(ToString::to_string).collect();
    ComponentDetail {
        name: decided.name.to_string(),
        kind: "external".to_owned(),
        status,
        status_note,
        stopped: false,
        image: String::new(),
        image_id: String::new(),
        instances_wanted: wanted,
        scale: None,
        scaling: None,
        instances: addresses.iter().map(told).collect(),
        addresses: written,
        ports: ports(&decided.ports),
        routes: routes(application, release, &seen.routes)
            .into_iter()
            .filter(|route| route.component == decided.name.as_str())
            .collect(),
        env: Vec::new(),
        files: Vec::new(),
        mounts: Vec::new(),
        resources: ResourcesRow {
            cpu_limit_millis: None,
            memory_limit_bytes: None,
        },
        probes: vec![ProbeRow {
            kind: "ready".to_owned(),
            text: probe_text(&decided.check),
        }],
        strategy: String::new(),
        drain_ms: 0,
        built_from: None,
    }
}

fn ports(ports: &IndexMap<Name, DecidedPort>) -> Vec<PortDetail> {
    let told = ports.iter().map(|(name, port)| PortDetail {
        name: name.to_string(),
        port: port.port,
        protocol: format!("{:?}", port.protocol).to_lowercase(),
    });
    told.collect()
}

pub(crate) fn probe_text(probe: &DecidedProbe) -> String {
    let what = match &probe.check {
        Check::Http { port, path, .. } => format!("GET {path} on {port}"),
        Check::Tcp { .. } | Check::Ports { .. } => format!("TCP on {}", probe.check.port_list()),
        Check::Command(words) => words.join(" "),
    };
    format!("{what}, every {}", probe.period)
}

pub(crate) fn routes(
    application: &Application,
    release: &Release,
    metrics: &[RouteMetrics],
) -> Vec<RouteDetail> {
    let mut out = Vec::new();
    for route in &release.routes {
        let Some(backend) = route.backends.first() else {
            continue;
        };
        let traffic = metrics
            .iter()
            .find(|m| m.route == route.id.as_str())
            .map(|m| Traffic {
                requests_per_second: m.requests_per_second,
                p95_ms: m.p95.unwrap_or(0.0) * 1000.0,
                errors: if m.requests_per_second > 0.0 {
                    (m.server_errors_per_second / m.requests_per_second).min(1.0)
                } else {
                    0.0
                },
            });
        let (path, exact) = match route.matches.first().map(|m| &m.path) {
            Some(PathMatch::Exact(path)) => (path.to_string(), true),
            Some(PathMatch::Prefix(path)) => (path.to_string(), false),
            None => ("/".to_owned(), false),
        };
        for host in &route.hosts {
            let shown = match host {
                HostPattern::Exact(name) => name.to_string(),
                other => other.to_string(),
            };
            let known = release.urls.iter().find(|u| {
                u.split("://")
                    .nth(1)
                    .is_some_and(|rest| rest.starts_with(&shown))
            });
            let port = release
                .urls
                .first()
                .and_then(|u| u.rsplit_once(':'))
                .map(|(_, p)| p.trim_end_matches('/'))
                .filter(|p| p.bytes().all(|b| b.is_ascii_digit()));
            let url = match known {
                Some(url) => url.clone(),
                None => format!(
                    "http://{shown}{}{}",
                    port.map(|p| format!(":{p}")).unwrap_or_default(),
                    if path == "/" { "" } else { &path }
                ),
            };
            out.push(RouteDetail {
                id: route.id.to_string(),
                application: application.name.to_string(),
                component: backend.backend.component().to_string(),
                host: shown,
                path: path.clone(),
                exact,
                port: backend.backend.port().to_string(),
                url,
                traffic: traffic.clone(),
            });
        }
    }
    out
}

pub(crate) fn built_from(build: &BuildRecord) -> BuiltFrom {
    BuiltFrom {
        builder: build.builder.clone(),
        commit: build.source.commit.clone(),
        message: build.source.message.clone(),
        author: build.source.author.clone(),
        branch: build.source.branch.clone(),
        duration_ms: build.duration_ms,
    }
}

/// A line of the history.
pub(crate) fn release(row: &ReleaseRow, application: &Application) -> ReleaseSummary {
    let status = match row.state {
        ReleaseState::Decided if application.release == Some(row.number) => {
            ReleaseStatus::Deploying
        }
        ReleaseState::Decided | ReleaseState::Superseded => ReleaseStatus::Superseded,
        ReleaseState::Live => ReleaseStatus::Live,
        ReleaseState::Retired => ReleaseStatus::Retired,
        ReleaseState::Failed => ReleaseStatus::Failed,
    };
    let title = match (&row.commit_message, &row.origin) {
        (_, Origin::Patch { what }) => what.clone(),
        (_, Origin::Rollback { to }) => format!("Roll back to r{to}"),
        (_, Origin::Restart { components }) => {
            let names: Vec<&str> = components.iter().map(|name| name.as_str()).collect();
            format!("Restart {}", names.join(", "))
                .trim_end()
                .to_owned()
        }
        (
            _,
            Origin::Copy {
                application,
                environment,
                release,
            },
        ) => format!("Copy of {application} r{release} in {environment}"),
        (
            _,
            Origin::Promote {
                environment,
                release,
                ..
            },
        ) => format!("Promote r{release} from {environment}"),
        (Some(message), _) => message.lines().next().unwrap_or_default().to_owned(),
        (None, _) => match &row.image {
            Some(image) if row.commit.is_none() && !image.starts_with("localhost/pluvio/") => {
                format!("Deploy {image}")
            }
            _ => "Deploy".into(),
        },
    };
    let built = row.commit.is_some() || row.author.is_some();
    ReleaseSummary {
        number: row.number,
        status,
        origin: row.origin.clone(),
        title,
        actor: row.actor.clone(),
        at: row.created_at,
        duration_ms: row.duration_ms,
        operation: Some(row.operation),
        built_from: built.then(|| BuiltFrom {
            builder: String::new(),
            commit: row.commit.clone(),
            message: row.commit_message.clone(),
            author: row.author.clone(),
            branch: None,
            duration_ms: 0,
        }),
        images: row
            .image
            .clone()
            .zip(row.image_id.clone())
            .into_iter()
            .collect(),
        restorable: matches!(row.state, ReleaseState::Live | ReleaseState::Retired),
    }
}
