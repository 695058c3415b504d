//! One build under way: who it is for, what it is called on the engine, what it says, and how it is ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pluvio_engine::Engine;
use pluvio_model::operation::{StepName, StepState};
use pluvio_model::problem::{self, Problem};
use pluvio_runtime::driver::DriverError;
use tokio_util::task::TaskTracker;

use crate::builder::{BuildRequest, BuildSettings, Builder, Log, LogEntry, RanStep};
use crate::presence;

/// What the parts of a build share.
pub(crate) struct Job {
    pub(crate) engine: Engine,
    pub(crate) settings: Arc<BuildSettings>,
    pub(crate) request: BuildRequest,
    /// Begins the names of every container that this build makes.
    pub(crate) prefix: String,
    /// Begins the names of teams' networks.
    team_networks: String,
    clearing: TaskTracker,
    log: Log,
    /// Values of secrets.
    hidden: Arc<[String]>,
    ran: std::sync::Mutex<Vec<RanStep>>,
}

/// Begins the names of what an owner's builds make on the engine. Names, not labels: a label on a build container would be
/// in the image that is made of it, and so on the application's containers.
fn owner_prefix(owner: &str, place: &str) -> String {
    let hash = pluvio_model::image::ContentHash::of(&(owner, place));
    format!("pluvio-build-{}-", &hash.as_str()[..8])
}

fn mask(hidden: &[String], text: String) -> String {
    hidden.iter().fold(text, |text, secret| {
        if text.contains(secret.as_str()) {
            text.replace(secret.as_str(), "•••")
        } else {
            text
        }
    })
}

/// The cgroup below which Podman runs the steps of a build's Dockerfile.
pub(crate) fn cgroup_of(prefix: &str) -> String {
    format!("/{}", prefix.trim_end_matches('-'))
}

impl Job {
    pub(crate) fn new(builder: &Builder, request: BuildRequest, log: Log) -> Job {
        // A value of several lines shows line by line; a very short one would mask half the log.
        let hidden: Arc<[String]> = request
            .secrets
            .values()
            .flat_map(|secret| secret.0.lines())
            .filter(|part| part.len() >= 4)
            .map(str::to_owned)
            .collect();
        let id = uuid::Uuid::now_v7().simple().to_string();
        Job {
            engine: builder.engine.clone(),
            settings: builder.settings.clone(),
            prefix: format!("{}{}-", builder.process_prefix(), &id[20..]),
            request,
            team_networks: builder.team_networks(),
            clearing: builder.clearing.clone(),
            log,
            hidden,
            ran: std::sync::Mutex::default(),
        }
    }

    /// A log that masks secrets, for parts that know nothing of a job.
    pub(crate) fn log(&self) -> Log {
        let (log, hidden) = (self.log.clone(), self.hidden.clone());
        Arc::new(move |entry| {
            log(match entry {
                LogEntry::Line { text, error } => LogEntry::Line {
                    text: mask(&hidden, text),
                    error,
                },
                step => step,
            });
        })
    }

    pub(crate) fn masked(&self, text: &str) -> String {
        mask(&self.hidden, text.to_owned())
    }

    pub(crate) fn say(&self, text: impl Into<String>) {
        (self.log)(LogEntry::line(mask(&self.hidden, text.into())));
    }

    pub(crate) fn complain(&self, text: impl Into<String>) {
        (self.log)(LogEntry::Line {
            text: mask(&self.hidden, text.into()),
            error: true,
        });
    }

    pub(crate) fn step(&self, name: StepName, state: StepState, note: impl Into<String>) {
        let note = note.into();
        (self.log)(LogEntry::Step { name, state, note });
    }

    pub(crate) fn ran(&self, name: &str, cached: bool, since: Instant) {
        let mut ran = self.ran.lock().expect("no panic while held");
        ran.push(RanStep {
            name: name.to_owned(),
            cached,
            duration: since.elapsed(),
        });
    }

    pub(crate) fn steps_ran(&self) -> Vec<RanStep> {
        self.ran.lock().expect("no panic while held").clone()
    }

    /// `localhost/pluvio/TEAM/APP/COMPONENT:TAG`
    pub(crate) fn image(&self, tag: &str) -> String {
        let request = &self.request;
        format!(
            "localhost/pluvio/{}/{}/{}:{tag}",
            request.team_name, request.application, request.component
        )
    }

    /// The network of all of a team's builds in this process: making one takes as long as most rebuilds. Other teams' builds,
    /// and applications, are on others. It goes with the team, or when a later process sweeps.
    pub(crate) fn team_network(&self) -> String {
        let hash = pluvio_model::image::ContentHash::of(&self.request.team);
        format!("{}{}", self.team_networks, &hash.as_str()[..8])
    }

    /// Removes a container that nothing more is read from, while the build goes on. What a crash leaves, the sweep finds.
    pub(crate) fn clear(&self, container: String) {
        let engine = self.engine.clone();
        self.clearing.spawn(async move {
            match engine.remove_container(&container).await {
                Ok(()) | Err(DriverError::NotFound { .. }) => {}
                Err(error) => {
                    tracing::warn!(%error, container, "a build's container could not be removed");
                }
            }
        });
    }

    /// A name on the engine for what belongs to this build only.
    pub(crate) fn named(&self, what: &str) -> String {
        format!("{}{what}", self.prefix)
    }
}

