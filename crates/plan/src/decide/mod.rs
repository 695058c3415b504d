//! Revision → release: every choice made, by one pure function.
//!
//! Each part of the decision has a file: [`database`] (what a database
//! is made of), [`external`] (what is not run here), [`images`], [`ports`], [`environment`] (the one renderer of `${…}`), [`containers`],
//! [`probes`], [`volumes`], [`rollout`], [`routes`], [`order`]. All problems of a revision are told at once.

mod anonymous;
mod containers;
mod database;
mod environment;
mod external;
mod hooks;
mod images;
mod inside;
mod order;
mod placement;
mod ports;
mod probes;
mod rollout;
mod routes;
mod volumes;

pub use database::refuse_other_data;
pub(crate) use database::{mount_data, volume as database_volume};
pub use images::{
    ImageNeed, images_in_order, images_inherited, images_needed, other_images_needed,
};
pub use inside::{LookedFor, asked_inside, named_users};
pub use placement::is_out_of_use;
pub use volumes::volume_of;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use indexmap::IndexMap;
use pluvio_model::facts::{DecideFacts, ImageAtHand, RuntimeKind};
use pluvio_model::id::VolumeId;
use pluvio_model::image::ContentHash;
use pluvio_model::name::{EnvName, Name};
use pluvio_model::problem::{
    Problem, SOURCE_MISSING, SPEC_INVALID, SPEC_UNKNOWN_REFERENCE, SPEC_UNSUPPORTED,
};
use pluvio_model::quantity::Span;
use pluvio_model::release::{
    Content, DecidedComponent, DecidedContainer, DecidedNetwork, DecidedTask, Release,
};
use pluvio_model::revision::{Origin, Revision};
use pluvio_model::spec::{
    AppSpec, BackupSpec, ComponentSpec, ContainerOptions, ContainerSpec, Kind, ScheduleIn,
    ScheduleSpec, default_network,
};
use pluvio_model::template::Rendered;

use crate::schedule::{InvalidSchedule, Schedule};
use containers::{Files, Parts};
use environment::Environments;
use images::Image;
use ports::Ports;
use volumes::Volumes;

/// How long a release task may take when nothing is said.
const TASK_TIMEOUT: Span = Span::seconds(600);

