//! The canonical form of a file, and several files made one, by compose's rules (compose-spec, 13-merge).

use super::item::{Field, Item, Map, Place, Scalar, Told, Value};

/// Brings the short forms that two files may write differently into one: lists of `K=V` become maps, a single text a list.
pub(crate) fn canonical(item: &mut Item, told: &mut Told) {
    let Some(root) = item.as_map_mut() else {
        return;
    };
    for section in ["networks", "volumes", "configs", "secrets"] {
        let Some(all) = root.get_mut(section).and_then(|f| f.item.as_map_mut()) else {
            continue;
        };
        for (name, field) in all {
            variables(
                &mut field.item,
                "labels",
                &format!("{section}.{name}"),
                told,
            );
        }
    }
    let Some(services) = root.get_mut("services").and_then(|f| f.item.as_map_mut()) else {
        return;
    };
    for (name, field) in services {
        service(&mut field.item, &format!("services.{name}"), told);
    }
}

/// The same for one service.
pub(crate) fn service(item: &mut Item, path: &str, told: &mut Told) {
    if item.as_map().is_none() {
        return;
    }
    for key in [
        "environment",
        "labels",
        "annotations",
        "sysctls",
        "extra_hosts",
    ] {
        variables(item, key, path, told);
    }
    let map = item.as_map_mut().expect("looked at just now");
    for key in ["env_file", "label_file", "dns", "dns_search", "tmpfs"] {
        if let Some(field) = map.get_mut(key)
            && let Value::Scalar(_) = field.item.value
        {
            let one = field.item.clone();
            field.item = Item::list(one.at, vec![one]);
        }
    }
    if let Some(field) = map.get_mut("depends_on") {
        let started = |at: Place| {
            let condition = Field {
                at,
                item: Item::scalar(at, "service_started"),
            };
            Item::map(at, Map::from([("condition".to_owned(), condition)]))
        };
        named(field, &started);
    }
    for key in ["networks", "models"] {
        if let Some(field) = map.get_mut(key) {
            named(field, &Item::null);
        }
    }
    if let Some(field) = map.get_mut("build") {
        if let Value::Scalar(_) = field.item.value {
            let context = field.item.clone();
            field.item = Item::map(
                context.at,
                Map::from([(
                    "context".to_owned(),
                    Field {
                        at: context.at,
                        item: context,
                    },
                )]),
            );
        }
        for key in [
            "args",
            "labels",
            "additional_contexts",
            "extra_hosts",
            "ssh",
        ] {
            variables(&mut field.item, key, &format!("{path}.build"), told);
        }
    }
    for key in ["post_start", "pre_stop"] {
        if let Some(Value::List(hooks)) = map.get_mut(key).map(|field| &mut field.item.value) {
            for hook in hooks {
                variables(hook, "environment", &format!("{path}.{key}"), told);
            }
        }
    }
    if let Some(field) = map.get_mut("deploy") {
        variables(&mut field.item, "labels", &format!("{path}.deploy"), told);
    }
}

/// `- a` as `a: …`.
fn named(field: &mut Field, value: &dyn Fn(Place) -> Item) {
    let list = match &field.item.value {
        Value::List(items) => items,
        Value::Scalar(_) => &vec![field.item.clone()],
        _ => return,
    };
    let map: Map = list
        .iter()
        .filter_map(|item| {
            let field = Field {
                at: item.at,
                item: value(item.at),
            };
            Some((item.as_text()?.to_owned(), field))
        })
        .collect();
    field.item.value = Value::Map(map);
}

/// `- K=V` as `K: V`; `- K` as `K:` without a value.
fn variables(item: &mut Item, key: &str, path: &str, told: &mut Told) {
    let Some(field) = item.as_map_mut().and_then(|map| map.get_mut(key)) else {
        return;
    };
    let hosts = key == "extra_hosts";
    let one;
    let list = match &field.item.value {
        Value::List(items) => items,
        Value::Scalar(_) => {
            one = vec![field.item.clone()];
            &one
        }
        _ => return,
    };
    let mut map = Map::new();
    for item in list {
        match &item.value {
            Value::Scalar(scalar) => {
                let (key, value) = pair(scalar, hosts);
                let value = Field {
                    at: item.at,
                    item: Item {
                        at: item.at,
                        value: value.map_or(Value::Null, Value::Scalar),
                    },
                };
                map.insert(key, value);
            }
            // `- KEY: value` is a slip that other readers forgive.
            Value::Map(inner) => {
                told.adapted(
                    item.at,
                    &format!("{path}.{key}"),
                    "An item of the list is a map; it is read as `KEY=VALUE`.",
                );
                map.extend(inner.clone());
            }
            Value::Null | Value::Reset => {}
            Value::List(_) | Value::Override(_) => told.refused(
                item.at,
                &format!("{path}.{key}"),
                "An item of the list is a list itself.",
                "Write `KEY=VALUE`.",
            ),
        }
    }
    field.item.value = Value::Map(map);
}

