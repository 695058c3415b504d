//! What each flag puts into the service.

use indexmap::IndexMap;

use super::flags::{Flag, Takes};
use super::{network, shell};
use crate::compose::item::{Field, Item, Map, Place, Told};
use crate::yaml::Resolved;

/// A service in the making.
pub(super) struct Service<'u> {
    pub(super) map: Map,
    pub(super) name: Option<String>,
    /// Variables of the shell that have no value.
    pub(super) unset: &'u [String],
    /// Those that have one; the later slices win.
    pub(super) own: [&'u [(String, String)]; 3],
    /// Of these, what a flag asked for by its name alone.
    pub(super) taken: Vec<String>,
    /// Where the folder that somebody is in lies on the machine, if that is known.
    pub(super) folder: Option<String>,
    /// What flags of their own say of the network: aliases, addresses.
    pub(super) on_network: Map,
}

impl Service<'_> {
    pub(super) fn put(&mut self, key: &str, at: Place, item: Item) {
        self.map.insert(key.to_owned(), Field { at, item });
    }
    pub(super) fn push(&mut self, key: &str, at: Place, item: Item) {
        let field = self.map.entry(key.to_owned()).or_insert_with(|| Field {
            at,
            item: Item::list(at, Vec::new()),
        });
        if let crate::compose::item::Value::List(items) = &mut field.item.value {
            items.push(item);
        }
    }
    pub(super) fn inside(&mut self, key: &str, inner: &str, at: Place, item: Item) {
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
    network::finish(service, at, told);
}

/// A value, with marks, in which the shell would have put something.
///
/// `None` where a program would have to answer: the flag is then left out.
fn expanded(
    value: &str,
    flag: &Flag,
    at: Place,
    service: &Service,
    told: &mut Told,
) -> Option<String> {
    let name = &format!("--{}", flag.long());
    let begins = matches!(flag.key, "volumes" | "mount" | "env_file" | "label_file");
    let mut value = here(value, begins, name, at, service, told);
    // Rules of proxies are between backticks: ``Host(`a`)``.
    if shell::runs_a_command(&value, flag.key != "labels") {
        told.refused(
            at,
            name,
            "The shell would run a command here, and nothing is run: the flag is left out.",
            "Write what the command answers.",
        );
        return None;
    }
    if shell::has_one_of(&value, service.unset) {
        told.refused(
            at,
            name,
            "The shell would put a variable of its own here; it is taken as it is written.",
            "Write the value, or give it: `--env NAME=…`.",
        );
    }
    value = shell::plain(&value);
    let parts = value.split(['=', ':']);
    let is_open = |part: &&str| part.len() > 2 && part.starts_with('<') && part.ends_with('>');
    if let Some(part) = parts.into_iter().find(is_open) {
        told.refused(
            at,
            name,
            format!("`{part}` stands for a value that you choose."),
            "Write the value.",
        );
    }
    if flag.key == "volumes" && value.starts_with(".\\") {
        value = value.replacen(".\\", "./", 1);
        let end = value.find(':').unwrap_or(value.len());
        let source = value[..end].replace('\\', "/");
        value.replace_range(..end, &source);
    }
    Some(value)
}

/// The folder that somebody is in, as shells name it.
const HERE: [&str; 9] = [
    "$(pwd)", "$(PWD)", "${PWD}", "${pwd}", "$PWD", "$pwd", "`pwd`", "%cd%", "%CD%",
];

/// Where that folder is in the container, if it is not known where it is on the machine.
const UNKNOWN: &str = "/work";

/// Where a text with marks names the folder first, and how.
fn named_here(text: &str) -> Option<(usize, &'static str)> {
    fn goes_on(c: char) -> bool {
        c.is_ascii_alphanumeric() || c == '_'
    }
    let all = HERE.into_iter().flat_map(|word| {
        let found = text.match_indices(word).map(|(at, _)| at);
        let found = found.filter(move |at| {
            let (before, behind) = (&text[..*at], &text[at + word.len()..]);
            // Inside of a text `%cd%` is more often a format of dates.
            let begins = before.is_empty() || before.ends_with([':', '=']);
            (!word.ends_with(goes_on) || !behind.starts_with(goes_on))
                && !before.ends_with(shell::LITERAL)
                && (begins || !word.starts_with('%'))
        });
        found.map(move |at| (at, word))
    });
    all.min_by_key(|(at, _)| *at)
}

