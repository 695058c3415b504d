//! What a node answers besides its stages: logs, commands, usage, images, runs, volumes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use pluvio_model::facts::ImageFacts;
use pluvio_model::id::ApplicationId;
use pluvio_model::name::Name;
use pluvio_model::observed::{InstanceEvent, ObservedRun};
use pluvio_model::problem;
use pluvio_plan::lower::engine::{label, volume_name};
use pluvio_runtime::driver::{ContainerState, SeenContainer};
use pluvio_runtime::{
    BoxStream, CopyState, CopyVolume, Duplex, Events, Exec, ExecRequest, ExecSession, HandRequest,
    Images, KeptVolume, LogLine, LogQuery, Logs, Runs, RuntimeError, Scope, UsageSample,
    UsageSource, Usages, Volumes,
};
use tokio::net::TcpStream;

use crate::application::asked_run;
use crate::engine::View;
use crate::hands::copy_refused;
use crate::node::{Node, refused};
use crate::probes::dial;

#[async_trait]
impl Logs for Node {
    async fn logs(&self, query: LogQuery) -> Result<BoxStream<LogLine>, RuntimeError> {
        Ok(self.shared.logs.read(query))
    }
}

#[async_trait]
impl Exec for Node {
    async fn exec(&self, mut request: ExecRequest) -> Result<ExecSession, RuntimeError> {
        let mut instance = self
            .shared
            .instance(request.application, &request.instance)?;
        if let Some(name) = request
            .container
            .take()
            .filter(|name| name.as_str() != "main")
        {
            instance = self.sidecar(&request, &name)?;
            request.instance.clone_from(&instance.name);
        }
        if !matches!(instance.state, ContainerState::Running { .. }) {
            return Err(not_running(&request.instance));
        }
        self.shared
            .engine
            .driver
            .exec(&request)
            .await
            .map_err(refused)
    }

    async fn connect(
        &self,
        application: ApplicationId,
        instance: &str,
        port: u16,
    ) -> Result<Box<dyn Duplex>, RuntimeError> {
        let seen = self.shared.instance(application, instance)?;
        let address = dial(seen.address, &seen.published, port)
            .filter(|_| matches!(seen.state, ContainerState::Running { .. }))
            .ok_or_else(|| not_running(instance))?;
        let connecting = TcpStream::connect(address);
        let closed = |why: String| {
            RuntimeError::Refused(problem::RELEASE_PORT_CLOSED.problem(
                format!("Nobody answers on port {port} of {instance}: {why}."),
                "Check which port the program listens on, and that it listens on all addresses.",
            ))
        };
        match tokio::time::timeout(Duration::from_secs(5), connecting).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(closed(error.to_string())),
            Err(_) => Err(closed("no answer within 5 s".to_owned())),
        }
    }
}

impl Node {
    fn sidecar(&self, request: &ExecRequest, name: &Name) -> Result<SeenContainer, RuntimeError> {
        let part = self.shared.engine.view().part(request.application);
        let label = |container: &SeenContainer, key| container.labels.get(key).cloned();
        let all = part.containers.iter().filter(|container| {
            label(container, label::INSTANCE).as_deref() == Some(request.instance.as_str())
        });
        let all: Vec<&SeenContainer> = all.collect();
        let found = all
            .iter()
            .find(|container| label(container, label::CONTAINER).as_deref() == Some(name.as_str()));
        found.map(|found| (*found).clone()).ok_or_else(|| {
            let mut there = vec!["main".to_owned()];
            there.extend(all.iter().filter_map(|one| label(one, label::CONTAINER)));
            RuntimeError::Refused(problem::NOT_FOUND.problem(
                format!("The instance {} has no container {name}.", request.instance),
                format!("There are: {}.", there.join(", ")),
            ))
        })
    }
}

fn not_running(instance: &str) -> RuntimeError {
    RuntimeError::Refused(problem::REFUSED.problem(
        format!("The instance {instance} does not run."),
        "`pluvio status` shows why; `pluvio logs` shows what it said.",
    ))
}

#[async_trait]
impl UsageSource for Node {
    async fn usage(
        &self,
        application: ApplicationId,
        history: bool,
    ) -> Result<BTreeMap<String, Vec<UsageSample>>, RuntimeError> {
        let part = self.shared.engine.view().part(application);
        let samples = part.containers.iter().map(|container| {
            let samples = self.shared.usage.samples(&container.name, history);
            (container.name.clone(), samples)
        });
        Ok(samples.filter(|(_, samples)| !samples.is_empty()).collect())
    }

    async fn usage_of_all(&self) -> Result<Usages, RuntimeError> {
        let view = self.shared.engine.view();
        let last = |container: &SeenContainer| {
            let samples = self.shared.usage.samples(&container.name, false);
            (!samples.is_empty()).then(|| (container.name.clone(), samples))
        };
        Ok(view
            .by_application()
            .map(|(application, all)| (application, all.iter().filter_map(last).collect()))
            .collect())
    }
}

#[async_trait]
impl Events for Node {
    async fn events(
        &self,
        application: ApplicationId,
        instance: Option<&str>,
    ) -> Result<Vec<InstanceEvent>, RuntimeError> {
        let store = self.shared.events.clone();
        let read = tokio::task::spawn_blocking(move || store.of(application)).await;
        let read = read.map_err(std::io::Error::other).and_then(|read| read);
        let mut events = read.map_err(|error| {
            RuntimeError::Refused(problem::ENGINE_FAILED.problem(
                format!("The events of its instances cannot be read: {error}."),
                "Check the disk of Pluvio's data folder.",
            ))
        })?;
        events.retain(|event| instance.is_none_or(|name| event.instance == name));
        Ok(events)
    }
}

