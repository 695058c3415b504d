//! From the canonical document to an [`AppSpec`](pluvio_model::spec::AppSpec).
//!
//! A file for each part: [`making`] goes through a service's keys and hands them on; [`program`] (command, environment,
//! health), [`mounts`], [`ports`], [`build`], [`limits`] (resources, options, what reaches beyond). This one has what
//! belongs to the application: names, top-level sections, and what is decided once all services are known.

mod addresses;
mod beside;
mod build;
mod configs;
mod contexts;
mod deploy;
mod followers;
mod hooks;
mod inside;
mod limits;
mod making;
mod memory;
mod mounts;
mod networks;
mod options;
mod ports;
mod program;
mod protocols;
mod relations;
mod take;
mod volumes;
mod whole;
#[cfg(test)]
pub(crate) use making::KEYS as SERVICE_KEYS;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::Ipv4Addr;

use indexmap::IndexMap;
use pluvio_model::image::ImageReference;
use pluvio_model::name::{EnvName, Name};
use pluvio_model::problem;
use pluvio_model::spec::{AppSpec, SecretSpec};

use super::item::{Fields, Item, Map, Place, Taken, Told};
use super::load::{Loader, Variables};
use super::{Import, Surroundings};
use followers::{Follower, texts_of};
use mounts::VolumeOf;
use networks::Joined;
use ports::Published;

pub(crate) struct Input<'i> {
    pub(crate) document: &'i Item,
    /// Wins over the file's own `name`.
    pub(crate) asked: Option<Name>,
    pub(crate) start: Name,
    pub(crate) profiles: Vec<String>,
    pub(crate) variables: &'i Variables,
    /// See [`super::Project::folder`].
    pub(crate) folder: &'i str,
}

pub(crate) struct Convert<'c> {
    around: &'c dyn Surroundings,
    told: Told,
    spec: AppSpec,
    variables: &'c Variables,
    /// Services by the name that the file has for them.
    names: IndexMap<String, Name>,
    volumes: Map,
    /// Our names of volumes.
    volume_names: IndexMap<VolumeOf, Name>,
    configs: Map,
    secrets: Map,
    networks: Map,
    /// The networks that each component is on.
    joined: IndexMap<Name, Joined>,
    used: HashSet<(&'static str, String)>,
    /// What is built without a context is built from here.
    folder: &'c str,
    /// See [`Import::above`].
    above: usize,
    /// Who builds the image that goes by this name in the file.
    built: HashMap<ImageReference, Name>,
    /// Components that name their image, and where.
    named_images: Vec<(Name, Place, String)>,
    /// Services that others await the end of.
    awaited: HashSet<String>,
    secret_values: BTreeMap<String, String>,
    /// Text that files brought in, in bytes.
    taken_along: usize,
    published: IndexMap<Name, Vec<Published>>,
    /// Of which components all is published that their images expose, and where that is said.
    publishes_all: IndexMap<Name, (Place, String)>,
    /// Where each component was written.
    places: HashMap<Name, (Place, String)>,
    /// Ports that a template says people reach.
    routed: Vec<(Name, u16, Place, String)>,
    /// What others' texts name with a port.
    dialled: HashSet<Name>,
    /// Names that links give a component which is made later.
    linked: Vec<(Name, String)>,
    /// Services that share another's network.
    followers: IndexMap<Name, Follower>,
    /// IPv4 addresses that the file writes elsewhere than in what it says of networks.
    addresses: BTreeSet<Ipv4Addr>,
    lenient: bool,
    loader_env: Loader<'c>,
}