impl Builder {
    /// Begins the names of all containers and networks of this owner's builds in this work folder.
    pub fn owner_prefix(&self) -> String {
        owner_prefix(&self.settings.owner, &self.presence.place)
    }

    /// Ends all that a build has on the engine: containers with what runs in them, networks, steps of a Dockerfile.
    pub(crate) async fn end(&self, prefix: &str) -> Result<Vec<String>, DriverError> {
        let mut removed = Vec::new();
        if self.engine.is_podman() {
            kill_cgroup(&cgroup_of(prefix)).await;
        }
        for container in self.engine.list_containers(&[]).await? {
            if container.name.starts_with(prefix) {
                match self.engine.remove_container(&container.id).await {
                    Ok(()) | Err(DriverError::NotFound { .. }) => removed.push(container.name),
                    Err(error) => return Err(error),
                }
            }
        }
        for network in self.engine.list_networks(&[]).await? {
            if network.name.starts_with(prefix) {
                match self.engine.remove_network(&network.name).await {
                    Ok(()) | Err(DriverError::NotFound { .. }) => removed.push(network.name),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(removed)
    }

    /// Begins the names of the networks that this process's builds share.
    pub(crate) fn team_networks(&self) -> String {
        format!("{}team-", self.process_prefix())
    }

    /// Begins the names of those of this process.
    pub(crate) fn process_prefix(&self) -> String {
        format!("{}{}-", self.owner_prefix(), self.presence.token)
    }

    /// Removes what builds of this owner and work folder left when their process was killed: containers, networks, sources. What
    /// a living process is at stays, its own included. Answers what was removed.
    pub async fn sweep(&self) -> Result<Vec<String>, Problem> {
        let owner = self.owner_prefix();
        let mut tokens = self.presence.tokens();
        let containers = self.engine.list_containers(&[]).await.map_err(engine)?;
        let networks = self.engine.list_networks(&[]).await.map_err(engine)?;
        let names = containers.iter().map(|container| &container.name);
        for name in names.chain(networks.iter().map(|network| &network.name)) {
            let token = name
                .strip_prefix(&owner)
                .and_then(|rest| rest.split('-').next());
            tokens.extend(token.map(str::to_owned));
        }
        let folders: Vec<_> = std::fs::read_dir(&self.settings.work)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let token = name
                    .strip_prefix(presence::FOLDER)?
                    .split('-')
                    .next()?
                    .to_owned();
                Some((token, name, entry.path()))
            })
            .collect();
        tokens.extend(folders.iter().map(|(token, ..)| token.clone()));

        let mut removed = Vec::new();
        for token in tokens {
            if self.presence.lives(&token) {
                continue;
            }
            let ended = self.end(&format!("{owner}{token}-")).await;
            removed.extend(ended.map_err(engine)?);
            for (_, name, path) in folders.iter().filter(|(of, ..)| *of == token) {
                if std::fs::remove_dir_all(path).is_ok() {
                    removed.push(name.clone());
                }
            }
            self.presence.forget(&token);
        }
        Ok(removed)
    }
}

/// Podman goes on with a RUN step whose client is gone. Its processes are in a cgroup of ours: they are killed there.
async fn kill_cgroup(name: &str) {
    let roots = [
        "/sys/fs/cgroup",
        "/sys/fs/cgroup/pids",
        "/sys/fs/cgroup/memory",
        "/sys/fs/cgroup/unified",
    ];
    let is_whole = !name.trim_matches('/').is_empty();
    let parents = roots.map(std::path::PathBuf::from);
    let name = name.trim_matches('/').to_owned();
    let killed = tokio::task::spawn_blocking(move || {
        for root in parents.iter().filter(|_| is_whole) {
            let Ok(entries) = std::fs::read_dir(root) else {
                continue;
            };
            for entry in entries.flatten() {
                if entry.file_name().to_string_lossy().starts_with(&name) {
                    kill_below(&entry.path());
                }
            }
        }
    });
    let _ = killed.await;
}

fn kill_below(cgroup: &std::path::Path) {
    let processes = std::fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    for pid in processes.lines().filter_map(|line| line.parse().ok()) {
        if let Some(pid) = rustix::process::Pid::from_raw(pid) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
    for entry in std::fs::read_dir(cgroup).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            kill_below(&entry.path());
        }
    }
    // Empty ones are removed; one whose processes are just ending stays until the next build's end.
    let _ = std::fs::remove_dir(cgroup);
}

/// Ends a build's things when it is dropped before it was done.
pub(crate) struct EndOnDrop {
    pub(crate) builder: Builder,
    pub(crate) prefix: String,
    pub(crate) armed: bool,
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let (builder, prefix) = (self.builder.clone(), self.prefix.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = builder.end(&prefix).await {
                    tracing::warn!(%error, prefix, "a build's containers could not be removed");
                }
            });
        }
    }
}

pub(crate) fn cancelled() -> Problem {
    problem::BUILD_CANCELLED.problem(
        "Someone cancelled it, or a later deploy took its place.",
        "Deploy again when it is wanted.",
    )
}

pub(crate) fn timed_out(limit: Duration) -> Problem {
    problem::BUILD_TIMEOUT.problem(
        format!("It ran for more than {} minutes.", limit.as_secs() / 60),
        "Look at the log for a step that waits or takes very long, and shorten it.",
    )
}

/// The engine's failure in the middle of a build.
pub(crate) fn engine(error: DriverError) -> Problem {
    error.to_problem()
}
