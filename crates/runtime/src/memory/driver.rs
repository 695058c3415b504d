//! An engine whose containers are entries in a map.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::StreamExt;
use indexmap::IndexMap;
use jiff::Timestamp;
use pluvio_model::facts::{Facts, ImageFacts, Reach, RuntimeKind};
use pluvio_model::id::ClusterId;
use pluvio_plan::lower::engine::{ContainerCreate, NetworkPlan, VolumePlan, label};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;

use super::commands::Commands;
use super::container::Container;
use crate::driver::{
    ContainerState, Driver, DriverError, DriverLogLine, ExecAs, FileToWrite, SeenContainer,
    SeenNetwork, SeenVolume,
};
use crate::{BoxStream, ExecOutput, ExecRequest, ExecSession};

/// A clone is the same engine.
#[derive(Clone)]
pub struct MemoryDriver {
    cluster: ClusterId,
    state: Arc<Mutex<State>>,
    /// Grows with each event; replaced when the engine restarts, which ends the streams of the old one.
    events: Arc<Mutex<watch::Sender<u64>>>,
    pub(super) commands: Arc<Mutex<Commands>>,
}

impl std::fmt::Debug for MemoryDriver {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.write_str("MemoryDriver")
    }
}

#[derive(Default)]
struct State {
    containers: BTreeMap<String, Container>,
    networks: BTreeMap<String, SeenNetwork>,
    volumes: BTreeMap<String, SeenVolume>,
    images: BTreeMap<String, ImageFacts>,
    unreachable: bool,
    /// Containers end by themselves as soon as they start, with this code.
    crashing: Option<i64>,
    unhealthy: BTreeSet<String>,
    made: u64,
}

impl MemoryDriver {
    pub fn new(cluster: ClusterId) -> MemoryDriver {
        MemoryDriver {
            cluster,
            state: Arc::default(),
            events: Arc::new(Mutex::new(watch::Sender::new(0))),
            commands: Arc::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn event(&self) {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.send_modify(|count| *count += 1);
    }

    /// The engine's words while it does not answer.
    fn answering(&self) -> Result<MutexGuard<'_, State>, DriverError> {
        let state = self.state();
        if state.unreachable {
            return Err(DriverError::Unreachable("it is away".to_owned()));
        }
        Ok(state)
    }

    /// An image that containers may be made of.
    pub fn add_image(&self, reference: &str, facts: ImageFacts) {
        self.state().images.insert(reference.to_owned(), facts);
    }

    /// Ends a running container, as its program or a person would.
    pub fn end(&self, name: &str, code: i64, oom: bool) {
        if let Some(container) = self.state().containers.get_mut(name) {
            container.end(code, oom);
        }
        self.event();
    }

    /// Removes a container by hand.
    pub fn remove_by_hand(&self, name: &str) {
        self.state().containers.remove(name);
        self.event();
    }

    /// From now on containers end with this code as soon as they start.
    pub fn crash_at_start(&self, code: Option<i64>) {
        self.state().crashing = code;
    }

    /// What command probes are answered in this container.
    pub fn set_healthy(&self, name: &str, healthy: bool) {
        let mut state = self.state();
        if healthy {
            state.unhealthy.remove(name);
        } else {
            state.unhealthy.insert(name.to_owned());
        }
    }

    /// A line of output.
    pub fn print(&self, name: &str, text: &str) {
        if let Some(container) = self.state().containers.get_mut(name) {
            container.print(text);
        }
    }

    /// Answers nothing until it is told otherwise.
    pub fn set_unreachable(&self, unreachable: bool) {
        self.state().unreachable = unreachable;
        if unreachable {
            *self.events.lock().unwrap_or_else(PoisonError::into_inner) = watch::Sender::new(0);
        }
    }

    /// The engine ends and starts again; without `live_restore` its containers end with it.
    pub fn restart(&self, live_restore: bool) {
        if !live_restore {
            for container in self.state().containers.values_mut() {
                container.end(137, false);
            }
        }
        *self.events.lock().unwrap_or_else(PoisonError::into_inner) = watch::Sender::new(0);
    }

    /// A container of somebody else.
    pub fn add_stranger(&self, name: &str) {
        let mut state = self.state();
        let id = state.next_id();
        let container = Container {
            seen: SeenContainer {
                name: name.to_owned(),
                id,
                labels: IndexMap::new(),
                state: ContainerState::Running {
                    started_at: pluvio_model::clock::now(),
                },
                address: None,
                networks: IndexMap::new(),
                published: IndexMap::new(),
                pid: None,
                hosts_file: None,
                created_at: pluvio_model::clock::now(),
            },
            network: None,
            joined: None,
            address: None,
            volumes: BTreeSet::new(),
            files: BTreeMap::new(),
            lines: Vec::new(),
            printed: watch::Sender::new(0),
            signals: Vec::new(),
        };
        state.containers.insert(name.to_owned(), container);
    }

    /// Every container, strangers' too, with whether it runs.
    pub fn all(&self) -> BTreeMap<String, bool> {
        self.state()
            .containers
            .iter()
            .map(|(name, container)| (name.clone(), container.is_running()))
            .collect()
    }

    /// The engine's id of a container: another one of the same name has another.
    pub fn id(&self, name: &str) -> Option<String> {
        Some(self.state().containers.get(name)?.seen.id.clone())
    }

    /// A file in a container, as it was last written.
    pub fn file(&self, container: &str, path: &str) -> Option<String> {
        self.state()
            .containers
            .get(container)?
            .files
            .get(path)
            .cloned()
    }

    /// Signals that a container was sent, but for stops.
    pub fn signals(&self, container: &str) -> Vec<String> {
        let state = self.state();
        state
            .containers
            .get(container)
            .map(|c| c.signals.clone())
            .unwrap_or_default()
    }
}

impl State {
    fn next_id(&mut self) -> String {
        self.made += 1;
        format!("{:064x}", self.made)
    }

