//! Volumes as resources: taken up and let go by applications, copied, deleted after a grace period, measured.
//!
//! What takes time is not a job but a state that rows are in (being filled, deleted), looked at again and again by [`keep`]: a
//! copy goes on in its container whoever looks, and a control plane that is killed finds it as far as it came.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use pluvio_model::clock;
use pluvio_model::id::{OperationId, VolumeId};
use pluvio_model::name::Name;
use pluvio_model::operation::{Operation, OperationKind, Outcome, StepName};
use pluvio_model::problem::{self, Problem};
use pluvio_model::quantity::{Bytes, size};
use pluvio_model::spec::{AbsolutePath, AppSpec, MountSpec, VolumeAccess, VolumeKind};
use pluvio_plan::lower::engine::volume_name;
use pluvio_plan::patch::Patch;
use pluvio_runtime::{Copied, CopyState, CopyVolume, RuntimeError, Scope};
use pluvio_store::{Application, Asked, NewCopy, StoreError, TakeVolume, VolumeBinding, VolumeRow};

use crate::{Asker, Control, PatchAsk, crash};

/// Between two looks at a copy under way.
const COPYING: Duration = Duration::from_millis(500);
/// Without a hint, look for volumes whose time has come this often.
const LOOK: Duration = Duration::from_secs(5);
/// A size that was measured longer ago is measured again when somebody looks at it.
const FRESH: Duration = Duration::from_secs(300);

/// Where a volume is to be mounted.
#[derive(Debug, Clone)]
pub struct Attach {
    pub component: Name,
    pub path: AbsolutePath,
    /// What the application calls it; as it is called now when absent.
    pub name: Option<Name>,
    /// As it was last mounted when absent.
    pub access: Option<VolumeAccess>,
    pub read_only: bool,
}

/// Volumes that are being measured: each by one at a time.
pub(crate) type Measuring = Mutex<HashMap<VolumeId, Option<Instant>>>;

impl Control {
    /// Mounts a volume in a component, as a change of the application's specification like any other. `may` refuses it, given
    /// today's specification and the one that comes.
    pub async fn attach_volume(
        &self,
        by: Asker,
        application: &Application,
        volume: &VolumeRow,
        attach: Attach,
        may: impl FnOnce(&AppSpec, &AppSpec) -> Result<(), Problem>,
    ) -> Result<Asked, Problem> {
        let bindings = self.inner.store.volume_bindings(&[volume.id]).await?;
        let own = bindings
            .iter()
            .find(|binding| binding.application == application.id);
        let name = attach
            .name
            .or_else(|| own.map(|binding| binding.name.clone()))
            .unwrap_or_else(|| volume.name.clone());
        let access = attach.access.or(volume.access).unwrap_or_default();
        let title = format!("Attach {name} to {} at {}", attach.component, attach.path);
        let patch = Patch::AttachVolume {
            component: attach.component,
            path: attach.path,
            mount: MountSpec {
                name: Some(name.clone()),
                kind: VolumeKind::Disk,
                access,
                size: volume.size.map(Bytes),
                read_only: attach.read_only,
                ..MountSpec::default()
            },
        };
        let today = self.target_revision(application).await?.spec;
        // What cannot be applied is refused below, unless it was asked for before.
        if let Ok(next) = patch.apply(&today) {
            may(&today, &next)?;
        }
        let ask = PatchAsk {
            kind: OperationKind::Configure,
            title,
            patches: vec![patch],
            components: Vec::new(),
            secrets: Vec::new(),
        };
        let take = TakeVolume {
            volume: volume.id,
            name,
        };
        self.patch_taking(by, application, ask, vec![take]).await
    }

