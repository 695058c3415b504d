//! What the loop does. Everything that takes time runs beside it, one thing for each instance; how it ended comes back as
//! [`Finished`], and the next step sees the rest.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use pluvio_model::facts::Reach;
use pluvio_model::image::ContentHash;
use pluvio_model::name::Name;
use pluvio_model::problem::{self, Problem};
use pluvio_model::quantity::Span;
use pluvio_model::route::BackendState;
use pluvio_model::spec::PortProtocol;
use pluvio_model::stage::RunWish;
use pluvio_plan::lower::engine::{ContainerCreate, InstancePlace, InstanceTemplate, Role};
use pluvio_plan::rollout::{Action, EndpointsWish, StopReason};
use pluvio_runtime::driver::{ContainerState, Driver};

use super::Application;
use super::desired::{Desired, Wanted};
use super::hot_files::{hashes, to_write};
use super::making::{create_new, init_name, remove_all, run_init};
use super::sidecars::stop_all;
use crate::addresses::joined_name;
use crate::collect::{Collector, Source};
use crate::happened::{What, note};
use crate::probes::dial;
use crate::traffic::endpoint;

/// How long the rest of a log may take before its container is removed.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(5);

/// What is being done to an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Doing {
    Create,
    Start,
    StartAgain,
    Stop,
    Remove,
    /// A sidecar is started, stopped or removed.
    Attend,
    /// These files, as they will be.
    HotFiles(BTreeMap<String, ContentHash>),
}

#[derive(Debug)]
pub(crate) struct Finished {
    name: String,
    doing: Doing,
    result: Result<(), Problem>,
}

impl Application {
    pub(super) fn begin(
        &mut self,
        name: &str,
        doing: Doing,
        job: impl Future<Output = Result<(), Problem>> + Send + 'static,
    ) {
        self.busy.insert(name.to_owned(), doing.clone());
        let name = name.to_owned();
        self.jobs.spawn(async move {
            Finished {
                name,
                doing,
                result: job.await,
            }
        });
    }

    /// Does one action, unless something is being done to that instance already or it rests after a failure. `ready`: networks
    /// and volumes are there, so that something may start.
    pub(crate) fn act(&mut self, desired: &Desired, component: &Name, action: Action, ready: bool) {
        match action {
            Action::SetEndpoints(wish) => {
                if let Some(place) = self.components.get_mut(component) {
                    place.endpoints = Some(wish);
                }
            }
            Action::BeginDrain { name } => self.begin_drain(desired, component, &name),
            Action::CancelDrain { name } => {
                if let Some(instance) = self.instances.get_mut(&name) {
                    instance.draining_since = None;
                }
            }
            Action::Create { slot } => {
                let Some(wanted) = desired.components.get(component) else {
                    return;
                };
                let name = wanted.plan.instance.name(slot);
                // One of that name that is on its way out must be gone first: its address rests with it.
                let there = self.instances.contains_key(&name);
                if ready && !there && self.is_free(&name) {
                    self.create(desired, wanted, slot, &name);
                }
            }
            Action::Start { name } if ready && self.is_free(&name) => {
                if self.has_its_volumes(desired, &name) {
                    self.start(&name);
                }
            }
            Action::StartAgain { name } if self.is_free(&name) => {
                if self.has_its_volumes(desired, &name) {
                    self.start_again(desired, &name);
                }
            }
            Action::Stop { name, grace } if self.is_free(&name) => {
                self.stop(&name, grace, StopReason::Leaving);
            }
            Action::KillUnhealthy { name, grace } if self.is_free(&name) => {
                self.stop(&name, grace, StopReason::Unhealthy);
            }
            Action::Remove { name } if self.is_free(&name) => self.remove(&name),
            Action::Start { .. }
            | Action::StartAgain { .. }
            | Action::Stop { .. }
            | Action::KillUnhealthy { .. }
            | Action::Remove { .. } => {}
        }
    }

    pub(super) fn is_free(&self, name: &str) -> bool {
        self.part.problem.is_none()
            && !self.busy.contains_key(name)
            && !self.speaking.contains(name)
            && !self.rests(name)
    }

    pub(super) fn driver(&self) -> Arc<dyn Driver> {
        self.shared.engine.driver.clone()
    }

