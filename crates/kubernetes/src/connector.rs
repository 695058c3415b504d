//! Comes by clusters for control.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{Namespace, Node};
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use pluvio_model::cluster::{CheckReport, ClusterOverview, WorkloadOverview};
use pluvio_model::id::ClusterId;
use pluvio_model::objects::{ObjectKind, ObjectPage, ObjectSeen, ObjectsAsk};
use pluvio_model::place::{self, GatewayChoice, PlaceSettings};
use pluvio_model::problem::{self, Problem};
use pluvio_plan::lower::kubernetes::GatewayRef;
use pluvio_runtime::{
    Admitted, Connector, Given, LeftVolume, Link, Linked, Overview, RequestCount, RuntimeError,
};

use serde_json::json;
use tokio::sync::watch;

use crate::connect::{Connection, Credential, minified};
use crate::failure::of_object;
use crate::gateway::{self, Exposure, Installation};
use crate::reach::Unreached;
use crate::{Config, KubernetesRuntime, MANAGER, account, check, pull, requests};

/// Between two tries to bring the gateway there, and between two looks at one that is there.
const AGAIN: Duration = Duration::from_secs(15);
const WELL: Duration = Duration::from_secs(300);
/// Until a cluster that is left must have said who it is.
const OPENING: Duration = Duration::from_secs(15);
/// Annotation of Pluvio's namespace: whose it is.
const INSTALLATION: &str = "pluvio.io/installation";

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
        namespace: settings.home().to_owned(),
        gateway,
        own_gateway: settings.gateway == GatewayChoice::Own,
        storage_class: settings.storage_class.clone(),
        restricted: settings.restricted.clone(),
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
    let home = link.settings.home();
    let client = &connection.client;
    if link.settings.gateway != GatewayChoice::Own {
        return gateway::remove(client, home).await;
    }
    let Some(pulls) = link.pulls.as_deref() else {
        return Err(problem::IMAGES_NOT_SERVED.problem(
            "Pluvio's own gateway is not on the cluster: its nodes have nowhere to pull it from.",
            "Set `images.listen` in pluvio.toml to an address that the cluster's nodes reach, and restart Pluvio; or choose another gateway: `pluvio cluster add … --gateway`.",
        ));
    };
    let team = pulls.home();
    let image = pulls.program(&team).await?;
    let pull = pull::bring(client, pulls, &team, home, home).await;
    let pull =
        pull.map_err(|error| of_object("the Secret with which images are pulled", &error))?;
    let exposure = exposure(&link.settings);
    let replicas = match exposure {
        Exposure::HostPort { .. } => nodes(client).await?.clamp(1, Installation::REPLICAS),
        _ => Installation::REPLICAS,
    };
    let wanted = Installation {
        namespace: home.to_owned(),
        image,
        pull_secret: pull.map(|_| pull::SECRET.to_owned()),
        exposure,
        replicas,
    };
    gateway::install(client, &wanted).await
}

/// Nodes that take pods. Two pods cannot have one port of a node: more of them than nodes would wait, and hold up their own renewal.
async fn nodes(client: &Client) -> Result<u32, Problem> {
    let all = Api::<Node>::all(client.clone());
    let all = all.list(&ListParams::default()).await;
    let all = all.map_err(|error| of_object("the nodes", &error))?;
    let takes = |node: &&Node| {
        let unschedulable = node.spec.as_ref().and_then(|spec| spec.unschedulable);
        !unschedulable.unwrap_or_default()
    };
    Ok(u32::try_from(all.items.iter().filter(takes).count()).unwrap_or(u32::MAX))
}

/// Marks Pluvio's namespace as this installation's. Another one keeps its books elsewhere: what one removed the other would miss.
/// True when there was no such namespace.
async fn claim(connection: &Connection, home: &str, installation: &str) -> Result<bool, Problem> {
    let spaces = Api::<Namespace>::all(connection.client.clone());
    let failed = |error| of_object(&format!("the namespace {home}"), &error);
    let there = spaces.get_opt(home).await.map_err(failed)?;
    let is_new = there.is_none();
    let owner = there.and_then(|space| space.annotations().get(INSTALLATION).cloned());
    if owner.is_some_and(|owner| owner != installation) {
        return Err(problem::CONFLICT.problem(
            format!("Another Pluvio keeps what it knows of this cluster in the namespace {home}."),
            "Give this one a namespace of its own: `pluvio cluster add NAME --kubeconfig FILE --namespace pluvio-two`.",
        ));
    }
    let body = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": { "name": home, "annotations": { INSTALLATION: installation } },
    });
    // Beside what the runtime writes of it, under a name of its own: one does not take from the other.
    let params = PatchParams::apply("pluvio-claim").force();
    let claimed = spaces.patch(home, &params, &Patch::Apply(&body)).await;
    claimed.map_err(failed)?;
    Ok(is_new)
}

