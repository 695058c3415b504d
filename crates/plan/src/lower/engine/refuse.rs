//! What an engine cannot do, each thing by its name and place.

use pluvio_model::facts::{Facts, RuntimeKind};
use pluvio_model::problem::{Problem, SPEC_UNSUPPORTED};
use pluvio_model::release::{DecidedComponent, Release};
use pluvio_model::spec::Kind;

/// Empty when everything can be done.
pub(crate) fn unsupported(
    release: &Release,
    components: &[&DecidedComponent],
    facts: &Facts,
) -> Vec<Problem> {
    let mut found = Vec::new();
    if !release.objects.is_empty() {
        found.push(problem(
            "objects",
            "Raw Kubernetes objects need a Kubernetes cluster; this is a container engine.",
            "Take `objects` out, or choose a Kubernetes cluster.",
        ));
    }
    for component in components {
        kind(component, &mut found);
        let custom = component.scale.iter().flat_map(|scale| &scale.custom);
        if let Some(custom) = custom.into_iter().next() {
            found.push(problem(
                format!("components.{}.scale.custom", component.name),
                format!(
                    "{} is told by a cluster's metrics APIs; an engine has none.",
                    custom.metric
                ),
                "Scale by `cpu`, `memory` or `schedule` here, or deploy to a Kubernetes cluster.",
            ));
        }
        content(component, facts, &mut found);
    }
    found
}

fn problem(path: impl Into<String>, cause: impl Into<String>, remedy: &str) -> Problem {
    SPEC_UNSUPPORTED.problem(cause, remedy).path(path)
}

fn kind(component: &DecidedComponent, found: &mut Vec<Problem>) {
    let name = &component.name;
    let (what, remedy) = match component.kind {
        Kind::Service | Kind::Stateful | Kind::Daemon | Kind::Job | Kind::Cron => return,
        Kind::Database if component.instances <= 1 => return,
        Kind::Database => {
            found.push(problem(
                format!("components.{name}.instances"),
                format!(
                    "{} instances of {name} would be as many databases that know nothing of each other.",
                    component.instances
                ),
                "Set `instances: 1`, or run its image as `kind: stateful` with what makes it a cluster.",
            ));
            return;
        }
        // What is outside is no component of a release that runs.
        Kind::External => return,
        Kind::Vm => (
            "A virtual machine",
            "Choose a Kubernetes cluster with KubeVirt.",
        ),
    };
    found.push(problem(
        format!("components.{name}.kind"),
        format!("{what} cannot be run on a container engine by this version; {name} is one."),
        remedy,
    ));
}

fn content(component: &DecidedComponent, facts: &Facts, found: &mut Vec<Problem>) {
    let (name, content) = (&component.name, &component.content);
    let mut refuse = |path: String, cause: &str, remedy: &str| {
        found.push(problem(format!("components.{name}.{path}"), cause, remedy));
    };
    if let Some(key) = content.node_labels.keys().next() {
        refuse(
            format!("placement.nodeLabels.{key}"),
            "An engine is one machine: there is nothing to choose among.",
            "Take `nodeLabels` out, or choose a Kubernetes cluster.",
        );
    }
    let beside = [("init", &content.init), ("sidecars", &content.sidecars)];
    let beside = beside.into_iter().flat_map(|(what, containers)| {
        let each = containers.iter();
        each.map(move |(name, container)| (format!("{what}.{name}."), container))
    });
    let containers = std::iter::once((String::new(), &content.main)).chain(beside);
    for (prefix, container) in containers {
        if facts.runtime == RuntimeKind::Podman {
            let owned = container.mounts.iter().filter_map(|(target, mount)| {
                let uid = mount.uid.map(|_| "uid");
                Some((target, uid.or(mount.gid.map(|_| "gid"))?))
            });
            for (target, key) in owned {
                refuse(
                    format!("{prefix}volumes.{target}.{key}"),
                    "Podman mounts memory as root's only.",
                    "Take it out and let `mode` say who may write, or choose a Docker engine.",
                );
            }
        }
        let Some(host) = &container.host else {
            continue;
        };
        if host.network && !prefix.is_empty() {
            refuse(
                format!("{prefix}host.network"),
                "It is on its instance's network, whichever that is.",
                "Write `host: { network: true }` for the component itself.",
            );
        }
        // That of the machine is out of its reach: what it calls so is one of its own, and another program would answer for it.
        if host.network
            && prefix.is_empty()
            && facts.rootless
            && facts.runtime == RuntimeKind::Docker
        {
            refuse(
                "host.network".to_owned(),
                "A Docker that runs without root has no way to the machine's own network.",
                "Use `publish` for ports of the machine, or an engine that runs as root.",
            );
        }
        if host.privileged && facts.rootless {
            refuse(
                format!("{prefix}host.privileged"),
                "The engine runs without root: it has no privileges to give.",
                "Take `privileged` out, or use an engine that runs as root.",
            );
        }
    }
    for (place, hook) in content.hooks.each() {
        if hook.privileged && facts.rootless {
            refuse(
                format!("hooks.{place}.privileged"),
                "The engine runs without root: it has no privileges to give.",
                "Take `privileged` out, or use an engine that runs as root.",
            );
        }
    }
    for index in 0..content.publish.len() {
        if content.is_on_host() {
            refuse(
                format!("publish.{index}"),
                "On the machine's own network its ports are the machine's already.",
                "Take `publish` out.",
            );
        } else if content.offline {
            refuse(
                format!("publish.{index}"),
                "It has no network, so no port of it is reached.",
                "Take `publish` or `offline` out.",
            );
        }
    }
    if facts.rootless {
        for (index, publish) in content.publish.iter().enumerate() {
            if publish.host < 1024 {
                refuse(
                    format!("publish.{index}.host"),
                    "The engine runs without root: it may not listen on ports below 1024.",
                    "Choose a port of 1024 or above.",
                );
            }
        }
    }
}