    /// Takes a volume's mounts out of an application's specification; its data and its name stay. `component` and `path` say
    /// which, where there are several.
    pub async fn detach_volume(
        &self,
        by: Asker,
        application: &Application,
        volume: &VolumeRow,
        component: Option<&Name>,
        path: Option<&AbsolutePath>,
    ) -> Result<Asked, Problem> {
        let bindings = self.inner.store.volume_bindings(&[volume.id]).await?;
        let own = bindings
            .into_iter()
            .find(|binding| binding.application == application.id);
        let none = || {
            problem::REFUSED.problem(
                format!(
                    "The app.yaml of {} has no such mount of {}.",
                    application.name, volume.name
                ),
                "`pluvio volume list` shows which component mounts it where. What a database keeps its data in, or one of several instances, goes with its component.",
            )
        };
        let VolumeBinding { name, .. } = own.ok_or_else(none)?;
        let spec = self.target_revision(application).await?.spec;
        let patches: Vec<Patch> = mounts_of(&spec, &name)
            .into_iter()
            .filter(|(at, _)| component.is_none_or(|wanted| wanted == at))
            .filter(|(_, at)| path.is_none_or(|wanted| wanted == at))
            .map(|(component, path)| Patch::DetachVolume { component, path })
            .collect();
        if patches.is_empty() {
            return Err(none());
        }
        let ask = PatchAsk {
            kind: OperationKind::Configure,
            title: format!("Detach {name}"),
            patches,
            components: Vec::new(),
            secrets: Vec::new(),
        };
        self.patch_taking(by, application, ask, Vec::new()).await
    }

    /// Begins a copy of a volume's data into a new volume, which `application` calls `name`. The application need not have
    /// been deployed yet: a specification that names the volume finds it there. [`Control::copied`] waits for its end.
    /// `within`: the copy of an application that asks for it, to which others add nothing.
    pub async fn clone_volume(
        &self,
        actor: &str,
        source: &VolumeRow,
        application: &Application,
        name: Name,
        within: Option<OperationId>,
    ) -> Result<(Operation, VolumeId), Problem> {
        if source.handle.is_none() {
            return Err(never_made(source));
        }
        let cluster = self.cluster_id_at(application.cluster).await?;
        if source.cluster != cluster {
            return Err(problem::REFUSED.problem(
                format!("{} is on another cluster than {}.", source.name, application.name),
                "Data are cloned within one cluster. Download the files and upload them there, or restore a dump.",
            ));
        }
        let id = VolumeId(uuid::Uuid::now_v7());
        let title = match source.application == Some(application.id) {
            true => format!("Copy the volume {} as {name}", source.name),
            false => format!(
                "Copy the volume {} of {} as {name}",
                source.name, source.application_name
            ),
        };
        let new = NewCopy {
            source: source.clone(),
            application: application.id,
            cluster,
            handle: volume_name(&application.name, &name, id),
            name,
            id,
            within,
            actor: actor.to_owned(),
            title,
        };
        let operation = self.inner.store.begin_copy(new).await?;
        Ok((operation, id))
    }

    /// Deletes a volume that nothing uses: after the grace period, until when it can be had back; at once with `now`.
    pub async fn delete_volume(
        &self,
        row: &VolumeRow,
        now: bool,
        actor: &str,
    ) -> Result<VolumeRow, Problem> {
        let grace = match now {
            true => Duration::ZERO,
            false => self.inner.config.volume_grace,
        };
        let ends_at = clock::now() + grace;
        let row = self
            .inner
            .store
            .delete_volume(row.team, row.id, ends_at, actor)
            .await?;
        if grace.is_zero() {
            end(self, &row, actor).await?;
        }
        Ok(row)
    }

    /// Has those measured, one after the other and behind the caller's back, whose size was not measured for a while.
    pub fn measure_volumes(&self, rows: &[VolumeRow]) {
        let now = clock::now();
        let old = |row: &&VolumeRow| {
            row.measured_at
                .is_none_or(|at| now.duration_since(at).unsigned_abs() > FRESH)
        };
        let usable = |row: &&VolumeRow| row.handle.is_some() && row.filling.is_none();
        let mut measuring = self.inner.measuring.lock().expect("no panic while held");
        let wanted: Vec<VolumeRow> = rows
            .iter()
            .filter(old)
            .filter(usable)
            .filter(|row| match measuring.get(&row.id) {
                None => true,
                Some(None) => false,
                Some(Some(failed)) => failed.elapsed() > FRESH,
            })
            .cloned()
            .collect();
        measuring.extend(wanted.iter().map(|row| (row.id, None)));
        drop(measuring);
        if wanted.is_empty() {
            return;
        }
        let control = self.clone();
        tokio::spawn(async move {
            for row in wanted {
                let measured = control.measure(&row).await;
                let failed = measured.is_err().then(Instant::now);
                let noted = match (&measured, &row.handle) {
                    (Ok(measured), Some(handle)) => {
                        let bytes = Some(measured.bytes);
                        let store = &control.inner.store;
                        store.note_volume(row.id, handle, bytes).await.err()
                    }
                    _ => None,
                };
                if measured.is_err() || noted.is_some() {
                    tracing::debug!(?measured, ?noted, volume = %row.id, "a volume was not measured");
                }
                let measuring = &control.inner.measuring;
                let mut measuring = measuring.lock().expect("no panic while held");
                match failed {
                    // What cannot be measured is not tried again at each look.
                    Some(at) => measuring.insert(row.id, Some(at)),
                    None => measuring.remove(&row.id),
                };
            }
        });
    }
}

