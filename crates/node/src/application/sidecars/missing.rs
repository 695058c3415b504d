//! Sidecars that are not there, beside an instance that is.

use std::collections::BTreeMap;

use pluvio_model::name::Name;
use pluvio_plan::lower::engine::{InstancePlace, Role};

use crate::application::Application;
use crate::application::actions::Doing;
use crate::application::desired::Desired;
use crate::application::making::create_new;

impl Application {
    /// Makes sidecars that somebody removed. An instance of another content than the wanted one is replaced anyway.
    pub(super) fn make_missing(&mut self, desired: &Desired) {
        let mut missing: BTreeMap<String, Vec<Name>> = BTreeMap::new();
        for (name, instance) in &self.instances {
            let lacks: Vec<Name> = instance
                .expected
                .iter()
                .filter(|expected| self.sidecar(name, &expected.name).is_none())
                .map(|expected| expected.name.clone())
                .collect();
            if !lacks.is_empty()
                && instance.is_running()
                && instance.stop.is_none()
                && self.is_free(name)
            {
                missing.insert(name.clone(), lacks);
            }
        }
        for (name, lacks) in missing {
            let Some(instance) = self.instances.get(&name) else {
                continue;
            };
            let Some(wanted) = desired.components.get(&instance.component) else {
                continue;
            };
            if wanted.plan.hash != instance.hash {
                continue;
            }
            let place = InstancePlace {
                slot: instance.slot,
                ..InstancePlace::default()
            };
            let wish = desired.wish_of(wanted);
            let template = &wanted.plan.instance;
            match self.containers_of(desired, template, wish, &name, place) {
                Ok(mut containers) => {
                    containers.retain(|(container, _)| match &container.role {
                        Role::Sidecar(name) => lacks.contains(name),
                        _ => false,
                    });
                    let driver = self.driver();
                    self.begin(&name, Doing::Create, async move {
                        for (container, address) in containers {
                            create_new(&*driver, &container, address).await?;
                        }
                        Ok(())
                    });
                }
                Err(problem) => self.fail(&name, problem),
            }
        }
    }
}