/// Brings the gateway to what it shall be, again and again until nobody listens any more.
async fn keep_gateway(connection: Connection, link: Link, trouble: watch::Sender<Option<Problem>>) {
    let keep = async {
        loop {
            let problem = bring_gateway(&connection, &link).await.err();
            if let Some(problem) = &problem {
                tracing::warn!(
                    code = problem.code,
                    cause = problem.cause,
                    "a cluster's gateway was not brought there"
                );
            }
            // What it is pulled with is made anew now and then, and somebody may have taken it away.
            let pause = if problem.is_some() { AGAIN } else { WELL };
            trouble.send_replace(problem);
            tokio::time::sleep(pause).await;
        }
    };
    // A cluster that is let go of meanwhile gets nothing any more.
    tokio::select! { () = trouble.closed() => {}, () = keep => {} }
}

#[async_trait]
impl Connector for Clusters {
    fn requests(&self) -> Vec<RequestCount> {
        requests::counted()
    }

    async fn check(&self, asked: &Given) -> CheckReport {
        check::check_at(&given(asked), asked.settings.home()).await
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

    async fn identify(&self, asked: &Given) -> Result<ClusterId, Problem> {
        let connection = Connection::open(&given(asked)).await?;
        Ok(connection.identity)
    }

    async fn admit(&self, asked: &Given) -> Result<Admitted, Problem> {
        let given = given(asked);
        // What is wrong with the text itself is told as such; what is wrong with the cluster, step by step.
        let (_, address) = minified(&given)?;
        let connection = Connection::open(&given).await?;
        let report = check::check_at(&given, asked.settings.home()).await;
        if !report.is_usable() {
            return Err(unusable(&report));
        }
        let home = asked.settings.home();
        let is_new = claim(&connection, home, &asked.installation).await?;
        let kept = match account::make(&connection, &given, home).await {
            Ok(kept) => kept,
            Err(problem) => {
                if is_new && let Err(left) = crate::remove(&connection, home).await {
                    tracing::warn!(
                        home,
                        cause = left.cause,
                        "what was made on a cluster that is not taken in stays there"
                    );
                }
                return Err(problem);
            }
        };
        Ok(Admitted {
            identity: connection.identity,
            address,
            kubeconfig: kept.credential.kubeconfig,
            report,
            is_new,
        })
    }

    async fn rotate(&self, link: &Link) -> Result<String, Problem> {
        let connection = Connection::open(&kept(link)).await?;
        let home = link.settings.home();
        let new = account::rotate(&connection, &kept(link), home).await?;
        Ok(new.kubeconfig)
    }

    async fn retire(&self, link: &Link) -> Result<(), Problem> {
        let connection = Connection::open(&kept(link)).await?;
        account::retire(&connection, &kept(link), link.settings.home()).await
    }

    async fn connect(&self, link: &Link) -> Result<Linked, Problem> {
        let connection = Connection::open(&kept(link)).await?;
        let identity = connection.identity;
        let runtime = KubernetesRuntime::start(connection.clone(), config(link)).await;
        let runtime = Arc::new(runtime.map_err(RuntimeError::into_problem)?);
        let (tell, trouble) = watch::channel(None);
        tokio::spawn(keep_gateway(connection, link.clone(), tell));
        Ok(Linked {
            identity,
            place: runtime.clone(),
            namespaces: runtime.clone(),
            overview: runtime,
            trouble,
        })
    }

    async fn leave(&self, link: &Link) -> Result<Vec<LeftVolume>, Problem> {
        let kept = kept(link);
        // Whoever leaves waits for an answer: one that hangs is told of as one that refuses.
        let opening = tokio::time::timeout(OPENING, Connection::open(&kept)).await;
        let connection = opening.unwrap_or_else(|_| {
            let why = Unreached::too_late(OPENING.as_secs());
            Err(problem::CLUSTER_UNREACHABLE.problem(why.cause, why.remedy))
        })?;
        crate::remove(&connection, link.settings.home()).await
    }
}

#[async_trait]
impl Overview for KubernetesRuntime {
    async fn overview(&self) -> ClusterOverview {
        KubernetesRuntime::overview(self).await
    }

    fn workloads(&self) -> Vec<WorkloadOverview> {
        KubernetesRuntime::workloads(self)
    }

    async fn objects(&self, ask: &ObjectsAsk) -> Result<ObjectPage, Problem> {
        KubernetesRuntime::objects(self, ask).await
    }

    async fn object(
        &self,
        kind: ObjectKind,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<ObjectSeen, Problem> {
        KubernetesRuntime::object(self, kind, namespace, name).await
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
