//! Whom an image knows by name.

use std::collections::BTreeMap;
use std::sync::Mutex;

use pluvio_engine::Engine;
use pluvio_model::accounts::Accounts;
use pluvio_model::problem::{INTERNAL, Problem};
use pluvio_runtime::driver::DriverError;
use serde_json::json;

use crate::builder::Builder;

/// Answers that are kept: an image never changes, and few are asked about.
const KEPT: usize = 256;

/// What was read, by image id.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<BTreeMap<String, Accounts>>);

impl Builder {
    /// The users and groups of an image that the engine has, by its id. It is read from a container that never starts, which is
    /// gone again when this returns, also where nobody waits for it any more. `None`: it has no such image.
    pub async fn accounts(&self, image_id: &str) -> Result<Option<Accounts>, Problem> {
        let known = |kept: &Known| {
            let kept = kept.0.lock().unwrap_or_else(|broken| broken.into_inner());
            kept.get(image_id).cloned()
        };
        if let Some(accounts) = known(&self.accounts) {
            return Ok(Some(accounts));
        }
        let name = format!("{}look-{}", self.owner_prefix(), uuid::Uuid::now_v7().simple());
        let read = tokio::spawn(read(self.engine.clone(), name, image_id.to_owned()));
        let read = read.await.map_err(|error| {
            INTERNAL.problem(
                format!("Reading the users of an image ended early: {error}."),
                "Please report it.",
            )
        })?;
        let accounts = match read {
            Ok(accounts) => accounts,
            Err(DriverError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.to_problem()),
        };
        let mut kept = self
            .accounts
            .0
            .lock()
            .unwrap_or_else(|broken| broken.into_inner());
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(image_id.to_owned(), accounts.clone());
        Ok(Some(accounts))
    }
}

async fn read(
    engine: Engine,
    container: String,
    image: String,
) -> Result<Accounts, DriverError> {
    let body = json!({
        "Image": image, "Cmd": ["true"], "HostConfig": { "NetworkMode": "none" },
    });
    engine.create_container(&container, &body).await?;
    let files = async {
        let mut texts = [String::new(), String::new()];
        for (text, path) in texts.iter_mut().zip(["/etc/passwd", "/etc/group"]) {
            let content = engine.read_file(&container, path).await?;
            *text = String::from_utf8_lossy(&content.unwrap_or_default()).into_owned();
        }
        Ok(Accounts::parse(&texts[0], &texts[1]))
    };
    let accounts = files.await;
    if let Err(error) = engine.remove_container(&container).await {
        tracing::warn!(%error, container, "a container that an image was read from could not be removed");
    }
    accounts
}
