//! What each flag puts into the service.

use indexmap::IndexMap;

use super::flags::{Flag, Takes};
use super::shell;
use crate::compose::item::{Field, Item, Map, Place, Told};
use crate::yaml::Resolved;

/// A service in the making.
pub(super) struct Service<'u> {
    pub(super) map: Map,
    pub(super) name: Option<String>,
    /// Variables of the shell that have no value.
    pub(super) unset: &'u [String],
}

impl Service<'_> {
    pub(super) fn put(&mut self, key: &str, at: Place, item: Item) {
        self.map.insert(key.to_owned(), Field { at, item });
    }
    fn push(&mut self, key: &str, at: Place, item: Item) {
        let field = self.map.entry(key.to_owned()).or_insert_with(|| Field {
            at,
            item: Item::list(at, Vec::new()),
        });
        if let crate::compose::item::Value::List(items) = &mut field.item.value {
            items.push(item);
        }
    }
    fn inside(&mut self, key: &str, inner: &str, at: Place, item: Item) {
        let field = self.map.entry(key.to_owned()).or_insert_with(|| Field {
            at,
            item: Item::map(at, Map::new()),
        });
        if let Some(map) = field.item.as_map_mut() {
            map.insert(inner.to_owned(), Field { at, item });
        }
    }
}

pub(super) fn finish(service: &mut Service, at: Place, told: &mut Told) {
    let host = service
        .map
        .get("network_mode")
        .is_some_and(|field| field.item.as_text() == Some("host"));
    if host && let Some(ports) = service.map.shift_remove("ports") {
        told.ignored(
            ports.at,
            "--publish",
            "On the machine's own network nothing is published.",
        );
    }
    if service.map.contains_key("networks") && service.map.contains_key("network_mode") {
        service.map.shift_remove("networks");
        told.adapted(at, "--network", "Of several networks the last one counts.");
    }
}

/// A value in which the shell would have put something.
fn expanded(value: &str, unset: &[String], at: Place, flag: &str, told: &mut Told) -> String {
    let mut value = value.to_owned();
    for here in ["$(pwd)", "${PWD}", "$PWD", "`pwd`", "%cd%"] {
        if let Some(rest) = value.strip_prefix(here) {
            value = format!(".{rest}");
            told.adapted(at, flag, format!("{here} is the folder you are in."));
        }
    }
    if value.contains("$(") || value.contains('`') {
        told.refused(
            at,
            flag,
            "The shell would run a command here, and nothing is run.",
            "Write what the command answers.",
        );
    } else if shell::has_one_of(&value, unset) {
        told.refused(
            at,
            flag,
            "The shell would put a variable of its own here; it is taken as it is written.",
            "Write the value, or give it: `--env NAME=…`.",
        );
    }
    if value.starts_with('<') && value.ends_with('>') {
        told.refused(
            at,
            flag,
            format!("`{value}` stands for a value that you choose."),
            "Write the value.",
        );
    }
    value
}

