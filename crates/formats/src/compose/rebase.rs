//! Paths of files in other folders, made relative to the project's.

use super::item::{Item, Value};

/// The folder of a path; empty for the project's own.
pub(crate) fn parent(path: &str) -> String {
    match path.rsplit_once('/') {
        Some((folder, _)) => folder.to_owned(),
        None => String::new(),
    }
}

pub(crate) fn join_folder(folder: &str, path: &str) -> String {
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

/// Whether what a build has beside its context is a path. (Of addresses with a scheme [`join`] makes nothing else.)
fn is_path(text: &str) -> bool {
    let others = ["service:", "target:", "git@", "github.com/"];
    !text.is_empty() && !others.iter().any(|start| text.starts_with(start))
}

/// Makes the paths of a file in another folder relative to the project's.
pub(crate) fn rebase(item: &mut Item, folder: &str) {
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
            for key in ["additional_contexts", "ssh"] {
                let build = build.item.as_map_mut();
                let beside = build.and_then(|build| build.get_mut(key));
                let beside = beside.and_then(|field| field.item.as_map_mut());
                for field in beside.into_iter().flat_map(|map| map.values_mut()) {
                    if field.item.as_text().is_some_and(is_path) {
                        set(Some(&mut field.item));
                    }
                }
            }
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
