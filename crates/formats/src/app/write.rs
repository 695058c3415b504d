//! [`AppSpec`] to tidy text.

use pluvio_model::spec::AppSpec;
use serde_json::{Map, Value as Json};

/// Maps that grow, and so always take a line for each key.
const GROWING: &[&str] = &[
    "env",
    "args",
    "labels",
    "nodeLabels",
    "reserved",
    "headers",
    "extraHosts",
    "sysctls",
    "exports",
    "content",
];

/// Writes the specification as `app.yaml`. What equals its default is left out; [`super::read`] gives the same value back.
pub fn write(spec: &AppSpec) -> String {
    let mut value = serde_json::to_value(spec).expect("model types serialise");
    tidy(&mut value);
    crate::yaml::write::write(&value, &|path| {
        let last = path.last().copied().unwrap_or_default();
        // Components, volumes and the like are read one below the other; only what stands deep inside is short.
        let depth_ok = match path.first() {
            Some(&"components") => path.len() > 2,
            _ => path.len() > 1,
        };
        depth_ok && !GROWING.contains(&last)
    })
}

fn tidy(app: &mut Json) {
    let Some(app) = app.as_object_mut() else {
        return;
    };
    if app.get("components").is_some_and(is_empty) {
        app.shift_remove("components");
    }
    for component in values(app, "components") {
        tidy_component(component);
    }
    for setting in values(app, "settings") {
        drop_default(setting, "required", &false.into());
    }
    for network in values(app, "networks") {
        drop_default(network, "internal", &false.into());
    }
    for group in values(app, "groups") {
        tidy_files(group);
    }
}

fn tidy_component(component: &mut Map<String, Json>) {
    drop_default(component, "kind", &"service".into());
    if let Some(Json::Object(build)) = component.get_mut("build") {
        drop_default(build, "builder", &"auto".into());
    }
    if let Some(Json::Object(backups)) = component.get_mut("backups")
        && let Some(Json::Object(schedule)) = backups.get_mut("schedule")
    {
        drop_default(schedule, "overlap", &false.into());
    }
    if let Some(Json::Object(schedule)) = component.get_mut("schedule") {
        drop_default(schedule, "overlap", &false.into());
    }
    if let Some(Json::Object(scale)) = component.get_mut("scale")
        && let Some(Json::Array(custom)) = scale.get_mut("custom")
    {
        for metric in custom.iter_mut().filter_map(Json::as_object_mut) {
            drop_default(metric, "of", &"instances".into());
        }
    }
    for port in values(component, "ports") {
        drop_default(port, "protocol", &"http".into());
    }
    if let Some(Json::Array(publish)) = component.get_mut("publish") {
        for port in publish.iter_mut().filter_map(Json::as_object_mut) {
            drop_default(port, "protocol", &"http".into());
        }
    }
    tidy_files(component);
    tidy_volumes(component);
    for list in ["sidecars", "init"] {
        for container in values(component, list) {
            tidy_files(container);
            tidy_volumes(container);
        }
    }
}

fn tidy_files(owner: &mut Map<String, Json>) {
    for file in values(owner, "files") {
        drop_default(file, "hot", &false.into());
        drop_default(file, "raw", &false.into());
    }
}

fn tidy_volumes(owner: &mut Map<String, Json>) {
    for mount in values(owner, "volumes") {
        drop_default(mount, "type", &"disk".into());
        drop_default(mount, "access", &"exclusive".into());
        drop_default(mount, "readOnly", &false.into());
    }
}

fn values<'m>(
    map: &'m mut Map<String, Json>,
    key: &str,
) -> impl Iterator<Item = &'m mut Map<String, Json>> {
    map.get_mut(key)
        .and_then(Json::as_object_mut)
        .into_iter()
        .flat_map(|inner| inner.values_mut())
        .filter_map(Json::as_object_mut)
}

fn drop_default(map: &mut Map<String, Json>, key: &str, default: &Json) {
    if map.get(key) == Some(default) {
        map.shift_remove(key);
    }
}

fn is_empty(value: &Json) -> bool {
    value.as_object().is_some_and(Map::is_empty)
}
