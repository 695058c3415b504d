//! Secrets and settings of an application. Secret values are sealed, versioned, and read only to be handed to a runtime.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pluvio_model::id::ApplicationId;
use pluvio_model::name::EnvName;
use pluvio_model::stage::SecretValue;
use pluvio_model::template::SecretRef;

use crate::{Result, Store};

/// A secret's newest version, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRow {
    pub name: EnvName,
    pub version: u32,
    pub generated: bool,
    pub at: Timestamp,
    pub actor: String,
}

impl Store {
    /// Gives a secret a value: a new version. What runs keeps the version it was decided with.
    pub async fn set_secret(
        &self,
        application: ApplicationId,
        name: &EnvName,
        value: &SecretValue,
        actor: &str,
    ) -> Result<u32> {
        todo!()
    }
    /// Forgets every version that no kept release names, and the name with them from now on.
    pub async fn delete_secret(
        &self,
        application: ApplicationId,
        name: &EnvName,
        actor: &str,
    ) -> Result<()> {
        todo!()
    }
    pub async fn secrets(&self, application: ApplicationId) -> Result<Vec<SecretRow>> {
        todo!()
    }
    /// The values of these versions, keyed as a stage wants them ([`pluvio_model::stage::RunWish::key`]).
    /// [`crate::StoreError::NotFound`] when one is not there.
    pub async fn secret_values(
        &self,
        application: ApplicationId,
        wanted: &[SecretRef],
    ) -> Result<BTreeMap<String, SecretValue>> {
        todo!()
    }

    pub async fn set_setting(
        &self,
        application: ApplicationId,
        name: &EnvName,
        value: Option<&str>,
        actor: &str,
    ) -> Result<()> {
        todo!()
    }
    pub async fn settings(&self, application: ApplicationId) -> Result<BTreeMap<EnvName, String>> {
        todo!()
    }
}
