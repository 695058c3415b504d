//! What every runtime must do, as scenarios that run over each of them unchanged.
//!
//! A runtime is brought by a [`Subject`]: how to restart it, how to kill it at a step, what is left of an application, and the
//! hands that mess with it. [`run`] plays everything; each scenario is public too, so that a test can name it.

mod example;
mod scenarios;

use std::sync::Arc;

use async_trait::async_trait;
use pluvio_model::facts::ImageFacts;
use pluvio_model::id::{ApplicationId, ClusterId};

use crate::Runtime;
use crate::memory::Moment;

pub use example::Example;
pub use scenarios::*;

/// A runtime under test, with the hands that reach behind it.
#[async_trait]
pub trait Subject: Send + Sync {
    fn runtime(&self) -> Arc<dyn Runtime>;
    fn cluster(&self) -> ClusterId;
    /// An image whose program runs until it is stopped, and in which the command `true` succeeds.
    fn image(&self) -> (String, ImageFacts);

    /// Ends the runtime as a kill would, and starts another over the same data.
    async fn restart(&mut self);
    /// From now on the runtime is held at its `step`-th change to the world, before or after the change is made. False for
    /// a runtime that has no steps.
    fn hold_at(&mut self, step: u64, moment: Moment) -> bool;
    /// Every which step is tried; 1 where that is quick.
    fn stride(&self) -> u64 {
        1
    }
    /// Waits until it is held; ends without that only by being dropped.
    async fn held(&self);
    /// Ends what [`hold_at`](Self::hold_at) began.
    fn let_go(&mut self);

    /// What is there of an application besides volumes, by any name.
    async fn objects(&self, application: ApplicationId) -> Vec<String>;
    /// Its volumes.
    async fn volumes(&self, application: ApplicationId) -> Vec<String>;
    /// Puts something of somebody else's beside it, and gives its name.
    async fn add_stranger(&mut self) -> String;
    async fn is_well(&self, stranger: &str) -> bool;
    /// Hands that remove or end an instance behind the runtime's back.
    async fn remove_by_hand(&mut self, application: ApplicationId, instance: &str);
    async fn end_by_hand(&mut self, application: ApplicationId, instance: &str);
    /// A file of an instance; `None` where the runtime has no files.
    async fn file(&self, application: ApplicationId, instance: &str, path: &str) -> Option<String>;
    fn has_files(&self) -> bool {
        true
    }
}
