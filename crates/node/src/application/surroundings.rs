//! What instances need around them: networks and volumes, before any of them starts; and removing what nobody wants.

use std::collections::BTreeSet;

use pluvio_model::problem;
use pluvio_plan::lower::engine::label;
use pluvio_runtime::driver::DriverError;

use super::Application;
use super::desired::Desired;

/// What need not be done again.
#[derive(Debug, Default)]
pub(crate) struct Ensured {
    /// The application is gone, and nothing of it is kept.
    buried: bool,
}

impl Application {
    /// True when everything is there that instances need.
    pub(crate) async fn prepare(&mut self, desired: &Desired) -> bool {
        let present: BTreeSet<String> = self.part.networks.iter().map(|n| n.name.clone()).collect();
        for network in self.part.networks.iter() {
            if let Some(subnet) = &network.subnet {
                self.shared.addresses.seen_network(&network.name, subnet);
            }
        }
        self.ensured.buried &= desired.is_gone();
        // Also those that were made for another application.
        let view = self.shared.engine.view();
        let volumes: BTreeSet<&str> = view.volumes().map(|(_, v)| v.name.as_str()).collect();
        let mut made = false;
        let mut ready = desired.problem.is_none();
        if !ready {
            // What cannot be run as a whole is not begun.
            return false;
        }
        for network in desired
            .networks
            .iter()
            .filter(|n| !present.contains(&n.name))
        {
            if self.rests(&network.name) {
                ready = false;
                continue;
            }
            match self.make_network(network).await {
                Ok(()) => {
                    self.troubles.remove(&network.name);
                    made = true;
                }
                Err(problem) => {
                    self.fail(&network.name, problem);
                    ready = false;
                }
            }
        }
        for volume in desired
            .volumes
            .iter()
            .filter(|v| !volumes.contains(v.name.as_str()))
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
            let view = self.shared.engine.refresh().await;
            self.part = view.part(self.id);
        }
        ready
    }

    async fn make_network(
        &self,
        network: &pluvio_plan::lower::engine::NetworkPlan,
    ) -> Result<(), problem::Problem> {
        let driver = &self.shared.engine.driver;
        let addresses = &self.shared.addresses;
        let taken = driver
            .taken_subnets()
            .await
            .map_err(|error| error.to_problem())?;
        let subnet = addresses.subnet(&network.name, &taken).map_err(|error| {
            problem::ENGINE_FAILED.problem(
                error.to_string(),
                "Give Pluvio another range with `network.pool`, or delete applications that are not needed.",
            )
        })?;
        driver
            .ensure_network(network, &subnet)
            .await
            .map_err(|error| {
                if matches!(error, DriverError::Refused { .. }) {
                    // Somebody has that range since it was chosen: the next attempt takes another.
                    addresses.forget_network(&network.name);
                }
                error.to_problem()
            })
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
        let wanted = |name: &str| desired.networks.iter().any(|network| network.name == name);
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
            let view = self.shared.engine.refresh().await;
            self.part = view.part(self.id);
        }
        if desired.is_gone() && self.is_gone() && !std::mem::replace(&mut self.ensured.buried, true)
        {
            self.shared.traffic.remove(self.id);
            self.memo.components.clear();
            self.memo.instances.clear();
            self.components.clear();
            self.troubles.clear();
            self.book.burn();
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
