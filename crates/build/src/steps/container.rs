//! The container that a plan's steps run in: limited, without the engine's socket, gone after the build.

use std::collections::VecDeque;

use indexmap::IndexMap;
use pluvio_engine::{Engine, ExecCommand};
use pluvio_model::problem::Problem;
use pluvio_runtime::LogStream;
use pluvio_runtime::driver::DriverError;
use serde_json::{Value, json};

use crate::base::BaseImage;
use crate::host::HostAccess;
use crate::job::{Job, engine};
use crate::plan::{PRODUCTS, StepsPlan, WORKSPACE};

/// Steps run as this user: the same as in the image.
pub(super) const BUILD_USER: u64 = 10001;
pub(super) const HOME: &str = "/tmp/home";
/// The last lines that tell why a step failed.
const EVIDENCE: usize = 30;

pub(super) struct BuildContainer {
    pub(super) engine: Engine,
    pub(super) name: String,
    /// The network it is on now, if any.
    network: Option<String>,
    joined: bool,
    env: Vec<String>,
    /// Volumes that did not exist before.
    pub(super) fresh_volumes: Vec<String>,
    /// Cache id → volume.
    pub(super) caches: IndexMap<String, String>,
}

impl BuildContainer {
    pub(super) async fn start(
        job: &Job,
        plan: &StepsPlan,
        base: &BaseImage,
        online: bool,
    ) -> Result<BuildContainer, Problem> {
        let request = &job.request;
        let name = job.named("steps");
        let access = HostAccess::read(HOME);
        let mut container = BuildContainer {
            engine: job.engine.clone(),
            name,
            network: None,
            joined: false,
            env: access.env.clone(),
            fresh_volumes: Vec::new(),
            caches: IndexMap::new(),
        };
        container.env.push(format!("HOME={HOME}"));
        container.env.push("CI=true".to_owned());
        let mut mounts = access.mounts();
        let volume = |source: &str, target: &str| json!({ "Type": "volume", "Source": source, "Target": target });
        for (what, path) in [("app", WORKSPACE), ("out", PRODUCTS)] {
            let volume_name = workspace_volume(job, what);
            container.ensure_volume(job, &volume_name).await?;
            mounts.push(volume(&volume_name, path));
        }
        for cache in plan.steps.iter().flat_map(|step| &step.caches) {
            if container.caches.contains_key(&cache.id) {
                continue;
            }
            let volume_name = if cache.shared() {
                format!("pluvio-cache-{}-{}", request.team, slug(&cache.id))
            } else {
                workspace_volume(job, &slug(&cache.id))
            };
            container.ensure_volume(job, &volume_name).await?;
            mounts.push(volume(&volume_name, &cache.path));
            container.caches.insert(cache.id.clone(), volume_name);
        }
        let network = if online {
            let network = job.team_network();
            job.engine
                .ensure_network(&network, &IndexMap::new(), false, None)
                .await
                .map_err(engine)?;
            container.joined = true;
            container.network = Some(network.clone());
            network
        } else {
            "none".to_owned()
        };
        let mut host_config = limits(job);
        host_config["NetworkMode"] = json!(network);
        host_config["Mounts"] = json!(mounts);
        let body = json!({
            "Image": base.facts.id,
            "Entrypoint": ["sleep", "infinity"],
            "Cmd": [],
            "User": format!("{BUILD_USER}:{BUILD_USER}"),
            "WorkingDir": WORKSPACE,
            "HostConfig": host_config,
            "Healthcheck": { "Test": ["NONE"] },
        });
        let started = async {
            job.engine.create_container(&container.name, &body).await?;
            job.engine.start_container(&container.name).await
        };
        match started.await {
            Ok(()) => Ok(container),
            Err(error) => {
                container.remove().await;
                Err(engine(error))
            }
        }
    }

    async fn ensure_volume(&mut self, job: &Job, name: &str) -> Result<(), Problem> {
        if self.engine.volume(name).await.map_err(engine)?.is_some() {
            return Ok(());
        }
        let request = &job.request;
        let labels = IndexMap::from([
            (TEAM_LABEL.to_owned(), request.team.to_string()),
            (
                FOR_LABEL.to_owned(),
                format!("{}/{}", request.application, request.component),
            ),
        ]);
        self.engine
            .ensure_volume(name, &labels)
            .await
            .map_err(engine)?;
        self.fresh_volumes.push(name.to_owned());
        Ok(())
    }

    /// On the network or off it, before a step that may reach it or may not.
    pub(super) async fn network(&mut self, wanted: bool) -> Result<(), Problem> {
        let Some(network) = &self.network else {
            return Ok(());
        };
        if wanted == self.joined {
            return Ok(());
        }
        let moved = if wanted {
            self.engine
                .join_network(&self.name, network, None, &[])
                .await
        } else {
            self.engine.leave_network(&self.name, network).await
        };
        moved.map_err(engine)?;
        self.joined = wanted;
        Ok(())
    }

    /// Runs a shell script to its end: exit code and the last lines.
    pub(super) async fn run(
        &self,
        job: &Job,
        script: &str,
        env: Vec<String>,
    ) -> Result<(i64, VecDeque<String>), Problem> {
        let mut all = self.env.clone();
        all.extend(env);
        let command = ExecCommand {
            command: vec!["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()],
            env: all,
            working_dir: Some(WORKSPACE.to_owned()),
            ..ExecCommand::default()
        };
        let mut last: VecDeque<String> = VecDeque::new();
        let end = self
            .engine
            .run_in_container(&self.name, &command, |line| {
                if last.len() == EVIDENCE {
                    last.pop_front();
                }
                last.push_back(job.masked(&line.text));
                if line.stream == LogStream::Err {
                    job.complain(line.text);
                } else {
                    job.say(line.text);
                }
            })
            .await
            .map_err(engine)?;
        Ok((end.code, last))
    }

    /// Its volumes stay. A failure to remove is the sweep's to heal.
    pub(super) async fn remove(&self) {
        match self.engine.remove_container(&self.name).await {
            Ok(()) | Err(DriverError::NotFound { .. }) => {}
            Err(error) => {
                tracing::warn!(%error, container = self.name, "a build container could not be removed");
            }
        }
    }
}

/// Volumes of the builds of one team.
pub(crate) const TEAM_LABEL: &str = "io.pluvio.build-team";
/// `APP/COMPONENT`: whose workspace it is, or who first used a shared cache.
pub(crate) const FOR_LABEL: &str = "io.pluvio.build-for";

/// `pluvio-work-TEAM8-HASH-app`: one for each team, application and component.
pub(super) fn workspace_volume(job: &Job, what: &str) -> String {
    let request = &job.request;
    let whose = (request.team, &request.application, &request.component);
    let hash = pluvio_model::image::ContentHash::of(&whose);
    format!("pluvio-work-{}-{what}", &hash.as_str()[..16])
}

fn slug(id: &str) -> String {
    let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    id.chars().map(|c| if ok(c) { c } else { '-' }).collect()
}

/// `HostConfig` of what builds: it takes processor time when applications leave some.
pub(crate) fn limits(job: &Job) -> Value {
    let limits = &job.settings.limits;
    let mut config = json!({
        "Memory": limits.memory_bytes,
        "PidsLimit": limits.pids,
        "CpuShares": 256,
        "Init": true,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
    });
    if limits.cpu_millis > 0 {
        config["NanoCpus"] = json!(limits.cpu_millis * 1_000_000);
    }
    config
}
