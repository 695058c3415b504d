//! What the stages ask for, lowered.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use pluvio_model::facts::Facts;
use pluvio_model::id::Generation;
use pluvio_model::image::ContentHash;
use pluvio_model::name::Name;
use pluvio_model::problem::{self, Problem};
use pluvio_model::quantity::Span;
use pluvio_model::release::{DecidedPort, DecidedRollout, Strategy};
use pluvio_model::spec::RestartPolicy;
use pluvio_model::stage::RunWish;
use pluvio_plan::lower::engine::{
    self, ComponentPlan, InstancePlace, NetworkPlan, TaskPlan, VolumePlan, resolve_hook,
};
use pluvio_plan::rollout::ComponentWish;

use super::Application;
use crate::stages::Kept;

/// Everything that shall be, in the engine's words.
#[derive(Debug)]
pub(crate) struct Desired {
    pub(crate) kept: Kept,
    /// Of the engine that it is lowered for.
    facts: Facts,
    pub(crate) components: IndexMap<Name, Wanted>,
    pub(crate) networks: Vec<NetworkPlan>,
    pub(crate) volumes: Vec<VolumePlan>,
    /// Volumes that are none of Pluvio's and must be there.
    pub(crate) volumes_of_others: Vec<String>,
    pub(crate) tasks: Vec<TaskPlan>,
    /// Why nothing may be started.
    pub(crate) problem: Option<Problem>,
}

#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) plan: ComponentPlan,
    /// Of the stage whose secrets it takes.
    pub(crate) generation: Generation,
}

/// What the step is told about a component, wanted or not.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) wish: ComponentWish,
    pub(crate) rollout: DecidedRollout,
    pub(crate) restart: RestartPolicy,
    pub(crate) made_alone: bool,
}

impl Asked {
    pub(crate) fn hash(&self) -> Option<&ContentHash> {
        match &self.wish {
            ComponentWish::Run { hash, .. } => Some(hash),
            ComponentWish::Paused | ComponentWish::Stopped | ComponentWish::Gone => None,
        }
    }
}

impl Desired {
    fn new(kept: &Kept, facts: &Facts) -> Desired {
        let mut desired = Desired {
            kept: kept.clone(),
            facts: facts.clone(),
            components: IndexMap::new(),
            networks: Vec::new(),
            volumes: Vec::new(),
            volumes_of_others: Vec::new(),
            tasks: Vec::new(),
            problem: None,
        };
        let Some(newest) = kept.wish() else {
            return desired;
        };
        let mut plans: BTreeMap<Generation, engine::EnginePlan> = BTreeMap::new();
        let mut stages = vec![(kept.stage.generation, newest)];
        for (_, stage, wish) in kept.owners() {
            if !stages
                .iter()
                .any(|(generation, _)| *generation == stage.generation)
            {
                stages.push((stage.generation, wish));
            }
        }
        for (generation, wish) in stages {
            match engine::engine(wish, kept.stage.application, generation, facts) {
                Ok(plan) => {
                    plans.insert(generation, plan);
                }
                Err(problems) => desired.problem = problems.into_iter().next(),
            }
        }
        for (name, stage, wish) in kept.owners() {
            let plan = plans
                .get(&stage.generation)
                .and_then(|plan| plan.components.iter().find(|c| c.name == *name));
            let Some(plan) = plan else { continue };
            if let Some(problem) = missing_secret(plan, wish) {
                desired.problem.get_or_insert(problem);
            }
            let wanted = Wanted {
                plan: plan.clone(),
                generation: stage.generation,
            };
            desired.components.insert(name.clone(), wanted);
        }
        if let Some(plan) = plans.remove(&kept.stage.generation) {
            desired.networks = plan.networks;
            desired.volumes = plan.volumes;
            desired.volumes_of_others = plan.volumes_of_others;
            desired.tasks = plan.tasks;
        }
        desired
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.kept.wish().is_none()
    }

    /// The stage's wish that a wanted component takes its secrets from.
    pub(crate) fn wish_of(&self, wanted: &Wanted) -> Option<&RunWish> {
        self.kept
            .owners()
            .into_iter()
            .find(|(name, stage, _)| {
                **name == wanted.plan.name && stage.generation == wanted.generation
            })
            .map(|(_, _, wish)| wish)
    }

    pub(crate) fn component(&self, name: &Name) -> Asked {
        let off = self.kept.wish().is_some_and(|wish| !wish.is_on(name));
        if let Some(Wanted { plan, .. }) = self.components.get(name) {
            return Asked {
                wish: if off {
                    ComponentWish::Stopped
                } else {
                    ComponentWish::Run {
                        hash: plan.hash.clone(),
                        instances: plan.instances,
                    }
                },
                rollout: plan.rollout.clone(),
                restart: plan.restart,
                made_alone: plan.made_alone,
            };
        }
        // No longer wanted: it leaves as its last content said.
        let last = self
            .kept
            .contents
            .iter()
            .find(|decided| decided.name == *name);
        Asked {
            wish: ComponentWish::Gone,
            rollout: last.map_or(
                DecidedRollout {
                    strategy: Strategy::Surge {
                        surge: 1,
                        unavailable: 0,
                    },
                    drain: Span::seconds(30),
                    grace: Span::seconds(10),
                    deadline: Span::seconds(120),
                    retry: Span::default(),
                },
                |decided| decided.rollout.clone(),
            ),
            restart: last.map_or(RestartPolicy::Always, |decided| decided.content.restart),
            made_alone: false,
        }
    }

    /// The ports that instances of a content listen on.
    pub(crate) fn ports(
        &self,
        name: &Name,
        hash: &ContentHash,
    ) -> Option<&IndexMap<Name, DecidedPort>> {
        self.kept
            .content(name, hash)
            .map(|decided| &decided.content.ports)
    }
}

/// A secret without a value fails the release before anything starts.
fn missing_secret(plan: &ComponentPlan, wish: &RunWish) -> Option<Problem> {
    let value = |secret: &_| wish.secret(secret);
    let made = plan.instance.create(&InstancePlace::default(), &value);
    let mut hooks = plan.instance.hooks().each();
    let missing = made
        .err()
        .or_else(|| hooks.find_map(|(_, hook)| resolve_hook(hook, &value).err()))?;
    Some(problem::SECRET_MISSING.problem(
        format!("The secret {} of {} has no value.", missing.name, plan.name),
        format!(
            "Set it with `pluvio secret set {}`, then deploy again.",
            missing.name
        ),
    ))
}

impl Application {
    /// Takes the stage as it is now; lowers it if it is another, or if the engine is.
    pub(crate) fn renew_desired(&mut self) {
        let Some(facts) = self.shared.engine.known_facts() else {
            return;
        };
        let stages = self.shared.stages();
        let Some(kept) = stages.get(self.id) else {
            return;
        };
        let same = |desired: &Desired| desired.kept == *kept && desired.facts == facts;
        if !self.desired.as_ref().is_some_and(same) {
            for wish in kept
                .wish()
                .into_iter()
                .chain(kept.owners().into_iter().map(|(_, _, wish)| wish))
            {
                self.masks.learn(wish);
            }
            self.desired = Some(Desired::new(kept, &facts));
            drop(stages);
            // A newer wish is not made to wait for what an older one ran into.
            self.troubles.clear();
        }
    }
}