/// Decides a revision: images, ports, environment, probes, rollout, volumes, routes, order. `parent` is the release that is the
/// target now. `volume_ids` yields fresh ids for volumes that are new.
///
/// All problems are told at once, each with the path of keys where it is. What the runtime of `facts` cannot do is among them.
pub fn decide(
    revision: &Revision,
    parent: Option<&Release>,
    facts: &DecideFacts,
    volume_ids: &mut dyn Iterator<Item = VolumeId>,
) -> Result<Release, Vec<Problem>> {
    let mut problems = Vec::new();
    // From here on a database is a component like any other.
    let spec = &database::expand(&revision.spec, &mut problems);
    problems.extend(parent.and_then(|parent| refuse_other_data(spec, parent).err()));
    if spec.components.is_empty() {
        let remedy = "Name at least one component with an `image` or a `source`.";
        problems.push(
            SOURCE_MISSING
                .problem(format!("{} has no components.", spec.name), remedy)
                .path("components"),
        );
    }
    let mut all_images: IndexMap<&Name, Image> = IndexMap::new();
    let mut all_ports: IndexMap<Name, Ports> = IndexMap::new();
    let dialled = crate::openings::dialled_by_others(spec);
    for (name, component) in &spec.components {
        if images::has_container(component.kind) {
            match images::of_component(name, component, parent, facts) {
                Ok(image) => {
                    all_images.insert(name, image);
                }
                Err(problem) => problems.push(problem),
            }
        } else if component.kind != Kind::External {
            problems.push(unsupported_kind(name, component.kind));
        }
        let image = all_images.get(name);
        let mut opened = crate::openings::told_to_listen(component, spec);
        opened.extend(dialled.get(name).into_iter().flatten());
        let ports = ports::decide(name, component, image, &opened, &mut problems);
        all_ports.insert(name.clone(), ports);
    }
    let spec = &*anonymous::expand(spec, &all_images, parent, facts);
    rollout::refuse_taken_names(spec, &mut problems);
    let after = order::decide(spec, &mut problems);
    let mut deciding = Deciding {
        spec,
        parent,
        facts,
        origin: &revision.origin,
        ports: &all_ports,
        dialled: &dialled,
        environments: Environments::new(spec, facts, &all_ports),
        volumes: Volumes::new(parent, facts, volume_ids),
        problems,
    };
    let mut components = IndexMap::new();
    let mut externals = IndexMap::new();
    for (name, component) in &spec.components {
        if component.kind == Kind::External {
            let ports = &all_ports[name];
            let decided = external::decide(name, component, ports, &mut deciding.problems);
            externals.extend(decided.map(|decided| (name.clone(), decided)));
            continue;
        }
        let after = after.get(name).cloned().unwrap_or_default();
        // Without an image, the rest is decided all the same: its problems are told with the others.
        let image = all_images.get(name);
        if let Some(decided) = deciding.component(name, component, image, after) {
            components.insert(name.clone(), decided);
        }
    }
    let volumes = deciding.volumes.decided;
    let mut problems = deciding.problems;
    problems.append(&mut deciding.environments.problems);
    let routes = routes::decide(spec, &all_ports, facts, &mut problems);
    database::keep_identity(&components, parent, &mut problems);
    let release = Release {
        application: revision.application,
        application_name: spec.name.clone(),
        team: facts.team.clone(),
        environment: facts.environment.clone(),
        number: revision.number,
        parent: parent.map(|parent| parent.number),
        components,
        externals,
        volumes,
        networks: spec
            .networks
            .iter()
            .map(|(name, network)| {
                let network = DecidedNetwork {
                    internal: network.internal,
                    shared: network.shared.clone(),
                };
                (name.clone(), network)
            })
            .collect(),
        routes: routes.routes,
        urls: routes.urls,
        objects: spec.objects.clone(),
    };
    if !matches!(
        revision.origin,
        Origin::Rollback { .. } | Origin::Restart { .. }
    ) {
        let is_looked_at =
            |name: &Name| facts.images.get(name).is_none_or(ImageAtHand::is_looked_at);
        let found = crate::openings::of_release(spec, &release, parent, &is_looked_at);
        problems.extend(found);
    }
    match facts.runtime.runtime {
        RuntimeKind::Kubernetes => {}
        RuntimeKind::Docker | RuntimeKind::Podman | RuntimeKind::Memory => {
            let all: Vec<&DecidedComponent> = release.components.values().collect();
            problems.extend(crate::lower::engine::unsupported(
                &release,
                &all,
                &facts.runtime,
            ));
        }
    }
    if problems.is_empty() {
        Ok(release)
    } else {
        Err(each_once(problems))
    }
}

/// A value that several places read tells of its problem in each of them.
fn each_once(problems: Vec<Problem>) -> Vec<Problem> {
    let mut told = HashSet::new();
    problems
        .into_iter()
        .filter(|problem| {
            let path = problem.at.as_ref().map(|at| at.path.clone());
            told.insert((problem.code.clone(), problem.cause.clone(), path))
        })
        .collect()
}

struct Deciding<'a> {
    spec: &'a AppSpec,
    parent: Option<&'a Release>,
    facts: &'a DecideFacts,
    /// A restart makes new instances of what it names.
    origin: &'a Origin,
    ports: &'a IndexMap<Name, Ports>,
    /// The ports at which others' texts name a component.
    dialled: &'a BTreeMap<&'a Name, BTreeSet<u16>>,
    environments: Environments<'a>,
    volumes: Volumes<'a>,
    problems: Vec<Problem>,
}

