//! What a specification asks for beyond its own containers, and the permission each needs.

use indexmap::IndexMap;
use pluvio_model::name::Name;
use pluvio_model::permission::Permission;
use pluvio_model::spec::{
    AbsolutePath, AppSpec, ComponentSpec, Hooks, HostOptions, MountSpec, VolumeKind, VolumeOptions,
    only_tightens,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::decide::{mount_data, volume_of};

/// A permission, and a place in the specification that needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    pub permission: Permission,
    /// `components.web.host.privileged`
    pub path: String,
    /// What is asked for, and of which setting, as JSON: another value is another wish. An element's place in its list says
    /// nothing, so that one that moves up stays what it was. Where a program gets at the whole machine, the program is part of it.
    pub what: Value,
}

/// Permissions that deploying this specification needs besides the one to deploy: one row for each place, in its order.
pub fn permissions_needed(spec: &AppSpec) -> Vec<Needed> {
    let mut wishes = Wishes(Vec::new());
    let spec = &with_data_mounts(spec);
    let shares = Shares::of(spec);
    for (name, component) in &spec.components {
        let path = format!("components.{name}");
        let program = component_program(spec, component);
        wishes.host(&path, component.host.as_ref(), &program);
        wishes.hooks(&path, component.hooks.as_ref(), &program);
        wishes.mounts(&path, shares.among(name, &component.volumes), &program);
        for (kind, containers) in [("sidecars", &component.sidecars), ("init", &component.init)] {
            for (each, of) in containers {
                let path = format!("{path}.{kind}.{each}");
                // Without an image of its own it has the component's.
                let program = json!([program_in(of), of.image.is_none().then_some(&program)]);
                wishes.host(&path, of.host.as_ref(), &program);
                wishes.mounts(&path, shares.among(name, &of.volumes), &program);
            }
        }
        for (index, publish) in component.publish.iter().enumerate() {
            // On loopback it is reached by who is on the machine already.
            if publish
                .address
                .is_some_and(|address| !address.is_loopback())
                || publish.host < 1024
            {
                wishes.element(format!("{path}.publish"), &index, json!(publish));
            }
        }
        // Whoever reserved machines did not mean everybody.
        for (key, value) in component.placement.iter().flat_map(|p| &p.reserved) {
            let list = format!("{path}.placement.reserved");
            wishes.element(list, key, json!([key, value]));
        }
        // What listens on loopback trusts whoever reaches it. An address without a port takes the component's.
        if let Some(external) = &component.external
            && external.local
        {
            let what = json!([external, component.ports]);
            wishes.setting(format!("{path}.external.local"), what);
        }
        // The escape can say anything, so it needs everything; also of the containers beside.
        if let Some(patch) = &component.patch {
            let beside = component.sidecars.iter().chain(&component.init);
            let beside: Vec<Value> = beside.map(|(_, of)| program_in(of)).collect();
            let what = json!([patch, program, beside]);
            wishes.setting(format!("{path}.patch"), what);
        }
    }
    if !spec.objects.is_empty() {
        wishes.setting("objects".to_owned(), json!(spec.objects));
    }
    wishes.0
}

/// Wishes that a specification has and another had not, or not so.
pub fn widened(before: Option<&AppSpec>, spec: &AppSpec) -> Vec<Needed> {
    let had = before.map(permissions_needed).unwrap_or_default();
    let had = |one: &Needed| {
        had.iter()
            .any(|had| (had.permission, &had.what) == (one.permission, &one.what))
    };
    let mut needed = permissions_needed(spec);
    needed.retain(|one| !had(one));
    needed
}

/// What says which program runs in a container, and as whom.
const PROGRAM: [&str; 14] = [
    "image",
    "source",
    "build",
    "database",
    "entrypoint",
    "command",
    "workingDir",
    "user",
    "env",
    "files",
    "groups",
    "release",
    "hooks",
    "probes",
];

fn program_in(container: &impl Serialize) -> Value {
    let mut keys = json!(container);
    if let Some(keys) = keys.as_object_mut() {
        keys.retain(|key, _| PROGRAM.contains(&key.as_str()));
    }
    keys
}