fn pair(scalar: &Scalar, hosts: bool) -> (String, Option<Scalar>) {
    let split = |text: &str| -> Option<(String, String)> {
        let at = match text.find('=') {
            Some(at) => at,
            None if hosts => text.find(':')?,
            None => return None,
        };
        Some((text[..at].trim().to_owned(), text[at + 1..].to_owned()))
    };
    match split(&scalar.text) {
        Some((key, value)) => {
            let template = scalar
                .template
                .as_deref()
                .and_then(split)
                .map(|(_, value)| value);
            (
                key,
                Some(Scalar {
                    template,
                    ..Scalar::text(value)
                }),
            )
        }
        None => (scalar.text.trim().to_owned(), None),
    }
}

/// Lists of which the later replaces the earlier.
const REPLACED: [&str; 3] = ["command", "entrypoint", "test"];

/// Puts a later file over an earlier one. `key` is the one that both stand under.
pub(crate) fn merge(base: &mut Item, over: Item, key: &str) {
    match over.value {
        Value::Override(inner) => *base = *inner,
        Value::Reset => *base = Item::null(over.at),
        Value::Null => {}
        Value::Map(over_map) => {
            let Value::Map(base_map) = &mut base.value else {
                base.value = Value::Map(over_map);
                base.at = over.at;
                return;
            };
            if key == "logging" {
                let driver = |map: &Map| {
                    map.get("driver")
                        .and_then(|field| field.item.as_text().map(str::to_owned))
                };
                if let (Some(a), Some(b)) = (driver(base_map), driver(&over_map))
                    && a != b
                {
                    base_map.shift_remove("options");
                }
            }
            for (name, field) in over_map {
                if field.item.value == Value::Reset {
                    base_map.shift_remove(&name);
                    continue;
                }
                match base_map.get_mut(&name) {
                    None => {
                        let field = match field.item.value {
                            Value::Override(inner) => Field {
                                at: field.at,
                                item: *inner,
                            },
                            _ => field,
                        };
                        base_map.insert(name, field);
                    }
                    Some(there) => {
                        merge(&mut there.item, field.item, &name);
                        there.at = field.at;
                    }
                }
            }
        }
        Value::List(items) => {
            let Value::List(base_items) = &mut base.value else {
                base.value = Value::List(items);
                base.at = over.at;
                return;
            };
            if REPLACED.contains(&key) {
                *base_items = items;
                return;
            }
            for item in items {
                let same = unique(key, &item).and_then(|id| {
                    base_items
                        .iter()
                        .position(|other| unique(key, other).as_ref() == Some(&id))
                });
                match same {
                    Some(at) => base_items[at] = item,
                    None => base_items.push(item),
                }
            }
        }
        Value::Scalar(_) => *base = over,
    }
}

/// What tells an item of a list from the others; `None` for lists that just grow.
fn unique(key: &str, item: &Item) -> Option<String> {
    let text = |key: &str| item.get(key).and_then(Item::as_text).unwrap_or_default();
    match (key, &item.value) {
        ("volumes", Value::Scalar(scalar)) => {
            let parts: Vec<&str> = scalar.text.split(':').collect();
            Some(match parts.as_slice() {
                [only] => (*only).to_owned(),
                [_, target, ..] => (*target).to_owned(),
                [] => String::new(),
            })
        }
        ("volumes", _) => Some(text("target").to_owned()),
        ("secrets" | "configs", Value::Scalar(scalar)) => Some(scalar.text.clone()),
        ("secrets" | "configs", _) => Some(match text("target") {
            "" => text("source").to_owned(),
            target => target.to_owned(),
        }),
        ("ports", Value::Scalar(scalar)) => Some(scalar.text.clone()),
        ("ports", _) => Some(format!(
            "{}:{}:{}/{}",
            text("host_ip"),
            text("published"),
            text("target"),
            match text("protocol") {
                "" => "tcp",
                other => other,
            }
        )),
        (_, Value::Scalar(scalar)) => Some(scalar.text.clone()),
        _ => None,
    }
}

/// Takes what stands for a removal or a replacement out of a single file, where there is nothing to remove.
pub(crate) fn settle(item: &mut Item) {
    if let Value::Override(inner) = &mut item.value {
        let mut inner = std::mem::replace(inner.as_mut(), Item::null(Place::default()));
        settle(&mut inner);
        *item = inner;
        return;
    }
    match &mut item.value {
        Value::Map(map) => {
            map.retain(|_, field| field.item.value != Value::Reset);
            for field in map.values_mut() {
                settle(&mut field.item);
            }
        }
        Value::List(items) => {
            items.retain(|item| item.value != Value::Reset);
            for item in items {
                settle(item);
            }
        }
        Value::Reset => item.value = Value::Null,
        _ => {}
    }
}