impl Deciding<'_> {
    fn component(
        &mut self,
        name: &Name,
        component: &ComponentSpec,
        image: Option<&Image>,
        after: Vec<Name>,
    ) -> Option<DecidedComponent> {
        let path = format!("components.{name}");
        self.references(name, component);
        let env = self.environments.render_all(name);
        let mut files = Files::default();
        files.add(&mut self.environments, name, &path, &component.files);
        for group in &component.groups {
            if let Some(found) = self.spec.groups.get(group) {
                let path = format!("groups.{group}");
                files.add(&mut self.environments, name, &path, &found.files);
            }
        }
        let mounts = self
            .volumes
            .mounts(name, &path, &component.volumes, &mut self.problems);
        let ports = &self.ports[name];
        let probes = probes::decide(
            &path,
            component.probes.as_ref(),
            ports,
            ports::open(component, ports, self.dialled.get(name)),
            &mut self.problems,
        );
        let rollout = rollout::decide(name, component, &mut self.problems);
        let sidecars = self.further(name, "sidecars", &component.sidecars, ports, image);
        let init = self.further(name, "init", &component.init, ports, image);
        if component.kind == Kind::Stateful {
            let count = rollout::most(component);
            self.volumes.one_for_each(name, count, &mut self.problems);
        }
        let image = image?;
        let own_user = match self.facts.runtime.runtime {
            RuntimeKind::Kubernetes => database::user(component, image.user.as_deref()),
            _ => None,
        };
        let options = self.options(name, component);
        let main = containers::decide(
            Parts {
                path,
                image,
                entrypoint: component.entrypoint.as_ref(),
                command: component.command.as_ref(),
                working_dir: component.working_dir.as_ref(),
                user: component.user.as_ref().or(own_user.as_ref()),
                stop_signal: component.stop_signal.as_ref(),
                resources: component.resources.as_ref(),
                host: component.host.as_ref(),
                options: options.as_ref(),
                env,
                files: files.cold,
                mounts,
                probes,
            },
            &mut self.problems,
        );
        let before = self.parent.and_then(|parent| parent.components.get(name));
        let restarts = before.map_or(0, |before| before.content.restarts);
        let hooks = self.hooks(name, component);
        let content = Content {
            hooks,
            release_task: component.release.as_ref().map(|task| {
                let command = task.command.words();
                let hash =
                    ContentHash::of(&(name, &main.image_id, &command, &main.env, &main.files));
                DecidedTask {
                    command,
                    timeout: task.timeout.unwrap_or(TASK_TIMEOUT),
                    hash,
                }
            }),
            main,
            sidecars,
            init,
            ports: ports.clone(),
            publish: component.publish.clone(),
            networks: component.networks.clone(),
            offline: component.offline,
            internal_networks: self.internal_networks(component),
            aliases: component.aliases.clone(),
            network_aliases: component.network_aliases.clone(),
            extra_hosts: component.extra_hosts.clone(),
            labels: component.labels.clone(),
            node_labels: component
                .placement
                .as_ref()
                .map(|placement| placement.node_labels.clone())
                .unwrap_or_default(),
            placement: placement::decide(component),
            restart: component.restart.unwrap_or_default(),
            patch: component.patch.clone(),
            // A restart is not a reason to run a job again.
            restarts: match component.kind {
                Kind::Job | Kind::Cron => 0,
                _ => restarts + u64::from(self.restarts(name)),
            },
        };
        let (content, hash) = as_it_runs(content, before);
        Some(DecidedComponent {
            name: name.clone(),
            kind: component.kind,
            hash,
            content,
            instances: rollout::instances(component),
            scale: component.scale.clone(),
            rollout,
            hot_files: files.hot,
            after,
            schedule: component.schedule.as_ref().map(schedule),
            once: (component.kind == Kind::Job && component.once)
                .then(|| ContentHash::of(&(name, "once"))),
            database: component.database(),
            backups: component.backups.as_ref().map(BackupSpec::decided),
            build: image.built.clone(),
        })
    }

    fn restarts(&self, name: &Name) -> bool {
        match self.origin {
            Origin::Restart { components } => components.is_empty() || components.contains(name),
            _ => false,
        }
    }

    /// Its options; on a cluster, where a Service leads to ready pods only, what others described has its own name as its host
    /// name, by which it reaches itself before that. A node sees to it on an engine.
    fn options(&self, name: &Name, component: &ComponentSpec) -> Option<ContainerOptions> {
        let options = component.options.clone();
        let is_cluster = self.facts.runtime.runtime == RuntimeKind::Kubernetes;
        let on_host = component.host.as_ref().is_some_and(|host| host.network);
        let alone = component.kind == Kind::Service && rollout::most(component) <= 1;
        if !component.image_ports || !is_cluster || on_host || !alone {
            return options;
        }
        let mut options = options.unwrap_or_default();
        options.hostname.get_or_insert_with(|| name.to_string());
        Some(options)
    }

    /// Sidecars or init steps.
    fn further(
        &mut self,
        name: &Name,
        what: &str,
        containers: &IndexMap<Name, ContainerSpec>,
        ports: &Ports,
        own: Option<&Image>,
    ) -> IndexMap<Name, DecidedContainer> {
        let mut decided = IndexMap::new();
        for (each, container) in containers {
            let path = format!("components.{name}.{what}.{each}");
            let env: IndexMap<EnvName, Rendered> = container
                .env
                .iter()
                .map(|(key, value)| {
                    let at = format!("{path}.env.{key}");
                    (key.clone(), self.environments.render(name, &value.0, &at))
                })
                .collect();
            let mut files = Files::default();
            let mut beside = self.environments.with(name, &env);
            files.add(&mut beside, name, &path, &container.files);
            self.environments.problems.append(&mut beside.problems);
            let files = files.all_cold(&path, &mut self.problems);
            let mounts = self
                .volumes
                .mounts(name, &path, &container.volumes, &mut self.problems);
            let probes = probes::decide(
                &path,
                container.probes.as_ref(),
                // One network: a port of the component may be a sidecar's to listen on.
                ports,
                None,
                &mut self.problems,
            );
            let image = match &container.image {
                Some(reference) => {
                    let before = self.parent.and_then(|parent| parent.components.get(name));
                    let before = before.and_then(|before| match what {
                        "init" => before.content.init.get(each),
                        _ => before.content.sidecars.get(each),
                    });
                    match images::of_other(reference, &path, self.parent, before, self.facts) {
                        Ok(image) => Some(image),
                        Err(problem) => {
                            self.problems.push(problem);
                            None
                        }
                    }
                }
                None => None,
            };
            // Without an image of its own it is another program of the component's.
            let Some(image) = image.as_ref().or(own.filter(|_| container.image.is_none())) else {
                continue;
            };
            let parts = Parts {
                path,
                image,
                entrypoint: container.entrypoint.as_ref(),
                command: container.command.as_ref(),
                working_dir: container.working_dir.as_ref(),
                user: container.user.as_ref(),
                stop_signal: container.stop_signal.as_ref(),
                resources: container.resources.as_ref(),
                host: container.host.as_ref(),
                options: container.options.as_ref(),
                env,
                files,
                mounts,
                probes,
            };
            decided.insert(each.clone(), containers::decide(parts, &mut self.problems));
        }
        decided
    }

    fn internal_networks(&self, component: &ComponentSpec) -> Vec<Name> {
        let own = default_network();
        let joined = component.networks.iter();
        let own = (component.networks.is_empty() && !component.offline).then_some(&own);
        let internal = |name: &&Name| self.spec.networks.get(*name).is_some_and(|n| n.internal);
        joined.chain(own).filter(internal).cloned().collect()
    }

    /// Names of networks and ports that the component refers to, and kinds that need something said.
    fn references(&mut self, name: &Name, component: &ComponentSpec) {
        for (index, network) in component.networks.iter().enumerate() {
            if !self.spec.networks.contains_key(network) && *network != default_network() {
                self.problems.push(
                    SPEC_UNKNOWN_REFERENCE
                        .problem(
                            format!(
                                "{name} joins the network {network}, and there is no such network."
                            ),
                            format!("Declare it: `networks: {{ {network}: {{}} }}`."),
                        )
                        .path(format!("components.{name}.networks.{index}")),
                );
            }
        }
        for (index, publish) in component.publish.iter().enumerate() {
            if ports::number(&self.ports[name], &publish.port).is_none() {
                self.problems.push(
                    SPEC_UNKNOWN_REFERENCE
                        .problem(
                            format!("{name} publishes a port that it does not have."),
                            "Declare it under `ports`, or write its number.",
                        )
                        .path(format!("components.{name}.publish.{index}.port")),
                );
            }
        }
        if component.kind == Kind::Cron && component.schedule.is_none() {
            self.problems.push(
                SPEC_INVALID
                    .problem(
                        format!("{name} runs on a schedule, and has none."),
                        "Write when it runs: `schedule: \"0 3 * * *\"`.",
                    )
                    .path(format!("components.{name}.schedule")),
            );
        }
        if let Some(asked) = &component.schedule {
            let path = format!("components.{name}.schedule");
            let wrong = wrong_schedule(name, component.kind == Kind::Cron, &schedule(asked), path);
            self.problems.extend(wrong);
        }
        if let Some(asked) = &component.backups {
            let path = format!("components.{name}.backups.schedule");
            let wrong = wrong_schedule(name, true, &asked.schedule(), path);
            self.problems.extend(wrong);
        }
        self.problems
            .extend(placement::wrong(self.spec, name, component));
    }
}

