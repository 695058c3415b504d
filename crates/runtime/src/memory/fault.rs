//! Any driver, broken at a chosen step.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use pluvio_model::facts::{Facts, ImageFacts};
use pluvio_plan::lower::engine::{ContainerCreate, NetworkPlan, VolumePlan};
use tokio::sync::watch;

use crate::driver::{
    Driver, DriverError, DriverLogLine, ExecAs, FileToWrite, SeenContainer, SeenNetwork, SeenVolume,
};
use crate::{BoxStream, ExecRequest, ExecSession};

/// When, in relation to what the step does to the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    Before,
    After,
}

/// What goes wrong. Steps are the calls that change something, counted from 1 since the fault was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The step never returns: whoever asked is to be killed now, and [`FaultyDriver::reached`] tells when.
    Hang { step: u64, at: Moment },
    /// As [`Fault::Hang`], before each call of this verb.
    HangVerb(&'static str),
    /// The engine refuses the step.
    Refuse { step: u64 },
    /// The engine refuses every call of this verb (`create`, `ensure_volume` …).
    RefuseVerb(&'static str),
    /// Each step takes so long.
    Slow(Duration),
}

/// A driver around another.
pub struct FaultyDriver {
    inner: Arc<dyn Driver>,
    fault: Mutex<Option<Fault>>,
    steps: AtomicU64,
    reached: watch::Sender<bool>,
}

impl std::fmt::Debug for FaultyDriver {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.write_str("FaultyDriver")
    }
}

impl FaultyDriver {
    pub fn new(inner: Arc<dyn Driver>) -> FaultyDriver {
        FaultyDriver {
            inner,
            fault: Mutex::default(),
            steps: AtomicU64::new(0),
            reached: watch::Sender::new(false),
        }
    }

    /// Sets or ends a fault; steps are counted anew.
    pub fn set(&self, fault: Option<Fault>) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
        self.steps.store(0, Ordering::SeqCst);
        self.reached.send_replace(false);
    }

    /// True once a [`Fault::Hang`] or [`Fault::HangVerb`] holds a call.
    pub fn reached(&self) -> watch::Receiver<bool> {
        self.reached.subscribe()
    }

    async fn step<T>(
        &self,
        verb: &'static str,
        call: impl Future<Output = Result<T, DriverError>> + Send,
    ) -> Result<T, DriverError> {
        let step = self.steps.fetch_add(1, Ordering::SeqCst) + 1;
        let fault = *self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = || DriverError::Refused {
            attempt: verb.to_owned(),
            message: "it was told to".to_owned(),
        };
        match fault {
            Some(Fault::Hang {
                step: at,
                at: moment,
            }) if step >= at => {
                // Later steps of a caller that is as good as dead do nothing either.
                if moment == Moment::After && step == at {
                    let _ = call.await;
                }
                self.reached.send_replace(true);
                std::future::pending().await
            }
            Some(Fault::HangVerb(wanted)) if wanted == verb => {
                self.reached.send_replace(true);
                std::future::pending().await
            }
            Some(Fault::Refuse { step: at }) if step == at => Err(refused()),
            Some(Fault::RefuseVerb(wanted)) if wanted == verb => Err(refused()),
            Some(Fault::Slow(pause)) => {
                tokio::time::sleep(pause).await;
                call.await
            }
            _ => call.await,
        }
    }
}

#[async_trait]
impl Driver for FaultyDriver {
    async fn facts(&self) -> Result<Facts, DriverError> {
        self.inner.facts().await
    }
    async fn containers(&self) -> Result<Vec<SeenContainer>, DriverError> {
        self.inner.containers().await
    }
    async fn networks(&self) -> Result<Vec<SeenNetwork>, DriverError> {
        self.inner.networks().await
    }
    async fn volumes(&self) -> Result<Vec<SeenVolume>, DriverError> {
        self.inner.volumes().await
    }
    async fn taken_subnets(&self) -> Result<Vec<String>, DriverError> {
        self.inner.taken_subnets().await
    }
    async fn ensure_network(&self, network: &NetworkPlan, subnet: &str) -> Result<(), DriverError> {
        self.step("ensure_network", self.inner.ensure_network(network, subnet))
            .await
    }
    async fn remove_network(&self, name: &str) -> Result<(), DriverError> {
        self.step("remove_network", self.inner.remove_network(name))
            .await
    }
    async fn join_network(
        &self,
        container: &str,
        network: &str,
        address: Option<IpAddr>,
    ) -> Result<(), DriverError> {
        let call = self.inner.join_network(container, network, address);
        self.step("join_network", call).await
    }
    async fn ensure_volume(&self, volume: &VolumePlan) -> Result<(), DriverError> {
        self.step("ensure_volume", self.inner.ensure_volume(volume))
            .await
    }
    async fn remove_volume(&self, name: &str) -> Result<(), DriverError> {
        self.step("remove_volume", self.inner.remove_volume(name))
            .await
    }
    async fn create(
        &self,
        container: &ContainerCreate,
        address: Option<IpAddr>,
    ) -> Result<(), DriverError> {
        self.step("create", self.inner.create(container, address))
            .await
    }
    async fn write_files(&self, container: &str, files: &[FileToWrite]) -> Result<(), DriverError> {
        self.step("write_files", self.inner.write_files(container, files))
            .await
    }
    async fn start(&self, container: &str) -> Result<(), DriverError> {
        self.step("start", self.inner.start(container)).await
    }
    async fn stop(&self, container: &str, grace_seconds: u64) -> Result<(), DriverError> {
        self.step("stop", self.inner.stop(container, grace_seconds))
            .await
    }
    async fn signal(&self, container: &str, signal: &str) -> Result<(), DriverError> {
        self.step("signal", self.inner.signal(container, signal))
            .await
    }
    async fn remove(&self, container: &str) -> Result<(), DriverError> {
        self.step("remove", self.inner.remove(container)).await
    }
    async fn logs(
        &self,
        container: &str,
        since: Option<Timestamp>,
        follow: bool,
    ) -> Result<BoxStream<DriverLogLine>, DriverError> {
        self.inner.logs(container, since, follow).await
    }
    async fn exec_as(
        &self,
        request: &ExecRequest,
        own: &ExecAs,
    ) -> Result<ExecSession, DriverError> {
        self.inner.exec_as(request, own).await
    }
    async fn image(&self, reference: &str) -> Result<Option<ImageFacts>, DriverError> {
        self.inner.image(reference).await
    }
    async fn events(&self) -> Result<BoxStream<()>, DriverError> {
        self.inner.events().await
    }
}