    fn container(&mut self, name: &str) -> Result<&mut Container, DriverError> {
        self.containers
            .get_mut(name)
            .ok_or_else(|| DriverError::NotFound {
                what: format!("container {name}"),
            })
    }
}

#[async_trait]
impl Driver for MemoryDriver {
    async fn facts(&self) -> Result<Facts, DriverError> {
        drop(self.answering()?);
        Ok(Facts {
            cluster: self.cluster,
            runtime: RuntimeKind::Memory,
            version: "1".to_owned(),
            architecture: "amd64".to_owned(),
            reach: Reach::Bridge,
            rootless: false,
            cpu_millis: 2000,
            memory_bytes: 4 << 30,
        })
    }

    async fn containers(&self) -> Result<Vec<SeenContainer>, DriverError> {
        let ours = self.cluster.to_string();
        let state = self.answering()?;
        let of_ours = state
            .containers
            .values()
            .filter(|c| c.seen.labels.get(label::INSTALLATION) == Some(&ours));
        Ok(of_ours.map(|container| container.seen.clone()).collect())
    }

    async fn networks(&self) -> Result<Vec<SeenNetwork>, DriverError> {
        Ok(self.answering()?.networks.values().cloned().collect())
    }

    async fn volumes(&self) -> Result<Vec<SeenVolume>, DriverError> {
        Ok(self.answering()?.volumes.values().cloned().collect())
    }

    async fn taken_subnets(&self) -> Result<Vec<String>, DriverError> {
        let state = self.answering()?;
        Ok(state
            .networks
            .values()
            .filter_map(|n| n.subnet.clone())
            .collect())
    }

    async fn ensure_network(&self, network: &NetworkPlan, subnet: &str) -> Result<(), DriverError> {
        let mut state = self.answering()?;
        let seen = SeenNetwork {
            name: network.name.clone(),
            labels: network.labels.clone(),
            subnet: Some(subnet.to_owned()),
        };
        state.networks.entry(network.name.clone()).or_insert(seen);
        Ok(())
    }

    async fn remove_network(&self, name: &str) -> Result<(), DriverError> {
        let mut state = self.answering()?;
        if state
            .containers
            .values()
            .any(|c| c.seen.networks.contains_key(name))
        {
            return Err(DriverError::Refused {
                attempt: format!("remove network {name}"),
                message: "it has active endpoints".to_owned(),
            });
        }
        let removed = state.networks.remove(name);
        removed.map(drop).ok_or_else(|| DriverError::NotFound {
            what: format!("network {name}"),
        })
    }

    async fn join_network(
        &self,
        container: &str,
        network: &str,
        address: Option<IpAddr>,
    ) -> Result<(), DriverError> {
        let mut state = self.answering()?;
        let taken = address.is_some()
            && state
                .containers
                .values()
                .any(|other| other.seen.networks.get(network) == Some(&address));
        if taken || !state.networks.contains_key(network) {
            return Err(DriverError::Refused {
                attempt: format!("join {container} to network {network}"),
                message: "there is no such network, or the address is in use".to_owned(),
            });
        }
        let one = state.container(container)?;
        one.seen
            .networks
            .entry(network.to_owned())
            .or_insert(address);
        drop(state);
        self.event();
        Ok(())
    }

