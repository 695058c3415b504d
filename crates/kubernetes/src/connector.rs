//! Comes by clusters for control.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use pluvio_model::cluster::{CheckReport, ClusterOverview};
use pluvio_model::place::{self, GatewayChoice, PlaceSettings};
use pluvio_model::problem::{self, Problem};
use pluvio_plan::lower::kubernetes::GatewayRef;
use pluvio_runtime::{
    Admitted, Connector, Given, LeftVolume, Link, Linked, Overview, RuntimeError,
};

use crate::connect::{Connection, Credential, minified};
use crate::failure::of_object;
use crate::gateway::{self, Exposure, Installation};
use crate::{Config, KubernetesRuntime, MANAGER, account, check, pull};

/// Connects to Kubernetes clusters.
#[derive(Debug, Clone, Default)]
pub struct Clusters;

fn config(link: &Link) -> Config {
    let settings = &link.settings;
    let gateway = match &settings.gateway {
        GatewayChoice::Cluster { namespace, name } => Some(GatewayRef {
            name: name.clone(),
            namespace: namespace.clone(),
        }),
        GatewayChoice::Own | GatewayChoice::None => None,
    };
    Config {
        gateway,
        own_gateway: settings.gateway == GatewayChoice::Own,
        storage_class: settings.storage_class.clone(),
        pulls: link.pulls.clone(),
        ..Config::default()
    }
}

fn given(given: &Given) -> Credential {
    Credential {
        kubeconfig: given.kubeconfig.clone(),
        context: given.context.clone(),
    }
}

fn kept(link: &Link) -> Credential {
    Credential {
        kubeconfig: link.kubeconfig.clone(),
        context: None,
    }
}

fn exposure(settings: &PlaceSettings) -> Exposure {
    let port = settings.port();
    match settings.exposure {
        place::Exposure::LoadBalancer => Exposure::LoadBalancer {
            port,
            annotations: Default::default(),
        },
        // Kubernetes' own range, unless its operator chose another.
        place::Exposure::NodePort => Exposure::NodePort {
            port: PlaceSettings::GATEWAY_PORT,
            node_port: settings
                .gateway_port
                .filter(|port| (30_000..=32_767).contains(port)),
        },
        place::Exposure::HostPort => Exposure::HostPort { port },
    }
}

/// Brings Pluvio's own gateway to what the settings ask for, or takes it away.
async fn bring_gateway(connection: &Connection, link: &Link) -> Result<(), Problem> {
    let home = &Config::default().namespace;
    let client = &connection.client;
    let wants = link.settings.gateway == GatewayChoice::Own;
    let Some(pulls) = link.pulls.as_deref().filter(|_| wants) else {
        return gateway::remove(client, home).await;
    };
    let team = pulls.home();
    let image = pulls.program(&team).await?;
    let pull = pull::bring(client, pulls, &team, home).await;
    let pull =
        pull.map_err(|error| of_object("the Secret with which images are pulled", &error))?;
    let wanted = Installation {
        namespace: home.clone(),
        image,
        pull_secret: pull.map(|_| pull::SECRET.to_owned()),
        exposure: exposure(&link.settings),
        replicas: Installation::REPLICAS,
    };
    gateway::install(client, &wanted).await
}

#[async_trait]
impl Connector for Clusters {
    async fn check(&self, asked: &Given) -> CheckReport {
        check::check(&given(asked)).await
    }

    async fn program(&self, to: &Path) -> Result<String, Problem> {
        let reference = format!("{MANAGER}/program:{}", env!("CARGO_PKG_VERSION"));
        let archived = gateway::archive(None, &reference, to).await;
        let archived = archived.map_err(|error| {
            problem::DISK_FULL.problem(
                format!("The image of Pluvio's own program cannot be written: {error}."),
                "Check the space and the permissions of the data folder.",
            )
        })?;
        Ok(archived.digest)
    }

    async fn admit(&self, asked: &Given) -> Result<Admitted, Problem> {
        let given = given(asked);
        // What is wrong with the text itself is told as such; what is wrong with the cluster, step by step.
        let (_, address) = minified(&given)?;
        let connection = Connection::open(&given).await?;
        let report = check::check(&given).await;
        if !report.is_usable() {
            return Err(unusable(&report));
        }
        let home = Config::default().namespace;
        let kept = account::make(&connection, &given, &home).await?;
        Ok(Admitted {
            identity: connection.identity,
            address,
            kubeconfig: kept.credential.kubeconfig,
            report,
        })
    }

    async fn connect(&self, link: &Link) -> Result<Linked, Problem> {
        let connection = Connection::open(&kept(link)).await?;
        let identity = connection.identity;
        bring_gateway(&connection, link).await?;
        let runtime = KubernetesRuntime::start(connection, config(link)).await;
        let runtime = Arc::new(runtime.map_err(RuntimeError::into_problem)?);
        Ok(Linked {
            identity,
            place: runtime.clone(),
            overview: runtime,
        })
    }

    async fn leave(&self, link: &Link) -> Result<Vec<LeftVolume>, Problem> {
        let connection = Connection::open(&kept(link)).await?;
        crate::remove(&connection, &Config::default().namespace).await
    }
}

#[async_trait]
impl Overview for KubernetesRuntime {
    async fn overview(&self) -> ClusterOverview {
        KubernetesRuntime::overview(self).await
    }
}

fn unusable(report: &CheckReport) -> Problem {
    let first = report.failed().next();
    let cause = first.map_or_else(String::new, |step| {
        format!("{}: {}", step.name.title(), step.found)
    });
    let remedy = first.and_then(|step| step.remedy.clone());
    let lines = report.failed().flat_map(|step| {
        let head = format!("{}: {}", step.name.title(), step.found);
        std::iter::once(head).chain(step.details.iter().cloned())
    });
    problem::CLUSTER_UNFIT
        .problem(
            cause,
            remedy.unwrap_or_else(|| "`pluvio cluster check` shows every step.".to_owned()),
        )
        .evidence(lines)
}
