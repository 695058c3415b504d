//! Imperative writes (`scale`, `config set`, the console's settings) as pure changes of a specification.
//!
//! A patch is applied to the *target's* specification inside the transaction that stores the new revision, so two at once
//! both survive.

use indexmap::IndexMap;
use pluvio_model::image::ImageReference;
use pluvio_model::name::{EnvName, Name};
use pluvio_model::problem::{NOT_FOUND, Problem, SPEC_CONFLICT};
use pluvio_model::spec::{
    AbsolutePath, AppSpec, BackupSpec, ComponentSpec, EnvValue, FileSpec, MountSpec, PortProtocol,
    Probes, Resources, RouteSpec, ScaleSpec, SecretSpec, VolumeAccess,
};
use serde::{Deserialize, Serialize};

/// One change. What it does not name stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "patch", rename_all = "kebab-case")]
#[expect(
    clippy::large_enum_variant,
    reason = "a handful exist at a time, each for one request"
)]
pub enum Patch {
    Scale {
        component: Name,
        instances: u32,
    },
    /// All of it. `None`: as many as `instances` says, or else one.
    SetScale {
        component: Name,
        scale: Option<ScaleSpec>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instances: Option<u32>,
    },
    /// `None` removes the variable.
    SetEnv {
        component: Name,
        env: IndexMap<EnvName, Option<EnvValue>>,
    },
    /// `None` removes the file.
    SetFiles {
        component: Name,
        files: IndexMap<AbsolutePath, Option<FileSpec>>,
    },
    /// All of it; `None` for the defaults.
    SetResources {
        component: Name,
        resources: Option<Resources>,
    },
    SetProbes {
        component: Name,
        probes: Option<Probes>,
    },
    /// `None` for the default route, an empty list for none.
    SetRoutes {
        component: Name,
        routes: Option<Vec<RouteSpec>>,
    },
    SetVolumes {
        component: Name,
        volumes: IndexMap<AbsolutePath, MountSpec>,
    },
    /// Mounts a volume of the application, by the name in `mount`. With `access: shared` whoever mounts it already shares it
    /// from now on.
    AttachVolume {
        component: Name,
        path: AbsolutePath,
        mount: MountSpec,
    },
    /// Takes a mount away. The volume, its name and its data stay.
    DetachVolume {
        component: Name,
        path: AbsolutePath,
    },
    /// `None` removes the parameter, and what follows from the memory counts again.
    SetParameters {
        component: Name,
        parameters: IndexMap<String, Option<EnvValue>>,
    },
    /// All of it; `None` for no backups by the clock.
    SetBackups {
        component: Name,
        backups: Option<BackupSpec>,
    },
    SetImage {
        component: Name,
        image: ImageReference,
    },
    /// `None` forgets the rule of the secret; its values are the store's.
    SetSecretSpec {
        name: EnvName,
        secret: Option<SecretSpec>,
    },
    /// Changes nothing of the specification: the revision's origin
    /// ([`pluvio_model::revision::Origin::Restart`]) makes new instances of the same content.
    Restart,
    /// Declares a port that others need; one of that number that is there stays as it is.
    OpenPort {
        component: Name,
        name: Name,
        port: u16,
        protocol: PortProtocol,
    },
}

impl Patch {
    /// Whether something must be pulled or built before it can be decided.
    pub fn changes_image(&self) -> bool {
        matches!(self, Patch::SetImage { .. })
    }

