//! From texts to one document: YAML, interpolation, `extends`, `include`, several files merged.

use std::collections::HashSet;

use indexmap::IndexMap;
use pluvio_model::problem::{self, Problem};

use super::interpolate::{Made, Met, Names, Settings, interpolate};
use super::item::{Field, Item, Map, Place, Scalar, Told, Value};
use super::merge::{canonical, merge};
use super::{Entry, Surroundings};
use crate::yaml::{self, Limits, OVERRIDE, Resolved};

/// Files within files.
const DEPTH_MAX: usize = 12;
const FILES_MAX: usize = 64;
/// Values of all files together, `extends` written out.
const ITEMS_MAX: usize = 400_000;

/// What a dialect puts before the file's own variables.
pub(crate) type Dialect<'d> = Option<&'d dyn Fn(&str) -> Option<Made>>;

pub(crate) struct Loader<'l> {
    pub(crate) around: &'l dyn Surroundings,
    pub(crate) told: Told,
    pub(crate) settings: Settings,
    pub(crate) dialect: Dialect<'l>,
    /// Does not stop at what compose would call missing: templates ask for it later.
    pub(crate) lenient: bool,
    /// Told once each.
    unset: HashSet<String>,
    items: usize,
    bodies: IndexMap<String, Item>,
}

/// The variables of one file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variables(pub(crate) IndexMap<String, String>);

struct With<'w> {
    variables: &'w Variables,
    dialect: Dialect<'w>,
}

impl Names for With<'_> {
    fn made(&self, name: &str) -> Option<Made> {
        self.dialect.and_then(|made| made(name))
    }
    fn value(&self, name: &str) -> Option<&str> {
        self.variables.0.get(name).map(String::as_str)
    }
}