/// A value with the folder put in, both with marks. Where it `begins` a path of the machine, the path is relative to it.
fn here(
    value: &str,
    begins: bool,
    flag: &str,
    at: Place,
    service: &Service,
    told: &mut Told,
) -> String {
    let unquoted = shell::plain(value);
    // Such a path can begin with nothing else that is written so.
    let is_meant = begins && named_here(&unquoted).is_some_and(|(at, _)| at == 0);
    let value = match is_meant {
        true => unquoted.as_str(),
        false => value,
    };
    let (mut out, mut rest) = (String::new(), value);
    let mut said = false;
    while let Some((start, word)) = named_here(rest) {
        out.push_str(&rest[..start]);
        rest = &rest[start + word.len()..];
        if begins && out.is_empty() {
            out.push('.');
            told.adapted(at, flag, format!("{word} is the folder you are in."));
            continue;
        }
        let known = service.folder.as_deref();
        out.push_str(known.unwrap_or(UNKNOWN));
        if std::mem::replace(&mut said, true) {
            continue;
        }
        match known {
            Some(folder) => told.adapted(
                at,
                flag,
                format!("{word} is the folder you are in, {folder}."),
            ),
            None => told.advised(
                at,
                flag,
                format!("{word} is the folder you are in; where that is, is not known here: it is {UNKNOWN}."),
                "Write the whole path.",
            ),
        }
    }
    out.push_str(rest);
    out
}

