//! What a copy's volumes and databases begin with.
//!
//! A volume's files are copied one after the other, which is a copy of one moment only while nothing writes. A database that is
//! at work is never copied so: it is dumped, which is of one moment, and the dump restored into the copy's own. One that is
//! stopped has its volume copied, and with it the password that its data were made with.

use std::collections::{BTreeMap, BTreeSet};

use pluvio_model::name::Name;
use pluvio_model::problem::{NOT_FOUND, Problem, SPEC_CONFLICT};
use pluvio_model::quantity::size;
use pluvio_model::release::{DecidedComponent, Release};
use pluvio_model::spec::EngineVolume;

use super::{Copy, Data, Original, What};

/// What comes along, and how.
pub(super) struct Chosen {
    pub(super) clones: Vec<Name>,
    pub(super) restores: Vec<Name>,
    pub(super) still: Vec<Name>,
}

pub(super) fn chosen(from: &Original, data: &Data) -> Result<Chosen, Problem> {
    let databases: Vec<&DecidedComponent> = databases(from.release).collect();
    let shared = |one: &&&DecidedComponent| volumes(one).any(|name| is_share(from.release, name));
    if let Some(database) = databases.iter().find(shared) {
        return Err(SPEC_CONFLICT.problem(
            format!("The database {0} has its data on a share, which a copy of {0} would write to as well.", database.name),
            "Give it a volume of its own, without `options`, and copy then.",
        ));
    }
    let of_databases: BTreeSet<&Name> = databases.iter().flat_map(|one| volumes(one)).collect();
    let is_plain = |name: &&Name| !of_databases.contains(name);
    let (names, wanted): (Vec<&Name>, Vec<&DecidedComponent>) = match data {
        Data::Empty => (Vec::new(), Vec::new()),
        Data::Volumes => (
            from.release.volumes.keys().filter(is_plain).collect(),
            Vec::new(),
        ),
        Data::All => (
            from.release.volumes.keys().filter(is_plain).collect(),
            databases,
        ),
        Data::Of(wanted) => {
            let known = |name: &Name| {
                from.release.volumes.contains_key(name)
                    || databases.iter().any(|one| one.name == *name)
            };
            if let Some(unknown) = wanted.iter().find(|name| !known(name)) {
                let all = from.release.volumes.keys().filter(is_plain);
                let names: Vec<&str> = all
                    .chain(databases.iter().map(|one| &one.name))
                    .map(Name::as_str)
                    .collect();
                return Err(NOT_FOUND.problem(
                    format!("{} has no volume or database {unknown}.", from.spec.name),
                    match names.is_empty() {
                        true => "It has none.".to_owned(),
                        false => format!("It has: {}.", names.join(", ")),
                    },
                ));
            }
            // A database's volume means the database.
            let means = |one: &&DecidedComponent| {
                wanted.contains(&one.name) || volumes(one).any(|name| wanted.contains(name))
            };
            let names = from
                .release
                .volumes
                .keys()
                .filter(is_plain)
                .filter(|name| wanted.contains(*name))
                .collect();
            (names, databases.into_iter().filter(means).collect())
        }
    };
    let (still, at_work): (Vec<_>, Vec<_>) = wanted
        .into_iter()
        .partition(|one| from.at_rest.contains(&one.name));
    let files: BTreeSet<&Name> = still.iter().flat_map(|one| volumes(one)).collect();
    let clones = from
        .release
        .volumes
        .keys()
        .filter(|name| names.contains(name) || files.contains(name))
        .filter(|name| !is_share(from.release, name));
    let named = |all: Vec<&DecidedComponent>| all.into_iter().map(|one| one.name.clone()).collect();
    Ok(Chosen {
        clones: clones.cloned().collect(),
        restores: named(at_work),
        still: named(still),
    })
}

fn databases(release: &Release) -> impl Iterator<Item = &DecidedComponent> {
    release
        .components
        .values()
        .filter(|one| one.database.is_some())
}

/// Whether a volume leads to what another one with the same options leads to: there is nothing to clone.
fn is_share(release: &Release, volume: &Name) -> bool {
    let volume = release.volumes.get(volume);
    volume.is_some_and(|volume| volume.options.is_some())
}

