//! Stands in until the real ones are merged.
use crate::KubernetesRuntime;
use async_trait::async_trait;
use pluvio_model::id::ApplicationId;
use pluvio_runtime::*;
fn no() -> RuntimeError {
    RuntimeError::NotFound {
        what: "pending".into(),
    }
}
#[async_trait]
impl Volumes for KubernetesRuntime {
    async fn volumes(&self, _: Scope) -> Result<Vec<KeptVolume>, RuntimeError> {
        Ok(Vec::new())
    }
    async fn delete_volume(&self, _: ApplicationId, _: &str) -> Result<(), RuntimeError> {
        Err(no())
    }
    async fn reach(&self, _: HandRequest) -> Result<ExecSession, RuntimeError> {
        Err(no())
    }
    async fn copy_volume(&self, _: &CopyVolume) -> Result<CopyState, RuntimeError> {
        Err(no())
    }
    async fn end_copy(&self, _: &str, _: bool) -> Result<(), RuntimeError> {
        Err(no())
    }
}