pub(super) fn apply(flag: &Flag, value: &str, at: Place, service: &mut Service, told: &mut Told) {
    let name = format!("--{}", flag.long());
    let value = &expanded(value, service.unset, at, &name, told);
    let text = || Item::scalar(at, value.clone());
    match flag.key {
        "name" => {
            service.name = Some(value.clone());
            service.put("container_name", at, text());
        }
        "" => told.ignored(at, &name, flag.note),
        "!" => told.refused(at, &name, flag.note, "Take it out."),
        "network" => network(value, at, service, told),
        "alias" => {
            let mut aliases: Vec<Item> = service
                .map
                .get("networks")
                .and_then(|field| field.item.get("default"))
                .and_then(|network| network.get("aliases"))
                .map(|aliases| aliases.items().to_vec())
                .unwrap_or_default();
            aliases.push(text());
            let inner = Item::map(
                at,
                Map::from([(
                    "aliases".to_owned(),
                    Field {
                        at,
                        item: Item::list(at, aliases),
                    },
                )]),
            );
            service.inside("networks", "default", at, inner);
        }
        "entrypoint" => service.put(
            "entrypoint",
            at,
            Item::list(
                at,
                if value.is_empty() {
                    Vec::new()
                } else {
                    vec![text()]
                },
            ),
        ),
        "mount" => mount(value, at, service, told),
        "ulimits" => {
            let (limit, numbers) = value.split_once('=').unwrap_or((value, ""));
            let (soft, hard) = numbers.split_once(':').unwrap_or((numbers, numbers));
            let inner = Map::from([
                (
                    "soft".to_owned(),
                    Field {
                        at,
                        item: Item::scalar(at, soft),
                    },
                ),
                (
                    "hard".to_owned(),
                    Field {
                        at,
                        item: Item::scalar(at, hard),
                    },
                ),
            ]);
            service.inside("ulimits", limit, at, Item::map(at, inner));
        }
        "gpus" => {
            if value == "all" {
                service.put("gpus", at, text());
            } else {
                let plain = value.trim_matches('"').to_owned();
                let mut inner = Map::new();
                match plain.strip_prefix("device=") {
                    Some(ids) => {
                        let ids = ids.split(',').map(|id| Item::scalar(at, id)).collect();
                        inner.insert(
                            "device_ids".to_owned(),
                            Field {
                                at,
                                item: Item::list(at, ids),
                            },
                        );
                    }
                    None => {
                        for part in plain.split(',') {
                            let (key, value) = part.split_once('=').unwrap_or(("count", part));
                            let item = match key {
                                "capabilities" => Item::list(at, vec![Item::scalar(at, value)]),
                                _ => Item::scalar(at, value),
                            };
                            inner.insert(key.to_owned(), Field { at, item });
                        }
                    }
                }
                service.push("gpus", at, Item::map(at, inner));
            }
        }
        "health-cmd" => service.inside("healthcheck", "test", at, text()),
        "health-interval"
        | "health-timeout"
        | "health-retries"
        | "health-start-period"
        | "health-start-interval" => {
            let inner = flag.key.trim_start_matches("health-").replace('-', "_");
            service.inside("healthcheck", &inner, at, text());
        }
        "no-healthcheck" => service.inside(
            "healthcheck",
            "disable",
            at,
            Item::scalar(at, value.clone()),
        ),
        "log-driver" => service.inside("logging", "driver", at, text()),
        "log-opt" => service.inside("logging", value, at, text()),
        "stop_grace_period" => service.put(flag.key, at, Item::scalar(at, format!("{value}s"))),
        "environment" if !value.contains('=') => {
            service.push(flag.key, at, text());
        }
        "volumes" if !value.contains(':') && !value.starts_with('/') => {
            told.invalid(
                at,
                &name,
                format!("`{value}` is not a volume."),
                "Write SOURCE:TARGET.",
            );
        }
        "devices-rate" => told.refused(
            at,
            &name,
            "Rates of devices are written in app.yaml only.",
            "Write them under `patch.engine`, as the engine's API has them.",
        ),
        key if flag.many => service.push(key, at, text()),
        key => {
            let item = if flag.takes == Takes::Switch {
                Item {
                    at,
                    value: crate::compose::item::Value::Scalar(crate::compose::item::Scalar {
                        text: value.clone(),
                        is: match value.as_str() {
                            "true" => Resolved::Bool(true),
                            "false" => Resolved::Bool(false),
                            _ => Resolved::Text,
                        },
                        template: None,
                    }),
                }
            } else {
                text()
            };
            if key == "oom_kill_disable" && value == "false" {
                return;
            }
            service.put(key, at, item);
        }
    }
}