/// Where a specification mounts a volume of its application.
pub fn mounts_of(spec: &AppSpec, volume: &Name) -> Vec<(Name, AbsolutePath)> {
    spec.components
        .iter()
        .flat_map(|(component, spec)| {
            spec.volumes
                .iter()
                .map(move |(path, mount)| (component, path, mount))
        })
        .filter(|(component, path, mount)| {
            pluvio_plan::volume_of(component, path, mount).as_ref() == Some(volume)
        })
        .map(|(component, path, _)| (component.clone(), path.clone()))
        .collect()
}

pub(crate) fn never_made(row: &VolumeRow) -> Problem {
    problem::REFUSED.problem(
        format!(
            "The volume {} was never made: no release that names it has run.",
            row.name
        ),
        "Deploy the application that names it first.",
    )
}

/// What `decide` is told about an application's volumes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held {
    pub(crate) ids: BTreeMap<Name, VolumeId>,
    /// The runtime's own names, where they are known.
    handles: BTreeMap<VolumeId, String>,
    /// Those that cannot be mounted now.
    unusable: BTreeMap<Name, Problem>,
}

impl Held {
    pub(crate) fn new(rows: Vec<VolumeRow>) -> Held {
        let mut held = Held::default();
        for row in rows {
            if let Some(problem) = row.unusable() {
                held.unusable.insert(row.name.clone(), problem);
            }
            held.add(row);
        }
        held
    }

    pub(crate) fn add(&mut self, row: VolumeRow) {
        self.ids.insert(row.name, row.id);
        if let Some(handle) = row.handle {
            self.handles.insert(row.id, handle);
        }
    }

    /// Says by which names of the runtime a release's volumes go, where those do not follow from its own; refuses what cannot
    /// be mounted now.
    pub(crate) fn settle(
        &self,
        mut release: pluvio_model::release::Release,
    ) -> Result<pluvio_model::release::Release, Problem> {
        let application = release.application_name.clone();
        for (name, volume) in &mut release.volumes {
            if let Some(problem) = self.unusable.get(name) {
                return Err(problem.clone());
            }
            if let Some(handle) = self.handles.get(&volume.id) {
                let own = volume_name(&application, name, volume.id);
                volume.handle = (*handle != own).then(|| handle.clone());
            }
        }
        Ok(release)
    }
}

/// Looks after copies under way and deleted volumes, as long as control runs.
pub(crate) async fn keep(control: Control) {
    let mut hint = control.inner.store.hint();
    loop {
        let copying = match look(&control).await {
            Ok(copying) => copying,
            Err(problem) => {
                tracing::warn!(
                    code = problem.code,
                    cause = problem.cause,
                    "volumes were not looked after"
                );
                false
            }
        };
        tokio::time::sleep(COPYING).await;
        if !copying {
            let _ = tokio::time::timeout(LOOK, hint.changed()).await;
        }
    }
}

/// One look at copies under way and deleted volumes. True while a copy is under way.
pub async fn look(control: &Control) -> Result<bool, Problem> {
    let store = &control.inner.store;
    let filling = store.filling_volumes().await?;
    for row in &filling {
        if let Err(problem) = fill(control, row).await {
            tracing::warn!(volume = %row.id, code = problem.code, cause = problem.cause, "a copy could not be looked at");
        }
    }
    for row in store.ended_volumes(clock::now()).await? {
        if let Err(problem) = end(control, &row, "pluvio").await {
            tracing::warn!(volume = %row.id, code = problem.code, cause = problem.cause, "a deleted volume is still there");
        }
    }
    Ok(!filling.is_empty())
}

