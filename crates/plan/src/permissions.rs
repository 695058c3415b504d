//! What a specification asks for beyond its own containers, and the permission each needs.

use pluvio_model::permission::Permission;
use pluvio_model::spec::{AppSpec, HostOptions, MountSpec, VolumeKind};

/// A permission, and the first place in the specification that needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    pub permission: Permission,
    /// `components.web.host.privileged`
    pub path: String,
}

/// Permissions that deploying this specification needs besides the one to deploy: one row for each place, in its order.
pub fn permissions_needed(spec: &AppSpec) -> Vec<Needed> {
    let mut needed = Vec::new();
    let mut ask = |path: String| {
        needed.push(Needed {
            permission: Permission::HostAccess,
            path,
        });
    };
    for (name, component) in &spec.components {
        let path = format!("components.{name}");
        container(
            &path,
            component.host.as_ref(),
            component.volumes.iter(),
            &mut ask,
        );
        for (kind, containers) in [("sidecars", &component.sidecars), ("init", &component.init)] {
            for (each, of) in containers {
                let path = format!("{path}.{kind}.{each}");
                container(&path, of.host.as_ref(), of.volumes.iter(), &mut ask);
            }
        }
        for (index, publish) in component.publish.iter().enumerate() {
            // On loopback it is reached by who is on the machine already.
            if publish
                .address
                .is_some_and(|address| !address.is_loopback())
                || publish.host < 1024
            {
                ask(format!("{path}.publish.{index}"));
            }
        }
        // What listens on loopback trusts whoever reaches it.
        if component.external.as_ref().is_some_and(|of| of.local) {
            ask(format!("{path}.external.local"));
        }
        // The escape can say anything, so it needs everything.
        if component.patch.is_some() {
            ask(format!("{path}.patch"));
        }
    }
    if !spec.objects.is_empty() {
        ask("objects".to_owned());
    }
    needed
}

fn container<'a>(
    path: &str,
    host: Option<&HostOptions>,
    mounts: impl Iterator<Item = (&'a pluvio_model::spec::AbsolutePath, &'a MountSpec)>,
    ask: &mut impl FnMut(String),
) {
    if let Some(host) = host {
        let options = [
            ("privileged", host.privileged),
            ("network", host.network),
            ("pid", host.pid),
            ("ipc", host.ipc),
            ("capabilities", !host.capabilities.is_empty()),
            ("devices", !host.devices.is_empty()),
            ("security", !host.security.is_empty()),
            ("sysctls", !host.sysctls.is_empty()),
        ];
        for (option, _) in options.iter().filter(|(_, asked)| *asked) {
            ask(format!("{path}.host.{option}"));
        }
    }
    for (target, mount) in mounts {
        if mount.kind == VolumeKind::Host {
            ask(format!("{path}.volumes.{target}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sample;

    #[test]
    fn what_reaches_beyond_the_container_needs_a_permission() {
        let spec = sample::spec(json!({
            "name": "shop",
            "components": {
                "plain": { "image": "localhost/a:1", "publish": [{ "host": 5432, "port": 5432 }], "host": {} },
                "web": {
                    "image": "localhost/b:1",
                    "host": { "privileged": true, "capabilities": ["NET_ADMIN"] },
                    "volumes": { "/logs": { "type": "host", "hostPath": "/var/log" } },
                    "publish": [{ "host": 8000, "port": 80, "address": "0.0.0.0" }, { "host": 80, "port": 80 }],
                    "sidecars": { "log": { "image": "localhost/c:1", "host": { "pid": true } } },
                    "patch": { "engine": {} },
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
                "components.web.host.capabilities",
                "components.web.volumes./logs",
                "components.web.sidecars.log.host.pid",
                "components.web.publish.0",
                "components.web.publish.1",
                "components.web.patch",
                "components.mail.external.local",
                "objects",
            ]
        );
    }
}