pub(crate) fn convert(input: Input<'_>, mut loader: Loader) -> Import {
    let told = std::mem::take(&mut loader.told);
    let mut import = Import::empty(input.start.clone());
    let mut top = Fields::new("", input.document);
    top.path.clear();
    let section = |key: &str| -> Map {
        input
            .document
            .get(key)
            .and_then(Item::as_map)
            .cloned()
            .unwrap_or_default()
    };
    let mut convert = Convert {
        around: loader.around,
        told,
        spec: import.spec,
        variables: input.variables,
        names: IndexMap::new(),
        volumes: section("volumes"),
        volume_names: IndexMap::new(),
        configs: section("configs"),
        secrets: section("secrets"),
        networks: section("networks"),
        joined: IndexMap::new(),
        folder: match input.folder {
            "" => ".",
            folder => folder,
        },
        above: 0,
        built: HashMap::new(),
        named_images: Vec::new(),
        used: HashSet::new(),
        awaited: HashSet::new(),
        secret_values: BTreeMap::new(),
        taken_along: 0,
        published: IndexMap::new(),
        publishes_all: IndexMap::new(),
        places: HashMap::new(),
        routed: Vec::new(),
        dialled: HashSet::new(),
        linked: Vec::new(),
        followers: IndexMap::new(),
        addresses: networks::addresses_named(input.document),
        lenient: loader.lenient,
        loader_env: loader,
    };
    convert.application(&input);
    let settings = std::mem::take(&mut convert.loader_env.settings.all);
    let used = convert.settings_in_use();
    convert.spec.settings = settings
        .into_iter()
        .filter(|(name, _)| used.contains(name))
        .collect();
    convert.declare_made();
    convert.check();
    inside::tell_inside(input.document, &mut convert.told.rows);
    import = Import {
        spec: convert.spec,
        report: convert.told.rows,
        errors: convert.told.errors,
        why: Vec::new(),
        unset: convert.loader_env.left_open(),
        secrets: convert.secret_values,
        above: convert.above,
    };
    import
}

const TOP_KEYS: [&str; 9] = [
    "version", "name", "services", "networks", "volumes", "configs", "secrets", "include", "models",
];

