//! The containers in which [`crate::hand`] reaches into volumes: made when somebody asks, gone a while after.
//!
//! Their image holds this program, with the libraries it was started with, and nothing else; so it needs no registry, and what
//! runs in it is of the same version as the node. It is made once for each program.

use std::path::{Path, PathBuf};
use std::time::Duration;

use indexmap::IndexMap;
use pluvio_model::id::ApplicationId;
use pluvio_model::image::ContentHash;
use pluvio_model::problem::{self, Problem};
use pluvio_plan::lower::engine::{ContainerCreate, Role, VolumePlan, label, volume_labels};
use pluvio_runtime::driver::{ContainerState, Driver, DriverError, SeenContainer};
use pluvio_runtime::{
    Copied, CopyLine, CopyState, CopyVolume, ExecRequest, ExecSession, HandVerb, Program,
    RuntimeError,
};
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::node::refused;
use pluvio_runtime::hand::{BEGINNINGS, FROM, RIGHTS, TO, VOLUME};

/// Removes every container that reaches into volumes of an installation, copies under way too: nobody will ask for them.
pub async fn forget_hands(engine: &pluvio_engine::Engine, data: &Path) -> Result<(), Problem> {
    // A node that never had an engine made nothing.
    let Some(cluster) = crate::binding::bound_cluster(data) else {
        return Ok(());
    };
    let forget = async {
        let labels = [
            format!("{}={cluster}", label::INSTALLATION),
            format!("{}=hand", label::ROLE),
        ];
        for hand in engine.list_containers(&labels).await? {
            gone(engine.remove_container(&hand.id).await)?;
        }
        Ok(())
    };
    forget
        .await
        .map_err(|error: DriverError| error.to_problem())
}

/// Marks the images.
pub const IMAGE_LABEL: &str = "io.pluvio.hand";
const IMAGE: &str = "localhost/pluvio/hand";
const PROGRAM: &str = Program::IN_IMAGE;
/// What a hand finds in its image besides.
const FOLDERS: [&str; 7] = ["volume", "from", "to", "proc", "dev", "sys", "etc"];

#[derive(Debug)]
pub(crate) struct Hands {
    /// Where the image is put together.
    folder: PathBuf,
    /// One image is made at a time.
    making: tokio::sync::Mutex<()>,
    /// No container is made for a volume that is being removed: the engine would make an empty one in its place.
    door: tokio::sync::Mutex<()>,
}

impl Hands {
    pub(crate) fn new(folder: PathBuf) -> Hands {
        Hands {
            folder,
            making: tokio::sync::Mutex::default(),
            door: tokio::sync::Mutex::default(),
        }
    }

    /// Does one thing in a volume; the container is made if none waits.
    pub(crate) async fn reach(
        &self,
        engine: &Engine,
        handle: &str,
        verb: &HandVerb,
    ) -> Result<ExecSession, RuntimeError> {
        let driver = &engine.driver;
        let name = format!("hand-{handle}");
        let request = ExecRequest {
            application: ApplicationId(uuid::Uuid::nil()),
            instance: name.clone(),
            container: None,
            command: vec![
                PROGRAM.to_owned(),
                "hand".to_owned(),
                "do".to_owned(),
                serde_json::to_string(verb).expect("a verb serialises"),
            ],
            tty: false,
            size: None,
        };
        let mut tries = 0;
        loop {
            match driver.exec(&request).await {
                Ok(session) => return Ok(session),
                Err(error @ (DriverError::Unreachable(_) | DriverError::Foreign(_))) => {
                    return Err(refused(error));
                }
                Err(error) if tries == 3 => return Err(refused(error)),
                // Not there, or about to go because nobody asked for long.
                Err(_) => {}
            }
            tries += 1;
            let _door = self.door.lock().await;
            still_there(&**driver, handle).await.map_err(refused)?;
            match driver.remove(&name).await {
                Ok(()) | Err(DriverError::NotFound { .. }) => {}
                // The engine removes it already.
                Err(error) => tracing::debug!(%error, "an old hand was not removed"),
            }
            let mounts = json!([mount(handle, VOLUME, false)]);
            let wait = ["wait", idle(verb)];
            let made = self.start(engine, &name, &wait, mounts, true).await;
            match made {
                Ok(()) => {}
                // Somebody else asks for the same.
                Err(DriverError::AlreadyExists { .. }) => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(error) => return Err(refused(error)),
            }
        }
    }

