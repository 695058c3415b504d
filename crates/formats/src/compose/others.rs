//! Other files: what services extend, and what a file includes.

use pluvio_model::problem;

use super::Entry;
use super::item::{Item, Map, Value};
use super::load::{DEPTH_MAX, ITEMS_MAX, Loader, Variables};
use super::merge::{canonical, merge};
use super::rebase::{join, join_folder, parent, rebase};

impl Loader<'_> {
    pub(super) fn extend_all(
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

    pub(super) fn include_all(
        &mut self,
        item: &mut Item,
        folder: &str,
        variables: &Variables,
        depth: usize,
    ) {
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
                self.join_included(item, whole, &key);
            }
        }
    }

    /// What is there already is laid over what is included.
    fn join_included(&mut self, item: &mut Item, other: Item, key: &str) {
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
                        match ours.get_mut(&name) {
                            Some(known)
                                if !section.starts_with("x-") && !same(&known.item, &one.item) =>
                            {
                                self.told.adapted(
                                    known.at,
                                    &format!("{section}.{name}"),
                                    format!("It completes what `{key}` has under this name: what stands here wins, as in an override file."),
                                );
                                let own = std::mem::replace(&mut known.item, one.item);
                                merge(&mut known.item, own, &section);
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
