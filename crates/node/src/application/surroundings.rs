//! What instances need around them: networks and volumes, before any of them starts; and removing what nobody wants.

use std::collections::{BTreeMap, HashMap};

use indexmap::IndexMap;
use pluvio_model::id::Generation;
use pluvio_model::problem;
use pluvio_plan::lower::engine::label;
use pluvio_runtime::driver::DriverError;
use tokio::time::Instant;

use super::Application;
use super::desired::Desired;

/// What need not be done again.
#[derive(Debug, Default)]
pub(crate) struct Ensured {
    /// The application is gone, and nothing of it is kept.
    buried: bool,
    /// Networks that would be larger if there was room, since when.
    pub(super) cramped: HashMap<String, Instant>,
    /// Volumes of others that were there, and the newest generation that they were asked for.
    found: HashMap<String, Generation>,
}

impl Application {
    /// True when everything is there that instances need.
    pub(crate) async fn prepare(&mut self, desired: &Desired) -> bool {
        for network in self.part.networks.iter() {
            if let Some(subnet) = &network.subnet {
                self.shared.addresses.seen_network(&network.name, subnet);
            }
        }
        self.ensured.buried &= desired.is_gone();
        // Also those that were made for another application.
        let view = self.shared.engine.view();
        let volumes: BTreeMap<&str, &IndexMap<String, String>> = view
            .volumes()
            .map(|(_, v)| (v.name.as_str(), &v.options))
            .collect();
        if desired.problem.is_some() {
            // What cannot be run as a whole is not begun.
            return false;
        }
        let (made, mut ready) = self.make_networks(desired).await;
        if made {
            self.look().await;
        }
        let mut made = self.join_networks(desired).await;
        for volume in desired
            .volumes
            .iter()
            .filter(|v| volumes.get(v.name.as_str()) != Some(&&v.options))
        {
            if self.rests(&volume.name) {
                ready = false;
                continue;
            }
            match self.shared.engine.driver.ensure_volume(volume).await {
                Ok(()) => {
                    self.troubles.remove(&volume.name);
                    made = true;
                }
                Err(error) => {
                    self.fail(&volume.name, error.to_problem());
                    ready = false;
                }
            }
        }
        if made {
            self.look().await;
        }
        self.find_volumes(desired).await && ready
    }

    /// True when the volumes are there that others made. An engine would make empty ones, and a program begin anew with them.
    async fn find_volumes(&mut self, desired: &Desired) -> bool {
        let generation = desired.kept.stage.generation;
        let mut all = true;
        for name in &desired.volumes_of_others {
            if self.ensured.found.get(name) == Some(&generation) {
                continue;
            }
            if self.rests(name) {
                all = false;
                continue;
            }
            let problem = match self.shared.engine.driver.has_volume(name).await {
                Ok(true) => {
                    self.troubles.remove(name);
                    self.ensured.found.insert(name.clone(), generation);
                    continue;
                }
                Ok(false) => problem::SPEC_UNKNOWN_REFERENCE.problem(
                    format!("The engine has no volume {name}, which is to be there already."),
                    format!("See what there is with `docker volume ls`, or make it: `docker volume create {name}`."),
                ),
                Err(error) => error.to_problem(),
            };
            self.fail(name, problem);
            all = false;
        }
        all
    }

    async fn look(&mut self) {
        let view = self.shared.engine.refresh().await;
        self.part = view.part(self.id);
    }

    /// Removes what the stage does not want: init steps left half-way, networks without instances.
    pub(crate) async fn tidy(&mut self, desired: &Desired) {
        let driver = self.shared.engine.driver.clone();
        let mut removed = false;
        let part = self.part.clone();
        for container in part.containers.iter() {
            let of = container.labels.get(label::ROLE).map(String::as_str);
            if of != Some("init") || container.labels.contains_key(label::RUN) {
                continue;
            }
            // Its instance's main container has the name without the step; while that is made, so is this.
            let making = self
                .busy
                .keys()
                .any(|name| container.name.starts_with(name.as_str()))
                || self.busy.values().any(actions_make);
            if !making && !self.rests(&container.name) {
                match driver.remove(&container.name).await {
                    Ok(()) | Err(DriverError::NotFound { .. }) => removed = true,
                    Err(error) => self.fail(&container.name, error.to_problem()),
                }
            }
        }
        removed |= self.tidy_runs().await;
        let wanted = |name: &str| {
            let mut networks = desired.networks.iter();
            networks.any(|network| network.number_of(name).is_some())
        };
        let lowered = desired.is_gone() || !desired.networks.is_empty();
        let settled = self.instances.is_empty() || self.components.values().all(|c| c.settled);
        if lowered && settled && self.busy.is_empty() && self.attended.is_empty() {
            for network in part
                .networks
                .iter()
                .filter(|network| !wanted(&network.name))
            {
                if self.rests(&network.name) {
                    continue;
                }
                match driver.remove_network(&network.name).await {
                    Ok(()) | Err(DriverError::NotFound { .. }) => {
                        self.shared.addresses.forget_network(&network.name);
                        self.troubles.remove(&network.name);
                        removed = true;
                    }
                    Err(error) => self.fail(&network.name, error.to_problem()),
                }
            }
        }
        if removed {
            self.look().await;
        }
        if desired.is_gone() && self.is_gone() && !std::mem::replace(&mut self.ensured.buried, true)
        {
            self.shared.traffic.remove(self.id);
            self.memo.components.clear();
            self.memo.instances.clear();
            self.components.clear();
            self.troubles.clear();
            self.book.burn();
            self.shared.events.remove(self.id);
            if let Err(error) = self.shared.logs.remove(self.id) {
                tracing::warn!(%error, application = %self.id, "its logs cannot be removed");
            }
        }
    }

    /// Nothing of it is left on the engine but volumes.
    pub(crate) fn is_gone(&self) -> bool {
        self.part.known
            && self.part.problem.is_none()
            && self.part.containers.is_empty()
            && self.part.networks.is_empty()
            && self.busy.is_empty()
            && self.attended.is_empty()
    }
}

fn actions_make(doing: &super::actions::Doing) -> bool {
    matches!(doing, super::actions::Doing::Create)
}
