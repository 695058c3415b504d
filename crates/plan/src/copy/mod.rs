//! A copy of an application: another one, in another environment, that differs only in what a table shown before says.
//!
//! [`copy`] gives the specification and what is pinned: images by what they really are, so that nothing is built or pulled
//! again. The specification is decided like any other; [`table`] then says what differs, key by key.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use pluvio_model::image::ImageReference;
use pluvio_model::name::{EnvName, Name, derived};
use pluvio_model::problem::{NOT_FOUND, Problem, REQUEST_INVALID, SPEC_INVALID};
use pluvio_model::release::Release;
use pluvio_model::route::{HostPattern, Route};
use pluvio_model::spec::{AppSpec, ComponentSpec, RouteSpec, SourceSpec, password_secret};
use serde::{Deserialize, Serialize};

use crate::rollback::{PinnedImage, pin};

/// What is copied.
#[derive(Debug, Clone, Copy)]
pub struct Original<'a> {
    pub spec: &'a AppSpec,
    pub release: &'a Release,
    /// The secrets that have a value.
    pub secrets: &'a BTreeSet<EnvName>,
    /// Components that have no instances now: what they keep does not change while it is copied.
    pub at_rest: &'a BTreeSet<Name>,
    /// What volumes really take, where that was measured.
    pub sizes: &'a BTreeMap<Name, u64>,
}

/// What shall be otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    pub instances: BTreeMap<Name, u32>,
    /// Hosts by those that the original says.
    pub hosts: BTreeMap<String, HostPattern>,
    pub images: BTreeMap<Name, ImageReference>,
    /// Branches, tags or commits of Git sources.
    pub references: BTreeMap<Name, String>,
    pub data: Data,
    /// Secrets whose values are given with the copy.
    pub given: BTreeSet<EnvName>,
    /// Take the values of secrets that were set by hand along.
    pub copy_secrets: bool,
}

/// Which volumes and databases begin with the original's data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Data {
    #[default]
    Empty,
    /// Every volume that is not a database's.
    Volumes,
    All,
    /// These volumes, and databases by their component.
    Of(BTreeSet<Name>),
}

/// Where the copy is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub team: Name,
    pub environment: Name,
    pub name: Name,
    /// Applications answer at `APP.DOMAIN`.
    pub domain: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    pub spec: AppSpec,
    /// By component; those of which another image or branch is wanted are not in it.
    pub images: IndexMap<Name, PinnedImage>,
    /// Those of sidecars and init steps, by reference.
    pub other_images: IndexMap<String, PinnedImage>,
    /// Every secret that the copy reads, and where its value comes from.
    pub secrets: IndexMap<EnvName, SecretFrom>,
    /// Volumes that begin with the original's data.
    pub clones: Vec<Name>,
    /// Databases that begin with a dump of the original's: one at work has no files that could be copied as of one moment.
    pub restores: Vec<Name>,
    /// Databases of which the volumes are cloned, because they are stopped.
    pub still: Vec<Name>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretFrom {
    /// Made anew.
    Generated,
    Given,
    /// The original's value.
    Copied,
    /// Set by hand in the original, and neither given nor to be copied.
    Missing,
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub what: What,
    /// The component, the volume or the secret.
    pub about: String,
    /// The key of the specification that differs; empty where none does.
    pub path: String,
    pub before: String,
    pub after: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    Name,
    Host,
    Instances,
    Image,
    Branch,
    MachinePort,
    Volume,
    Database,
    Secret,
}

/// The specification of the copy, and what it takes along.
pub fn copy(from: &Original, wishes: &Wishes, place: &Place) -> Result<Copy, Problem> {
    known_components(from, wishes)?;
    let mut spec = from.spec.clone();
    spec.name = place.name.clone();
    let main = main_component(from.release);
    let mut used_hosts = BTreeSet::new();
    for (name, component) in &mut spec.components {
        if let Some(instances) = wishes.instances.get(name) {
            component.instances = Some(*instances);
        }
        if let Some(image) = wishes.images.get(name) {
            component.image = Some(image.clone());
            component.source = None;
            component.build = None;
        }
        if let Some(reference) = wishes.references.get(name) {
            match &mut component.source {
                Some(SourceSpec::Git(git)) => git.reference = Some(reference.clone()),
                _ => {
                    return Err(REQUEST_INVALID.problem(
                        format!("{name} is not built from a Git repository; it has no branch."),
                        "Leave its branch out; `pluvio deploy` into the copy brings other source.",
                    ));
                }
            }
        }
        let own_host = (main.as_ref() != Some(name)).then(|| own_host(name, place));
        hosts(component, wishes, own_host, &mut used_hosts)?;
        // A port of the machine is taken by the original.
        component.publish.clear();
    }
    for host in wishes.hosts.keys() {
        if !used_hosts.contains(host) {
            return Err(NOT_FOUND.problem(
                format!("{} has no route for the host {host}.", from.spec.name),
                "`pluvio route` lists its routes. A default host needs no other: it follows from the names.",
            ));
        }
    }
    let mut pins = pin(&spec, from.release)?;
    pins.images.retain(|name, _| {
        !wishes.images.contains_key(name) && !wishes.references.contains_key(name)
    });
    let data = data::chosen(from, &wishes.data)?;
    let secrets = secrets(from, &spec, wishes, &data.clones);
    Ok(Copy {
        spec,
        images: pins.images,
        other_images: pins.other_images,
        secrets,
        clones: data.clones,
        restores: data.restores,
        still: data.still,
    })
}