fn component_program(spec: &AppSpec, component: &ComponentSpec) -> Value {
    let groups: Vec<_> = component
        .groups
        .iter()
        .map(|g| spec.groups.get(g))
        .collect();
    json!([program_in(component), groups])
}

/// Databases mount a volume that nobody wrote, and its name may be another mount's.
fn with_data_mounts(spec: &AppSpec) -> AppSpec {
    let mut spec = spec.clone();
    for (name, component) in &mut spec.components {
        if let Some(database) = component.database() {
            mount_data(name, component, &database);
        }
    }
    spec
}

/// What the engine mounts as a volume, by the volume's name. A mount that says nothing of it has what another one of that name says.
struct Shares(IndexMap<Name, Vec<VolumeOptions>>);

/// A mount, where it is, and what the engine mounts there.
type Mount<'s> = (&'s AbsolutePath, &'s MountSpec, Vec<&'s VolumeOptions>);

impl Shares {
    fn of(spec: &AppSpec) -> Self {
        let mut all: IndexMap<Name, Vec<VolumeOptions>> = IndexMap::new();
        for (name, component) in &spec.components {
            let beside = component.sidecars.values().chain(component.init.values());
            let beside = beside.flat_map(|container| &container.volumes);
            for (target, mount) in component.volumes.iter().chain(beside) {
                let volume = volume_of(name, target, mount);
                if let (Some(volume), Some(options)) = (volume, &mount.options) {
                    let said = all.entry(volume).or_default();
                    if !said.contains(options) {
                        said.push(options.clone());
                    }
                }
            }
        }
        Shares(all)
    }

    fn among<'s>(
        &'s self,
        component: &Name,
        mounts: &'s IndexMap<AbsolutePath, MountSpec>,
    ) -> impl Iterator<Item = Mount<'s>> {
        mounts.iter().map(move |(target, mount)| {
            let named = volume_of(component, target, mount).and_then(|name| self.0.get(&name));
            let options = match named {
                Some(said) => said.iter().collect(),
                None => mount.options.iter().collect(),
            };
            (target, mount, options)
        })
    }
}

struct Wishes(Vec<Needed>);

impl Wishes {
    fn setting(&mut self, path: String, what: Value) {
        let what = json!([path, what]);
        self.ask(path, what);
    }

    fn element(&mut self, list: String, at: &impl std::fmt::Display, what: Value) {
        let what = json!([list, what]);
        self.ask(format!("{list}.{at}"), what);
    }

    fn ask(&mut self, path: String, what: Value) {
        self.0.push(Needed {
            permission: Permission::HostAccess,
            path,
            what,
        });
    }

    fn host(&mut self, path: &str, host: Option<&HostOptions>, program: &Value) {
        if let Some(host) = host {
            for (option, asked) in [
                ("privileged", host.privileged),
                ("network", host.network),
                ("pid", host.pid),
                ("ipc", host.ipc),
            ] {
                if asked {
                    self.setting(format!("{path}.host.{option}"), program.clone());
                }
            }
            for (option, list) in [
                ("capabilities", &host.capabilities),
                ("devices", &host.devices),
                ("security", &host.security),
            ] {
                let beyond = list.iter().enumerate();
                let beyond =
                    beyond.filter(|(_, each)| option != "security" || !only_tightens(each));
                for (index, each) in beyond {
                    let list = format!("{path}.host.{option}");
                    self.element(list, &index, json!([each, program]));
                }
            }
            // Of the namespaces of its own.
            for (key, value) in &host.sysctls {
                let list = format!("{path}.host.sysctls");
                self.element(list, key, json!([key, value]));
            }
        }
    }

    /// A hook may have more rights than the container that it runs in.
    fn hooks(&mut self, path: &str, hooks: Option<&Hooks>, program: &Value) {
        for (which, list) in hooks.into_iter().flat_map(Hooks::lists) {
            let list_path = format!("{path}.hooks.{which}");
            let hooks = list.iter().enumerate();
            for (index, hook) in hooks.filter(|(_, hook)| hook.privileged) {
                let what = json!([list_path, hook, program]);
                self.ask(format!("{list_path}.{index}.privileged"), what);
            }
        }
    }

