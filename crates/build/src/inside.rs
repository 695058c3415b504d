//! What an image's own files tell: whom it knows by name, and which of its folders have something in them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use pluvio_engine::Engine;
use pluvio_model::accounts::Accounts;
use pluvio_model::facts::Inside;
use pluvio_model::problem::{INTERNAL, Problem};
use pluvio_runtime::driver::DriverError;

use crate::builder::Builder;

/// Answers that are kept: an image never changes, and few are asked about.
const KEPT: usize = 256;

/// What was read, by image id and folders.
#[derive(Debug, Default)]
pub(crate) struct Looked(Mutex<BTreeMap<(String, BTreeSet<String>), Inside>>);

impl Builder {
    /// Looks into an image that the engine has, by its id; `None` where it has no such image. It is read from a container that
    /// never starts, which is gone again when this returns, also where nobody waits for it any more.
    pub async fn inside(
        &self,
        image_id: &str,
        folders: &BTreeSet<String>,
    ) -> Result<Option<Inside>, Problem> {
        let kept = || {
            let kept = self.looked.0.lock();
            kept.unwrap_or_else(|broken| broken.into_inner())
        };
        let key = (image_id.to_owned(), folders.clone());
        if let Some(inside) = kept().get(&key) {
            return Ok(Some(inside.clone()));
        }
        let name = format!(
            "{}look-{}",
            self.process_prefix(),
            uuid::Uuid::now_v7().simple()
        );
        let read = read(self.engine.clone(), name, key.0.clone(), folders.clone());
        let read = tokio::spawn(read).await.map_err(|error| {
            INTERNAL.problem(
                format!("Looking into an image ended early: {error}."),
                "Please report it.",
            )
        })?;
        let inside = match read {
            Ok(inside) => inside,
            Err(DriverError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.to_problem()),
        };
        let mut kept = kept();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(key, inside.clone());
        Ok(Some(inside))
    }
}

async fn read(
    engine: Engine,
    container: String,
    image: String,
    folders: BTreeSet<String>,
) -> Result<Inside, DriverError> {
    engine.create_to_look(&container, &image).await?;
    let inside = look(&engine, &container, folders).await;
    if let Err(error) = engine.remove_container(&container).await {
        tracing::warn!(%error, container, "a container that an image was read from could not be removed");
    }
    inside
}

async fn look(
    engine: &Engine,
    container: &str,
    folders: BTreeSet<String>,
) -> Result<Inside, DriverError> {
    let text = async |path: &str| {
        let content = engine.read_file(container, path).await?;
        Ok::<_, DriverError>(String::from_utf8_lossy(&content.unwrap_or_default()).into_owned())
    };
    let accounts = Accounts::parse(&text("/etc/passwd").await?, &text("/etc/group").await?);
    let mut filled = BTreeSet::new();
    for folder in folders {
        if engine.holds_something(container, &folder).await? {
            filled.insert(folder);
        }
    }
    // What copies it is the image's own.
    for program in ["sh", "cp", "rm"] {
        if filled.is_empty() {
            break;
        }
        let usual = format!("/bin/{program}");
        let other = format!("/usr/bin/{program}");
        let found = engine.path_exists(container, &usual).await?
            || engine.path_exists(container, &other).await?;
        if !found {
            tracing::info!(
                image = container,
                program,
                "volumes begin empty: the image has no such program"
            );
            filled.clear();
        }
    }
    Ok(Inside { accounts, filled })
}