impl Convert<'_> {
    fn application(&mut self, input: &Input) {
        let mut top = Fields::new("", input.document);
        // Paths of the top have no dot in front.
        let strip =
            |mut taken: Taken<'_>| -> (String, Place) { (taken.path.split_off(1), taken.at) };
        if let Some(version) = top.take("version") {
            let (path, at) = strip(version);
            self.told
                .ignored(at, &path, "Compose's versions have no meaning any more.");
        }
        if let Some(name) = top.take("name") {
            let text = name.item.as_text().unwrap_or_default().to_owned();
            let (path, at) = strip(name);
            match (&input.asked, Name::suggest(&text)) {
                (Some(asked), _) if asked.as_str() != text => self.told.adapted(
                    at,
                    &path,
                    format!("The application is called `{asked}`, as asked, instead of `{text}`."),
                ),
                (Some(_), _) => {}
                (None, Some(found)) => {
                    if found.as_str() != text {
                        self.told
                            .adapted(at, &path, format!("`{text}` is called `{found}` here."));
                    }
                    self.spec.name = found;
                }
                (None, None) if text.trim().is_empty() => {
                    self.told
                        .ignored(at, &path, "It is empty and counts as absent.");
                }
                (None, None) => self.told.invalid(
                    at,
                    &path,
                    format!("`{text}` is no name of an application."),
                    "Write letters, digits and dashes.",
                ),
            }
        }
        for key in ["networks", "volumes", "configs", "secrets", "include"] {
            if let Some(taken) = top.take(key)
                && taken.item.as_map().is_none()
            {
                self.told.invalid(
                    taken.at,
                    key,
                    format!("`{key}` is not a map."),
                    "Write each with its name and a colon.",
                );
            }
        }
        if let Some(models) = top.take("models") {
            let (path, at) = strip(models);
            self.told.refused(
                at,
                &path,
                "Models need compose's own runner of models.",
                "Run a model server as a component, and give its address to those that use it.",
            );
        }
        let services = top.take("services");
        let mut unknown = Told {
            files: self.told.files.clone(),
            ..Told::default()
        };
        top.finish(&mut unknown, &TOP_KEYS);
        for mut row in unknown.rows {
            row.at = row.at.trim_start_matches('.').to_owned();
            self.told.rows.push(row);
        }
        let Some(services) = services else {
            self.told.error(
                problem::SOURCE_MISSING,
                input.document.at,
                "services",
                "The file has no services, so there is nothing to run.",
                "Add `services:` with at least one.",
            );
            return;
        };
        let Some(services) = services.item.as_map() else {
            self.told.invalid(
                services.at,
                "services",
                "`services` is not a map.",
                "Write each service with its name and a colon.",
            );
            return;
        };
        let all = services;
        let services = self.selected(services, &input.profiles);
        if services.is_empty() && !all.is_empty() {
            self.none_selected(all);
            return;
        }
        self.name_all(&services);
        self.find_awaited(&services);
        let volumes = std::mem::take(&mut self.volumes);
        self.name_volumes(&volumes);
        self.volumes = volumes;
        for (name, field) in &services {
            self.service(name, &field.item, field.at, &services);
        }
        for (name, alias) in std::mem::take(&mut self.linked) {
            if let Some(component) = self.spec.components.get_mut(&name)
                && !component.aliases.contains(&alias)
            {
                component.aliases.push(alias);
            }
        }
        self.build_what_others_name();
        self.join_leaders();
        self.share_networks();
        self.sections();
        self.share_volumes();
        self.ports_asked_for(&services);
        self.other_protocols(&services);
        let routed = self.lead_to_components();
        self.lost_addresses(&services, &routed);
        self.restart_unasked();
    }

    /// Those whose profiles are asked for, or that have none.
    fn selected(&mut self, services: &Map, profiles: &[String]) -> Map {
        let all = profiles.iter().any(|profile| profile == "*");
        let mut selected = Map::new();
        for (name, field) in services {
            let own: Vec<&str> = field
                .item
                .get("profiles")
                .map(|item| item.items().iter().filter_map(Item::as_text).collect())
                .unwrap_or_default();
            let wanted = own.is_empty()
                || all
                || own
                    .iter()
                    .any(|own| profiles.iter().any(|asked| asked == own));
            if wanted {
                selected.insert(name.clone(), field.clone());
            } else {
                self.told.advised(
                    field.at,
                    &format!("services.{name}"),
                    format!(
                        "It belongs to the profile {}, which is not asked for: it is left out.",
                        own.join(", ")
                    ),
                    format!("Take it along with `--profile {}`.", own[0]),
                );
            }
        }
        selected
    }

    /// As with compose, a file of which nothing runs is a mistake.
    fn none_selected(&mut self, services: &Map) {
        let all: BTreeSet<&str> = services
            .values()
            .filter_map(|field| field.item.get("profiles"))
            .flat_map(Item::items)
            .filter_map(Item::as_text)
            .collect();
        let all: Vec<&str> = all.into_iter().collect();
        self.told.error(
            problem::SOURCE_MISSING,
            Place::default(),
            "services",
            format!(
                "Every service belongs to a profile, and none is asked for, so nothing would run. There is {}.",
                all.join(", ")
            ),
            format!(
                "Ask for one: `--profile {}`; `COMPOSE_PROFILES=…` in `.env` does so, too.",
                all.first().unwrap_or(&"NAME")
            ),
        );
    }

    fn name_all(&mut self, services: &Map) {
        for (service, field) in services {
            let plain =
                Name::suggest(service).unwrap_or_else(|| "service".parse().expect("a name"));
            let mut name = plain.clone();
            let mut count = 2;
            while self.names.values().any(|taken| *taken == name)
                || pluvio_model::interpolate::RESERVED.contains(&name.as_str())
            {
                name = Name::suggest(&format!("{}-{count}", cut(plain.as_str(), 50)))
                    .expect("letters and a number");
                count += 1;
            }
            if name.as_str() != service {
                self.told.adapted(
                    field.at,
                    &format!("services.{service}"),
                    format!("The component is called `{name}`; `{service}` stays one of its names on the network."),
                );
            }
            self.names.insert(service.clone(), name);
        }
    }

    fn find_awaited(&mut self, services: &Map) {
        for field in services.values() {
            let Some(depends) = field.item.get("depends_on").and_then(Item::as_map) else {
                continue;
            };
            for (name, on) in depends {
                let condition = on.item.get("condition").and_then(Item::as_text);
                if condition == Some("service_completed_successfully") {
                    self.awaited.insert(name.clone());
                }
            }
        }
    }

    /// What the sections at the top say beyond what services used of them.
    fn sections(&mut self) {
        for (section, map) in [
            ("configs", std::mem::take(&mut self.configs)),
            ("secrets", std::mem::take(&mut self.secrets)),
            ("volumes", std::mem::take(&mut self.volumes)),
        ] {
            for (name, field) in &map {
                let path = format!("{section}.{name}");
                if !self.used.contains(&(section, name.clone())) {
                    self.told.ignored(field.at, &path, "No service uses it.");
                    continue;
                }
                match section {
                    "volumes" => self.volume_section(&path, &field.item),
                    _ => self.config_section(section, &path, name, &field.item),
                }
            }
        }
    }

    /// A config or secret that a service uses: its keys besides where its content comes from, which is taken then.
    fn config_section(&mut self, section: &str, path: &str, name: &str, item: &Item) {
        let mut fields = Fields::new(path, item);
        for key in ["file", "content", "environment"] {
            fields.take(key);
        }
        if let Some(external) = fields.take("external") {
            let remedy = if section == "secrets" {
                format!("Set it: `pluvio secret set {name}`.")
            } else {
                "Write its `content` or `file`.".to_owned()
            };
            self.told.advised(
                external.at,
                &external.path,
                "Its value is not in the file: it must be set.",
                remedy,
            );
        }
        for key in ["name", "labels", "driver", "driver_opts", "template_driver"] {
            if let Some(taken) = fields.take(key) {
                let message = "It has no effect here: the value is kept by Pluvio itself.";
                self.told.ignored(taken.at, &taken.path, message);
            }
        }
        fields.finish(&mut self.told, &[]);
    }

    /// Settings that a value refers to.
    fn settings_in_use(&self) -> HashSet<EnvName> {
        let mut used = HashSet::new();
        let mut look = |text: &str| {
            for (at, _) in text.match_indices("${settings.") {
                let name = &text[at + "${settings.".len()..];
                if let Some(end) = name.find('}')
                    && let Ok(name) = name[..end].parse()
                {
                    used.insert(name);
                }
            }
        };
        for component in self.spec.components.values() {
            texts_of(component).for_each(&mut look);
        }
        used
    }

    /// The secrets that a dialect makes, where values refer to them.
    fn declare_made(&mut self) {
        let Some(rule) = self.loader_env.secret_rule else {
            return;
        };
        let mut names: Vec<EnvName> = Vec::new();
        let mut look = |text: &str| {
            for (at, _) in text.match_indices("${secrets.") {
                let name = &text[at + "${secrets.".len()..];
                if let Some(end) = name.find('}')
                    && let Ok(name) = name[..end].parse::<EnvName>()
                    && !names.contains(&name)
                {
                    names.push(name);
                }
            }
        };
        for component in self.spec.components.values() {
            texts_of(component).for_each(&mut look);
        }
        for name in names {
            if self.spec.secrets.contains_key(&name) {
                continue;
            }
            let made = rule(name.as_str());
            let path = format!("secrets.{name}");
            if made.generate {
                self.told.adapted(
                    Place::default(),
                    &path,
                    "It is made once, at the first deploy, and kept.",
                );
            } else {
                self.told.refused(
                    Place::default(),
                    &path,
                    "A token that another secret signs cannot be made; it must be set.",
                    format!("Sign it yourself and set it: `pluvio secret set {name}`."),
                );
            }
            self.spec.secrets.insert(name, made);
        }
    }

    /// What the specification that was made says of itself.
    fn check(&mut self) {
        if !self.told.errors.is_empty() {
            return;
        }
        for problem in crate::validate(&self.spec) {
            let path = problem
                .at
                .as_ref()
                .map(|at| at.path.clone())
                .unwrap_or_default();
            let component = path
                .strip_prefix("components.")
                .and_then(|rest| rest.split('.').next())
                .and_then(|name| self.places.iter().find(|(known, _)| known.as_str() == name));
            let (at, shown) = match component {
                Some((_, (at, shown))) => (*at, shown.clone()),
                None => (Place::default(), path),
            };
            let mut placed = problem.clone();
            placed.at = Some(pluvio_model::problem::Location {
                file: self.told.files.get(usize::from(at.file)).cloned(),
                line: (at.line > 0).then_some(at.line),
                column: (at.column > 0).then_some(at.column),
                path: shown,
            });
            self.told.errors.push(placed);
        }
    }

    fn secret(&mut self, name: &EnvName, spec: SecretSpec) {
        self.spec.secrets.entry(name.clone()).or_insert(spec);
    }
}

fn cut(text: &str, length: usize) -> &str {
    text.get(..length).unwrap_or(text)
}