    async fn ensure_volume(&self, volume: &VolumePlan) -> Result<(), DriverError> {
        let mut state = self.answering()?;
        let seen = SeenVolume {
            name: volume.name.clone(),
            labels: volume.labels.clone(),
            options: volume.options.clone(),
        };
        let there = state.volumes.entry(volume.name.clone()).or_insert(seen);
        match there.options == volume.options {
            true => Ok(()),
            false => Err(DriverError::OtherOptions {
                volume: volume.name.clone(),
                plain: there.options.is_empty(),
            }),
        }
    }

    async fn remove_volume(&self, name: &str) -> Result<(), DriverError> {
        let mut state = self.answering()?;
        if state.containers.values().any(|c| c.volumes.contains(name)) {
            return Err(DriverError::Refused {
                attempt: format!("remove volume {name}"),
                message: "it is in use".to_owned(),
            });
        }
        let removed = state.volumes.remove(name);
        removed.map(drop).ok_or_else(|| DriverError::NotFound {
            what: format!("volume {name}"),
        })
    }

    async fn create(
        &self,
        container: &ContainerCreate,
        address: Option<IpAddr>,
    ) -> Result<(), DriverError> {
        let mut state = self.answering()?;
        let what = format!("container {}", container.name);
        if state.containers.contains_key(&container.name) {
            return Err(DriverError::AlreadyExists { what });
        }
        let refused = |message: String| DriverError::Refused {
            attempt: format!("create {what}"),
            message,
        };
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let image = text(&container.body["Image"]).unwrap_or_default();
        if !state.images.values().any(|facts| facts.id == image) {
            return Err(refused(format!("No such image: {image}")));
        }
        let mode = text(&container.body["HostConfig"]["NetworkMode"]);
        let joined = mode
            .as_deref()
            .and_then(|mode| mode.strip_prefix("container:"));
        if let Some(other) = joined
            && !state.containers.contains_key(other)
        {
            return Err(refused(format!("No such container: {other}")));
        }
        let joined = joined.map(str::to_owned);
        let network =
            mode.filter(|mode| joined.is_none() && !matches!(mode.as_str(), "host" | "none"));
        if let Some(network) = &network
            && !state.networks.contains_key(network)
        {
            return Err(refused(format!("network {network} not found")));
        }
        let mounts = container.body["HostConfig"]["Mounts"].as_array();
        let volumes: BTreeSet<String> = mounts
            .into_iter()
            .flatten()
            .filter_map(|mount| text(&mount["Source"]))
            .collect();
        let labels = serde_json::from_value(container.body["Labels"].clone()).unwrap_or_default();
        let id = state.next_id();
        let made = Container {
            seen: SeenContainer {
                name: container.name.clone(),
                id,
                labels,
                state: ContainerState::Created,
                address: None,
                networks: network.iter().map(|name| (name.clone(), address)).collect(),
                published: IndexMap::new(),
                pid: None,
                hosts_file: None,
                created_at: pluvio_model::clock::now(),
            },
            network,
            joined,
            address,
            volumes,
            files: container
                .files
                .iter()
                .map(|file| (file.path.to_string(), file.content.clone()))
                .collect(),
            lines: Vec::new(),
            printed: watch::Sender::new(0),
            signals: Vec::new(),
        };
        state.containers.insert(container.name.clone(), made);
        drop(state);
        self.event();
        Ok(())
    }

    async fn write_files(&self, container: &str, files: &[FileToWrite]) -> Result<(), DriverError> {
        let mut state = self.answering()?;
        let container = state.container(container)?;
        for file in files {
            let text = String::from_utf8_lossy(&file.content).into_owned();
            container.files.insert(file.path.clone(), text);
        }
        Ok(())
    }

