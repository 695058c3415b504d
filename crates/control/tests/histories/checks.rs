//! What must hold: after every operation, and once nothing is wrong any more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pluvio_control::Asker;
use pluvio_model::observed::{InstanceState, ObservedApplication};
use pluvio_model::operation::{Operation, Outcome};
use pluvio_model::release::Release;
use pluvio_model::spec::Kind;
use pluvio_model::stage::Power;
use pluvio_plan::lower::engine::label;
use pluvio_runtime::driver::{ContainerState, Driver, SeenContainer};
use pluvio_runtime::{Runtime, Scope};
use pluvio_store::{
    Application, ApplicationState, OperationFilter, PageRequest, ReleaseState, Target,
};

use crate::history::{History, Wrong};
use crate::world::flowing;

/// Looks until everything shall have come to rest, each after a longer pause: an hour of the world's time.
const LOOKS: u64 = 260;

macro_rules! hold {
    ($holds:expr, $($what:tt)*) => {
        if !$holds {
            return Err(format!($($what)*));
        }
    };
}

pub(crate) fn text(error: impl std::fmt::Debug) -> Wrong {
    format!("{error:?}")
}

const ALL: PageRequest = PageRequest {
    limit: 200,
    after: None,
};

impl History<'_> {
    async fn applications(&self) -> Vec<Application> {
        let mut found = Vec::new();
        for app in &self.apps {
            if let Some(id) = app.ids.last()
                && let Ok(application) = self.world.store.application(*id).await
            {
                found.push(application);
            }
        }
        found
    }

    async fn target(&self, application: &Application) -> Result<Option<Target>, Wrong> {
        let targets = self.world.store.application_targets(application.id).await;
        Ok(targets.map_err(text)?.pop())
    }

    pub(crate) async fn operations(&self) -> Result<Vec<Operation>, Wrong> {
        let store = &self.world.store;
        let mut all = Vec::new();
        for id in self.apps.iter().flat_map(|app| &app.ids) {
            let filter = OperationFilter {
                team: store.home().team,
                environment: None,
                application: Some(*id),
                running: false,
            };
            let page = store.operations(&filter, &ALL).await.map_err(text)?;
            all.extend(page.items);
        }
        Ok(all)
    }

    pub(crate) async fn check_always(&mut self) -> Result<(), Wrong> {
        let wrong = self.world.engine.wrong();
        hold!(wrong.is_empty(), "{wrong:?}");
        self.check_removed().await?;
        for application in self.applications().await {
            let name = &application.name;
            if let Some(target) = self.target(&application).await? {
                let seen = self.generations.entry(application.id).or_default();
                hold!(
                    target.generation.0 >= *seen,
                    "{name}: generation {} after {seen}",
                    target.generation.0
                );
                *seen = target.generation.0;
                if let (true, Some(live)) = (target.failed, target.live_release) {
                    hold!(
                        live == target.release,
                        "{name}: r{} failed and stays, r{live} was live last",
                        target.release
                    );
                }
            }
            let releases = self.world.store.releases(application.id, &ALL).await;
            let live: Vec<u64> = releases
                .map_err(text)?
                .items
                .iter()
                .filter(|row| row.state == ReleaseState::Live)
                .map(|row| row.number)
                .collect();
            hold!(live.len() <= 1, "{name}: live releases {live:?}");
        }
        Ok(())
    }

    /// Goes on until everything has come to rest.
    pub(crate) async fn converge(&mut self) -> Result<(), Wrong> {
        let mut number = 0;
        loop {
            self.work(None).await;
            self.carry_data(Duration::from_secs(60)).await;
            self.look(None).await;
            let pause = match number {
                0..40 => Duration::from_millis(300),
                40..120 => Duration::from_secs(4),
                _ => Duration::from_secs(25),
            };
            self.world.pass(pause).await;
            self.check_always().await?;
            // What is left is told at the end: to write it down takes longer than to find it.
            number += 1;
            match self.unrest(number == LOOKS).await? {
                None => return Ok(()),
                Some(left) if number == LOOKS => {
                    return Err(format!("it does not come to rest: {left}"));
                }
                Some(_) => {}
            }
        }
    }

    /// What has not come to rest; `told`: in words.
    async fn unrest(&self, told: bool) -> Result<Option<String>, Wrong> {
        let seen = self.world.control.node().observe(Scope::All).await;
        let seen = seen.map_err(text)?;
        if let Some(left) = self.copies_under_way().await? {
            return Ok(Some(left));
        }
        for application in self.applications().await {
            let name = &application.name;
            let running = self
                .world
                .store
                .running_operations(application.id)
                .await
                .map_err(text)?;
            if let Some(operation) = running.first() {
                let of = seen.applications.get(&application.id);
                let words = || format!("{name}: {operation:?}, seen {of:#?}");
                return Ok(Some(told.then(words).unwrap_or_default()));
            }
            let Some(target) = self.target(&application).await? else {
                continue;
            };
            let of = seen.applications.get(&application.id);
            let current = of.is_some_and(|of| of.generation == target.generation);
            // A release that was given up may have been given up before the node was told of it.
            let at_rest = target.failed
                || (current && of.is_some_and(|of| of.settled && !sidecar_is_down(of)));
            if !target.is_settled() || !at_rest {
                let words = || format!("{name}: {target:?}, seen {of:#?}");
                return Ok(Some(told.then(words).unwrap_or_default()));
            }
        }
        Ok(None)
    }

    /// What was decided is what is there.
    pub(crate) async fn check_converged(&mut self) -> Result<(), Wrong> {
        for operation in self.operations().await? {
            let told = match &operation.outcome {
                None => false,
                Some(Outcome::Failed { problem }) => {
                    !problem.code.is_empty()
                        && !problem.cause.is_empty()
                        && !problem.remedy.is_empty()
                }
                Some(_) => true,
            };
            let name = &operation.application_name;
            hold!(told, "{name}: an operation has no end: {operation:?}");
            let ends = operation.outcome.as_ref().map(|outcome| match outcome {
                Outcome::Failed { problem } => problem.code.to_string(),
                other => format!("{other:?}")
                    .split(' ')
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            });
            let line = format!(
                "{name}: {:?} ended: {}",
                operation.kind,
                ends.unwrap_or_default()
            );
            self.note(line);
        }
        let engine = &self.world.engine;
        let containers = engine.containers().await.map_err(text)?;
        let networks = engine.networks().await.map_err(text)?;
        let applications = self.applications().await;
        let ids: BTreeSet<String> = applications.iter().map(|a| a.id.to_string()).collect();
        for container in &containers {
            // One that copied a volume goes with the end of the copy.
            let of = container.labels.get(label::APPLICATION);
            hold!(
                of.is_some_and(|of| ids.contains(of)),
                "the container {} is an orphan",
                container.name
            );
            if let Some(main) = container.labels.get(label::INSTANCE) {
                hold!(
                    containers.iter().any(|other| other.name == *main),
                    "the sidecar {} has no instance",
                    container.name
                );
            }
        }
        self.check_copies().await?;
        for network in &networks {
            let of = &network.labels[label::APPLICATION];
            hold!(
                ids.contains(of),
                "the network {} is an orphan",
                network.name
            );
        }
        for application in &applications {
            self.check_application(application, &containers).await?;
        }
        Ok(())
    }

    async fn check_application(
        &self,
        application: &Application,
        containers: &[SeenContainer],
    ) -> Result<(), Wrong> {
        let name = &application.name;
        hold!(
            !matches!(
                application.state,
                ApplicationState::Deploying | ApplicationState::Deleting
            ),
            "{name} is {:?} and nothing goes on",
            application.state
        );
        let Some(target) = self.target(application).await? else {
            return Ok(());
        };
        hold!(
            application.release == Some(target.release),
            "{name} shows r{:?}, the target is r{}",
            application.release,
            target.release
        );
        if let (Some(live), true) = (target.live_release, target.power == Power::On)
            && live != target.release
        {
            return Err(format!(
                "{name}: r{} is the target at rest, r{live} was live last",
                target.release
            ));
        }
        let stored = self
            .world
            .store
            .release(application.id, target.release)
            .await;
        let stored = stored.map_err(text)?;
        if target.failed {
            return Ok(());
        }
        let mine = containers.iter().filter(|container| {
            container.labels[label::APPLICATION] == application.id.to_string()
                && container
                    .labels
                    .get(label::ROLE)
                    .is_some_and(|role| role == "main" || role == "sidecar")
        });
        let mut there: BTreeMap<(String, String), u32> = BTreeMap::new();
        for container in mine {
            let started = |of: &SeenContainer| match of.state {
                ContainerState::Running { started_at } => Some(started_at),
                _ => None,
            };
            let Some(at) = started(container) else {
                return Err(format!(
                    "{name}: {} does not run: {:?}",
                    container.name, container.state
                ));
            };
            let main = container.labels.get(label::INSTANCE);
            let main = main.and_then(|name| containers.iter().find(|other| other.name == *name));
            hold!(
                main.is_none_or(|main| started(main).is_some_and(|main| main <= at)),
                "{name}: {} is in no network that its instance is in",
                container.name
            );
            let of = |key: &str| container.labels.get(key).cloned().unwrap_or_default();
            let part = match of(label::CONTAINER) {
                sidecar if sidecar.is_empty() => of(label::COMPONENT),
                sidecar => format!("{}/{sidecar}", of(label::COMPONENT)),
            };
            *there.entry((part, of(label::HASH))).or_default() += 1;
        }
        let wanted = match target.power {
            Power::On => wanted(&stored.release),
            Power::Off => BTreeMap::new(),
        };
        hold!(
            there == wanted,
            "{name}: {there:?} run, r{} wants {wanted:?}",
            target.release
        );
        Ok(())
    }

    /// Deletes everything; nothing is left but data, and that goes by name.
    pub(crate) async fn end(&mut self) -> Result<(), Wrong> {
        for application in self.applications().await {
            let by = Asker {
                actor: "somebody".to_owned(),
                idempotency: None,
                if_revision: None,
            };
            let control = self.world.control.clone();
            control.delete(by, &application).await.map_err(text)?;
        }
        self.converge().await?;
        let left = self.applications().await;
        hold!(left.is_empty(), "{left:?} is deleted, and there");
        for operation in self.operations().await? {
            hold!(operation.is_over(), "of what is gone: {operation:?}");
        }
        let world = &mut *self.world;
        let engine = world.engine.clone();
        let containers = engine.containers().await.map_err(text)?;
        hold!(containers.is_empty(), "left: {containers:?}");
        let networks = engine.networks().await.map_err(text)?;
        hold!(networks.is_empty(), "left: {networks:?}");
        let volumes = engine.volumes().await.map_err(text)?;
        let mut rows = Vec::new();
        for place in &world.places {
            let all = world.store.volumes(place.team, place.environment, &ALL);
            rows.extend(all.await.map_err(text)?.items);
        }
        for volume in &volumes {
            let known = rows
                .iter()
                .any(|row| volume.labels[label::VOLUME_ID] == row.id.to_string());
            hold!(known, "nobody knows the volume {}", volume.name);
        }
        for volume in &volumes {
            engine.give_up_volume(&volume.name);
        }
        for row in &rows {
            hold!(row.released_at.is_some(), "{row:?} belongs to nobody");
            // The node looks at its engine first, which waits for a moment.
            let delete = world.control.delete_volume(row, true, "somebody");
            let deleted = flowing(&world.store, Duration::from_secs(60), delete).await;
            deleted
                .ok_or("it takes longer than a minute")?
                .map_err(text)?;
        }
        let volumes = engine.volumes().await.map_err(text)?;
        hold!(
            volumes.is_empty(),
            "deleted by name, and there: {volumes:?}, as {rows:?}"
        );
        Ok(())
    }
}

/// One that ended beside its instance starts again after a while; requests go on meanwhile, so nothing else waits for it.
fn sidecar_is_down(of: &ObservedApplication) -> bool {
    let instances = of.components.values().flat_map(|one| &one.instances);
    instances.flat_map(|one| &one.sidecars).any(|sidecar| {
        matches!(
            sidecar.state,
            InstanceState::BackOff { .. } | InstanceState::Exited | InstanceState::Stopping
        )
    })
}

/// How many instances of which content a release wants.
fn wanted(release: &Release) -> BTreeMap<(String, String), u32> {
    release
        .components
        .values()
        .filter(|component| !matches!(component.kind, Kind::Job | Kind::Cron))
        .filter(|component| component.instances > 0)
        .flat_map(|component| {
            let of = |part: String| ((part, component.hash.to_string()), component.instances);
            let name = &component.name;
            let sidecars = component.content.sidecars.keys();
            let sidecars = sidecars.map(move |sidecar| of(format!("{name}/{sidecar}")));
            std::iter::once(of(name.to_string())).chain(sidecars)
        })
        .collect()
}
