//! What is told of sidecars.

use std::sync::{Arc, Mutex};

use pluvio_model::observed::{InstanceState, ObservedSidecar};
use pluvio_model::spec::RestartPolicy;
use pluvio_plan::rollout::{Health, StopReason, start_again_at};
use pluvio_runtime::driver::ContainerState;

use super::Sidecar;
use crate::application::Application;
use crate::application::instances::Instance;
use crate::probes::Verdict;

impl Application {
    /// What is told of an instance's sidecars.
    pub(in crate::application) fn observed_sidecars(
        &self,
        instance: &Instance,
    ) -> Vec<ObservedSidecar> {
        let each = instance.expected.iter().map(|expected| {
            let sidecar = self.sidecar(&instance.seen.name, &expected.name);
            let memo = sidecar.and_then(|one| self.memo.sidecars.get(&one.seen.name));
            ObservedSidecar {
                name: expected.name.clone(),
                state: sidecar.map_or(InstanceState::Creating, |one| self.sidecar_state(one)),
                started_at: memo.and_then(|memo| memo.started_at),
                restarts: memo.map_or(0, |memo| memo.restarts),
                last_exit: memo
                    .and_then(|memo| memo.last_exit.clone())
                    .filter(|_| sidecar.is_none_or(|one| !self.speaking.contains(&one.seen.name))),
                // Looked up when asked for.
                probe: None,
            }
        });
        each.collect()
    }

    fn sidecar_state(&self, sidecar: &Sidecar) -> InstanceState {
        match &sidecar.seen.state {
            ContainerState::Created => InstanceState::Creating,
            ContainerState::Running { .. } if sidecar.stop.is_some() => InstanceState::Stopping,
            ContainerState::Running { .. } => match sidecar.health() {
                Health::Ready => InstanceState::Ready,
                Health::NotReady => InstanceState::NotReady,
                Health::Starting => InstanceState::Starting,
                Health::Unknown => InstanceState::Unknown,
            },
            ContainerState::Exited { .. } if sidecar.stop == Some(StopReason::Leaving) => {
                InstanceState::Exited
            }
            ContainerState::Exited { .. } if self.speaking.contains(&sidecar.seen.name) => {
                InstanceState::Stopping
            }
            ContainerState::Exited { .. } => {
                let memo = self.memo.sidecars.get(&sidecar.seen.name);
                let again = memo.and_then(|memo| {
                    let last = memo.last(self.shared.clock.now())?;
                    start_again_at(RestartPolicy::Always, memo.exits, last)
                });
                match again {
                    Some(until) => InstanceState::BackOff { until },
                    None => InstanceState::Exited,
                }
            }
            ContainerState::Other(_) => InstanceState::Unknown,
        }
    }

    /// Whose newest answers are looked up when somebody asks.
    pub(in crate::application) fn sidecar_verdicts(
        &self,
    ) -> impl Iterator<Item = (String, Arc<Mutex<Verdict>>)> {
        self.sidecars
            .values()
            .filter_map(|sidecar| Some((sidecar.shown(), sidecar.prober.as_ref()?.shared())))
    }
}
