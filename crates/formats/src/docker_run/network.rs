//! Networks of a line: each that it names, and what flags of their own say of it.

use super::apply::{Service, fields};
use crate::compose::item::{Field, Item, Map, Place, Told};
use crate::validate::is_shared_name;

/// `host`, `name`, or `name=…,alias=…,ip=…`.
pub(super) fn network(value: &str, at: Place, service: &mut Service, told: &mut Told) {
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
        for part in fields(value) {
            let (key, value) = part.split_once('=').unwrap_or((&part, ""));
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

/// `--network-alias`, `--ip` and their kin, which say something of the network that is named beside them.
pub(super) fn own(flag: &str, value: &str, at: Place, service: &mut Service) {
    let key = match flag {
        "ip" => "ipv4_address",
        "ip6" => "ipv6_address",
        "link-local-ip" => "link_local_ips",
        _ => "aliases",
    };
    let item = Item::scalar(at, value);
    if matches!(key, "ipv4_address" | "ipv6_address") {
        service
            .on_network
            .insert(key.to_owned(), Field { at, item });
        return;
    }
    let mut all: Vec<Item> = service
        .on_network
        .get(key)
        .map(|field| field.item.items().to_vec())
        .unwrap_or_default();
    all.push(item);
    let item = Item::list(at, all);
    service
        .on_network
        .insert(key.to_owned(), Field { at, item });
}

/// What was said of the network goes to the first one that is named, or to the application's own.
pub(super) fn finish(service: &mut Service, at: Place, told: &mut Told) {
    if service.map.contains_key("networks") && service.map.contains_key("network_mode") {
        service.map.shift_remove("networks");
        told.adapted(at, "--network", "Of several networks the last one counts.");
    }
    let said = std::mem::take(&mut service.on_network);
    if said.is_empty() {
        return;
    }
    let named = service.map.get("networks").and_then(|field| {
        let (name, _) = field.item.as_map()?.first()?;
        Some(name.clone())
    });
    let name = named.unwrap_or_else(|| "default".to_owned());
    if !service.map.contains_key("networks") {
        service.inside("networks", &name, at, Item::map(at, Map::new()));
    }
    let networks = service.map.get_mut("networks");
    let network = networks
        .and_then(|field| field.item.as_map_mut())
        .and_then(|networks| networks.get_mut(&name))
        .and_then(|field| field.item.as_map_mut());
    if let Some(network) = network {
        for (key, field) in said {
            match network.get_mut(&key) {
                Some(there) if key == "aliases" => {
                    let mut all = there.item.items().to_vec();
                    all.extend(field.item.items().to_vec());
                    there.item = Item::list(field.at, all);
                }
                _ => {
                    network.insert(key, field);
                }
            }
        }
    }
}

/// What a compose file would say of the networks that lines name: an engine has one of each name, which is there before a line
/// names it, made by the lines above (`made`) or by somebody else.
pub(super) fn declared(services: &Map, made: &[String]) -> Map {
    let networks = services
        .values()
        .filter_map(|service| service.item.get("networks")?.as_map());
    let mut all = Map::new();
    for (name, field) in networks.flatten() {
        if name == "default" || !is_shared_name(name) {
            continue;
        }
        let at = field.at;
        let (key, value) = match made.contains(name) {
            true => ("name", name.as_str()),
            false => ("external", "true"),
        };
        let item = Item::scalar(at, value);
        let inner = Map::from([(key.to_owned(), Field { at, item })]);
        let item = Item::map(at, inner);
        all.entry(name.clone()).or_insert(Field { at, item });
    }
    all
}