impl<'l> Loader<'l> {
    pub(crate) fn new(around: &'l dyn Surroundings) -> Loader<'l> {
        Loader {
            around,
            told: Told::default(),
            settings: Settings::default(),
            dialect: None,
            lenient: false,
            unset: HashSet::new(),
            items: 0,
            bodies: IndexMap::new(),
        }
    }

    fn number(&mut self, file: &str) -> u16 {
        let known = self.told.files.iter().position(|known| known == file);
        let number = known.unwrap_or_else(|| {
            self.told.files.push(file.to_owned());
            self.told.files.len() - 1
        });
        u16::try_from(number).unwrap_or(u16::MAX)
    }

    /// Reads the text of a file into a tree, interpolated.
    pub(crate) fn text(&mut self, text: &str, file: &str, variables: &Variables) -> Option<Item> {
        let number = self.number(file);
        let limits = Limits {
            compose: true,
            ..Limits::default()
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match yaml::read(text, &limits) {
            Ok(node) => Some(self.tree(node, number, variables, "", false)),
            Err(problems) => {
                self.told
                    .errors
                    .extend(problems.into_iter().map(|mut problem: Problem| {
                        problem.at.get_or_insert_default().file = Some(file.to_owned());
                        problem
                    }));
                None
            }
        }
    }

    /// A node with its variables put in. `literal` subtrees are taken as they are.
    fn tree(
        &mut self,
        node: yaml::Node,
        file: u16,
        variables: &Variables,
        path: &str,
        literal: bool,
    ) -> Item {
        self.items += 1;
        let at = Place {
            file,
            line: node.at.line,
            column: node.at.column,
        };
        let value = match node.value {
            yaml::Value::Scalar {
                is: Resolved::Null, ..
            } => Value::Null,
            yaml::Value::Scalar { text, is } => {
                if literal {
                    Value::Scalar(Scalar {
                        text,
                        is,
                        template: None,
                    })
                } else {
                    Value::Scalar(self.scalar(text, is, at, variables, path))
                }
            }
            yaml::Value::Gone => Value::Reset,
            yaml::Value::List(items) => Value::List(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(index, item)| {
                        self.tree(item, file, variables, &format!("{path}[{index}]"), literal)
                    })
                    .collect(),
            ),
            yaml::Value::Map(mut entries) if entries.len() == 1 && entries[0].key == OVERRIDE => {
                let inner = entries.pop().expect("there is one").value;
                Value::Override(Box::new(self.tree(inner, file, variables, path, literal)))
            }
            yaml::Value::Map(entries) => {
                let is_bind = self.lenient
                    && entries.iter().any(|entry| entry.key == "target")
                    && entries.iter().any(|entry| entry.key == "content");
                Value::Map(
                    entries
                        .into_iter()
                        .map(|entry| {
                            let inner = if path.is_empty() {
                                entry.key.clone()
                            } else {
                                format!("{path}.{}", entry.key)
                            };
                            // Notes are no values, and a template's inline files are taken as they are.
                            let literal = literal
                                || (path.is_empty() && entry.key.starts_with("x-"))
                                || (is_bind && entry.key == "content");
                            let field = Field {
                                at: Place {
                                    file,
                                    line: entry.key_at.line,
                                    column: entry.key_at.column,
                                },
                                item: self.tree(entry.value, file, variables, &inner, literal),
                            };
                            (entry.key, field)
                        })
                        .collect(),
                )
            }
        };
        Item { at, value }
    }

    pub(crate) fn scalar(
        &mut self,
        text: String,
        is: Resolved,
        at: Place,
        variables: &Variables,
        path: &str,
    ) -> Scalar {
        let names = With {
            variables,
            dialect: self.dialect,
        };
        let mut met = Met::default();
        let made = interpolate(&text, &names, &mut self.settings, &mut met);
        for name in met.unset {
            if self.unset.insert(name.clone()) {
                self.told.advised(
                    at,
                    path,
                    format!("The variable {name} is not set; compose puts nothing there, and so does this."),
                    format!("Write `{name}=…` into the `.env` beside the file, or deploy with `--env-file`."),
                );
            }
        }
        for (name, message) in met.required {
            if self.unset.insert(format!("?{name}")) {
                let message = message.trim();
                let said = match message {
                    "" => String::new(),
                    said => format!(": {said}"),
                };
                self.told.error(
                    problem::SETTING_MISSING,
                    at,
                    path,
                    format!("The file requires the variable {name}, and it is not set{said}."),
                    format!("Write `{name}=…` into the `.env` beside the file, or name a file of variables with `--env-file`."),
                );
            }
        }
        for wrong in met.wrong {
            self.told.error(
                problem::SPEC_SYNTAX,
                at,
                path,
                format!("In this value {wrong}."),
                "Write ${NAME}, ${NAME:-default}, ${NAME:?message} or ${NAME:+value}; for a dollar write $$.",
            );
        }
        match made {
            Some((text, template)) => {
                // What was put in is looked at again: `${PORT}` may be a number.
                let is = match is {
                    Resolved::Text => Resolved::Text,
                    _ => yaml::scalar::resolve(&text),
                };
                Scalar {
                    text,
                    is,
                    template: Some(template),
                }
            }
            None => Scalar {
                text,
                is,
                template: None,
            },
        }
    }

    /// A file with what it extends and includes, in canonical form. `folder` is what its paths begin at, relative to the
    /// project's (empty for the project's own).
    pub(crate) fn file(
        &mut self,
        path: &str,
        folder: &str,
        variables: &Variables,
        depth: usize,
    ) -> Option<Item> {
        let text = self.read(path, Place::default(), "")?;
        let item = self.text(&text, path, variables)?;
        self.document(item, path, folder, variables, depth)
    }

    fn read(&mut self, path: &str, at: Place, key: &str) -> Option<String> {
        match self.around.entry(path) {
            Entry::Text(text) => Some(text),
            Entry::Missing | Entry::Folder => {
                self.told.error(
                    problem::SOURCE_MISSING,
                    at,
                    key,
                    format!("There is no file {path}."),
                    "Correct the path: it is relative to the folder of the compose file.",
                );
                None
            }
            Entry::Other => {
                self.told.error(
                    problem::SPEC_SYNTAX,
                    at,
                    key,
                    format!("{path} is too large or holds bytes that are no text."),
                    "Write it as UTF-8 text of at most 1 MiB.",
                );
                None
            }
        }
    }

    pub(crate) fn document(
        &mut self,
        mut item: Item,
        path: &str,
        folder: &str,
        variables: &Variables,
        depth: usize,
    ) -> Option<Item> {
        let at = item.at;
        if item.is_null() {
            item.value = Value::Map(Map::new());
        }
        if item.as_map().is_none() {
            self.told.error(
                problem::SPEC_SYNTAX,
                at,
                "",
                format!("{path} is no compose file: it holds no map."),
                "Begin it with `services:`.",
            );
            return None;
        }
        if depth > DEPTH_MAX || self.told.files.len() > FILES_MAX || self.items > ITEMS_MAX {
            self.told.error(
                problem::SPEC_TOO_LARGE,
                at,
                "",
                "The files include or extend each other too deeply, or hold too much together.",
                "Look for files that include each other in a circle.",
            );
            return None;
        }
        canonical(&mut item, &mut self.told);
        rebase(&mut item, folder);
        self.extend_all(&mut item, path, folder, variables, depth);
        self.include_all(&mut item, folder, variables, depth);
        Some(item)
    }

    fn extend_all(
        &mut self,
        item: &mut Item,
        path: &str,
        folder: &str,
        variables: &Variables,
        depth: usize,
    ) {
        let Some(services) = item.get("services").and_then(Item::as_map).cloned() else {
            return;
        };
        if !services
            .values()
            .any(|service| service.item.get("extends").is_some())
        {
            return;
        }
        let mut done = services.clone();
        for (name, service) in &services {
            let mut trail = vec![(path.to_owned(), name.clone())];
            if let Some(whole) = self.extended(
                &service.item,
                name,
                &services,
                path,
                folder,
                variables,
                &mut trail,
                depth,
            ) {
                done[name].item = whole;
            }
        }
        if let Some(map) = item.as_map_mut()
            && let Some(field) = map.get_mut("services")
        {
            field.item.value = Value::Map(done);
        }
    }

    #[allow(clippy::too_many_arguments)] // a recursion carries its whole state
    fn extended(
        &mut self,
        service: &Item,
        name: &str,
        siblings: &Map,
        file: &str,
        folder: &str,
        variables: &Variables,
        trail: &mut Vec<(String, String)>,
        depth: usize,
    ) -> Option<Item> {
        let extends = service.as_map()?.get("extends")?.clone();
        let key = format!("services.{name}.extends");
        let (from_file, from) = match &extends.item.value {
            Value::Scalar(scalar) => (None, scalar.text.clone()),
            Value::Map(map) => {
                for (inner, field) in map {
                    if !matches!(inner.as_str(), "file" | "service") {
                        self.told.refused(
                            field.at,
                            &format!("{key}.{inner}"),
                            format!("There is no key `{inner}` here."),
                            "Write `file` and `service`.",
                        );
                    }
                }
                let text = |key: &str| {
                    extends
                        .item
                        .get(key)
                        .and_then(Item::as_text)
                        .map(str::to_owned)
                };
                match text("service") {
                    Some(from) => (text("file"), from),
                    None => {
                        self.told.invalid(
                            extends.at,
                            &key,
                            "It does not say which service it extends.",
                            "Write `extends: { service: NAME }`.",
                        );
                        return None;
                    }
                }
            }
            _ => {
                self.told.invalid(
                    extends.at,
                    &key,
                    "It does not say which service it extends.",
                    "Write `extends: { service: NAME }`.",
                );
                return None;
            }
        };
        let other = from_file.clone().unwrap_or_else(|| file.to_owned());
        let step = (other.clone(), from.clone());
        if trail.contains(&step) || trail.len() > DEPTH_MAX {
            self.told.error(
                problem::SPEC_CONFLICT,
                extends.at,
                &key,
                format!("{name} extends itself, by way of {from}."),
                "Break the circle.",
            );
            return None;
        }
        trail.push(step);
        let loaded;
        let (services, inner_folder): (&Map, String) = match &from_file {
            None => (siblings, folder.to_owned()),
            Some(path) => {
                let inner_folder = parent(path);
                let document = match self.bodies.get(path) {
                    Some(known) => known.clone(),
                    None => {
                        let text = self.read(path, extends.at, &key)?;
                        let mut read = self.text(&text, path, variables)?;
                        canonical(&mut read, &mut self.told);
                        rebase(&mut read, &inner_folder);
                        self.bodies.insert(path.clone(), read.clone());
                        read
                    }
                };
                loaded = document;
                match loaded.get("services").and_then(Item::as_map) {
                    Some(services) => (services, inner_folder),
                    None => {
                        self.told.invalid(
                            extends.at,
                            &key,
                            format!("{path} has no services."),
                            "Name a compose file.",
                        );
                        return None;
                    }
                }
            }
        };
        let Some(base) = services.get(&from) else {
            let names: Vec<&str> = services.keys().map(String::as_str).collect();
            let remedy = match crate::suggest::nearest(&from, names.iter().copied()) {
                Some(near) => format!("Did you mean `{near}`?"),
                None => format!("There is {}.", names.join(", ")),
            };
            self.told.error(
                problem::SPEC_UNKNOWN_REFERENCE,
                extends.at,
                &key,
                format!("{name} extends {from}, and there is no such service in {other}."),
                remedy,
            );
            return None;
        };
        let base = base.item.clone();
        self.items += 100;
        if self.items > ITEMS_MAX || depth > DEPTH_MAX {
            return None;
        }
        let whole = self
            .extended(
                &base,
                &from,
                services,
                &other,
                &inner_folder,
                variables,
                trail,
                depth + 1,
            )
            .unwrap_or(base);
        let mut merged = whole;
        // What it extends names siblings of its own.
        let mut own = service.clone();
        if let Some(map) = own.as_map_mut() {
            map.shift_remove("extends");
        }
        if let Some(map) = merged.as_map_mut() {
            map.shift_remove("extends");
        }
        merge(&mut merged, own, "services");
        merged.at = service.at;
        Some(merged)
    }

    fn include_all(&mut self, item: &mut Item, folder: &str, variables: &Variables, depth: usize) {
        let Some(include) = item
            .as_map_mut()
            .and_then(|map| map.shift_remove("include"))
        else {
            return;
        };
        for (index, each) in include.item.items().iter().enumerate() {
            let key = format!("include[{index}]");
            let join = |path: &str| join(folder, path);
            let (paths, mut inner_folder, env_files) = match &each.value {
                Value::Scalar(scalar) => (vec![join(&scalar.text)], None, Vec::new()),
                Value::Map(map) => {
                    for (inner, field) in map {
                        if !matches!(inner.as_str(), "path" | "project_directory" | "env_file") {
                            self.told.refused(
                                field.at,
                                &format!("{key}.{inner}"),
                                format!("There is no key `{inner}` here."),
                                "Write `path`, `project_directory` or `env_file`.",
                            );
                        }
                    }
                    let texts = |key: &str| -> Vec<String> {
                        let items = each.get(key).map(Item::items).unwrap_or_default();
                        items.iter().filter_map(Item::as_text).map(&join).collect()
                    };
                    (
                        texts("path"),
                        texts("project_directory").into_iter().next(),
                        texts("env_file"),
                    )
                }
                _ => (Vec::new(), None, Vec::new()),
            };
            let Some(first) = paths.first().cloned() else {
                self.told.invalid(
                    each.at,
                    &key,
                    "It names no file to include.",
                    "Write the path of a compose file.",
                );
                continue;
            };
            if first.contains("://") || first.starts_with("git@") || first.starts_with("oci:") {
                self.told.error(
                    problem::SPEC_UNSUPPORTED,
                    each.at,
                    &key,
                    format!("{first} is elsewhere; a plan reads files beside the first only."),
                    "Fetch it, and include it by its path.",
                );
                continue;
            }
            let inner_folder = inner_folder.take().unwrap_or_else(|| parent(&first));
            let env_files = match env_files.is_empty() {
                true => vec![join_folder(&inner_folder, ".env")],
                false => env_files,
            };
            let mut inner = Variables::default();
            for path in &env_files {
                if let Entry::Text(text) = self.around.entry(path) {
                    self.env_file(&text, path, &mut inner);
                }
            }
            inner
                .0
                .extend(variables.0.iter().map(|(k, v)| (k.clone(), v.clone())));
            let mut whole: Option<Item> = None;
            for path in &paths {
                if let Some(read) = self.file(path, &inner_folder, &inner, depth + 1) {
                    match &mut whole {
                        None => whole = Some(read),
                        Some(whole) => merge(whole, read, ""),
                    }
                }
            }
            if let Some(whole) = whole {
                self.join_included(item, whole, each.at, &key);
            }
        }
    }

    /// What is included may not say anew what is there.
    fn join_included(&mut self, item: &mut Item, other: Item, at: Place, key: &str) {
        let (Some(map), Value::Map(other)) = (item.as_map_mut(), other.value) else {
            return;
        };
        for (section, field) in other {
            if matches!(section.as_str(), "name" | "version") {
                continue;
            }
            match map.get_mut(&section) {
                None => {
                    map.insert(section, field);
                }
                Some(there) => {
                    if there.item.is_null() {
                        there.item = field.item;
                        continue;
                    }
                    let (Value::Map(ours), Value::Map(theirs)) =
                        (&mut there.item.value, field.item.value)
                    else {
                        continue;
                    };
                    for (name, one) in theirs {
                        match ours.get(&name) {
                            Some(known)
                                if !section.starts_with("x-") && !same(&known.item, &one.item) =>
                            {
                                self.told.error(
                                    problem::SPEC_CONFLICT,
                                    at,
                                    key,
                                    format!("The included file has `{section}.{name}`, which this file has too, and differently."),
                                    "Rename one of them, or merge the files with `-f` instead.",
                                );
                            }
                            Some(_) => {}
                            None => {
                                ours.insert(name, one);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Reads a `.env` file into variables; later files win.
    pub(crate) fn env_file(&mut self, text: &str, file: &str, into: &mut Variables) {
        match crate::dotenv::read_marked(text, file) {
            Ok(read) => {
                for (name, value) in read {
                    let Some(value) = value else { continue };
                    let at = Place {
                        file: self.number(file),
                        ..Place::default()
                    };
                    let scalar = {
                        let known = into.clone();
                        let mut settings = Settings::default();
                        std::mem::swap(&mut settings, &mut self.settings);
                        // What a .env file says of itself is no setting of its own.
                        let scalar = self.scalar(value, Resolved::Text, at, &known, &name);
                        self.settings = settings;
                        scalar
                    };
                    into.0.insert(name, scalar.text);
                }
            }
            Err(problems) => self.told.errors.extend(problems),
        }
    }
}

fn same(a: &Item, b: &Item) -> bool {
    match (&a.value, &b.value) {
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, field)| {
                    b.get(key)
                        .is_some_and(|other| same(&field.item, &other.item))
                })
        }
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Scalar(a), Value::Scalar(b)) => a.text == b.text,
        (a, b) => a == b,
    }
}

/// The folder of a path; empty for the project's own.
pub(crate) fn parent(path: &str) -> String {
    match path.rsplit_once('/') {
        Some((folder, _)) => folder.to_owned(),
        None => String::new(),
    }
}

fn join_folder(folder: &str, path: &str) -> String {
    if folder.is_empty() {
        path.to_owned()
    } else {
        format!("{folder}/{path}")
    }
}

/// A path that a file in `folder` writes, as the project sees it: without `.` and, where it can be, without `..`.
pub(crate) fn join(folder: &str, path: &str) -> String {
    if path.starts_with(['/', '~']) || path.contains("://") {
        return path.to_owned();
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    if joined.is_empty() {
        ".".to_owned()
    } else if folder.starts_with('/') {
        format!("/{joined}")
    } else {
        joined
    }
}

/// Makes the paths of a file in another folder relative to the project's.
fn rebase(item: &mut Item, folder: &str) {
    if folder.is_empty() || folder == "." {
        return;
    }
    let set = |item: Option<&mut Item>| {
        if let Some(Item {
            value: Value::Scalar(scalar),
            ..
        }) = item
        {
            scalar.text = join(folder, &scalar.text);
        }
    };
    let at = |item: &mut Item, key: &str, set: &dyn Fn(Option<&mut Item>)| {
        set(item
            .as_map_mut()
            .and_then(|map| map.get_mut(key))
            .map(|field| &mut field.item));
    };
    let Some(root) = item.as_map_mut() else {
        return;
    };
    for section in ["configs", "secrets"] {
        let Some(all) = root.get_mut(section).and_then(|f| f.item.as_map_mut()) else {
            continue;
        };
        for field in all.values_mut() {
            at(&mut field.item, "file", &set);
        }
    }
    let Some(services) = root.get_mut("services").and_then(|f| f.item.as_map_mut()) else {
        return;
    };
    for field in services.values_mut() {
        let Some(service) = field.item.as_map_mut() else {
            continue;
        };
        if let Some(build) = service.get_mut("build") {
            at(&mut build.item, "context", &set);
        }
        if let Some(extends) = service.get_mut("extends") {
            at(&mut extends.item, "file", &set);
        }
        for key in ["env_file", "label_file"] {
            let Some(list) = service.get_mut(key) else {
                continue;
            };
            match &mut list.item.value {
                Value::List(items) => {
                    for item in items {
                        match item.value {
                            Value::Map(_) => at(item, "path", &set),
                            _ => set(Some(item)),
                        }
                    }
                }
                _ => set(Some(&mut list.item)),
            }
        }
        if let Some(volumes) = service.get_mut("volumes")
            && let Value::List(items) = &mut volumes.item.value
        {
            for item in items {
                match &mut item.value {
                    Value::Scalar(scalar) => {
                        if let Some((source, rest)) = scalar.text.split_once(':')
                            && source.starts_with('.')
                        {
                            let joined = join(folder, source);
                            // A bare name would be a volume.
                            let joined = match joined.starts_with('.') {
                                true => joined,
                                false => format!("./{joined}"),
                            };
                            scalar.text = format!("{joined}:{rest}");
                        }
                    }
                    Value::Map(map) => {
                        let bind = map
                            .get("type")
                            .and_then(|field| field.item.as_text())
                            .is_some_and(|kind| kind == "bind");
                        if bind {
                            at(item, "source", &set);
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}
