//! `cluster`: the engine of the machine, and Kubernetes clusters beside it.

use std::path::{Path, PathBuf};

use clap::Args;
use pluvio_api::clusters::*;
use pluvio_model::cluster::CheckState;
use pluvio_model::place::{Exposure, GatewayChoice, PlaceSettings};
use pluvio_model::problem::{self, Problem};

use super::{Done, confirm};
use crate::cli::ClusterCommand;
use crate::context::{Context, escape};
use crate::output::{Tone, ago, bytes};

pub(crate) const EXAMPLES: &str = "Examples:\n  pluvio cluster add prod --kubeconfig ~/.kube/config --context prod\n  pluvio environment create staging --cluster prod\n  pluvio cluster list\n  pluvio cluster objects prod pods -n kube-system\n  pluvio cluster remove prod";

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    name: String,
    /// A kubeconfig, or - for stdin; used to make an account of Pluvio's own, and not kept if that can be made
    #[arg(long, value_name = "FILE")]
    kubeconfig: PathBuf,
    /// The context in it; its current one when absent
    #[arg(long)]
    context: Option<String>,
    /// Pluvio's own namespace there, pluvio-system when absent; each of several Pluvios on a cluster has its own
    #[arg(long)]
    namespace: Option<String>,
    /// Applications answer at APP.DOMAIN there; the installation's own domain when absent
    #[arg(long)]
    domain: Option<String>,
    /// The port of the gateway as people type it; 80 when absent
    #[arg(long, value_name = "PORT")]
    gateway_port: Option<u16>,
    /// Who serves routes there: own (Pluvio's gateway in the cluster), none, or NAMESPACE/NAME of a Gateway of the cluster's
    #[arg(long, default_value = "own", value_name = "WHICH")]
    gateway: String,
    /// How requests reach Pluvio's own gateway: load-balancer, node-port or host-port
    #[arg(long, default_value = "load-balancer", value_name = "HOW")]
    expose: String,
    /// For volumes that name no class; the cluster's default class when absent
    #[arg(long, value_name = "CLASS")]
    storage_class: Option<String>,
    /// A team whose namespaces take only pods that Kubernetes' standard `restricted` allows; may be given more than once, * is
    /// every team
    #[arg(long, value_name = "TEAM")]
    restricted: Vec<String>,
}

pub(crate) async fn run(context: &Context, command: Option<ClusterCommand>) -> Done {
    match command {
        None => super::apps::cluster(context).await,
        Some(ClusterCommand::Show { name: None }) => super::apps::cluster(context).await,
        Some(ClusterCommand::Show { name: Some(name) }) => show(context, &name).await,
        Some(ClusterCommand::List) => list(context).await,
        Some(ClusterCommand::Add(args)) => add(context, &args).await,
        Some(ClusterCommand::Check {
            kubeconfig,
            context: of,
        }) => check(context, &kubeconfig, of).await,
        Some(ClusterCommand::Objects(args)) => super::objects::run(context, &args).await,
        Some(ClusterCommand::Remove { name, abandon, yes }) => {
            remove(context, &name, abandon, yes).await
        }
        Some(ClusterCommand::Rotate { name }) => {
            let path = format!("/api/v1/clusters/{}/rotate", escape(&name));
            let rotated: ClusterSummary = context.client()?.post(&path, &()).await?;
            tell(context, &rotated);
            Ok(())
        }
        Some(ClusterCommand::Rebind) => {
            let _: pluvio_api::platform::ClusterDetail = context
                .client()?
                .post("/api/v1/cluster/rebind", &())
                .await?;
            super::apps::cluster(context).await
        }
    }
}

async fn list(context: &Context) -> Done {
    let all: Vec<ClusterSummary> = super::apps::all(context, "/api/v1/clusters").await?;
    if context.out.json {
        context.out.document(&all);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|one| {
            let version = one.facts.as_ref().map(|facts| facts.version.clone());
            vec![
                one.name.clone(),
                format!("{:?}", one.kind).to_lowercase(),
                version.unwrap_or_default(),
                state(one),
                one.environments.join(", "),
                ago(one.created_at),
            ]
        })
        .collect();
    let head = ["NAME", "KIND", "VERSION", "STATE", "ENVIRONMENTS", "ADDED"];
    context.out.table(&head, &rows);
    Ok(())
}

fn state(one: &ClusterSummary) -> String {
    match (one.state, one.since) {
        (ClusterState::Connected, _) => "connected".to_owned(),
        (ClusterState::Connecting, _) => "connecting".to_owned(),
        (ClusterState::Leaving, _) => "leaving".to_owned(),
        (ClusterState::Away, Some(since)) => format!("away since {}", ago(since)),
        (ClusterState::Away, None) => "away".to_owned(),
    }
}

async fn show(context: &Context, name: &str) -> Done {
    let path = format!("/api/v1/clusters/{}", escape(name));
    let one: ClusterSummary = context.client()?.get(&path).await?;
    tell(context, &one);
    Ok(())
}