    async fn start(&self, container: &str) -> Result<(), DriverError> {
        let mut state = self.answering()?;
        let crashing = state.crashing;
        let used = |other: &Container, of: &Container| {
            other.is_running() && other.address.is_some() && other.address == of.address
        };
        let one = state.container(container)?;
        let (network, address) = (one.network.clone(), one.address);
        if let Some(joined) = one.joined.clone()
            && !state
                .containers
                .get(&joined)
                .is_some_and(Container::is_running)
        {
            return Err(DriverError::Refused {
                attempt: format!("start container {container}"),
                message: format!("cannot join the network of {joined}, which does not run"),
            });
        }
        let this = &state.containers[container];
        let twice = state.containers.values().any(|other| {
            other.seen.id != this.seen.id && other.network == network && used(other, this)
        });
        if twice {
            return Err(DriverError::Refused {
                attempt: format!("start container {container}"),
                message: "Address already in use".to_owned(),
            });
        }
        let one = state.container(container)?;
        if !one.is_running() {
            one.seen.state = ContainerState::Running {
                started_at: pluvio_model::clock::now(),
            };
            one.seen.address = address;
            one.print("begins");
            if let Some(code) = crashing {
                one.end(code, false);
            }
        }
        drop(state);
        self.event();
        Ok(())
    }

    async fn stop(&self, container: &str, _grace_seconds: u64) -> Result<(), DriverError> {
        self.answering()?.container(container)?.end(143, false);
        self.event();
        Ok(())
    }

    async fn signal(&self, container: &str, signal: &str) -> Result<(), DriverError> {
        let mut state = self.answering()?;
        state.container(container)?.signals.push(signal.to_owned());
        Ok(())
    }

    async fn remove(&self, container: &str) -> Result<(), DriverError> {
        let mut state = self.answering()?;
        state.container(container)?;
        // As Podman has it.
        let mut all = state.containers.iter();
        if let Some((other, _)) = all.find(|(_, c)| c.joined.as_deref() == Some(container)) {
            return Err(DriverError::Refused {
                attempt: format!("remove container {container}"),
                message: format!("{other} depends on it"),
            });
        }
        state.containers.remove(container);
        drop(state);
        self.event();
        Ok(())
    }

    async fn logs(
        &self,
        container: &str,
        since: Option<Timestamp>,
        follow: bool,
    ) -> Result<BoxStream<DriverLogLine>, DriverError> {
        let mut state = self.answering()?;
        let one = state.container(container)?;
        let kept: Vec<DriverLogLine> = one
            .lines
            .iter()
            .filter(|line| since.is_none_or(|since| line.at >= since))
            .cloned()
            .collect();
        if !follow || !one.is_running() {
            return Ok(Box::pin(futures::stream::iter(kept)));
        }
        let (count, printed) = (one.lines.len(), one.printed.subscribe());
        drop(state);
        let (driver, name) = (self.clone(), container.to_owned());
        let more = futures::stream::unfold((count, printed), move |(count, mut printed)| {
            let (driver, name) = (driver.clone(), name.clone());
            async move {
                loop {
                    let next = driver
                        .state()
                        .containers
                        .get(&name)
                        .and_then(|container| container.lines.get(count).cloned());
                    if let Some(line) = next {
                        return Some((line, (count + 1, printed)));
                    }
                    printed.changed().await.ok()?;
                }
            }
        });
        Ok(Box::pin(futures::stream::iter(kept).chain(more)))
    }

    /// A command probe: exit code 0 where the container is healthy. One with something of its own is noted, and ends as it is told.
    async fn exec_as(
        &self,
        request: &ExecRequest,
        own: &ExecAs,
    ) -> Result<ExecSession, DriverError> {
        let mut state = self.answering()?;
        if !state.container(&request.instance)?.is_running() {
            return Err(DriverError::Refused {
                attempt: format!("run a command in {}", request.instance),
                message: "it does not run".to_owned(),
            });
        }
        let code = i64::from(state.unhealthy.contains(&request.instance));
        drop(state);
        let (input, _inputs) = tokio::sync::mpsc::channel(1);
        let output = match *own == ExecAs::default() {
            true => vec![ExecOutput::Exit(code)],
            false => self.run(request),
        };
        Ok(ExecSession {
            output: Box::pin(futures::stream::iter(output)),
            input,
        })
    }

    async fn image(&self, reference: &str) -> Result<Option<ImageFacts>, DriverError> {
        let state = self.answering()?;
        let found = state
            .images
            .iter()
            .find(|(name, facts)| *name == reference || facts.id == reference);
        Ok(found.map(|(_, facts)| facts.clone()))
    }

    async fn events(&self) -> Result<BoxStream<()>, DriverError> {
        drop(self.answering()?);
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Box::pin(
            WatchStream::from_changes(events.subscribe()).map(drop),
        ))
    }
}
