//! One container with every choice made: the component's own, a sidecar's or an init step's.

use indexmap::IndexMap;
use pluvio_model::name::{EnvName, Name};
use pluvio_model::problem::{Problem, SPEC_CONFLICT, SPEC_UNSUPPORTED};
use pluvio_model::release::{DecidedContainer, DecidedFile, DecidedMount, DecidedProbes};
use pluvio_model::spec::{
    AbsolutePath, Command, ContainerOptions, CpuRange, FileMode, FileSpec, HostOptions,
    MemoryRange, Resources, VolumeKind,
};
use pluvio_model::template::Rendered;

use super::environment::Environments;
use super::images::{Image, Program};

/// Processes in a container when nothing else is asked: enough for any service, too few for a fork bomb.
const PIDS: u32 = 4096;
const MODE: FileMode = FileMode(0o644);

/// What a container is made of, wherever in the specification it stands.
pub(super) struct Parts<'a> {
    pub(super) path: String,
    pub(super) image: &'a Image,
    pub(super) entrypoint: Option<&'a Command>,
    pub(super) command: Option<&'a Command>,
    pub(super) working_dir: Option<&'a AbsolutePath>,
    pub(super) user: Option<&'a String>,
    pub(super) stop_signal: Option<&'a String>,
    pub(super) resources: Option<&'a Resources>,
    pub(super) host: Option<&'a HostOptions>,
    pub(super) options: Option<&'a ContainerOptions>,
    pub(super) env: IndexMap<EnvName, Rendered>,
    pub(super) files: IndexMap<AbsolutePath, DecidedFile>,
    pub(super) mounts: IndexMap<AbsolutePath, DecidedMount>,
    pub(super) probes: DecidedProbes,
}

pub(super) fn decide(parts: Parts, problems: &mut Vec<Problem>) -> DecidedContainer {
    let Resources { cpu, memory, pids } = parts.resources.cloned().unwrap_or_default();
    let CpuRange {
        request: cpu_request,
        limit: cpu_limit,
    } = cpu.unwrap_or_default();
    let MemoryRange {
        request: memory_request,
        limit: memory_limit,
    } = memory.unwrap_or_default();
    let mut above = |what: &str, request: String, limit: String| {
        problems.push(
            SPEC_CONFLICT
                .problem(
                    format!("It asks for {request} of {what} and may have {limit} at most."),
                    "Make the request no larger than the limit.",
                )
                .path(format!("{}.resources.{what}", parts.path)),
        );
    };
    if let (Some(request), Some(limit)) = (cpu_request, cpu_limit)
        && request > limit
    {
        above("cpu", request.to_string(), limit.to_string());
    }
    if let (Some(request), Some(limit)) = (memory_request, memory_limit)
        && request > limit
    {
        above("memory", request.to_string(), limit.to_string());
    }
    let options = options(&parts);
    DecidedContainer {
        image: parts.image.reference.clone(),
        image_id: parts.image.id.clone(),
        entrypoint: parts.entrypoint.map(Command::words),
        command: parts.command.map(Command::words),
        working_dir: parts.working_dir.cloned(),
        user: parts.user.cloned(),
        stop_signal: parts.stop_signal.cloned(),
        env: parts.env,
        files: parts.files,
        mounts: seeded(parts.mounts, parts.image),
        cpu_request,
        cpu_limit,
        memory_request,
        memory_limit,
        pids_limit: pids.unwrap_or(PIDS),
        probes: parts.probes,
        host: parts.host.cloned(),
        options,
        image_user: parts.image.user.clone().filter(|_| parts.user.is_none()),
        named_user: parts.image.inside.number_of(parts.user),
    }
}

/// Marks the volumes that begin with what the image has at their places.
fn seeded(
    mut mounts: IndexMap<AbsolutePath, DecidedMount>,
    image: &Image,
) -> IndexMap<AbsolutePath, DecidedMount> {
    for (target, mount) in &mut mounts {
        let takes = mount.kind == VolumeKind::Disk && !mount.no_copy;
        mount.seed = takes && image.inside.is_filled(target);
    }
    mounts
}

/// A program that will be process 1 itself gets none in front of it: `s6-overlay` and its like refuse to run otherwise.
fn options(parts: &Parts) -> Option<ContainerOptions> {
    let asked = parts.options.cloned();
    let told = asked.as_ref().is_some_and(|options| options.init.is_some());
    if told || !is_init(parts) {
        return asked;
    }
    Some(ContainerOptions {
        init: Some(false),
        ..asked.unwrap_or_default()
    })
}

fn is_init(parts: &Parts) -> bool {
    let words = |command: Option<&Command>| command.map(Command::words).unwrap_or_default();
    let (entrypoint, command) = (words(parts.entrypoint), words(parts.command));
    let first = match &parts.image.program {
        Program::AsBefore { is_init } => return *is_init && entrypoint.is_empty(),
        Program::Words {
            entrypoint: own, ..
        } if entrypoint.is_empty() && !own.is_empty() => own.first(),
        Program::Words { command: own, .. } if entrypoint.is_empty() && command.is_empty() => {
            own.first()
        }
        Program::Words { .. } => entrypoint.first().or(command.first()),
    };
    let name = first.and_then(|word| word.rsplit('/').next());
    const INITS: [&str; 6] = [
        "init",
        // Of images on s6-overlay 2, such as Pi-hole's.
        "s6-init",
        "systemd",
        "s6-svscan",
        "s6-linux-init",
        "runit-init",
    ];
    name.is_some_and(|name| INITS.contains(&name))
}

/// Files of a container: (those that belong to its content, hot ones).
#[derive(Default)]
pub(super) struct Files {
    pub(super) cold: IndexMap<AbsolutePath, DecidedFile>,
    pub(super) hot: IndexMap<AbsolutePath, DecidedFile>,
}

impl Files {
    /// Adds files that stand at `path` (`components.web`, `groups.common`); what is there already stays.
    pub(super) fn add(
        &mut self,
        environments: &mut Environments,
        component: &Name,
        path: &str,
        files: &IndexMap<AbsolutePath, FileSpec>,
    ) {
        for (target, file) in files {
            if self.cold.contains_key(target) || self.hot.contains_key(target) {
                continue;
            }
            let content = if file.raw {
                Rendered::text(file.content.clone())
            } else {
                environments.render(component, &file.content, &format!("{path}.files.{target}"))
            };
            let decided = DecidedFile {
                content,
                mode: file.mode.unwrap_or(MODE),
                reload: file.reload.clone().filter(|_| file.hot),
            };
            let files = if file.hot {
                &mut self.hot
            } else {
                &mut self.cold
            };
            files.insert(target.clone(), decided);
        }
    }

    /// For containers whose files cannot be changed while they run.
    pub(super) fn all_cold(
        self,
        path: &str,
        problems: &mut Vec<Problem>,
    ) -> IndexMap<AbsolutePath, DecidedFile> {
        if let Some(target) = self.hot.keys().next() {
            problems.push(
                SPEC_UNSUPPORTED
                    .problem(
                        format!(
                            "{target} is hot, which only files of the component itself can be."
                        ),
                        "Take `hot` out.",
                    )
                    .path(format!("{path}.files.{target}.hot")),
            );
        }
        self.cold
    }
}