fn known_components(from: &Original, wishes: &Wishes) -> Result<(), Problem> {
    let named = wishes.instances.keys();
    let named = named
        .chain(wishes.images.keys())
        .chain(wishes.references.keys());
    for name in named {
        if !from.spec.components.contains_key(name) {
            let names: Vec<&str> = from.spec.components.keys().map(Name::as_str).collect();
            return Err(NOT_FOUND.problem(
                format!("{} has no component {name}.", from.spec.name),
                format!("Its components are: {}.", names.join(", ")),
            ));
        }
    }
    Ok(())
}

/// The component at the application's own host.
fn main_component(release: &Release) -> Option<Name> {
    let backend = release.routes.first()?.backends.first()?;
    backend.backend.component().as_str().parse().ok()
}

fn own_host(component: &Name, place: &Place) -> String {
    let parts = [
        component.as_str(),
        place.name.as_str(),
        place.environment.as_str(),
        place.team.as_str(),
    ];
    format!("{}.{}", derived(&parts), place.domain)
}

/// Hosts that a route names belong to the original: the copy answers at its default host, or where a wish says.
fn hosts(
    component: &mut ComponentSpec,
    wishes: &Wishes,
    own: Option<String>,
    used: &mut BTreeSet<String>,
) -> Result<(), Problem> {
    let Some(routes) = &mut component.routes else {
        return Ok(());
    };
    let mut kept: Vec<RouteSpec> = Vec::new();
    for route in routes.iter() {
        let mut route = route.clone();
        if let Some(host) = &route.host {
            let text = host.to_string();
            route.host = match (wishes.hosts.get(&text), &own) {
                (Some(wished), _) => Some(wished.clone()),
                (None, Some(own)) => Some(own.parse().map_err(|error| {
                    SPEC_INVALID.problem(
                        format!("{own} cannot be a host: {error}."),
                        format!("Say which host takes the place of {text}."),
                    )
                })?),
                (None, None) => None,
            };
            used.insert(text);
        }
        // Two hosts of one component become the same one.
        if !kept.contains(&route) {
            kept.push(route);
        }
    }
    *routes = kept;
    Ok(())
}

fn secrets(
    from: &Original,
    spec: &AppSpec,
    wishes: &Wishes,
    clones: &[Name],
) -> IndexMap<EnvName, SecretFrom> {
    let declared = spec.all_secrets();
    // One that was declared and never had a value is missing in neither.
    let mut names: Vec<EnvName> = declared
        .iter()
        .filter(|(name, rule)| rule.generate || from.secrets.contains(*name))
        .map(|(name, _)| name.clone())
        .collect();
    names.extend(from.release.secrets().into_iter().map(|secret| secret.name));
    names.extend(
        spec.components
            .values()
            .flat_map(|component| component.build.iter())
            .flat_map(|build| build.secret_names().into_iter().cloned()),
    );
    names.extend(wishes.given.iter().cloned());
    // A server knows the password that its data were made with and no other.
    let of_data: BTreeSet<EnvName> = spec
        .components
        .iter()
        .filter(|(name, component)| {
            component.database().is_some()
                && from
                    .release
                    .components
                    .get(*name)
                    .into_iter()
                    .flat_map(|decided| decided.content.main.mounts.values())
                    .any(|mount| mount.volume.as_ref().is_some_and(|v| clones.contains(v)))
        })
        .map(|(name, _)| password_secret(name))
        .collect();
    let mut all = IndexMap::new();
    for name in names {
        let generated = declared.get(&name).is_some_and(|rule| rule.generate);
        let there = from.secrets.contains(&name);
        let origin = if wishes.given.contains(&name) {
            SecretFrom::Given
        } else if of_data.contains(&name) && there {
            SecretFrom::Copied
        } else if generated {
            SecretFrom::Generated
        } else if there && wishes.copy_secrets {
            SecretFrom::Copied
        } else {
            SecretFrom::Missing
        };
        all.entry(name).or_insert(origin);
    }
    all
}