    /// The specification with the change. A component that is not there is refused by name.
    pub fn apply(&self, spec: &AppSpec) -> Result<AppSpec, Problem> {
        let mut spec = spec.clone();
        match self {
            Patch::Scale {
                component,
                instances,
            } => {
                let scaled = find(&mut spec, component)?;
                if let Some(scale) = &scaled.scale {
                    return Err(by_itself(component, scale, *instances));
                }
                scaled.instances = Some(*instances);
            }
            Patch::SetScale {
                component,
                scale,
                instances,
            } => {
                let scaled = find(&mut spec, component)?;
                scaled.scale.clone_from(scale);
                scaled.instances = if scale.is_some() { None } else { *instances };
            }
            Patch::SetEnv { component, env } => merge(&mut find(&mut spec, component)?.env, env),
            Patch::SetFiles { component, files } => {
                merge(&mut find(&mut spec, component)?.files, files);
            }
            Patch::SetResources {
                component,
                resources,
            } => find(&mut spec, component)?.resources.clone_from(resources),
            Patch::SetProbes { component, probes } => {
                find(&mut spec, component)?.probes.clone_from(probes);
            }
            Patch::SetRoutes { component, routes } => {
                find(&mut spec, component)?.routes.clone_from(routes);
            }
            Patch::SetVolumes { component, volumes } => {
                find(&mut spec, component)?.volumes.clone_from(volumes);
            }
            Patch::AttachVolume {
                component,
                path,
                mount,
            } => {
                if let Some(there) = find(&mut spec, component)?.volumes.get(path) {
                    let volume = crate::volume_of(component, path, there);
                    return Err(SPEC_CONFLICT.problem(
                        format!(
                            "{component} mounts {} at {path} already.",
                            volume.map_or("something".to_owned(), |name| name.to_string())
                        ),
                        "Choose another path, or detach that one first.",
                    ));
                }
                if mount.access == VolumeAccess::Shared {
                    share(&mut spec, mount);
                }
                find(&mut spec, component)?
                    .volumes
                    .insert(path.clone(), mount.clone());
            }
            Patch::DetachVolume { component, path } => {
                let mounts = &mut find(&mut spec, component)?.volumes;
                if mounts.shift_remove(path).is_none() {
                    return Err(NOT_FOUND.problem(
                        format!("{component} mounts no volume at {path}."),
                        "`pluvio volume list` shows which are mounted where.",
                    ));
                }
            }
            Patch::SetParameters {
                component,
                parameters,
            } => merge(&mut find(&mut spec, component)?.parameters, parameters),
            Patch::SetBackups { component, backups } => {
                find(&mut spec, component)?.backups.clone_from(backups);
            }
            Patch::SetImage { component, image } => {
                let component = find(&mut spec, component)?;
                component.image = Some(image.clone());
                // It replaces the source: a component has one or the other.
                component.source = None;
                component.build = None;
            }
            Patch::SetSecretSpec { name, secret } => match secret {
                Some(secret) => {
                    spec.secrets.insert(name.clone(), secret.clone());
                }
                None => {
                    spec.secrets.shift_remove(name);
                }
            },
            Patch::Restart => {}
            Patch::OpenPort {
                component,
                name,
                port,
                protocol,
            } => {
                let component = find(&mut spec, component)?;
                crate::openings::open(component, name.clone(), *port, *protocol);
            }
        }
        Ok(spec)
    }
}

/// What scales itself would undo a number that a person set.
fn by_itself(component: &Name, scale: &ScaleSpec, instances: u32) -> Problem {
    let bounds = match scale.max {
        Some(max) => format!("between {} and {max}", scale.min),
        None => format!("from {} on, by the clock", scale.min),
    };
    SPEC_CONFLICT
        .problem(
            format!("{component} scales itself, {bounds}: a number set by hand would not last."),
            format!(
                "Set other bounds with `pluvio scale {component} --min {instances} --max …`, or end it with `pluvio scale {component}={instances} --fixed`."
            ),
        )
        .path(format!("components.{component}.scale"))
}

/// Every mount of the same volume says that it is shared, and names it, so that they stay the same one.
fn share(spec: &mut AppSpec, shared: &MountSpec) {
    for (component, spec) in &mut spec.components {
        for (path, mount) in &mut spec.volumes {
            let volume = crate::volume_of(component, path, mount);
            if volume.is_some() && volume == shared.name {
                mount.access = VolumeAccess::Shared;
                mount.name = volume;
            }
        }
    }
}

fn find<'a>(spec: &'a mut AppSpec, component: &Name) -> Result<&'a mut ComponentSpec, Problem> {
    let names: Vec<String> = spec.components.keys().map(ToString::to_string).collect();
    let application = spec.name.clone();
    spec.components.get_mut(component).ok_or_else(|| {
        NOT_FOUND.problem(
            format!("{application} has no component {component}."),
            format!("Its components are: {}.", names.join(", ")),
        )
    })
}