/// `host`, `name`, or `name=…,alias=…,ip=…`.
fn network(value: &str, at: Place, service: &mut Service, told: &mut Told) {
    if matches!(value, "host" | "none" | "bridge" | "default") || value.starts_with("container:") {
        service.put("network_mode", at, Item::scalar(at, value));
        return;
    }
    if value.starts_with("slirp4netns") || value.starts_with("pasta") || value.starts_with("ns:") {
        told.refused(
            at,
            "--network",
            format!("`{value}` is a network of Podman's own."),
            "Take it out.",
        );
        return;
    }
    let mut name = value.to_owned();
    let mut inner = Map::new();
    let mut aliases = Vec::new();
    if value.contains('=') {
        for part in value.split(',') {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            match key {
                "name" => name = value.to_owned(),
                "alias" => aliases.push(Item::scalar(at, value)),
                "ip" | "ip6" | "mac-address" | "link-local-ip" | "driver-opt" | "gw-priority" => {
                    let key = match key {
                        "ip" => "ipv4_address",
                        "ip6" => "ipv6_address",
                        "mac-address" => "mac_address",
                        "link-local-ip" => "link_local_ips",
                        "driver-opt" => "driver_opts",
                        _ => "gw_priority",
                    };
                    inner.insert(
                        key.to_owned(),
                        Field {
                            at,
                            item: Item::scalar(at, value),
                        },
                    );
                }
                other => told.refused(
                    at,
                    "--network",
                    format!("A network has no `{other}`."),
                    "Take it out.",
                ),
            }
        }
    }
    if !aliases.is_empty() {
        inner.insert(
            "aliases".to_owned(),
            Field {
                at,
                item: Item::list(at, aliases),
            },
        );
    }
    service.inside("networks", &name, at, Item::map(at, inner));
}

/// `type=bind,src=…,dst=…,readonly`
fn mount(value: &str, at: Place, service: &mut Service, told: &mut Told) {
    let mut outer: IndexMap<&str, String> = IndexMap::new();
    let mut inner: Vec<(&str, &str, String)> = Vec::new();
    outer.insert("type", "volume".to_owned());
    for part in value.split(',') {
        let (key, value) = part.split_once('=').unwrap_or((part, "true"));
        let value = value.to_owned();
        match key {
            "type" => {
                outer.insert("type", value);
            }
            "src" | "source" => {
                outer.insert("source", value);
            }
            "dst" | "target" | "destination" => {
                outer.insert("target", value);
            }
            "ro" | "readonly" => {
                let on = matches!(value.as_str(), "true" | "1");
                outer.insert("read_only", on.to_string());
            }
            "volume-subpath" => inner.push(("volume", "subpath", value)),
            "volume-nocopy" => inner.push(("volume", "nocopy", value)),
            "bind-propagation" => inner.push(("bind", "propagation", value)),
            "bind-recursive" => inner.push(("bind", "recursive", value)),
            "bind-create-src" => inner.push(("bind", "create_host_path", value)),
            "tmpfs-size" => inner.push(("tmpfs", "size", value)),
            "tmpfs-mode" => inner.push(("tmpfs", "mode", value)),
            "image-subpath" => inner.push(("image", "subpath", value)),
            "relabel" | "volume-label" => {
                told.ignored(at, "--mount", format!("`{key}` has no effect here."))
            }
            other => told.refused(
                at,
                "--mount",
                format!("The option `{other}` of a mount is not given."),
                "Take it out.",
            ),
        }
    }
    let mut map = Map::new();
    for (key, value) in outer {
        map.insert(
            key.to_owned(),
            Field {
                at,
                item: Item::scalar(at, value),
            },
        );
    }
    for (kind, key, value) in inner {
        let field = map.entry(kind.to_owned()).or_insert_with(|| Field {
            at,
            item: Item::map(at, Map::new()),
        });
        if let Some(map) = field.item.as_map_mut() {
            map.insert(
                key.to_owned(),
                Field {
                    at,
                    item: Item::scalar(at, value),
                },
            );
        }
    }
    service.push("volumes", at, Item::map(at, map));
}
