//! Containers: list, inspect, create, start, stop, remove.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::Method;
use indexmap::IndexMap;
use pluvio_plan::lower::engine::label;
use pluvio_runtime::driver::{ContainerState, DriverError, SeenContainer};
use serde::Deserialize;
use serde_json::Value;

use crate::connection::{Engine, escape, label_filter};
use crate::error::Failure;

/// A command to run in a running container.
#[derive(Debug, Clone, Default)]
pub struct ExecCommand {
    pub command: Vec<String>,
    /// `NAME=value`
    pub env: Vec<String>,
    pub user: Option<String>,
    pub working_dir: Option<String>,
    /// All rights of the machine's root.
    pub privileged: bool,
    pub tty: bool,
    /// Columns and rows.
    pub size: Option<(u16, u16)>,
}

/// A container in a list.
#[derive(Debug, Clone)]
pub struct ListedContainer {
    pub id: String,
    pub name: String,
    pub labels: IndexMap<String, String>,
    /// `created`, `running`, `exited` …
    pub state: String,
    /// Its networks and its address on each.
    networks: Vec<(String, Option<String>)>,
}

impl ListedContainer {
    /// All that a list tells of how it is.
    pub(crate) fn told(&self) -> String {
        format!("{} {} {:?}", self.name, self.state, self.networks)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListAnswer {
    id: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(default)]
    labels: Option<IndexMap<String, String>>,
    #[serde(default)]
    state: String,
    #[serde(default)]
    network_settings: Option<InspectedNetworks>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Inspected {
    pub(crate) id: String,
    name: String,
    #[serde(default)]
    created: String,
    state: InspectedState,
    config: InspectedConfig,
    #[serde(default)]
    host_config: InspectedHostConfig,
    #[serde(default)]
    network_settings: InspectedNetworks,
    #[serde(default)]
    hosts_path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedState {
    status: String,
    #[serde(default, rename = "OOMKilled")]
    oom_killed: bool,
    #[serde(default)]
    pid: i64,
    #[serde(default)]
    exit_code: i64,
    #[serde(default)]
    started_at: String,
    #[serde(default)]
    finished_at: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedConfig {
    #[serde(default)]
    labels: Option<IndexMap<String, String>>,
    #[serde(default)]
    user: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct InspectedHostConfig {
    #[serde(default)]
    memory: i64,
    #[serde(default)]
    network_mode: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct InspectedNetworks {
    #[serde(default)]
    networks: Option<IndexMap<String, InspectedEndpoint>>,
    #[serde(default)]
    ports: Option<IndexMap<String, Option<Vec<InspectedBinding>>>>,
}

#[derive(Deserialize)]
struct InspectedEndpoint {
    #[serde(default, rename = "IPAddress")]
    address: Option<String>,
    #[serde(default, rename = "IPAMConfig")]
    ipam: Option<InspectedIpam>,
    #[serde(default, rename = "Aliases")]
    aliases: Option<Vec<String>>,
}

impl InspectedEndpoint {
    fn address(&self) -> Option<IpAddr> {
        let given = self.ipam.as_ref().and_then(|i| i.address.as_deref());
        [self.address.as_deref(), given]
            .into_iter()
            .flatten()
            .find_map(|text| text.parse::<IpAddr>().ok())
    }
}

#[derive(Deserialize)]
struct InspectedIpam {
    #[serde(default, rename = "IPv4Address")]
    address: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedBinding {
    #[serde(default)]
    host_ip: String,
    #[serde(default)]
    host_port: String,
}

impl Inspected {
    pub(crate) fn user(&self) -> &str {
        self.config.user.as_deref().unwrap_or_default()
    }

    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        let labels = self.config.labels.as_ref()?;
        labels.get(name).map(String::as_str)
    }

    /// On the network it was created on. Podman does not tell which that is; what is on several is labelled with it.
    fn endpoint(&self) -> Option<&InspectedEndpoint> {
        let networks = self.network_settings.networks.as_ref()?;
        let home = self.label(label::HOME);
        networks
            .get(home.unwrap_or(&self.host_config.network_mode))
            .or_else(|| networks.values().next())
    }

    pub(crate) fn is_on(&self, network: &str) -> bool {
        let networks = self.network_settings.networks.as_ref();
        networks.is_some_and(|networks| networks.contains_key(network))
    }

    /// What it is called on the network that this one stands beside, whose name this one's begins with. Without the beginning of
    /// its id, which engines add themselves.
    pub(crate) fn names_beside(&self, network: &str) -> Vec<String> {
        let networks = self.network_settings.networks.as_ref();
        let beside = networks.and_then(|networks| {
            let row = networks
                .iter()
                .filter(|(name, _)| network.starts_with(*name));
            row.max_by_key(|(name, _)| name.len())
        });
        let endpoint = beside.map(|(_, endpoint)| endpoint).or(self.endpoint());
        let aliases = endpoint.and_then(|endpoint| endpoint.aliases.as_ref());
        let own = |alias: &&String| !self.id.starts_with(alias.as_str());
        aliases.into_iter().flatten().filter(own).cloned().collect()
    }

    fn seen(self, podman: bool) -> SeenContainer {
        let address = match self.host_config.network_mode.as_str() {
            // Whatever listens there does so on the machine itself.
            "host" => Some(IpAddr::from([127, 0, 0, 1])),
            _ => self.endpoint().and_then(InspectedEndpoint::address),
        };
        let networks = self.network_settings.networks.unwrap_or_default();
        let networks = networks
            .into_iter()
            .map(|(name, endpoint)| (name, endpoint.address()))
            .collect();
        let published = published(self.network_settings.ports.unwrap_or_default());
        let state = match self.state.status.as_str() {
            // Podman: `initialized` is created and set up, about to start.
            "created" | "configured" | "initialized" => ContainerState::Created,
            "running" | "stopping" => ContainerState::Running {
                started_at: timestamp(&self.state.started_at),
            },
            "exited" | "stopped" => ContainerState::Exited {
                code: self.state.exit_code,
                // Podman never says it. A program killed by SIGKILL under a memory limit most likely was.
                oom: self.state.oom_killed
                    || (self.state.exit_code == 137 && self.host_config.memory > 0 && podman),
                finished_at: timestamp(&self.state.finished_at),
            },
            other => ContainerState::Other(other.to_owned()),
        };
        SeenContainer {
            name: self.name.trim_start_matches('/').to_owned(),
            id: self.id,
            labels: self.config.labels.unwrap_or_default(),
            state,
            address,
            networks,
            published,
            pid: u32::try_from(self.state.pid).ok().filter(|pid| *pid > 0),
            hosts_file: Some(PathBuf::from(self.hosts_path)).filter(|path| path.is_absolute()),
            created_at: timestamp(&self.created),
        }
    }
}

/// TCP ports published on loopback, or on all addresses.
fn published(ports: IndexMap<String, Option<Vec<InspectedBinding>>>) -> IndexMap<u16, u16> {
    let mut found = IndexMap::new();
    for (port, bindings) in ports {
        let Some(port) = port.strip_suffix("/tcp").and_then(|p| p.parse().ok()) else {
            continue;
        };
        let mut bindings = bindings.unwrap_or_default();
        bindings.sort_by_key(|binding| !binding.host_ip.starts_with("127."));
        let machine = bindings
            .iter()
            .find_map(|binding| binding.host_port.parse().ok());
        if let Some(machine) = machine {
            found.insert(port, machine);
        }
    }
    found
}

/// An engine's zero time (`0001-01-01T00:00:00Z`) reads as the epoch.
fn timestamp(text: &str) -> jiff::Timestamp {
    text.parse::<jiff::Timestamp>()
        .ok()
        .filter(|at| at.as_second() > 0)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

impl Engine {
    /// Containers with all these labels (`name` or `name=value`), running or not.
    pub async fn list_containers(
        &self,
        labels: &[String],
    ) -> Result<Vec<ListedContainer>, DriverError> {
        let answers: Vec<ListAnswer> = self
            .get(&format!(
                "/containers/json?all=true&filters={}",
                label_filter(labels)
            ))
            .await
            .map_err(|f| f.attempting("list containers", "the list of containers"))?;
        let listed = answers.into_iter().map(|answer| ListedContainer {
            name: answer
                .names
                .and_then(|names| names.into_iter().next())
                .unwrap_or_default()
                .trim_start_matches('/')
                .to_owned(),
            id: answer.id,
            labels: answer.labels.unwrap_or_default(),
            state: answer.state,
            networks: answer
                .network_settings
                .and_then(|settings| settings.networks)
                .unwrap_or_default()
                .into_iter()
                .map(|(name, endpoint)| (name, endpoint.address))
                .collect(),
        });
        Ok(listed.collect())
    }

    /// One as a node sees it.
    pub(crate) async fn see(&self, container: &str) -> Result<SeenContainer, DriverError> {
        let inspected = self.inspect(container).await?;
        Ok(inspected.seen(self.is_podman()))
    }

    pub(crate) async fn inspect(&self, container: &str) -> Result<Inspected, DriverError> {
        self.get(&format!("/containers/{container}/json"))
            .await
            .map_err(|f| named(f, "inspect", container))
    }

    /// A running container's address on its network.
    pub async fn address(&self, container: &str) -> Result<Option<IpAddr>, DriverError> {
        let inspected = self.inspect(container).await?;
        Ok(inspected.seen(self.is_podman()).address)
    }

    /// Creates a container of the API's body, and gives its id.
    pub async fn create_container(&self, name: &str, body: &Value) -> Result<String, DriverError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Created {
            id: String,
        }
        let created: Created = self
            .post(&format!("/containers/create?name={}", escape(name)), body)
            .await
            .map_err(|f| named(f, "create", name))?;
        Ok(created.id)
    }

    /// A container to read an image's files from, which is never started. What the image declares as volumes is none there:
    /// Podman fills one only when its container starts.
    pub async fn create_to_look(&self, name: &str, image: &str) -> Result<(), DriverError> {
        if !self.is_podman() {
            let body = serde_json::json!({
                "Image": image, "Cmd": ["true"], "HostConfig": { "NetworkMode": "none" },
            });
            return self.create_container(name, &body).await.map(drop);
        }
        let body = serde_json::json!({
            "name": name, "image": image, "command": ["true"],
            "image_volume_mode": "ignore", "netns": { "nsmode": "none" },
        });
        let made: Result<Value, Failure> = self.post("/libpod/containers/create", &body).await;
        made.map(drop).map_err(|f| named(f, "create", name))
    }

    pub async fn start_container(&self, container: &str) -> Result<(), DriverError> {
        self.tell(Method::POST, &format!("/containers/{container}/start"))
            .await
            .map(drop)
            .map_err(|f| named(f, "start", container))
    }

    /// Its stop signal, then SIGKILL after the grace. Returns when it has ended; fine if it already had.
    pub async fn stop_container(
        &self,
        container: &str,
        grace: Duration,
    ) -> Result<(), DriverError> {
        let seconds = grace.as_secs();
        self.tell_within(
            Method::POST,
            &format!("/containers/{container}/stop?t={seconds}"),
            grace + Duration::from_secs(60),
        )
        .await
        .map(drop)
        .map_err(|f| named(f, "stop", container))
    }

    pub async fn signal_container(&self, container: &str, signal: &str) -> Result<(), DriverError> {
        self.tell(
            Method::POST,
            &format!("/containers/{container}/kill?signal={}", escape(signal)),
        )
        .await
        .map(drop)
        .map_err(|f| named(f, "signal", container))
    }

    /// Kills and removes it with its anonymous volumes. Returns when it is gone.
    pub async fn remove_container(&self, container: &str) -> Result<(), DriverError> {
        if self.is_podman() {
            // Podman's forced removal waits its stop timeout first; a kill needs no waiting.
            let _ = self.signal_container(container, "KILL").await;
        }
        let path = format!("/containers/{container}?force=true&v=true");
        for attempt in 0_u64.. {
            match self.tell(Method::DELETE, &path).await {
                Ok(_) => return Ok(()),
                // Someone else removes it at this moment: done when it is no more.
                Err(Failure::Answer { status, message })
                    if attempt < 50
                        && (status == 409 || message.contains("already in progress")) =>
                {
                    tokio::time::sleep(Duration::from_millis(20 + attempt * 10)).await;
                }
                Err(failure) => return Err(named(failure, "remove", container)),
            }
        }
        Ok(())
    }

    /// Joins a running or created container to one more network, there at this address and under these names.
    pub async fn join_network(
        &self,
        container: &str,
        network: &str,
        address: Option<IpAddr>,
        names: &[String],
    ) -> Result<(), DriverError> {
        let mut endpoint = serde_json::json!({ "Aliases": names });
        if let Some(address) = address {
            endpoint["IPAMConfig"] = serde_json::json!({ "IPv4Address": address });
        }
        self.post_and_forget(
            &format!("/networks/{}/connect", escape(network)),
            &serde_json::json!({ "Container": container, "EndpointConfig": endpoint }),
        )
        .await
        .map_err(|f| f.attempting(&format!("join {container} to network {network}"), network))
    }

    pub async fn leave_network(&self, container: &str, network: &str) -> Result<(), DriverError> {
        self.post_and_forget(
            &format!("/networks/{}/disconnect", escape(network)),
            &serde_json::json!({ "Container": container, "Force": true }),
        )
        .await
        .map_err(|f| f.attempting(&format!("take {container} off network {network}"), network))
    }
}

pub(crate) fn named(failure: Failure, verb: &str, container: &str) -> DriverError {
    failure.attempting(
        &format!("{verb} container {container}"),
        &format!("container {container}"),
    )
}