/// Those that a component mounts, by name.
fn volumes(component: &DecidedComponent) -> impl Iterator<Item = &Name> {
    let mounts = component.content.mounts();
    mounts.filter_map(|(_, mount)| mount.volume.as_ref())
}

/// The engine's own, and whether anything writes to each.
fn of_the_engine(release: &Release) -> BTreeMap<&EngineVolume, bool> {
    let mut all: BTreeMap<&EngineVolume, bool> = BTreeMap::new();
    let components = release.components.values();
    for (_, mount) in components.flat_map(|component| component.content.mounts()) {
        if let Some(volume) = &mount.host_volume {
            *all.entry(volume).or_default() |= !mount.read_only;
        }
    }
    all
}

/// Whether a volume is the component's: one of several instances has its number behind the name.
fn mounts(component: &DecidedComponent, release: &Release, volume: &Name) -> bool {
    volumes(component).any(|name| {
        name == volume
            || (0..component.instances.max(1)).any(|ordinal| {
                release
                    .volume_of(component, name, ordinal)
                    .is_some_and(|(own, _)| own == volume)
            })
    })
}

/// What happens with each volume and database: what, name, before, after.
pub(super) fn rows(from: &Original, copy: &Copy) -> Vec<(What, String, String, String)> {
    let mut rows = Vec::new();
    let held = |name: &Name| match from.sizes.get(name) {
        Some(bytes) => size(*bytes),
        None => "data".to_owned(),
    };
    for name in from.release.volumes.keys() {
        let database = databases(from.release).find(|one| mounts(one, from.release, name));
        let restored = database.is_some_and(|one| copy.restores.contains(&one.name));
        let after = match (copy.clones.contains(name), restored) {
            (true, _) => "cloned",
            _ if is_share(from.release, name) => "the same share",
            (false, true) => "restored",
            (false, false) => "empty",
        };
        rows.push((What::Volume, name.to_string(), held(name), after.to_owned()));
    }
    for volume in of_the_engine(from.release).into_keys() {
        let (before, after) = ("the machine's own", "the same volume");
        rows.push((
            What::Volume,
            volume.to_string(),
            before.to_owned(),
            after.to_owned(),
        ));
    }
    for database in databases(from.release) {
        let cloned = || volumes(database).any(|name| copy.clones.contains(name));
        let after = match copy.restores.contains(&database.name) {
            true => "restored",
            false if cloned() => "cloned",
            false => "empty",
        };
        let bytes: Option<u64> = volumes(database)
            .map(|name| from.sizes.get(name).copied())
            .sum();
        let before = bytes.map_or_else(|| "data".to_owned(), size);
        rows.push((
            What::Database,
            database.name.to_string(),
            before,
            after.to_owned(),
        ));
    }
    rows
}

pub(super) fn notes(from: &Original, copy: &Copy) -> Vec<String> {
    let mut notes = Vec::new();
    for volume in &copy.clones {
        let users: Vec<&str> = from
            .release
            .components
            .values()
            .filter(|one| !from.at_rest.contains(&one.name) && mounts(one, from.release, volume))
            .map(|one| one.name.as_str())
            .collect();
        if !users.is_empty() {
            notes.push(format!(
                "{volume} is copied while {} may write to it: each file as it is when it is read. For a copy of one moment, stop it first.",
                users.join(", ")
            ));
        }
    }
    for name in from.release.volumes.keys() {
        if is_share(from.release, name) {
            notes.push(format!(
                "{name} of the copy leads to the same share: what one of the two writes is the other's too. Write other `options` in the copy where that is wrong."
            ));
        }
    }
    for (volume, is_written) in of_the_engine(from.release) {
        if is_written {
            notes.push(format!(
                "{volume} is the machine's own volume, and the copy writes to it as well. Name another `hostVolume` in the copy where that is wrong."
            ));
        }
    }
    for database in &copy.restores {
        notes.push(format!(
            "{database} is dumped as it is at one moment, and restored before the other components start. Users that were made beside its own do not come along."
        ));
    }
    notes
}