/// `value`: with the marks of what was quoted.
pub(super) fn apply(flag: &Flag, value: &str, at: Place, service: &mut Service, told: &mut Told) {
    let name = format!("--{}", flag.long());
    let value = match flag.key {
        // Its parts are looked at one by one.
        "mount" => value.to_owned(),
        _ => match expanded(value, flag, at, service, told) {
            Some(value) => value,
            None => return,
        },
    };
    let value = &value;
    let text = || Item::scalar(at, value.clone());
    match flag.key {
        "name" => {
            service.name = Some(value.clone());
            service.put("container_name", at, text());
        }
        "" => told.ignored(at, &name, flag.note),
        "!" => told.refused(at, &name, flag.note, "Take it out."),
        "network" => network::network(value, at, service, told),
        "alias" | "ip" => network::own(flag.long(), value, at, service),
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
        "ports" if value.contains('=') => {
            let parts = fields(value).into_iter().map(|part| {
                let (key, value) = part.split_once('=').unwrap_or((&part, ""));
                let item = Item::scalar(at, value);
                (key.replace('-', "_"), Field { at, item })
            });
            service.push("ports", at, Item::map(at, parts.collect()));
        }
        "env_file" => {
            // Unlike compose, the line takes what such a file says as it is written.
            let field = |text: &str| Field {
                at,
                item: Item::scalar(at, text),
            };
            let file = Map::from([
                ("path".to_owned(), field(value)),
                ("format".to_owned(), field("raw")),
            ]);
            service.push("env_file", at, Item::map(at, file));
        }
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
                let mut inner = Map::new();
                for part in fields(value) {
                    let (key, value) = part.split_once('=').unwrap_or(("count", &part));
                    let several = || -> Vec<Item> {
                        value.split(',').map(|one| Item::scalar(at, one)).collect()
                    };
                    let (key, item) = match key {
                        "device" => ("device_ids", Item::list(at, several())),
                        // A GPU it is with any other.
                        "capabilities" => {
                            let mut all: Vec<Item> = several();
                            all.push(Item::scalar(at, "gpu"));
                            (key, Item::list(at, all))
                        }
                        _ => (key, Item::scalar(at, value)),
                    };
                    inner.insert(key.to_owned(), Field { at, item });
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
        "stop_grace_period" => {
            // Seconds, which some write as such.
            let unit = if value.ends_with(|c: char| c.is_ascii_digit()) {
                "s"
            } else {
                ""
            };
            service.put(flag.key, at, Item::scalar(at, format!("{value}{unit}")));
        }
        // As the shell that runs the line has it.
        "environment" if !value.contains('=') => {
            match service
                .own
                .iter()
                .rev()
                .find_map(|own| own.iter().rfind(|(name, _)| name == value))
            {
                Some((name, found)) => {
                    let item = Item::scalar(at, format!("{name}={found}"));
                    service.taken.push(name.clone());
                    service.push(flag.key, at, item);
                }
                None => service.push(flag.key, at, text()),
            }
        }
        "volumes" if !value.contains(':') && !value.starts_with('/') => {
            told.invalid(
                at,
                &name,
                format!("`{value}` is not a volume."),
                "Write SOURCE:TARGET.",
            );
        }
        "volume-driver" if value == "local" => {
            told.ignored(at, &name, "It is the usual driver.");
        }
        "volume-driver" => told.refused(
            at,
            &name,
            format!("The driver {value} is not used; volumes are local ones."),
            "Mount that storage on the machine, and name its folder.",
        ),
        "blkio_config" => devices(flag.long(), value, at, service, told),
        "storage_opt" => match value.split_once('=') {
            Some((option, value)) => {
                service.inside("storage_opt", option, at, Item::scalar(at, value));
            }
            None => told.invalid(
                at,
                &name,
                format!("`{value}` is no option."),
                "Write it with its value, such as size=20G.",
            ),
        },
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

/// `--blkio-weight 300`, `--device-read-bps /dev/sda:1mb`, as compose has them.
fn devices(flag: &str, value: &str, at: Place, service: &mut Service, told: &mut Told) {
    if flag == "blkio-weight" {
        service.inside("blkio_config", "weight", at, Item::scalar(at, value));
        return;
    }
    let Some((path, number)) = value.rsplit_once(':') else {
        told.invalid(
            at,
            &format!("--{flag}"),
            format!("`{value}` names no device with its number."),
            "Write such as /dev/sda:1mb.",
        );
        return;
    };
    let (key, word) = match flag {
        "blkio-weight-device" => ("weight_device".to_owned(), "weight"),
        flag => (flag.replace('-', "_"), "rate"),
    };
    let one = [("path", path), (word, number)].map(|(key, text)| {
        let item = Item::scalar(at, text);
        (key.to_owned(), Field { at, item })
    });
    let one = Item::map(at, Map::from(one));
    let before = service.map.get("blkio_config");
    let before = before.and_then(|field| field.item.get(&key));
    let all = before.into_iter().flat_map(Item::items).cloned();
    let all = all.chain(std::iter::once(one)).collect();
    service.inside("blkio_config", &key, at, Item::list(at, all));
}

/// What commas part, unless quotes keep them: `a,"b=c,d"`.
pub(super) fn fields(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut quoted, mut letters) = (false, text.chars().peekable());
    while let Some(c) = letters.next() {
        let last = parts.last_mut().expect("there is one");
        match c {
            '"' if quoted && letters.next_if_eq(&'"').is_some() => last.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => parts.push(String::new()),
            c => last.push(c),
        }
    }
    parts
}

/// `type=bind,src=…,dst=…,readonly`
fn mount(value: &str, at: Place, service: &mut Service, told: &mut Told) {
    let mut outer: IndexMap<&str, String> = IndexMap::new();
    let mut inner: Vec<(&str, &str, String)> = Vec::new();
    outer.insert("type", "volume".to_owned());
    for part in fields(value) {
        let (key, value) = part.split_once('=').unwrap_or((&part, "true"));
        let marked = value;
        let value = shell::plain(marked);
        match key {
            "type" => {
                outer.insert("type", value);
            }
            "src" | "source" => {
                let flag = super::flags::long("mount").expect("it is documented");
                let Some(value) = expanded(marked, flag, at, service, told) else {
                    return;
                };
                outer.insert("source", value);
            }
            "dst" | "target" | "destination" => {
                let target = here(marked, false, "--mount", at, service, told);
                outer.insert("target", shell::plain(&target));
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
