//! Containers one by one: made, removed, and init steps run to their end.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pluvio_model::problem::{self, Problem};
use pluvio_plan::lower::engine::{ContainerCreate, Role};
use pluvio_runtime::driver::{ContainerState, Driver, DriverError};
use pluvio_telemetry::events::EventStore;
use pluvio_telemetry::logs::LogStore;

use super::actions::LAST_WORDS;
use crate::collect::{Collector, Progress, Source, remark};
use crate::engine::Engine;
use crate::happened::{What, note};

/// How long an init step may take; the rollout's own deadline is control's to watch.
const INIT: Duration = Duration::from_secs(600);

/// What the address of an instance's init steps is booked under; no instance's name has a dot.
pub(super) fn init_name(instance: &str) -> String {
    format!("{instance}.init")
}

/// Creates a container; one that is left of an attempt that broke off is made anew, since it may lack something.
pub(super) async fn create_new(
    driver: &dyn Driver,
    container: &ContainerCreate,
    address: Option<IpAddr>,
) -> Result<(), Problem> {
    let created = match driver.create(container, address).await {
        Err(DriverError::AlreadyExists { .. }) => {
            remove(driver, &container.name).await?;
            driver.create(container, address).await
        }
        created => created,
    };
    created.map_err(|error| error.to_problem())
}

pub(super) async fn remove(driver: &dyn Driver, container: &str) -> Result<(), Problem> {
    match driver.remove(container).await {
        Ok(()) | Err(DriverError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.to_problem()),
    }
}

/// Removes an instance's sidecars, then its main container, which Podman does not let go before.
pub(super) async fn remove_all(
    driver: &dyn Driver,
    sidecars: &[String],
    main: &str,
) -> Result<(), Problem> {
    for sidecar in sidecars {
        remove(driver, sidecar).await?;
    }
    remove(driver, main).await
}

/// Runs an init step to its end and removes it. `of` is the instance or run that it is for.
pub(super) async fn run_init(
    engine: &Engine,
    container: &ContainerCreate,
    address: Option<IpAddr>,
    of: &Source,
    logs: &Arc<LogStore>,
    events: &EventStore,
) -> Result<(), Problem> {
    let driver = &*engine.driver;
    let step = match &container.role {
        Role::Init(name) => name.as_str(),
        _ => container.name.as_str(),
    };
    create_new(driver, container, address).await?;
    driver
        .start(&container.name)
        .await
        .map_err(|error| error.to_problem())?;
    let source = Source {
        instance: format!("{}/{step}", of.instance),
        container: container.name.clone(),
        ..of.clone()
    };
    let progress: Arc<Progress> = Arc::default();
    let collect = |follow| {
        let (driver, logs) = (engine.driver.clone(), logs.clone());
        Collector::start(source.clone(), progress.clone(), driver, logs, follow)
    };
    let mut following = collect(true);
    let ended = async {
        loop {
            let view = engine.refresh().await;
            let seen = view.containers().find(|seen| seen.name == container.name);
            match seen.map(|seen| &seen.state) {
                Some(ContainerState::Exited { code, .. }) => return Some(*code),
                None if view.problem.is_none() => return None,
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    let code = tokio::time::timeout(INIT, ended).await.ok().flatten();
    if code.is_some() {
        following.finish(LAST_WORDS).await;
        collect(false).finish(LAST_WORDS).await;
    }
    let how = match code {
        Some(code) => format!("ended with exit code {code}"),
        None => "did not end in time".to_owned(),
    };
    remark(logs, &source, how.clone());
    let what = match code {
        Some(code) => What::Ended { code, oom: false },
        None => What::Failed,
    };
    note(events, &source, what, &*how);
    remove(driver, &container.name).await?;
    if code == Some(0) {
        return Ok(());
    }
    let component = &of.component;
    Err(problem::RELEASE_EXITED
        .problem(
            format!("The init step {step} of {component} {how}, so its instance was not started."),
            "Read its last lines; correct the step, then deploy again.",
        )
        .path(format!("components.{component}.init.{step}"))
        .evidence(progress.take_last_lines()))
}
