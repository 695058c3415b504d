//! Looking: applications, status, logs, routes, the cluster.

use futures::StreamExt;
use pluvio_api::applications::{
    ApplicationDetail, ApplicationSummary, ComponentDetail, LogEntry, Page, RouteDetail, Status,
};
use pluvio_api::platform::{ClusterDetail, DoctorReport};
use pluvio_model::observed::{ExitRecord, InstanceState};
use pluvio_model::operation::{Operation, Outcome};
use pluvio_model::problem::{self, Problem};
use serde::de::DeserializeOwned;

use super::Done;
use crate::cli::LogsArgs;
use crate::context::{Context, escape};
use crate::output::{Output, Tone, ago, bytes};

/// All pages of a list.
pub(crate) async fn all<T: DeserializeOwned>(
    context: &Context,
    path: &str,
) -> Result<Vec<T>, Problem> {
    let client = context.client()?;
    let (mut items, mut after) = (Vec::new(), String::new());
    loop {
        let join = if path.contains('?') { '&' } else { '?' };
        let page: Page<T> = client.get(&format!("{path}{join}limit=200{after}")).await?;
        items.extend(page.items);
        match page.next {
            Some(next) => after = format!("&after={}", escape(&next)),
            None => return Ok(items),
        }
    }
}

pub(crate) fn status_word(context: &Context, status: Status) -> String {
    let (word, tone) = match status {
        Status::Running => ("running", Tone::Good),
        Status::Deploying => ("deploying", Tone::Accent),
        Status::Building => ("building", Tone::Accent),
        Status::Degraded => ("degraded", Tone::Warn),
        Status::Failed => ("failed", Tone::Bad),
        Status::Waiting => ("waiting", Tone::Faint),
        Status::Scheduled => ("scheduled", Tone::Faint),
        Status::Succeeded => ("succeeded", Tone::Good),
        Status::Stopped => ("stopped", Tone::Faint),
        Status::Unknown => ("unknown", Tone::Faint),
    };
    if context.out.json {
        word.to_owned()
    } else {
        context.out.paint(tone, word)
    }
}