/// Schedules that are none, or that nothing runs by: told before anything is built.
pub fn wrong_schedules(spec: &AppSpec) -> Vec<Problem> {
    let mut found = Vec::new();
    for (name, component) in &spec.components {
        if let Some(asked) = &component.schedule {
            let path = format!("components.{name}.schedule");
            let may = component.kind == Kind::Cron;
            found.extend(wrong_schedule(name, may, &schedule(asked), path));
        }
        if let Some(asked) = &component.backups {
            let path = format!("components.{name}.backups.schedule");
            found.extend(wrong_schedule(name, true, &asked.schedule(), path));
        }
        let times = component.scale.iter().flat_map(|scale| &scale.schedule);
        for (index, time) in times.enumerate() {
            let path = format!("components.{name}.scale.schedule[{index}]");
            let asked = ScheduleIn {
                cron: time.cron.clone(),
                time_zone: time.time_zone.clone(),
                overlap: false,
            };
            found.extend(wrong_schedule(name, true, &asked, path));
        }
    }
    found
}

fn wrong_schedule(name: &Name, may: bool, asked: &ScheduleIn, path: String) -> Option<Problem> {
    let (cause, remedy) = match Schedule::new(asked) {
            Ok(_) if may => return None,
            Ok(_) => (
                format!("{name} has a schedule, and is none that runs by one."),
                "Write `kind: cron`, or take `schedule` out.".to_owned(),
            ),
            Err(InvalidSchedule::Cron(why)) => (
                format!("The schedule `{}` of {name} is none: {why}.", asked.cron),
                "Write five fields: minute, hour, day of the month, month, day of the week; `0 3 * * *` is every day at three.".to_owned(),
            ),
            Err(InvalidSchedule::TimeZone(zone)) => (
                format!("{name} runs by the time zone {zone}, which is not known."),
                "Write a name of the IANA time zone database, such as `Europe/Berlin` or `Asia/Shanghai`.".to_owned(),
            ),
            Err(InvalidSchedule::Never) => (
                format!("The schedule `{}` of {name} never fires: there is no such day.", asked.cron),
                "Correct the day of the month or the month.".to_owned(),
            ),
        };
    Some(SPEC_INVALID.problem(cause, remedy).path(path))
}