    /// Lets go of a volume and removes it with its data.
    pub(crate) async fn remove(
        &self,
        driver: &dyn Driver,
        handle: &str,
    ) -> Result<(), DriverError> {
        let _door = self.door.lock().await;
        gone(driver.remove(&format!("hand-{handle}")).await)?;
        driver.remove_volume(handle).await
    }

    /// Begins a copy, or tells how far it is.
    pub(crate) async fn copy(
        &self,
        engine: &Engine,
        copy: &CopyVolume,
    ) -> Result<CopyState, DriverError> {
        let driver = &engine.driver;
        let name = copier(&copy.target);
        let container = find(&**driver, &name).await?;
        let Some(container) = container else {
            let _door = self.door.lock().await;
            still_there(&**driver, &copy.source).await?;
            let volume = VolumePlan {
                name: copy.target.clone(),
                volume: copy.name.clone(),
                id: copy.id,
                labels: volume_labels(
                    engine.facts().await?.cluster,
                    copy.application,
                    &copy.application_name,
                    &copy.name,
                    copy.id,
                ),
                options: IndexMap::new(),
            };
            driver.ensure_volume(&volume).await?;
            let mounts = json!([
                mount(&copy.source, FROM, true),
                mount(&copy.target, TO, false)
            ]);
            match self.start(engine, &name, &["copy"], mounts, false).await {
                Ok(()) | Err(DriverError::AlreadyExists { .. }) => {}
                Err(error) => return Err(error),
            }
            return Ok(CopyState::Running(Copied::default()));
        };
        let said = said(&**driver, &name).await?;
        match said.last() {
            Some(CopyLine::Done(copied)) => return Ok(CopyState::Done(*copied)),
            Some(CopyLine::Failed(problem)) => {
                return Ok(CopyState::Failed {
                    problem: problem.clone(),
                });
            }
            _ => {}
        }
        let begun = said
            .iter()
            .filter(|said| matches!(said, CopyLine::Begun(_)));
        if !matches!(container.state, ContainerState::Running { .. }) {
            if begun.count() >= BEGINNINGS as usize {
                return Ok(CopyState::Failed {
                    problem: problem::REFUSED.problem(
                        format!("The copy was begun {BEGINNINGS} times, and cut off each time."),
                        "See why the engine or the machine ends it (memory, restarts), then copy again.",
                    ),
                });
            }
            // The engine or the machine was started anew under it.
            driver.start(&name).await?;
        }
        Ok(CopyState::Running(match said.last() {
            Some(CopyLine::Copied(copied)) => *copied,
            Some(CopyLine::Begun(all)) => Copied {
                of_bytes: all.bytes,
                of_files: all.files,
                ..Copied::default()
            },
            _ => Copied::default(),
        }))
    }

    pub(crate) async fn end_copy(
        &self,
        driver: &dyn Driver,
        target: &str,
        keep: bool,
    ) -> Result<(), DriverError> {
        gone(driver.remove(&copier(target)).await)?;
        if !keep {
            gone(self.remove(driver, target).await)?;
        }
        Ok(())
    }

    async fn start(
        &self,
        engine: &Engine,
        name: &str,
        arguments: &[&str],
        mounts: Value,
        goes_by_itself: bool,
    ) -> Result<(), DriverError> {
        let once = || self.start_once(engine, name, arguments, mounts.clone(), goes_by_itself);
        match once().await {
            // Another installation of this machine made its image, and took this one for an old one.
            Err(DriverError::NotFound { .. }) => once().await,
            other => other,
        }
    }