/// Brings one copy forward. What cannot be asked now is asked again.
async fn fill(control: &Control, row: &VolumeRow) -> Result<(), Problem> {
    let store = &control.inner.store;
    let (Some(filling), Some(target)) = (row.filling, &row.handle) else {
        return Ok(());
    };
    let operation = match store.operation(filling).await {
        Ok((operation, _)) => Some(operation),
        Err(StoreError::NotFound { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let wanted = operation
        .as_ref()
        .is_some_and(|operation| !operation.is_over() && !operation.cancel_requested);
    if !wanted {
        return abandon(control, row, target, Outcome::Cancelled).await;
    }
    let failed = |problem: Problem| Outcome::Failed {
        problem: Box::new(problem),
    };
    let source = match row.copy_of {
        Some(source) => store.volume(row.team, source).await,
        None => Err(StoreError::NotFound { what: "volume" }),
    };
    let source = match source {
        Ok(source) => source,
        Err(StoreError::NotFound { .. }) => {
            let gone = problem::NOT_FOUND.problem(
                "The volume that was copied is deleted.",
                "Nothing of the copy is left; there is nothing to copy any more.",
            );
            return abandon(control, row, target, failed(gone)).await;
        }
        Err(error) => return Err(error.into()),
    };
    let Some((handle, application)) = source.handle.clone().zip(row.application) else {
        return abandon(control, row, target, failed(never_made(&source))).await;
    };
    let copy = CopyVolume {
        source: handle,
        target: target.clone(),
        application,
        application_name: row.application_name.clone(),
        name: row.name.clone(),
        id: row.id,
    };
    // While a place is away its copies wait.
    let Ok(place) = control.place_of(row.cluster) else {
        return Ok(());
    };
    let state = match place.copy_volume(&copy).await {
        Ok(state) => state,
        Err(RuntimeError::Refused(problem))
            if !problem.is(problem::ENGINE_MISSING) && !problem.is(problem::ENGINE_FOREIGN) =>
        {
            CopyState::Failed { problem }
        }
        Err(RuntimeError::NotFound { what }) => CopyState::Failed {
            problem: RuntimeError::NotFound { what }.into_problem(),
        },
        // The node or the engine is away: the copy goes on, or will.
        Err(_) => return Ok(()),
    };
    match state {
        CopyState::Running(copied) => {
            crash::point("copy");
            let note = format!("{} of {}", size(copied.bytes), size(copied.of_bytes));
            let now = clock::now();
            let edit = |operation: &mut Operation| {
                operation.begin(StepName::Copy, now);
                operation.step_mut(StepName::Copy).note.clone_from(&note);
            };
            store.update_operation(filling, edit).await?;
        }
        CopyState::Done(copied) => {
            crash::point("copied");
            place
                .end_copy(target, true)
                .await
                .map_err(RuntimeError::into_problem)?;
            let note = said(&copied, source.name.as_str());
            let now = clock::now();
            let edit = |operation: &mut Operation| operation.finish(StepName::Copy, &note, now);
            store.finish_copy(row.id, copied.bytes, edit).await?;
        }
        CopyState::Failed { problem } => {
            abandon(control, row, target, failed(problem)).await?;
        }
    }
    Ok(())
}

fn said(copied: &Copied, source: &str) -> String {
    let noun = if copied.files == 1 { "file" } else { "files" };
    let mut note = format!("{} in {} {noun}", size(copied.bytes), copied.files);
    if copied.left_out > 0 {
        note.push_str(&format!(
            "; {} left out: sockets, devices, or gone from {source} meanwhile",
            copied.left_out
        ));
    }
    note
}

/// Nothing of the copy stays: first on the engine, then here, so that what is cut off in between is found again.
async fn abandon(
    control: &Control,
    row: &VolumeRow,
    target: &str,
    outcome: Outcome,
) -> Result<(), Problem> {
    let place = control.place_of(row.cluster)?;
    let ended = place.end_copy(target, false).await;
    ended.map_err(RuntimeError::into_problem)?;
    control.inner.store.abandon_copy(row.id, &outcome).await?;
    Ok(())
}

/// Ends a deleted volume: its data first, then its row; killed in between, it is done again.
async fn end(control: &Control, row: &VolumeRow, actor: &str) -> Result<(), Problem> {
    let place = control.place_of(row.cluster)?;
    let kept = place
        .volumes(Scope::All)
        .await
        .map_err(RuntimeError::into_problem)?;
    for volume in kept
        .iter()
        .filter(|v| Some(&v.handle) == row.handle.as_ref())
    {
        place
            .delete_volume(volume.application, &volume.handle)
            .await
            .map_err(RuntimeError::into_problem)?;
    }
    crash::point("volume-end");
    control.inner.places.free();
    match control
        .inner
        .store
        .forget_volume(row.team, row.id, actor)
        .await
    {
        Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