    fn create(&mut self, desired: &Desired, wanted: &Wanted, slot: u32, name: &str) {
        let containers = match self.containers(desired, wanted, slot, name) {
            Ok(containers) => containers,
            Err(problem) => return self.fail(name, problem),
        };
        // Init steps run while it is made.
        let steps = containers
            .iter()
            .map(|(container, _)| container)
            .filter(|container| matches!(container.role, Role::Init(_)));
        if !self.claim(desired, name, steps) {
            return;
        }
        let hot = hashes(&wanted.plan.hot_files);
        self.memo.instances.entry(name.to_owned()).or_default().hot = hot;
        let engine = self.shared.engine.clone();
        let (logs, events) = (self.shared.logs.clone(), self.shared.events.clone());
        let source = Source {
            application: self.id,
            component: wanted.plan.name.clone(),
            instance: name.to_owned(),
            container: name.to_owned(),
            masks: self.masks.clone(),
        };
        self.begin(name, Doing::Create, async move {
            let make = async {
                for (container, address) in containers {
                    match &container.role {
                        Role::Main | Role::Run | Role::Sidecar(_) => {
                            create_new(&*engine.driver, &container, address).await?;
                        }
                        Role::Init(_) => {
                            run_init(&engine, &container, address, &source, &logs, &events).await?;
                        }
                    }
                }
                Ok(())
            };
            let made: Result<(), Problem> = make.await;
            match &made {
                Ok(()) => note(&events, &source, What::Created, "its container was made"),
                Err(problem) => note(&events, &source, What::Failed, &*problem.cause),
            }
            made
        });
    }

    /// The containers of a new instance, with its address and its secrets.
    fn containers(
        &self,
        desired: &Desired,
        wanted: &Wanted,
        slot: u32,
        name: &str,
    ) -> Result<Vec<(ContainerCreate, Option<IpAddr>)>, Problem> {
        let place = InstancePlace {
            slot,
            ..InstancePlace::default()
        };
        let wish = desired.wish_of(wanted);
        self.containers_of(desired, &wanted.plan.instance, wish, name, place)
    }

    /// The containers of an instance or a run of this name: addresses, inner names and secrets are put in.
    pub(super) fn containers_of(
        &self,
        desired: &Desired,
        template: &InstanceTemplate,
        wish: Option<&RunWish>,
        name: &str,
        mut place: InstancePlace,
    ) -> Result<Vec<(ContainerCreate, Option<IpAddr>)>, Problem> {
        let bridge = self
            .shared
            .engine
            .known_facts()
            .is_some_and(|facts| facts.reach == Reach::Bridge);
        if bridge {
            place.addresses = self.addresses_for(desired, template, name)?;
            if template.has_init_steps() {
                place.init_addresses = self.addresses_for(desired, template, &init_name(name))?;
            }
        }
        // A run is none of the component's instances.
        let is_run = place.run.is_some();
        let own = |network: &str| match place.addresses.get(network).filter(|_| !is_run) {
            Some(IpAddr::V4(address)) => Some(*address),
            _ => None,
        };
        place.hosts = self.inner_hosts(desired, template, &own);
        place.networks = self.stand_ins(desired);
        let secret = |secret: &_| wish.and_then(|wish| wish.secret(secret));
        let containers = template.create(&place, &secret).map_err(|missing| {
            problem::SECRET_MISSING.problem(
                format!("The secret {} has no value.", missing.name),
                format!(
                    "Set it with `pluvio secret set {}`, then deploy again.",
                    missing.name
                ),
            )
        })?;
        let home = template.networks().next();
        let address = home.and_then(|home| place.addresses.get(home).copied());
        Ok(containers
            .into_iter()
            .map(|container| match container.role {
                // A sidecar has main's; a step's own stands in its body.
                Role::Sidecar(_) | Role::Init(_) => (container, None),
                _ => (container, address),
            })
            .collect())
    }

    /// Addresses for a container that is about to be made, on each of its networks by the name that was decided for it.
    fn addresses_for(
        &self,
        desired: &Desired,
        template: &InstanceTemplate,
        container: &str,
    ) -> Result<IndexMap<String, IpAddr>, Problem> {
        let mut addresses = IndexMap::new();
        for first in template.networks() {
            let Some(plan) = desired.networks.iter().find(|plan| plan.name == *first) else {
                continue;
            };
            let network = self.newest(plan);
            let address = if addresses.is_empty() {
                self.address_of(&network, container)?
            } else {
                self.address_of(&network, &joined_name(container, &network))?
            };
            addresses.insert(first.clone(), address);
        }
        Ok(addresses)
    }

