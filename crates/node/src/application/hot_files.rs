//! Files that change in running instances: written, then reloaded by a signal or a command.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use pluvio_model::image::ContentHash;
use pluvio_model::problem::{self, Problem};
use pluvio_model::release::DecidedFile;
use pluvio_model::spec::{AbsolutePath, Reload};
use pluvio_plan::lower::engine::{FileCreate, resolve_files};
use pluvio_runtime::driver::{Driver, DriverError, FileToWrite};
use pluvio_runtime::{ExecOutput, ExecRequest};

use super::Application;
use super::actions::Doing;
use super::desired::Desired;

/// How long a reload command may take.
const RELOAD: Duration = Duration::from_secs(30);

impl Application {
    /// Hot files that an instance does not have yet, and what it has with them.
    #[allow(
        clippy::type_complexity,
        reason = "used twice, both times taken apart at once"
    )]
    pub(super) fn changed_hot_files(
        &self,
        desired: &Desired,
        name: &str,
    ) -> Result<(Vec<FileCreate>, BTreeMap<String, ContentHash>), Problem> {
        let nothing = || Ok((Vec::new(), BTreeMap::new()));
        let Some(instance) = self.instances.get(name) else {
            return nothing();
        };
        let Some(wanted) = desired.components.get(&instance.component) else {
            return nothing();
        };
        if wanted.plan.hash != instance.hash {
            return nothing();
        }
        let all = hashes(&wanted.plan.hot_files);
        let has = self.memo.instances.get(name).map(|memo| &memo.hot);
        let changed = wanted
            .plan
            .hot_files
            .iter()
            .filter(|(path, _)| {
                has.is_none_or(|has| has.get(path.as_str()) != all.get(path.as_str()))
            })
            .map(|(path, file)| (path.clone(), file.clone()))
            .collect();
        let wish = desired.wish_of(wanted);
        let secret = |secret: &_| wish.and_then(|wish| wish.secret(secret));
        let files = resolve_files(&changed, &secret).map_err(|missing| {
            problem::SECRET_MISSING.problem(
                format!("The secret {} has no value.", missing.name),
                format!("Set it with `pluvio secret set {}`.", missing.name),
            )
        })?;
        Ok((files, all))
    }

    /// Carries changed hot files into running instances, then has them reloaded.
    pub(crate) fn carry_hot_files(&mut self, desired: &Desired) {
        let running: Vec<String> = self
            .instances
            .iter()
            .filter(|(name, instance)| {
                instance.is_running() && instance.stop.is_none() && self.is_free(name)
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in running {
            let (files, all) = match self.changed_hot_files(desired, &name) {
                Ok((files, _)) if files.is_empty() => continue,
                Ok(changed) => changed,
                Err(problem) => {
                    self.fail(&name, problem);
                    continue;
                }
            };
            let Some(instance) = self.instances.get(&name) else {
                continue;
            };
            let reloads: Vec<Reload> = desired
                .components
                .get(&instance.component)
                .into_iter()
                .flat_map(|wanted| &wanted.plan.hot_files)
                .filter(|(path, _)| files.iter().any(|file| file.path == **path))
                .filter_map(|(_, file)| file.reload.clone())
                .fold(Vec::new(), |mut reloads, reload| {
                    if !reloads.contains(&reload) {
                        reloads.push(reload);
                    }
                    reloads
                });
            let (driver, container, id) = (self.driver(), name.clone(), self.id);
            self.begin(&name, Doing::HotFiles(all), async move {
                let written = driver.write_files(&container, &to_write(&files)).await;
                written.map_err(|error| error.to_problem())?;
                for reload in reloads {
                    match reload {
                        Reload::Signal(signal) => driver
                            .signal(&container, &signal)
                            .await
                            .map_err(|error| error.to_problem())?,
                        Reload::Command(command) => {
                            let request = ExecRequest {
                                application: id,
                                instance: container.clone(),
                                container: None,
                                command: command.words(),
                                tty: false,
                                size: None,
                            };
                            run_reload(&*driver, &request).await?;
                        }
                    }
                }
                Ok(())
            });
        }
    }
}

pub(super) fn hashes(
    files: &indexmap::IndexMap<AbsolutePath, DecidedFile>,
) -> BTreeMap<String, ContentHash> {
    files
        .iter()
        .map(|(path, file)| (path.to_string(), ContentHash::of(file)))
        .collect()
}

pub(super) fn to_write(files: &[FileCreate]) -> Vec<FileToWrite> {
    files
        .iter()
        .map(|file| FileToWrite {
            path: file.path.to_string(),
            mode: file.mode,
            content: file.content.clone().into(),
        })
        .collect()
}

async fn run_reload(driver: &dyn Driver, request: &ExecRequest) -> Result<(), Problem> {
    let run = async {
        let mut session = driver.exec(request).await?;
        while let Some(output) = session.output.next().await {
            if let ExecOutput::Exit(code) = output {
                return Ok(code);
            }
        }
        Ok::<i64, DriverError>(0)
    };
    let failed = |how: String| {
        problem::ENGINE_FAILED.problem(
            format!("The reload command of {} {how}.", request.instance),
            "The file is there; correct the command under `files`, or restart the component.",
        )
    };
    match tokio::time::timeout(RELOAD, run).await {
        Ok(Ok(0)) => Ok(()),
        Ok(Ok(code)) => Err(failed(format!("ended with exit code {code}"))),
        Ok(Err(error)) => Err(error.to_problem()),
        Err(_) => Err(failed("did not end within 30 s".to_owned())),
    }
}