/// Everything in which the copy differs. `decided`: its release.
pub fn table(from: &Original, copy: &Copy, place: &Place, decided: &Release) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |what, about: &str, path: String, before: String, after: String| {
        rows.push(Row {
            what,
            about: about.to_owned(),
            path,
            before,
            after,
        });
    };
    let original = from.release;
    row(
        What::Name,
        place.name.as_str(),
        match place.name == from.spec.name {
            true => String::new(),
            false => "name".to_owned(),
        },
        format!("{}/{}", original.environment, original.application_name),
        format!("{}/{}", place.environment, place.name),
    );
    for (name, component) in &copy.spec.components {
        let before = &from.spec.components[name];
        let (old, new) = (
            hosts_of(&original.routes, name),
            hosts_of(&decided.routes, name),
        );
        if old != new {
            let path = match before.routes == component.routes {
                true => String::new(),
                false => format!("components.{name}.routes"),
            };
            row(
                What::Host,
                name.as_str(),
                path,
                old.join(", "),
                new.join(", "),
            );
        }
        if before.instances != component.instances {
            let count = |count: Option<u32>| count.unwrap_or(1).to_string();
            row(
                What::Instances,
                name.as_str(),
                format!("components.{name}.instances"),
                count(before.instances),
                count(component.instances),
            );
        }
        if before.image != component.image {
            let shown = |spec: &ComponentSpec| match (&spec.image, &spec.source) {
                (Some(image), _) => image.to_string(),
                (None, Some(_)) => "built from source".to_owned(),
                (None, None) => String::new(),
            };
            row(
                What::Image,
                name.as_str(),
                format!("components.{name}"),
                shown(before),
                shown(component),
            );
        } else if before.source != component.source {
            let shown = |spec: &ComponentSpec| match &spec.source {
                Some(SourceSpec::Git(git)) => git
                    .reference
                    .clone()
                    .unwrap_or_else(|| "default branch".to_owned()),
                _ => String::new(),
            };
            row(
                What::Branch,
                name.as_str(),
                format!("components.{name}.source"),
                shown(before),
                shown(component),
            );
        }
        if before.publish != component.publish {
            let ports: Vec<String> = before.publish.iter().map(|p| p.host.to_string()).collect();
            row(
                What::MachinePort,
                name.as_str(),
                format!("components.{name}.publish"),
                ports.join(", "),
                "not published".to_owned(),
            );
        }
    }
    for (what, name, before, after) in data::rows(from, copy) {
        row(what, &name, String::new(), before, after);
    }
    for (name, origin) in &copy.secrets {
        let after = match origin {
            SecretFrom::Generated => "new",
            SecretFrom::Given => "as given",
            SecretFrom::Copied => "copied",
            SecretFrom::Missing => "missing",
        };
        let before = match from.secrets.contains(name) {
            true => "set",
            false => "",
        };
        row(
            What::Secret,
            name.as_str(),
            String::new(),
            before.to_owned(),
            after.to_owned(),
        );
    }
    rows
}

fn hosts_of(routes: &[Route], component: &Name) -> Vec<String> {
    let mut hosts: Vec<String> = routes
        .iter()
        .filter(|route| {
            route
                .backends
                .iter()
                .any(|backend| backend.backend.component().as_str() == component.as_str())
        })
        .flat_map(|route| route.hosts.iter().map(ToString::to_string))
        .collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

/// What may not be what is wanted: data that are copied while they change, variables that name a host of the original and come
/// along as they are.
pub fn notes(from: &Original, copy: &Copy, decided: &Release) -> Vec<String> {
    let hosts: BTreeSet<String> = from
        .release
        .routes
        .iter()
        .flat_map(|route| route.hosts.iter().map(ToString::to_string))
        .collect();
    let kept: BTreeSet<String> = decided
        .routes
        .iter()
        .flat_map(|route| route.hosts.iter().map(ToString::to_string))
        .collect();
    let mut notes = data::notes(from, copy);
    for (name, component) in &copy.spec.components {
        for (key, value) in &component.env {
            let named = hosts
                .difference(&kept)
                .find(|host| value.0.contains(host.as_str()));
            if let Some(host) = named {
                notes.push(format!(
                    "{key} of {name} names {host}, which stays the original's: set it in the copy where that is wrong."
                ));
            }
        }
    }
    notes
}

mod data;
#[cfg(test)]
mod tests;