fn merge<K: Clone + std::hash::Hash + Eq, V: Clone>(
    map: &mut IndexMap<K, V>,
    changes: &IndexMap<K, Option<V>>,
) {
    for (key, change) in changes {
        match change {
            Some(value) => {
                map.insert(key.clone(), value.clone());
            }
            None => {
                map.shift_remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> AppSpec {
        serde_json::from_value(serde_json::json!({
            "name": "shop",
            "components": { "web": {
                "image": "localhost/shop:1",
                "env": { "A": "1", "B": "2" },
                "ports": { "http": { "port": 8080 } },
            } },
        }))
        .unwrap()
    }

    fn check(patch: serde_json::Value, at: &str, want: serde_json::Value) {
        let patch: Patch = serde_json::from_value(patch).unwrap();
        let spec = serde_json::to_value(patch.apply(&spec()).unwrap()).unwrap();
        assert_eq!(
            spec.pointer(at).cloned().unwrap_or_default(),
            want,
            "{patch:?}"
        );
    }

    #[test]
    fn a_patch_changes_what_it_names_and_nothing_else() {
        use serde_json::json;
        let web = "/components/web";
        check(
            json!({"patch": "scale", "component": "web", "instances": 3}),
            &format!("{web}/instances"),
            json!(3),
        );
        check(
            json!({"patch": "set-env", "component": "web", "env": {"A": null, "C": "3", "B": "x"}}),
            &format!("{web}/env"),
            json!({"B": "x", "C": "3"}),
        );
        check(
            json!({"patch": "set-routes", "component": "web", "routes": []}),
            &format!("{web}/routes"),
            json!([]),
        );
        check(
            json!({"patch": "set-image", "component": "web", "image": "localhost/shop:2"}),
            &format!("{web}/image"),
            json!("localhost/shop:2"),
        );
        check(
            json!({"patch": "set-secret-spec", "name": "KEY", "secret": {"generate": true}}),
            "/secrets/KEY/generate",
            json!(true),
        );
        assert_eq!(Patch::Restart.apply(&spec()).unwrap(), spec());
    }

    #[test]
    fn a_volume_is_mounted_shared_and_taken_away() {
        use serde_json::json;
        let with_data = Patch::SetVolumes {
            component: "web".parse().unwrap(),
            volumes: [(
                "/data".parse().unwrap(),
                serde_json::from_value(json!({ "size": "1Gi" })).unwrap(),
            )]
            .into(),
        };
        let mut before = with_data.apply(&spec()).unwrap();
        let worker = before.components["web"].clone();
        before.components.insert("worker".parse().unwrap(), worker);
        before.components["worker"].volumes.clear();
        let attach = |path: &str, access: &str| -> Patch {
            serde_json::from_value(json!({
                "patch": "attach-volume", "component": "worker", "path": path,
                "mount": { "name": "web-data", "access": access },
            }))
            .unwrap()
        };
        // What was mounted without a name has the one that follows from its place; now both say it.
        let shared = attach("/media", "shared").apply(&before).unwrap();
        let shared = serde_json::to_value(shared).unwrap();
        for at in ["web/volumes/~1data", "worker/volumes/~1media"] {
            let mount = shared.pointer(&format!("/components/{at}")).unwrap();
            assert_eq!(mount["name"], "web-data", "{at}");
            assert_eq!(mount["access"], "shared", "{at}");
        }
        let shared: AppSpec = serde_json::from_value(shared).unwrap();
        let twice = attach("/media", "shared").apply(&shared).unwrap_err();
        assert_eq!(twice.code, "spec.conflict");
        let detach = Patch::DetachVolume {
            component: "worker".parse().unwrap(),
            path: "/media".parse().unwrap(),
        };
        let detached = detach.apply(&shared).unwrap();
        assert!(detached.components["worker"].volumes.is_empty());
        assert_eq!(detach.apply(&detached).unwrap_err().code, "not-found");
    }

    #[test]
    fn two_patches_both_survive() {
        let name: Name = "web".parse().unwrap();
        let scale = Patch::Scale {
            component: name.clone(),
            instances: 2,
        };
        let env = Patch::SetEnv {
            component: name,
            env: [("A".parse().unwrap(), Some("9".into()))].into(),
        };
        let one = env.apply(&scale.apply(&spec()).unwrap()).unwrap();
        let other = scale.apply(&env.apply(&spec()).unwrap()).unwrap();
        assert_eq!(one, other);
    }

    #[test]
    fn an_unknown_component_is_named_with_those_there_are() {
        let patch = Patch::Scale {
            component: "wev".parse().unwrap(),
            instances: 1,
        };
        let problem = patch.apply(&spec()).unwrap_err();
        assert_eq!(problem.cause, "shop has no component wev.");
        assert_eq!(problem.remedy, "Its components are: web.");
    }

    #[test]
    fn what_scales_itself_takes_no_number_by_hand() {
        let scale = serde_json::json!({ "patch": "set-scale", "component": "web", "scale": { "min": 2, "max": 5, "cpu": 70 } });
        let set: Patch = serde_json::from_value(scale).unwrap();
        let scaled = set.apply(&spec()).unwrap();
        let web: Name = "web".parse().unwrap();
        assert_eq!(scaled.components["web"].instances, None);
        let by_hand = Patch::Scale {
            component: web.clone(),
            instances: 3,
        };
        let refused = by_hand.apply(&scaled).unwrap_err();
        assert_eq!(refused.code, "spec.conflict");
        assert!(refused.remedy.contains("pluvio scale web=3 --fixed"));
        let fixed = Patch::SetScale {
            component: web,
            scale: None,
            instances: Some(3),
        };
        let fixed = fixed.apply(&scaled).unwrap();
        assert_eq!(fixed.components["web"].scale, None);
        assert_eq!(fixed.components["web"].instances, Some(3));
    }
}