fn tell(context: &Context, one: &ClusterSummary) {
    let out = &context.out;
    if out.json {
        out.document(one);
        return;
    }
    out.line(format!("{}  {}  {}", one.name, state(one), one.address));
    if let Some(facts) = &one.facts {
        out.line(format!(
            "  {:?} {}, {}, {} cores, {}",
            facts.runtime,
            facts.version,
            facts.architecture,
            facts.cpu_millis as f64 / 1000.0,
            bytes(facts.memory_bytes)
        ));
    }
    if let Some(problem) = &one.problem {
        out.line(format!("  {}", problem.cause));
        out.line(format!("  {}", problem.remedy));
    }
    if !one.environments.is_empty() {
        out.line(format!("  environments: {}", one.environments.join(", ")));
    }
}

async fn add(context: &Context, args: &AddArgs) -> Done {
    let request = ClusterRequest {
        name: args.name.clone(),
        kubeconfig: read(&args.kubeconfig)?,
        context: args.context.clone(),
        settings: PlaceSettings {
            namespace: args.namespace.clone(),
            domain: args.domain.clone(),
            gateway_port: args.gateway_port,
            gateway: gateway(&args.gateway)?,
            exposure: exposure(&args.expose)?,
            storage_class: args.storage_class.clone(),
            restricted: args.restricted.clone(),
        },
    };
    let client = context.client()?;
    let added: ClusterAdded = client.post("/api/v1/clusters", &request).await?;
    if context.out.json {
        context.out.document(&added);
        return Ok(());
    }
    report(context, &added.report);
    let added = added.cluster;
    tell(context, &added);
    context.out.say(format!(
        "`pluvio environment create NAME --cluster {}` makes an environment on it.",
        added.name
    ));
    Ok(())
}

fn read(kubeconfig: &Path) -> Result<String, Problem> {
    if kubeconfig.as_os_str() == "-" {
        return super::change::read_stdin();
    }
    std::fs::read_to_string(kubeconfig).map_err(|error| {
        problem::REQUEST_INVALID.problem(
            format!("{} cannot be read: {error}.", kubeconfig.display()),
            "Name a kubeconfig: `--kubeconfig ~/.kube/config`.",
        )
    })
}

async fn check(context: &Context, kubeconfig: &Path, of: Option<String>) -> Done {
    let request = ClusterRequest {
        name: String::new(),
        kubeconfig: read(kubeconfig)?,
        context: of,
        settings: PlaceSettings::default(),
    };
    let client = context.client()?;
    let found: CheckReport = client.post("/api/v1/clusters/check", &request).await?;
    if context.out.json {
        context.out.document(&found);
    } else {
        report(context, &found);
    }
    match found.is_usable() {
        true => Ok(()),
        false => {
            Err(problem::CLUSTER_UNFIT
                .problem("A step failed.", "Do what it says, then look again."))
        }
    }
}

fn report(context: &Context, report: &CheckReport) {
    let out = &context.out;
    for step in &report.steps {
        let (mark, tone) = match step.state {
            CheckState::Passed => ("✓", Tone::Good),
            CheckState::Warning => ("!", Tone::Warn),
            CheckState::Failed => ("✗", Tone::Bad),
            CheckState::Skipped => ("-", Tone::Faint),
        };
        out.line(format!(
            "{} {:<17} {}",
            out.paint(tone, mark),
            step.name.title(),
            step.found
        ));
        for line in &step.details {
            out.line(format!("    {line}"));
        }
        if let Some(remedy) = step
            .remedy
            .as_ref()
            .filter(|_| step.state != CheckState::Passed)
        {
            out.line(format!("    → {remedy}"));
        }
    }
}

fn exposure(text: &str) -> Result<Exposure, Problem> {
    match text {
        "load-balancer" => Ok(Exposure::LoadBalancer),
        "node-port" => Ok(Exposure::NodePort),
        "host-port" => Ok(Exposure::HostPort),
        other => Err(problem::REQUEST_INVALID.problem(
            format!("{other:?} is no way to reach a gateway."),
            "Say load-balancer, node-port or host-port.",
        )),
    }
}

fn gateway(text: &str) -> Result<GatewayChoice, Problem> {
    match text {
        "own" => Ok(GatewayChoice::Own),
        "none" => Ok(GatewayChoice::None),
        other => match other.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
                Ok(GatewayChoice::Cluster {
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                })
            }
            _ => Err(problem::REQUEST_INVALID.problem(
                format!("{other:?} is no gateway."),
                "Say own, none, or NAMESPACE/NAME of a Gateway on the cluster.",
            )),
        },
    }
}

async fn remove(context: &Context, name: &str, abandon: bool, yes: bool) -> Done {
    if !yes {
        confirm(&format!("The cluster {name} is taken out."), name, "--yes")?;
    }
    let abandon = if abandon { "&abandon=true" } else { "" };
    let name = escape(name);
    let path = format!("/api/v1/clusters/{name}?confirm={name}{abandon}");
    let removed: ClusterRemoved = context.client()?.delete(&path).await?;
    if context.out.json {
        context.out.document(&removed);
        return Ok(());
    }
    context.out.line(format!("{name} is taken out."));
    if !removed.volumes.is_empty() {
        context.out.line("These data volumes stay there:");
        let rows: Vec<Vec<String>> = removed
            .volumes
            .iter()
            .map(|left| vec![left.namespace.clone(), left.name.clone(), left.size.clone()])
            .collect();
        context.out.table(&["NAMESPACE", "CLAIM", "SIZE"], &rows);
    }
    Ok(())
}