    /// An address for a container that is about to be made.
    pub(super) fn address_of(&self, network: &str, container: &str) -> Result<IpAddr, Problem> {
        let in_use = self.addresses_in_use();
        let now = self.shared.clock.now();
        let given = self.shared.addresses.give(network, container, &in_use, now);
        given.map(IpAddr::V4).map_err(|error| {
            problem::ENGINE_FAILED.problem(
                format!("For {container}: {error}."),
                "It is tried again when another has left; with more instances or components the network grows by itself.",
            )
        })
    }

    fn start(&mut self, name: &str) {
        let driver = self.driver();
        let container = name.to_owned();
        if !self.made.contains(name) {
            // A node that was killed while it made this may have left it without its files: it is made anew.
            let sidecars = self.sidecars_of(name);
            self.begin(name, Doing::Remove, async move {
                remove_all(&*driver, &sidecars, &container).await
            });
            return;
        }
        if let Some(instance) = self.instances.get_mut(name) {
            instance.started_here = true;
        }
        self.begin(name, Doing::Start, async move {
            let started = driver.start(&container).await;
            started.map_err(|error| error.to_problem())
        });
    }

    fn start_again(&mut self, desired: &Desired, name: &str) {
        let files = self.changed_hot_files(desired, name);
        let (driver, container) = (self.driver(), name.to_owned());
        if let Some(instance) = self.instances.get_mut(name) {
            instance.started_here = true;
        }
        if let (Ok((_, all)), Some(memo)) = (&files, self.memo.instances.get_mut(name)) {
            memo.hot.clone_from(all);
        }
        self.begin(name, Doing::StartAgain, async move {
            let (files, _) = files?;
            let started = async {
                if !files.is_empty() {
                    driver.write_files(&container, &to_write(&files)).await?;
                }
                driver.start(&container).await
            };
            started.await.map_err(|error| error.to_problem())
        });
    }

    fn stop(&mut self, name: &str, grace: Span, reason: StopReason) {
        let hooks = self.turn_to_stop(name);
        let mut why = match reason {
            StopReason::Leaving => "it is not wanted any more",
            StopReason::Unhealthy => "its probe failed too often",
        };
        if let Some(instance) = self.instances.get_mut(name) {
            instance.stop = Some(reason);
            if instance.has_failed_hook() {
                why = "a hook after its start failed";
            }
        }
        self.record(name, What::Killing, format!("told to end: {why}"));
        self.sidecars_leave(name);
        let sidecars = self.sidecars_of(name);
        let (driver, container) = (self.driver(), name.to_owned());
        let events = self.shared.events.clone();
        self.begin(name, Doing::Stop, async move {
            if let Some(hooks) = hooks {
                hooks.before_stop(grace, &events).await;
            }
            stop_all(&*driver, &[container], grace).await?;
            // They are there as long as somebody may need them.
            stop_all(&*driver, &sidecars, grace).await
        });
    }

    fn remove(&mut self, name: &str) {
        if let Some(instance) = self.instances.get_mut(name) {
            instance.stop = Some(StopReason::Leaving);
        }
        let never_ran = self
            .instances
            .get(name)
            .is_some_and(|instance| instance.seen.state == ContainerState::Created);
        let words = if never_ran {
            None
        } else {
            self.rest_of_log(name)
        };
        self.sidecars_leave(name);
        let sidecars = self.sidecars_of(name);
        let words: Vec<Collector> = sidecars
            .iter()
            .filter_map(|sidecar| self.sidecar_collector(sidecar, false))
            .chain(words)
            .collect();
        let (driver, container) = (self.driver(), name.to_owned());
        self.begin(name, Doing::Remove, async move {
            for mut words in words {
                words.finish(LAST_WORDS).await;
            }
            remove_all(&*driver, &sidecars, &container).await
        });
    }

    fn begin_drain(&mut self, desired: &Desired, component: &Name, name: &str) {
        let drain = desired.component(component).rollout.drain.duration();
        let now = self.shared.clock.now();
        let Some(instance) = self.instances.get_mut(name) else {
            return;
        };
        instance.draining_since = Some(now);
        let (traffic, name) = (self.shared.traffic.clone(), name.to_owned());
        // Its end only wakes the loop: whether the instance is drained, the next step sees by itself.
        self.drains
            .spawn(async move { traffic.drained(&name, drain).await });
    }