    fn mounts<'s>(&mut self, path: &str, mounts: impl Iterator<Item = Mount<'s>>, program: &Value) {
        for (target, mount, options) in mounts {
            if mount.kind == VolumeKind::Host || !options.is_empty() {
                // Which of the mounts says it, and how large it is, changes nothing of what is reached.
                let mount = MountSpec {
                    options: None,
                    size: None,
                    class: None,
                    ..mount.clone()
                };
                let what = json!([options, mount, program]);
                self.setting(format!("{path}.volumes.{target}"), what);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn of(component: &Value) -> AppSpec {
        sample::spec(json!({ "name": "shop", "components": { "web": component } }))
    }

    #[test]
    fn another_value_is_another_wish() {
        let outside = |port: u16| {
            json!({
                "kind": "external",
                "ports": { "main": { "port": port, "protocol": "tcp" } },
                "external": { "addresses": ["127.0.0.1"], "local": true },
            })
        };
        for (one, other) in [
            (
                json!({ "placement": { "reserved": { "gpu": "" } } }),
                json!({ "placement": { "reserved": { "gpu": "", "other": "" } } }),
            ),
            (
                json!({ "volumes": { "/a": { "type": "host", "hostPath": "/srv/a" } } }),
                json!({ "volumes": { "/a": { "type": "host", "hostPath": "/etc" } } }),
            ),
            (
                json!({ "volumes": { "/a": { "type": "host", "hostVolume": "shop_data" } } }),
                json!({ "volumes": { "/a": { "type": "host", "hostVolume": "other_data" } } }),
            ),
            (
                json!({ "volumes": { "/a": { "name": "a", "options": { "type": "nfs", "device": ":/a" } } } }),
                json!({ "volumes": { "/a": { "name": "a", "options": { "type": "nfs", "device": ":/b" } } } }),
            ),
            (
                json!({ "host": { "capabilities": ["NET_ADMIN"] } }),
                json!({ "host": { "capabilities": ["SYS_ADMIN"] } }),
            ),
            (
                json!({ "patch": { "engine": { "a": 1 } } }),
                json!({ "patch": { "engine": { "a": 2 } } }),
            ),
            (outside(5432), outside(2375)),
            (
                json!({ "publish": [{ "host": 80, "port": 80 }] }),
                json!({ "publish": [{ "host": 80, "port": 80 }, { "host": 81, "port": 80 }] }),
            ),
        ] {
            let (had, asks) = (of(&one), of(&other));
            assert_eq!(widened(Some(&had), &had), []);
            assert_ne!(widened(Some(&had), &asks), [], "{other}");
        }
    }

    #[test]
    fn who_mounts_a_share_by_its_name_asks_wherever_its_options_are_said() {
        let share = json!({ "name": "media", "access": "shared", "options": { "type": "nfs", "device": ":/a" } });
        let bare = json!({ "name": "media", "access": "shared" });
        let with = |further: &Value| {
            let web = json!({ "image": "localhost/a:1", "volumes": { "/a": share } });
            let mut components = json!({ "web": web });
            if let Some(further) = further.as_object() {
                components["further"] = json!(further);
            }
            sample::spec(json!({ "name": "shop", "components": components }))
        };
        let without = with(&json!(null));
        let mounts = |image: &str| json!({ "image": image, "volumes": { "/m": bare } });
        for (further, path) in [
            (mounts("localhost/b:1"), "volumes./m"),
            (
                json!({ "image": "localhost/b:1", "sidecars": { "log": mounts("localhost/c:1") } }),
                "sidecars.log.volumes./m",
            ),
            (
                json!({ "image": "localhost/b:1", "init": { "copy": mounts("localhost/c:1") } }),
                "init.copy.volumes./m",
            ),
        ] {
            let asks = widened(Some(&without), &with(&further));
            let paths: Vec<&str> = asks.iter().map(|one| one.path.as_str()).collect();
            assert_eq!(paths, [format!("components.further.{path}")]);
            assert_eq!(widened(Some(&with(&further)), &without), []);
        }
        let (had, asks) = (
            with(&mounts("localhost/b:1")),
            with(&mounts("localhost/c:1")),
        );
        assert_eq!(widened(Some(&had), &had), []);
        assert_ne!(widened(Some(&had), &asks), [], "another program");

        let attach = crate::patch::Patch::AttachVolume {
            component: "further".parse().unwrap(),
            path: "/m".parse().unwrap(),
            mount: serde_json::from_value(bare.clone()).unwrap(),
        };
        let before = with(&json!({ "image": "localhost/b:1" }));
        let attached = attach.apply(&before).unwrap();
        assert_eq!(widened(Some(&before), &attached).len(), 1);
    }

    #[test]
    fn a_database_has_its_data_on_a_share_of_its_volume_s_name() {
        let with = |database: &Value| {
            let web = json!({ "image": "localhost/a:1", "volumes": { "/a": { "name": "db-postgres-17", "options": { "type": "nfs", "device": ":/a" } } } });
            sample::spec(json!({ "name": "shop", "components": { "web": web, "db": database } }))
        };
        let database = |command: &str| json!({ "kind": "database", "database": "postgres@17", "command": command });
        let asks = widened(Some(&with(&database("a"))), &with(&database("b")));
        let paths: Vec<&str> = asks.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, ["components.db.volumes./var/lib/postgresql/data"]);
    }

    #[test]
    fn an_engine_s_volume_is_asked_for_in_every_container() {
        let mount = json!({ "/v": { "type": "host", "hostVolume": "pluvio--other--data" } });
        let spec = of(&json!({
            "image": "localhost/a:1",
            "release": { "command": "migrate" },
            "volumes": mount,
            "sidecars": { "log": { "image": "localhost/b:1", "volumes": mount } },
            "init": { "copy": { "image": "localhost/c:1", "volumes": mount } },
        }));
        let paths = |before: Option<&AppSpec>| -> Vec<String> {
            let asks = widened(before, &spec).into_iter();
            asks.map(|one| one.path).collect()
        };
        let all = [
            "components.web.volumes./v",
            "components.web.sidecars.log.volumes./v",
            "components.web.init.copy.volumes./v",
        ];
        assert_eq!(paths(None), all, "the first deploy");
        let before = of(&json!({ "image": "localhost/a:1" }));
        assert_eq!(paths(Some(&before)), all, "an edit");
        // A release task has the mounts of its component, and nothing else of its own.
        let before = of(&json!({ "image": "localhost/a:1", "volumes": mount }));
        assert!(paths(Some(&before)).contains(&all[0].to_owned()));
    }

    #[test]
    fn who_takes_one_of_several_away_asks_for_nothing() {
        for (key, two, one) in [
            (
                "publish",
                json!([{ "host": 80, "port": 80, "address": "0.0.0.0" }, { "host": 81, "port": 80, "address": "0.0.0.0" }]),
                json!([{ "host": 81, "port": 80, "address": "0.0.0.0" }]),
            ),
            (
                "host",
                json!({ "capabilities": ["NET_ADMIN", "SYS_TIME"], "devices": ["/dev/a", "/dev/b"], "sysctls": { "a": "1", "b": "2" } }),
                json!({ "capabilities": ["SYS_TIME"], "devices": ["/dev/b"], "sysctls": { "b": "2" } }),
            ),
            (
                "placement",
                json!({ "reserved": { "gpu": "", "other": "a" } }),
                json!({ "reserved": { "other": "a" } }),
            ),
        ] {
            let (two, one) = (of(&json!({ key: two })), of(&json!({ key: one })));
            assert_eq!(widened(Some(&two), &one), [], "{key}");
            assert_ne!(widened(Some(&one), &two), [], "{key}");
        }
    }

    #[test]
    fn another_program_with_the_machine_s_rights_is_another_wish() {
        let with = |reach: &Value, program: &Value| {
            let mut all = json!({ "image": "localhost/a:1", "command": ["serve"] });
            for (key, value) in [reach, program]
                .into_iter()
                .flat_map(|v| v.as_object().unwrap())
            {
                all[key] = value.clone();
            }
            of(&all)
        };
        let others = [
            json!({ "image": "localhost/b:1" }),
            json!({ "image": null, "source": { "path": "." } }),
            json!({ "command": ["sh", "-c", "anything"] }),
            json!({ "entrypoint": ["sh"] }),
            json!({ "user": "0" }),
            json!({ "env": { "BASH_ENV": "/tmp/a" } }),
            json!({ "files": { "/bin/serve": { "content": "anything" } } }),
            json!({ "release": { "command": "anything" } }),
            json!({ "hooks": { "preStop": [{ "command": "anything" }] } }),
        ];
        for reach in [
            json!({ "host": { "privileged": true } }),
            json!({ "host": { "network": true } }),
            json!({ "host": { "pid": true } }),
            json!({ "host": { "capabilities": ["SYS_ADMIN"] } }),
            json!({ "host": { "devices": ["/dev/sda"] } }),
            json!({ "volumes": { "/a": { "type": "host", "hostPath": "/var/run/docker.sock" } } }),
            json!({ "patch": { "engine": { "a": 1 } } }),
        ] {
            let had = with(&reach, &json!({}));
            let calm = json!({ "instances": 2, "labels": { "a": "b" }, "routes": [] });
            assert_eq!(widened(Some(&had), &with(&reach, &calm)), [], "{reach}");
            for other in &others {
                let asks = widened(Some(&had), &with(&reach, other));
                assert_ne!(asks, [], "{reach} {other}");
            }
        }
        let beside = |image: &str| {
            let log = json!({ "command": ["log"], "host": { "privileged": true } });
            of(&json!({ "image": image, "sidecars": { "log": log } }))
        };
        let asks = widened(Some(&beside("localhost/a:1")), &beside("localhost/b:1"));
        assert_ne!(asks, [], "a sidecar with the component's image");
        let hook = |image: &str, privileged: bool| {
            let warm = json!({ "command": ["warm"], "privileged": privileged });
            of(&json!({ "image": image, "hooks": { "postStart": [warm] } }))
        };
        let had = hook("localhost/a:1", true);
        assert_eq!(widened(Some(&had), &hook("localhost/b:1", false)), []);
        for other in [hook("localhost/b:1", true), hook("localhost/a:1", true)] {
            let asks = widened(Some(&hook("localhost/a:1", false)), &other);
            assert_eq!(asks.len(), 1, "a hook with more rights than its container");
        }
        assert_ne!(widened(Some(&had), &hook("localhost/b:1", true)), []);
        // What is published or reserved gives a program no right over the machine.
        let reach = json!({ "publish": [{ "host": 80, "port": 80 }], "placement": { "reserved": { "gpu": "" } } });
        for other in &others {
            let asks = widened(Some(&with(&reach, &json!({}))), &with(&reach, other));
            assert_eq!(asks, [], "{other}");
        }
    }

    #[test]
    fn what_reaches_beyond_the_container_needs_a_permission() {
        let spec = sample::spec(json!({
            "name": "shop",
            "components": {
                "plain": { "image": "localhost/a:1", "publish": [{ "host": 5432, "port": 5432 }], "host": { "security": ["no-new-privileges:true", "no-new-privileges"] } },
                "web": {
                    "image": "localhost/b:1",
                    "host": { "privileged": true, "network": true, "capabilities": ["NET_ADMIN"] },
                    "hooks": {
                        "postStart": [{ "command": "a" }, { "command": "b", "privileged": true }],
                        "preStop": [{ "command": "c", "user": "root" }],
                    },
                    "volumes": { "/logs": { "type": "host", "hostPath": "/var/log" } },
                    "publish": [{ "host": 8000, "port": 80, "address": "0.0.0.0" }, { "host": 80, "port": 80 }],
                    "sidecars": { "log": { "image": "localhost/c:1", "host": { "pid": true } } },
                    "patch": { "engine": {} },
                    "placement": { "spread": true, "reserved": { "gpu": "" } },
                },
                "mail": { "kind": "external", "external": { "addresses": ["127.0.0.1"], "local": true } },
                "bank": { "kind": "external", "external": { "addresses": ["bank.example"] } },
            },
            "objects": [{}],
        }));
        let paths: Vec<String> = permissions_needed(&spec)
            .into_iter()
            .map(|n| n.path)
            .collect();
        assert_eq!(
            paths,
            [
                "components.web.host.privileged",
                "components.web.host.network",
                "components.web.host.capabilities.0",
                "components.web.hooks.postStart.1.privileged",
                "components.web.volumes./logs",
                "components.web.sidecars.log.host.pid",
                "components.web.publish.0",
                "components.web.publish.1",
                "components.web.placement.reserved.gpu",
                "components.web.patch",
                "components.mail.external.local",
                "objects",
            ]
        );
    }
}