#[async_trait]
impl Images for Node {
    async fn image(&self, reference: &str) -> Result<Option<ImageFacts>, RuntimeError> {
        self.shared
            .engine
            .driver
            .image(reference)
            .await
            .map_err(refused)
    }
}

#[async_trait]
impl Runs for Node {
    async fn runs(
        &self,
        application: ApplicationId,
        component: Option<&Name>,
    ) -> Result<Vec<ObservedRun>, RuntimeError> {
        let mut runs = self.shared.book(application).runs();
        runs.retain(|run| component.is_none_or(|name| run.component == *name));
        runs.reverse();
        Ok(runs)
    }

    async fn run_now(
        &self,
        application: ApplicationId,
        component: &Name,
    ) -> Result<String, RuntimeError> {
        let run = {
            let stages = self.shared.stages();
            let wish = stages.get(application).and_then(|kept| kept.wish());
            let wish = wish.filter(|wish| wish.is_on(component));
            let decided = wish.and_then(|wish| wish.release.components.get(component));
            let (Some(wish), Some(decided)) = (wish, decided) else {
                return Err(RuntimeError::NotFound {
                    what: format!("the component {component} that is not stopped"),
                });
            };
            if decided.schedule.is_none() {
                return Err(RuntimeError::Refused(problem::REFUSED.problem(
                    format!("{component} has no schedule: it is no program that is run now and then."),
                    "A job runs with each release that changes it; `pluvio exec` runs a command in a service.",
                )));
            }
            asked_run(application, &wish.release, decided)
        };
        let key = run.key.clone();
        self.shared.book(application).book(run).map_err(|error| {
            RuntimeError::Refused(problem::DISK_FULL.problem(
                format!("The run cannot be written down: {error}."),
                "Free space on the disk of Pluvio's data folder.",
            ))
        })?;
        self.wake(application);
        Ok(key)
    }
}

impl Node {
    /// A volume that this installation made, by the engine's name of it: no other is ever touched.
    async fn ours(&self, handle: &str) -> Result<(), RuntimeError> {
        let known = |view: &View| view.volumes().any(|(_, volume)| volume.name == handle);
        if known(&self.shared.engine.view()) || known(&*self.shared.engine.refresh().await) {
            return Ok(());
        }
        Err(RuntimeError::NotFound {
            what: format!("the volume {handle}"),
        })
    }
}

#[async_trait]
impl Volumes for Node {
    async fn volumes(&self, scope: Scope) -> Result<Vec<KeptVolume>, RuntimeError> {
        let view = self.shared.engine.refresh().await;
        if let Some(problem) = &view.problem {
            return Err(RuntimeError::Refused(problem.clone()));
        }
        let stages = self.shared.stages();
        // By the engine's name of it: an application may have one that was made for another.
        let wanted: BTreeSet<String> = stages
            .all()
            .filter_map(|kept| kept.wish())
            .flat_map(|wish| {
                let release = &wish.release;
                release.volumes.iter().map(|(name, volume)| {
                    let made = || volume_name(&release.application_name, name, volume.id);
                    volume.handle.clone().unwrap_or_else(made)
                })
            })
            .collect();
        let volumes = view.volumes().filter_map(|(application, volume)| {
            if let Scope::Application(wanted) = scope
                && application != wanted
            {
                return None;
            }
            Some(KeptVolume {
                application,
                wanted: wanted.contains(&volume.name),
                name: volume.labels.get(label::VOLUME)?.parse().ok()?,
                handle: volume.name.clone(),
            })
        });
        Ok(volumes.collect())
    }

    async fn delete_volume(
        &self,
        application: ApplicationId,
        handle: &str,
    ) -> Result<(), RuntimeError> {
        let volumes = self.volumes(Scope::Application(application)).await?;
        let volume = volumes
            .iter()
            .find(|volume| volume.handle == handle)
            .ok_or_else(|| RuntimeError::NotFound {
                what: format!("the volume {handle}"),
            })?;
        if volume.wanted {
            return Err(RuntimeError::Refused(problem::REFUSED.problem(
                format!("The volume {} is in use by its application.", volume.name),
                "Take it out of the application's `volumes` first, or delete the application.",
            )));
        }
        let driver = &self.shared.engine.driver;
        let removed = self.shared.hands.remove(&**driver, handle).await;
        removed.map_err(refused)?;
        self.shared.engine.refresh().await;
        Ok(())
    }

    async fn reach(&self, request: HandRequest) -> Result<ExecSession, RuntimeError> {
        self.ours(&request.handle).await?;
        let hands = &self.shared.hands;
        hands
            .reach(&self.shared.engine, &request.handle, &request.verb)
            .await
    }

    async fn copy_volume(&self, copy: &CopyVolume) -> Result<CopyState, RuntimeError> {
        self.ours(&copy.source).await?;
        let copied = self.shared.hands.copy(&self.shared.engine, copy).await;
        copied.map_err(copy_refused)
    }

    async fn end_copy(&self, target: &str, keep: bool) -> Result<(), RuntimeError> {
        let driver = &self.shared.engine.driver;
        let ended = self.shared.hands.end_copy(&**driver, target, keep).await;
        ended.map_err(refused)?;
        self.shared.engine.refresh().await;
        Ok(())
    }
}
