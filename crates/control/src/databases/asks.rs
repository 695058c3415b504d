//! What may be asked of a database: each verb answers at once.

use bytes::Bytes;
use futures::Stream;
use indexmap::IndexMap;
use jiff::Timestamp;
use pluvio_model::database::{Backup, BackupReason, BackupState, Protection};
use pluvio_model::id::{ApplicationId, BackupId, OperationId};
use pluvio_model::name::Name;
use pluvio_model::operation::{OperationKind, StepName};
use pluvio_model::problem::{self, Problem};
use pluvio_model::revision::{Origin, SourceRecord};
use pluvio_model::spec::{AppSpec, ComponentSpec, Database, Kind};
use pluvio_plan::database::{NOT_EMPTY, holds_data};
use pluvio_store::{Application, Asked, Firing, NewBackup, NewJob, Scope, StoreError, Whose};
use serde::{Deserialize, Serialize};

use super::{Inside, clock, keep};
use crate::asks::waiting;
use crate::{Asker, Control, DeployAsk};

/// The kinds of job that [`super::worker`] takes.
pub(crate) const BACKUP: &str = "backup";
pub(crate) const RESTORE: &str = "restore";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BackupJob {
    pub(crate) backup: BackupId,
    pub(crate) component: Name,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RestoreJob {
    pub(crate) backup: BackupId,
    pub(crate) into: Name,
    pub(crate) replace: bool,
    /// The deploy that makes the database first.
    pub(crate) after: Option<OperationId>,
}

#[derive(Debug, Clone)]
pub struct RestoreAsk {
    pub backup: BackupId,
    /// The database it goes into: its own when absent; one that is not there is made.
    pub into: Option<Name>,
    /// The name of the database whose data are replaced, to be sure.
    pub confirm: Option<String>,
}

/// Whether a database is backed up.
#[derive(Debug, Clone)]
pub struct BackedUp {
    pub protection: Protection,
    pub last_good: Option<Backup>,
    /// The newest that ended otherwise, when nothing good came after it.
    pub last_failed: Option<Backup>,
    pub next_at: Option<Timestamp>,
}

/// The parameters that a database is set to, whether asked or by its memory: name, value, asked.
pub fn parameters_of(component: &ComponentSpec) -> Vec<(String, String, bool)> {
    let Some(database) = component.database() else {
        return Vec::new();
    };
    let limit = component.resources.as_ref();
    let limit = limit.and_then(|resources| resources.memory.as_ref()?.limit);
    let implied = limit.map(|limit| database.engine.parameters_for(limit.0));
    let mut all: IndexMap<String, (String, bool)> = IndexMap::new();
    for (name, value) in implied.unwrap_or_default() {
        all.insert(name.to_owned(), (value, false));
    }
    for (name, value) in &component.parameters {
        all.insert(name.clone(), (value.0.clone(), true));
    }
    all.into_iter()
        .map(|(name, (value, asked))| (name, value, asked))
        .collect()
}

fn job(kind: &str, payload: &impl Serialize) -> NewJob {
    NewJob {
        kind: kind.to_owned(),
        payload: serde_json::to_value(payload).expect("a job serialises"),
        run_after: None,
    }
}

const STEPS: [StepName; 3] = [StepName::Dump, StepName::Verify, StepName::Prune];

impl Control {
    /// Begins a backup that is kept until somebody deletes it.
    pub async fn back_up(
        &self,
        by: Asker,
        application: &Application,
        inside: &Inside,
    ) -> Result<Asked, Problem> {
        inside.running()?;
        let name = &inside.name;
        let new = NewBackup::new(
            name.clone(),
            inside.database.to_string(),
            BackupReason::Asked,
        );
        let title = format!("Back up {name} of {}", application.name);
        let whose = Whose::Existing(application.id);
        let ask = self
            .ask(by, whose, OperationKind::Backup, title, waiting(&STEPS))
            .await?;
        let payload = BackupJob {
            backup: new.id,
            component: name.clone(),
        };
        let asked = self
            .inner
            .store
            .ask_aside(ask, job(BACKUP, &payload), Some(new));
        Ok(asked.await?)
    }

    pub(crate) async fn fire_backup(
        &self,
        application: ApplicationId,
        new: NewBackup,
        firing: Firing,
    ) -> Result<(), Problem> {
        let of = self.inner.store.application(application).await?;
        let by = Asker {
            actor: "pluvio".to_owned(),
            idempotency: None,
            if_revision: None,
        };
        let title = format!("Back up {} of {} by its schedule", new.component, of.name);
        let whose = Whose::Existing(application);
        let ask = self
            .ask(by, whose, OperationKind::Backup, title, waiting(&STEPS))
            .await?;
        let payload = BackupJob {
            backup: new.id,
            component: new.component.clone(),
        };
        let fired = self
            .inner
            .store
            .fire_aside(ask, job(BACKUP, &payload), new, firing);
        match fired.await {
            // Somebody else heard the same time.
            Ok(_) | Err(StoreError::Stale { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a database is backed up, from its backups (`all` may hold those of others).
    pub fn backed_up(&self, inside: &Inside, all: &[Backup]) -> BackedUp {
        let own: Vec<Backup> = all
            .iter()
            .filter(|backup| backup.component == inside.name.as_str())
            .cloned()
            .collect();
        let schedule = inside.component.backups.as_ref();
        let protection = pluvio_plan::backups::protection(&own, schedule.is_some());
        let failing = protection == Protection::Failing;
        let failed = own
            .iter()
            .find(|backup| failing && backup.state == BackupState::Failed)
            .cloned();
        BackedUp {
            protection,
            last_good: pluvio_plan::backups::last_good(&own).cloned(),
            last_failed: failed,
            next_at: schedule.and_then(|schedule| clock::next(schedule, Timestamp::now())),
        }
    }

    /// Keeps a dump that somebody sends, compressed or not, after it was read and found whole.
    pub async fn bring_backup(
        &self,
        application: &Application,
        inside: &Inside,
        data: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
        limit: u64,
        actor: &str,
    ) -> Result<Backup, Problem> {
        let engine = inside.database.engine;
        let version = inside.database.to_string();
        let new = NewBackup::new(inside.name.clone(), version, BackupReason::Upload);
        let key = keep::key(new.id);
        let blobs = &self.inner.blobs;
        blobs.put(&key, keep::as_sent(data), limit).await?;
        let checked = keep::check_brought(blobs.path(&key), engine).await;
        let kept = match checked {
            Ok(checked) if checked.whole => {
                let store = &self.inner.store;
                let row = store.add_backup(application.id, &new, &checked.file, actor);
                row.await.map_err(Problem::from)
            }
            other => Err(problem::REFUSED.problem(
                format!(
                    "What was sent is no whole dump of {}{}. Nothing was kept.",
                    engine.title(),
                    other
                        .err()
                        .map(|why| format!(" ({why})"))
                        .unwrap_or_default()
                ),
                "Send what `pluvio database dump` wrote, or a backup as it was downloaded.",
            )),
        };
        if kept.is_err() {
            let _ = blobs.delete(&key).await;
        }
        kept
    }

    /// Forgets a backup and removes its file.
    pub async fn forget_backup(
        &self,
        application: &Application,
        id: BackupId,
        actor: &str,
    ) -> Result<(), Problem> {
        let store = &self.inner.store;
        store.forget_backup(application.id, id, actor).await?;
        // A file that stays is nobody's, and is swept.
        let _ = self.inner.blobs.delete(&keep::key(id)).await;
        Ok(())
    }

    /// Removes files that no row speaks of: of applications that are gone, or of deletions that were cut off.
    pub(crate) async fn sweep_backups(&self) -> Result<(), Problem> {
        for blob in self.inner.blobs.list("backups").await? {
            let id = blob.key.as_str().rsplit('/').next().unwrap_or_default();
            let Ok(id) = id.parse::<BackupId>() else {
                continue;
            };
            // What is being brought has no row yet: its file is young.
            let path = self.inner.blobs.path(&blob.key);
            let age = std::fs::metadata(&path).and_then(|metadata| metadata.modified());
            let is_old =
                age.is_ok_and(|at| at.elapsed().is_ok_and(|age| age.as_secs() > 6 * 60 * 60));
            if is_old && !self.inner.store.knows_backup(id).await? {
                self.inner.blobs.delete(&blob.key).await?;
            }
        }
        Ok(())
    }

    /// A backup's file, for whoever downloads it.
    pub fn backup_key(&self, id: BackupId) -> pluvio_store::BlobKey {
        keep::key(id)
    }

    /// Begins to put a backup into a database. What cannot be is refused before anything is touched.
    pub async fn restore(
        &self,
        by: Asker,
        scope: &Scope,
        application: &Application,
        component: &str,
        ask: RestoreAsk,
    ) -> Result<Asked, Problem> {
        let backup = self.inner.store.backup(application.id, ask.backup).await?;
        if backup.component != component || backup.state != BackupState::Kept {
            return Err(problem::NOT_FOUND.problem(
                format!("{component} has no kept backup {}.", ask.backup),
                "A list of its backups says which there are, and why others were not made.",
            ));
        }
        let from: Database = backup.database.parse().map_err(|_| {
            problem::INTERNAL.problem("A backup names no database.", "Please report it.")
        })?;
        let into = match &ask.into {
            Some(into) => into.clone(),
            None => component.parse().map_err(|_| {
                problem::NOT_FOUND.problem("There is no such database.", "Name one there is.")
            })?,
        };
        let there = self.databases(application).await?;
        let found = there.into_iter().find(|one| one.name == into);
        let mut job_of = RestoreJob {
            backup: backup.id,
            into: into.clone(),
            replace: false,
            after: None,
        };
        match &found {
            Some(inside) => {
                if inside.database.engine != from.engine {
                    return Err(problem::REFUSED.problem(
                        format!(
                            "The backup is one of {}, and {into} is {}.",
                            from.engine.title(),
                            inside.database.engine.title()
                        ),
                        "Restore into a database of the same engine, or name a new one.",
                    ));
                }
                let program = holds_data(inside.database.engine);
                let said = self.run_inside(application, inside, &program, "").await?;
                match said.code {
                    0 => {}
                    NOT_EMPTY if ask.confirm.as_deref() == Some(into.as_str()) => {
                        job_of.replace = true;
                    }
                    NOT_EMPTY => {
                        return Err(problem::REFUSED.problem(
                            format!("{into} is not empty: a restore replaces all that it holds. Nothing was changed."),
                            format!("Repeat its name to be sure (`--confirm {into}`), or restore into a new database (`--into NAME`)."),
                        ));
                    }
                    _ => return Err(inside.failed("It cannot be told whether it is empty", &said)),
                }
            }
            None => {
                let made =
                    self.make_beside(by.clone(), scope, application, component, &into, &from);
                let deploy = Box::pin(made).await?;
                job_of.after = Some(deploy.operation.id);
            }
        }
        let title = format!(
            "Restore the backup of {component} of {} into {into} of {}",
            backup.begun_at.strftime("%Y-%m-%d %H:%M"),
            application.name
        );
        let by = Asker {
            // The deploy has the key, where there is one; and the revision it was asked for.
            idempotency: by.idempotency.filter(|_| job_of.after.is_none()),
            if_revision: None,
            ..by
        };
        let steps = waiting(&[StepName::Verify, StepName::Restore]);
        let whose = Whose::Existing(application.id);
        let ask = self
            .ask(by, whose, OperationKind::Restore, title, steps)
            .await?;
        let asked = self.inner.store.ask_aside(ask, job(RESTORE, &job_of), None);
        Ok(asked.await?)
    }

    /// Deploys the application with one more database, set as the one that was backed up is set.
    async fn make_beside(
        &self,
        by: Asker,
        scope: &Scope,
        application: &Application,
        like: &str,
        name: &Name,
        database: &Database,
    ) -> Result<Asked, Problem> {
        let mut spec = self.target_revision(application).await?.spec;
        let model = spec
            .components
            .iter()
            .find(|(name, _)| name.as_str() == like);
        let model = model.map(|(_, component)| component.clone());
        let model = model.filter(|component| component.kind == Kind::Database);
        let same_volume = |component: &mut ComponentSpec| {
            for mount in component.volumes.values_mut() {
                mount.name = None;
            }
        };
        let mut component = model.unwrap_or_default();
        same_volume(&mut component);
        component.kind = Kind::Database;
        component.database = Some(database.to_string());
        component.backups = None;
        component.display_name = None;
        component.publish.clear();
        component.aliases.clear();
        component.exports.clear();
        self.add_component(by, scope, application, &mut spec, name, component)
            .await
    }

    /// Deploys the application with a database more.
    pub async fn add_database(
        &self,
        by: Asker,
        scope: &Scope,
        application: &Application,
        name: &Name,
        component: ComponentSpec,
    ) -> Result<Asked, Problem> {
        let mut spec = self.target_revision(application).await?.spec;
        self.add_component(by, scope, application, &mut spec, name, component)
            .await
    }

    async fn add_component(
        &self,
        by: Asker,
        scope: &Scope,
        application: &Application,
        spec: &mut AppSpec,
        name: &Name,
        component: ComponentSpec,
    ) -> Result<Asked, Problem> {
        if spec.components.contains_key(name) {
            return Err(problem::NAME_TAKEN.problem(
                format!("{} has a component called {name}.", application.name),
                "Choose another name.",
            ));
        }
        spec.components.insert(name.clone(), component);
        let deploy = DeployAsk {
            only: Vec::new(),
            scope: scope.clone(),
            spec: spec.clone(),
            upload: self.last_upload(application).await,
            source_note: SourceRecord::default(),
            pull: false,
            secrets: Vec::new(),
            origin: Origin::Patch {
                what: format!("Add the database {name}"),
            },
            create_only: false,
            take_over: false,
        };
        self.deploy(by, deploy).await
    }
}