pub(crate) async fn apps(context: &Context) -> Done {
    let apps: Vec<ApplicationSummary> = all(
        context,
        &format!("{}/applications", context.environment_path()),
    )
    .await?;
    if context.out.json {
        context.out.document(&apps);
        return Ok(());
    }
    if apps.is_empty() {
        context
            .out
            .line("No applications yet. `pluvio deploy` in a folder with source makes the first.");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = apps
        .iter()
        .map(|a| {
            let word = format!("{:?}", a.status).to_lowercase();
            let release = a.live_release.map_or("-".to_owned(), |r| format!("r{r}"));
            vec![
                a.name.clone(),
                word,
                release,
                format!("{}/{}", a.instances_ready, a.instances_wanted),
                a.memory_bytes.map_or("-".into(), bytes),
                a.urls.first().cloned().unwrap_or_default(),
                ago(a.updated_at),
            ]
        })
        .collect();
    context.out.table(
        &[
            "NAME", "STATUS", "RELEASE", "READY", "MEMORY", "URL", "CHANGED",
        ],
        &rows,
    );
    Ok(())
}

pub(crate) async fn status(context: &Context) -> Done {
    let app: ApplicationDetail = context.client()?.get(&context.app_path()?).await?;
    if context.out.json {
        context.out.document(&app);
        return Ok(());
    }
    let out = &context.out;
    let note = if app.summary.status_note.is_empty() {
        String::new()
    } else {
        format!(" · {}", app.summary.status_note)
    };
    let release = app
        .summary
        .live_release
        .map_or("no release serves yet".to_owned(), |r| {
            format!("r{r} serves")
        });
    out.line(format!(
        "{}  {}{note}  {release}",
        out.paint(Tone::Strong, &app.summary.name),
        status_word(context, app.summary.status)
    ));
    for url in &app.summary.urls {
        out.line(format!("  {url}"));
    }
    if let Some(problem) = &app.problem {
        out.line(format!(
            "  {} {}",
            out.paint(Tone::Bad, &problem.title),
            problem.cause
        ));
        out.line(format!("  → {}", problem.remedy));
    }
    for component in &app.components {
        out.line("");
        out.line(format!(
            "{}  {}  {}",
            out.paint(Tone::Strong, &component.name),
            if component.kind == "external" {
                component.addresses.join(", ")
            } else {
                component.image.clone()
            },
            component.status_note
        ));
        if component.kind == "external" {
            outside(out, component);
            continue;
        }
        if let Some(scaling) = super::scale::shown(component) {
            out.line(scaling);
        }
        if component.instances.is_empty() && matches!(component.kind.as_str(), "job" | "cron") {
            let name = &component.name;
            out.line(format!(
                "comes to an end each time; `pluvio runs {name}` shows how"
            ));
            continue;
        }
        let rows: Vec<Vec<String>> = component
            .instances
            .iter()
            .flat_map(|i| {
                let own = vec![
                    super::instances::called(&component.name, &i.instance),
                    format!("r{}", i.instance.release),
                    state_word(&i.instance.state),
                    i.cpu_millis.last().map_or("-".into(), |c| format!("{c}m")),
                    i.memory_bytes.last().map_or("-".into(), |m| bytes(*m)),
                    i.instance.restarts.to_string(),
                    exit_text(i.instance.last_exit.as_ref()),
                    i.instance.started_at.map_or("-".into(), ago),
                ];
                // What it takes is told with its instance's.
                let sidecars = i.instance.sidecars.iter().map(|sidecar| {
                    vec![
                        format!("  + {}", sidecar.name),
                        String::new(),
                        state_word(&sidecar.state),
                        String::new(),
                        String::new(),
                        sidecar.restarts.to_string(),
                        exit_text(sidecar.last_exit.as_ref()),
                        sidecar.started_at.map_or("-".into(), ago),
                    ]
                });
                std::iter::once(own).chain(sidecars).collect::<Vec<_>>()
            })
            .collect();
        out.table(
            &[
                "INSTANCE",
                "RELEASE",
                "STATE",
                "CPU",
                "MEMORY",
                "RESTARTS",
                "LAST EXIT",
                "STARTED",
            ],
            &rows,
        );
        for instance in &component.instances {
            if !instance.instance.is_up() {
                if let Some(probe) = &instance.instance.probe {
                    out.line(format!("  {}: {}", instance.instance.name, probe.message));
                }
                let sidecars = instance.instance.sidecars.iter();
                for sidecar in sidecars.filter(|one| one.state != InstanceState::Ready) {
                    if let Some(probe) = &sidecar.probe {
                        out.line(format!("  {}: {}", sidecar.name, probe.message));
                    }
                }
                if let Some(exit) = &instance.instance.last_exit {
                    if let Some(hook) = &exit.hook {
                        out.line(format!("  {}: {hook}", instance.instance.name));
                    }
                    for line in exit.last_lines.iter().rev().take(5).rev() {
                        out.line(format!("    {}", out.paint(Tone::Faint, line)));
                    }
                }
            }
        }
    }
    if app.seen_ms_ago.is_none() {
        out.line(out.paint(
            Tone::Warn,
            "The node does not answer: what runs is not known. `pluvio up` starts it.",
        ));
    }
    Ok(())
}

fn state_word(state: &InstanceState) -> String {
    match state {
        InstanceState::BackOff { .. } => "restarting".to_owned(),
        other => serde_json::to_value(other)
            .ok()
            .and_then(|v| v["state"].as_str().map(str::to_owned))
            .unwrap_or_default(),
    }
}

fn exit_text(exit: Option<&ExitRecord>) -> String {
    match exit {
        None => String::new(),
        Some(exit) if exit.hook.is_some() => "hook failed".to_owned(),
        Some(exit) if exit.oom => "killed for memory".to_owned(),
        Some(exit) => format!("exit {}", exit.code),
    }
}

/// The addresses of a component outside.
fn outside(out: &Output, component: &ComponentDetail) {
    let rows: Vec<Vec<String>> = component
        .instances
        .iter()
        .map(|i| {
            let answer = i.instance.probe.as_ref();
            vec![
                i.instance.address.clone().unwrap_or_else(|| "-".to_owned()),
                state_word(&i.instance.state),
                answer
                    .map(|answer| answer.message.clone())
                    .unwrap_or_default(),
            ]
        })
        .collect();
    out.table(&["ADDRESS", "STATE", "ANSWER"], &rows);
}

pub(crate) async fn open(context: &Context) -> Done {
    let app: ApplicationDetail = context.client()?.get(&context.app_path()?).await?;
    let Some(url) = app.summary.urls.first() else {
        return Err(problem::NOT_FOUND.problem(
            format!(
                "{} has no address: no component has an HTTP port.",
                app.summary.name
            ),
            "Declare one under `ports`, or add a route.",
        ));
    };
    if context.out.json {
        context.out.document(&serde_json::json!({ "url": url }));
    } else {
        context.out.line(url);
    }
    if std::env::var_os("DISPLAY").is_some() || std::env::var_os("WAYLAND_DISPLAY").is_some() {
        let _ = std::process::Command::new("xdg-open")
            .arg(url)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn();
    }
    Ok(())
}

pub(crate) async fn logs(context: &Context, args: &LogsArgs) -> Done {
    let instance = match &args.instance {
        Some(named) => Some(super::instances::named(context, named).await?),
        None => None,
    };
    let mut path = format!(
        "{}/logs?tail={}&follow={}",
        context.app_path()?,
        args.tail,
        args.follow
    );
    for (key, value) in [
        ("contains", &args.contains),
        ("instance", &instance),
        ("component", &args.component),
        ("container", &args.container),
    ] {
        if let Some(value) = value {
            path.push_str(&format!("&{key}={}", escape(value)));
        }
    }
    if let Some(since) = &args.since {
        let at = super::moment(since)?;
        path.push_str(&format!("&since={}", escape(&at.to_string())));
    }
    let mut lines = context.client()?.lines::<LogEntry>(&path).await?;
    while let Some(line) = lines.next().await {
        let line = line?;
        if context.out.json {
            context.out.row(&line);
            continue;
        }
        let time = if args.timestamps {
            format!("{} ", line.at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"))
        } else {
            String::new()
        };
        let short = line
            .instance
            .rsplit("--")
            .next()
            .unwrap_or(&line.instance)
            .to_owned();
        let short = match &line.container {
            Some(container) => format!("{short}/{container}"),
            None => short,
        };
        let tone = if line.stream == "pluvio" {
            Tone::Accent
        } else {
            Tone::Faint
        };
        context.out.line(format!(
            "{}{} {}",
            context.out.paint(Tone::Faint, time),
            context.out.paint(tone, short),
            line.text
        ));
    }
    Ok(())
}

pub(crate) async fn routes(context: &Context) -> Done {
    let mut routes: Vec<RouteDetail> = all(
        context,
        &format!("{}/gateway/routes", context.environment_path()),
    )
    .await?;
    if let Some(app) = &context.global.app {
        routes.retain(|r| r.application == *app);
    }
    if context.out.json {
        context.out.document(&routes);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = routes
        .iter()
        .map(|r| {
            let traffic = r.traffic.as_ref().map_or(("-".into(), "-".into()), |t| {
                (
                    format!("{:.1}/s", t.requests_per_second),
                    format!("{:.0} ms", t.p95_ms),
                )
            });
            vec![
                r.url.clone(),
                r.application.clone(),
                format!("{}:{}", r.component, r.port),
                traffic.0,
                traffic.1,
            ]
        })
        .collect();
    context
        .out
        .table(&["URL", "APPLICATION", "BACKEND", "REQUESTS", "P95"], &rows);
    Ok(())
}

pub(crate) async fn operations(context: &Context) -> Done {
    let app = context
        .global
        .app
        .as_ref()
        .map_or(String::new(), |a| format!("&application={}", escape(a)));
    let page: Page<Operation> = context
        .client()?
        .get(&format!(
            "{}/operations?limit=50{app}",
            context.environment_path()
        ))
        .await?;
    if context.out.json {
        context.out.document(&page.items);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = page
        .items
        .iter()
        .map(|o| {
            let outcome = match &o.outcome {
                None => "running".to_owned(),
                Some(Outcome::Succeeded) => "succeeded".into(),
                Some(Outcome::Cancelled) => "cancelled".into(),
                Some(Outcome::Superseded { .. }) => "superseded".into(),
                Some(Outcome::Failed { problem }) => format!("failed: {}", problem.code),
            };
            vec![
                o.application_name.clone(),
                o.title.clone(),
                outcome,
                o.actor.clone(),
                ago(o.asked_at),
                o.id.to_string(),
            ]
        })
        .collect();
    context.out.table(
        &["APPLICATION", "WHAT", "OUTCOME", "BY", "WHEN", "ID"],
        &rows,
    );
    Ok(())
}

pub(crate) async fn cluster(context: &Context) -> Done {
    let cluster: ClusterDetail = context.client()?.get("/api/v1/cluster").await?;
    if context.out.json {
        context.out.document(&cluster);
        return Ok(());
    }
    context
        .out
        .line(format!("{}  {}", cluster.name, cluster.message));
    if let Some(facts) = &cluster.facts {
        context.out.line(format!(
            "  {:?} {}, {}, {} cores, {}",
            facts.runtime,
            facts.version,
            facts.architecture,
            facts.cpu_millis as f64 / 1000.0,
            bytes(facts.memory_bytes)
        ));
    }
    Ok(())
}

/// Asks the server; without one, the checks that need none.
pub(crate) async fn doctor(context: &Context, local: impl AsyncFnOnce() -> DoctorReport) -> Done {
    let report = match context.client() {
        Ok(client) => match client.get::<DoctorReport>("/api/v1/doctor").await {
            Ok(report) => report,
            Err(problem) if problem.is(problem::SERVER_UNREACHABLE) => local().await,
            Err(problem) => return Err(problem),
        },
        Err(_) => local().await,
    };
    let failed = report
        .checks
        .iter()
        .filter(|c| c.verdict == "failed")
        .count();
    if context.out.json {
        context.out.document(&report);
    } else {
        for check in &report.checks {
            let (sign, tone) = match check.verdict.as_str() {
                "ok" => ("✓", Tone::Good),
                "warning" => ("!", Tone::Warn),
                _ => ("✗", Tone::Bad),
            };
            context.out.line(format!(
                "{} {:<8} {}",
                context.out.paint(tone, sign),
                check.name,
                check.message
            ));
            if let Some(remedy) = &check.remedy {
                context.out.line(format!("           → {remedy}"));
            }
        }
    }
    if failed == 0 {
        Ok(())
    } else {
        Err(problem::REFUSED.problem(
            format!("{failed} of {} checks failed.", report.checks.len()),
            "Follow the remedies above, then run `pluvio doctor` again.",
        ))
    }
}