    async fn start_once(
        &self,
        engine: &Engine,
        name: &str,
        arguments: &[&str],
        mounts: Value,
        goes_by_itself: bool,
    ) -> Result<(), DriverError> {
        let facts = engine.facts().await?;
        let (image, path) = self.image(&*engine.driver).await?;
        let mut entrypoint = vec![PROGRAM, "hand"];
        entrypoint.extend(arguments);
        let body = json!({
            "Image": image,
            "Entrypoint": entrypoint,
            "Cmd": [],
            "User": "0:0",
            "Env": [format!("LD_LIBRARY_PATH={path}")],
            "WorkingDir": "/",
            "Labels": {
                label::INSTALLATION: facts.cluster.to_string(),
                label::ROLE: "hand",
            },
            "HostConfig": {
                "Mounts": mounts,
                "NetworkMode": "none",
                "ReadonlyRootfs": true,
                "CapDrop": ["ALL"],
                "CapAdd": RIGHTS,
                "SecurityOpt": ["no-new-privileges"],
                "AutoRemove": goes_by_itself,
                "PidsLimit": 64,
                "Memory": 256 << 20,
                "RestartPolicy": { "Name": "no" },
            },
        });
        let container = ContainerCreate {
            name: name.to_owned(),
            role: Role::Run,
            body,
            files: Vec::new(),
            further_networks: Vec::new(),
        };
        engine.driver.create(&container, None).await?;
        engine.driver.start(name).await
    }

    /// The image's name, and where it has its libraries.
    async fn image(&self, driver: &dyn Driver) -> Result<(String, String), DriverError> {
        let _one = self.making.lock().await;
        let io = |error: std::io::Error| DriverError::Refused {
            attempt: "make the image that reaches into volumes".to_owned(),
            message: error.to_string(),
        };
        let program = Program::own().await.map_err(io)?;
        let hash = ContentHash::of(&Program::own_key().map_err(io)?);
        let reference = format!("{IMAGE}:{}", &hash.as_str()[..16]);
        let path = program.library_path();
        if driver.image(&reference).await?.is_none() {
            let tar = self.folder.join("hand.tar");
            let written = {
                let tar = tar.clone();
                tokio::task::spawn_blocking(move || pack(&tar, &program)).await
            };
            written
                .unwrap_or_else(|error| Err(std::io::Error::other(error)))
                .map_err(io)?;
            let imported = driver.import_image(&tar, &reference, IMAGE_LABEL).await;
            let _ = std::fs::remove_file(&tar);
            imported?;
        }
        Ok((reference, path))
    }
}

fn gone(result: Result<(), DriverError>) -> Result<(), DriverError> {
    match result {
        Err(DriverError::NotFound { .. }) => Ok(()),
        other => other,
    }
}

async fn still_there(driver: &dyn Driver, handle: &str) -> Result<(), DriverError> {
    let volumes = driver.volumes().await?;
    match volumes.iter().any(|volume| volume.name == handle) {
        true => Ok(()),
        false => Err(DriverError::NotFound {
            what: format!("the volume {handle}"),
        }),
    }
}

/// For how many seconds the container waits for more. Who only measures asks for no more.
fn idle(verb: &HandVerb) -> &'static str {
    match verb {
        HandVerb::Measure => "3",
        _ => "120",
    }
}

fn copier(target: &str) -> String {
    format!("copy-to-{target}")
}

fn mount(volume: &str, target: &str, read_only: bool) -> Value {
    json!({
        "Type": "volume",
        "Source": volume,
        "Target": target,
        "ReadOnly": read_only,
        "VolumeOptions": { "NoCopy": true },
    })
}

async fn find(driver: &dyn Driver, name: &str) -> Result<Option<SeenContainer>, DriverError> {
    let containers = driver.containers().await?;
    Ok(containers.into_iter().find(|c| c.name == name))
}

/// Everything the copy has said, over all its beginnings.
async fn said(driver: &dyn Driver, name: &str) -> Result<Vec<CopyLine>, DriverError> {
    use futures::StreamExt;
    let lines = driver.logs(name, None, false).await?;
    Ok(lines
        .filter_map(|line| async move { serde_json::from_str(&line.text).ok() })
        .collect()
        .await)
}

fn pack(tar: &Path, program: &Program) -> std::io::Result<()> {
    let file = std::io::BufWriter::new(std::fs::File::create(tar)?);
    program
        .pack(&FOLDERS, file)?
        .into_inner()
        .map_err(|error| error.into_error())?
        .sync_all()
}

/// Why a problem of the engine's is one of a copy's.
pub(crate) fn copy_refused(error: DriverError) -> RuntimeError {
    match error {
        DriverError::NotFound { what } => RuntimeError::Refused(not_there(&what)),
        error => refused(error),
    }
}

fn not_there(what: &str) -> Problem {
    problem::NOT_FOUND.problem(
        format!("{what} is not on the engine."),
        "Its data are gone: somebody removed the volume with the engine's own tools.",
    )
}