fn schedule(schedule: &ScheduleSpec) -> ScheduleIn {
    match schedule {
        ScheduleSpec::In(schedule) => schedule.clone(),
        ScheduleSpec::Cron(cron) => ScheduleIn {
            cron: cron.clone(),
            time_zone: None,
            overlap: false,
        },
    }
}

/// What shows that it is ready where nobody said so is no reason to replace what runs: it follows from others' texts as well.
fn as_it_runs(content: Content, before: Option<&DecidedComponent>) -> (Content, ContentHash) {
    let hash = ContentHash::of(&content);
    let implied = |content: &Content| {
        let ready = content.main.probes.ready.as_ref();
        ready.is_some_and(|ready| ready.check.is_implied())
    };
    let Some(before) = before.filter(|before| before.hash != hash) else {
        return (content, hash);
    };
    if implied(&content) && implied(&before.content) {
        let mut same = content.clone();
        let ready = &mut same.main.probes.ready;
        ready.clone_from(&before.content.main.probes.ready);
        if ContentHash::of(&same) == before.hash {
            return (same, before.hash.clone());
        }
    }
    (content, hash)
}

fn unsupported_kind(name: &Name, kind: Kind) -> Problem {
    debug_assert_eq!(kind, Kind::Vm);
    SPEC_UNSUPPORTED
        .problem(
            format!("A virtual machine cannot be run by this version; {name} is one."),
            "Take it out, or run its program in a container.",
        )
        .path(format!("components.{name}.kind"))
}

#[cfg(test)]
mod tests;