    /// Takes in how something ended.
    pub(crate) fn finish(&mut self, done: Result<Finished, tokio::task::JoinError>) {
        let Ok(Finished {
            name,
            doing,
            result,
        }) = done
        else {
            tracing::error!(application = %self.id, "what was being done broke off");
            // It is not known which: all are looked at anew.
            self.busy.clear();
            self.making.clear();
            return;
        };
        self.busy.remove(&name);
        self.making.remove(&name);
        if doing == Doing::Create {
            let now = self.shared.clock.now();
            self.shared.addresses.take_back(&init_name(&name), now);
        }
        match result {
            Ok(()) => {
                self.troubles.remove(&name);
                // A run that ends at once is seen by nobody.
                if matches!(doing, Doing::Start | Doing::StartAgain) {
                    self.record(&name, What::Started, "started");
                }
                match doing {
                    Doing::Create => {
                        self.made.insert(name);
                    }
                    Doing::StartAgain => {
                        if let Some(memo) = self.memo.instances.get_mut(&name) {
                            memo.restarts += 1;
                        }
                    }
                    Doing::HotFiles(hot) => {
                        if let Some(memo) = self.memo.instances.get_mut(&name) {
                            memo.hot = hot;
                        }
                        let text = "configuration files were written into it";
                        self.say(&name, What::FilesWritten, text);
                    }
                    Doing::Start | Doing::Stop | Doing::Remove | Doing::Attend => {}
                }
            }
            Err(problem) => {
                if doing != Doing::Create {
                    self.record(&name, What::Failed, &*problem.cause);
                }
                match doing {
                    Doing::Create | Doing::Start => {
                        // Perhaps its address is somebody's: the next attempt takes another.
                        if problem.cause.contains("ddress already in use") {
                            let now = self.shared.clock.now();
                            self.shared.addresses.take_back(&name, now);
                        }
                        // One that cannot be started is made anew: its address or a mount may be at fault.
                        self.made.remove(&name);
                    }
                    Doing::Stop => {
                        if let Some(instance) = self.instances.get_mut(&name) {
                            instance.stop = None;
                        }
                    }
                    Doing::StartAgain | Doing::Remove | Doing::Attend | Doing::HotFiles(_) => {}
                }
                self.fail(&name, problem);
            }
        }
    }

    /// Tells the gateway where a component's requests go now.
    pub(crate) fn set_endpoints(&mut self, desired: &Desired, component: &Name) {
        // What leaves does not take the place of what is outside now by the same name.
        let Some(wish) = self
            .components
            .get(component)
            .filter(|_| !self.externals.contains_key(component))
            .and_then(|c| c.endpoints.clone())
        else {
            return;
        };
        let mut ports: BTreeMap<Name, BackendState> = BTreeMap::new();
        let wanted = desired
            .components
            .get(component)
            .map(|wanted| &wanted.plan.ports);
        let served: Vec<_> = match &wish {
            EndpointsWish::Serving(names) => names
                .iter()
                .filter_map(|name| self.instances.get(name))
                .collect(),
            _ => Vec::new(),
        };
        // A former content may have ports that the wanted one has not: they serve as long as its instances do.
        let contents: Vec<_> = served
            .iter()
            .filter_map(|instance| desired.ports(component, &instance.hash))
            .chain(wanted)
            .collect();
        for (name, port) in contents.iter().flat_map(|ports| ports.iter()) {
            if port.protocol == PortProtocol::Udp || ports.contains_key(name) {
                continue;
            }
            let state = match &wish {
                EndpointsWish::Serving(_) => BackendState::Serving {
                    endpoints: served
                        .iter()
                        .filter_map(|instance| {
                            let own = desired.ports(component, &instance.hash);
                            let port = own.and_then(|ports| ports.get(name))?.port;
                            let seen = &instance.seen;
                            endpoint(&seen.name, dial(seen.address, &seen.published, port)?)
                        })
                        .collect(),
                },
                EndpointsWish::Holding => BackendState::holding(),
                EndpointsWish::Stopped => BackendState::Stopped,
                EndpointsWish::Absent => BackendState::Absent,
            };
            ports.insert(name.clone(), state);
        }
        self.shared.traffic.set_component(self.id, component, ports);
        if let Some(memo) = self.memo.components.get_mut(component) {
            memo.serving = match wish {
                EndpointsWish::Serving(names) => names,
                _ => Vec::new(),
            };
        }
    }
}
