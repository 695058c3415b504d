//! What a change would do, told before it is done: what is replaced, whether requests may be lost, and why.

use pluvio_model::name::{Name, numbered};
use pluvio_model::release::{DecidedComponent, Release, Strategy};
use pluvio_model::route::BackendState;
use pluvio_model::spec::{AppSpec, VolumeAccess, VolumeKind};
use serde::{Deserialize, Serialize};

use crate::diff::check_text;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// Every component of both releases, in the new one's order.
    pub effects: Vec<Effect>,
    pub notes: Vec<Note>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    pub component: Name,
    pub effect: EffectKind,
    pub instances_before: u32,
    pub instances_after: u32,
    /// Requests wait while it stops and starts.
    pub held: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EffectKind {
    Unchanged,
    Added,
    Removed,
    /// New instances take the place of the old ones.
    Replaced,
    /// The same instances, more or fewer.
    Scaled,
    /// Only files that reach running instances.
    Files,
    /// Only its routes.
    Routes,
}

/// A sentence, by its code, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub code: NoteCode,
    /// A component or a volume.
    pub about: Name,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoteCode {
    NoRequestLost,
    Held,
    OneByOne,
    FewerInstances,
    NoProbe,
    Unserved,
    VolumeKept,
}

/// `current` is the release that runs now, if any.
pub fn preview(current: Option<&Release>, next: &Release) -> Preview {
    let mut preview = Preview {
        effects: Vec::new(),
        notes: Vec::new(),
    };
    for (name, component) in &next.components {
        let before = current.and_then(|release| Some((release, release.components.get(name)?)));
        let effect = match before {
            None => EffectKind::Added,
            Some((_, before)) if before.hash != component.hash => EffectKind::Replaced,
            Some((_, before))
                if before.instances != component.instances || before.scale != component.scale =>
            {
                EffectKind::Scaled
            }
            Some((_, before)) if before.hot_files != component.hot_files => EffectKind::Files,
            Some((release, _)) if routes(release, name) != routes(next, name) => EffectKind::Routes,
            Some(_) => EffectKind::Unchanged,
        };
        let instances_before = before.map_or(0, |(_, before)| before.instances);
        let replaced = effect == EffectKind::Replaced && instances_before > 0;
        preview.effects.push(Effect {
            component: name.clone(),
            effect,
            instances_before,
            instances_after: component.instances,
            held: replaced && is_held(component, instances_before),
        });
        if component.instances == 0 && instances_before > 0 {
            preview.tell(
                NoteCode::Unserved,
                name,
                format!("{name} will have no instances: requests are answered 503."),
            );
        } else if replaced {
            preview.replacement(next, component, instances_before);
        }
    }
    if let Some(current) = current {
        preview.departures(current, next);
    }
    preview
}

/// Where a volume of the engine's takes the place of one of the application's own, whose data nobody sees there any more.
pub fn given_up(current: &Release, next: &AppSpec) -> Vec<String> {
    let mut told = Vec::new();
    for (name, component) in &next.components {
        let Some(before) = current.components.get(name) else {
            continue;
        };
        let before = &before.content;
        let beside = component.sidecars.iter();
        let beside = beside
            .filter_map(|(name, sidecar)| Some((before.sidecars.get(name)?, &sidecar.volumes)));
        let containers = std::iter::once((&before.main, &component.volumes)).chain(beside);
        for (before, volumes) in containers {
            for (target, mount) in volumes {
                let was = before.mounts.get(target);
                let was = was.and_then(|was| was.volume.as_ref());
                let (Some(own), Some(engines)) = (was, &mount.host_volume) else {
                    continue;
                };
                told.push(format!(
                    "At {target} {name} has the engine's own volume {engines} now, with other data than the volume {own} that was there. {own} is kept until it is deleted by name: to have it there again, take `external` out of the compose file, or write `name: {own}` in place of `type: host` and `hostVolume`."
                ));
            }
        }
    }
    told
}

/// Whether there are moments in which nothing can answer.
fn is_held(component: &DecidedComponent, before: u32) -> bool {
    match component.rollout.strategy {
        Strategy::Surge { .. } => false,
        Strategy::StopThenStart => true,
        Strategy::Ordered => before.min(component.instances) == 1,
    }
}

fn routes(release: &Release, component: &Name) -> Vec<String> {
    let of = release.routes.iter().filter(|route| {
        route
            .backends
            .iter()
            .any(|b| b.backend.component().as_str() == component.as_str())
    });
    of.map(|route| format!("{route:?}")).collect()
}

impl Preview {
    fn tell(&mut self, code: NoteCode, about: &Name, text: String) {
        self.notes.push(Note {
            code,
            about: about.clone(),
            text,
        });
    }

    fn replacement(&mut self, next: &Release, component: &DecidedComponent, before: u32) {
        let name = &component.name;
        let hold = BackendState::HOLD.0 / 1000;
        match component.rollout.strategy {
            Strategy::Ordered if before.min(component.instances) > 1 => {
                let last = numbered(name, before.min(component.instances) - 1);
                self.tell(
                    NoteCode::OneByOne,
                    name,
                    format!("{name} is replaced instance by instance, {last} first: each stops, then starts, and the others serve meanwhile."),
                );
            }
            Strategy::Ordered => self.tell(
                NoteCode::Held,
                name,
                format!("{name} stops, then starts: requests wait up to {hold} s meanwhile, because its instance has a name and volumes of its own."),
            ),
            Strategy::StopThenStart => {
                let why = alone(next, component);
                self.tell(
                    NoteCode::Held,
                    name,
                    format!("{name} stops, then starts: requests wait up to {hold} s meanwhile, because {why}."),
                );
            }
            Strategy::Surge { unavailable: fewer @ 1.., .. } => {
                let left = before.saturating_sub(fewer);
                self.tell(
                    NoteCode::FewerInstances,
                    name,
                    format!("{name} may have {left} of {before} instances while it is replaced."),
                );
            }
            Strategy::Surge { .. } => match &component.content.main.probes.ready {
                Some(probe) => self.tell(
                    NoteCode::NoRequestLost,
                    name,
                    format!(
                        "No request to {name} is lost: each new instance serves once {} succeeds, then an old one leaves.",
                        check_text(&probe.check)
                    ),
                ),
                None => self.tell(
                    NoteCode::NoProbe,
                    name,
                    format!("{name} has no port and no readiness probe: a new instance counts as ready when it runs."),
                ),
            },
        }
    }

    fn departures(&mut self, current: &Release, next: &Release) {
        for (name, component) in &current.components {
            if !next.components.contains_key(name) {
                self.effects.push(Effect {
                    component: name.clone(),
                    effect: EffectKind::Removed,
                    instances_before: component.instances,
                    instances_after: 0,
                    held: false,
                });
            }
        }
        for name in current
            .volumes
            .keys()
            .filter(|name| !next.volumes.contains_key(*name))
        {
            self.tell(
                NoteCode::VolumeKept,
                name,
                format!(
                    "The volume {name} is no longer used. It is kept until it is deleted by name."
                ),
            );
        }
    }
}

/// Why two instances cannot run side by side.
fn alone(release: &Release, component: &DecidedComponent) -> String {
    let mounts = &component.content.main.mounts;
    let exclusive = mounts.iter().find(|(_, mount)| {
        let volume = mount
            .volume
            .as_ref()
            .and_then(|name| release.volumes.get(name));
        mount.kind == VolumeKind::Disk
            && volume.is_some_and(|volume| volume.access == VolumeAccess::Exclusive)
    });
    match (exclusive, component.content.publish.first()) {
        (Some((path, _)), _) => format!("its volume at {path} is exclusive"),
        (None, Some(publish)) => format!("it takes the machine's port {}", publish.host),
        (None, None) => "two instances of it cannot run side by side".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::{Value, json};

    use super::*;
    use crate::sample;

    fn check(before: Option<Value>, after: Value, want: Expect) {
        let before = before.map(sample::release);
        let next = sample::decide(2, &sample::shop(after), before.as_ref()).unwrap();
        let preview = preview(before.as_ref(), &next);
        let mut out = String::new();
        for effect in &preview.effects {
            let held = if effect.held { ", held" } else { "" };
            out += &format!(
                "{}: {:?} {} → {}{held}\n",
                effect.component, effect.effect, effect.instances_before, effect.instances_after
            );
        }
        for note in &preview.notes {
            out += &format!("{:?}: {}\n", note.code, note.text);
        }
        want.assert_eq(&out);
    }

    #[test]
    fn a_first_release_adds() {
        check(
            None,
            json!({ "web": { "image": "localhost/shop:1" } }),
            expect![[r#"
                web: Added 0 → 1
            "#]],
        );
    }

    #[test]
    fn instances_with_names_are_told_to_go_one_by_one() {
        let db = |image: &str, instances: u32| {
            json!({ "db": {
                "kind": "stateful", "image": image, "instances": instances, "routes": [], "volumes": { "/data": { "name": "data" } },
            } })
        };
        check(
            Some(db("localhost/db:1", 3)),
            db("localhost/db:2", 1),
            expect![[r#"
                db: Replaced 3 → 1, held
                Held: db stops, then starts: requests wait up to 30 s meanwhile, because its instance has a name and volumes of its own.
                VolumeKept: The volume data-1 is no longer used. It is kept until it is deleted by name.
                VolumeKept: The volume data-2 is no longer used. It is kept until it is deleted by name.
            "#]],
        );
    }

    #[test]
    fn a_volume_of_the_engine_in_place_of_an_own_one_is_told() {
        let web = |mount: Value| json!({ "web": { "image": "localhost/shop:1", "volumes": { "/data": mount } } });
        let engines = web(json!({ "type": "host", "hostVolume": "shop_data" }));
        let next = sample::shop(engines.clone());
        let told = given_up(&sample::release(web(json!({ "name": "data" }))), &next);
        assert_eq!(told.len(), 1);
        assert!(
            told[0].starts_with("At /data web has the engine's own volume shop_data now, with other data than the volume data"),
            "{told:?}"
        );
        assert_eq!(given_up(&sample::release(engines), &next), [""; 0]);
    }

    #[test]
    fn each_component_says_what_becomes_of_it() {
        check(
            Some(json!({
                "web": { "image": "localhost/shop:1", "instances": 2 },
                "api": { "image": "localhost/api:1", "files": { "/etc/a": { "content": "1", "hot": true } } },
                "disk": { "image": "localhost/disk:1", "routes": [], "volumes": { "/data": {} } },
                "idle": { "image": "localhost/idle:1", "routes": [] },
                "same": { "image": "localhost/same:1", "routes": [] },
                "old": { "image": "localhost/old:1", "routes": [], "volumes": { "/old": {} } },
                "link": { "image": "localhost/link:1", "routes": [] },
            })),
            json!({
                "web": { "image": "localhost/shop:2", "instances": 2 },
                "api": { "image": "localhost/api:1", "files": { "/etc/a": { "content": "2", "hot": true } } },
                "disk": { "image": "localhost/disk:2", "routes": [], "volumes": { "/data": {} } },
                "idle": { "image": "localhost/idle:1", "routes": [], "instances": 0 },
                "same": { "image": "localhost/same:1", "routes": [] },
                "link": { "image": "localhost/link:1", "routes": [{ "host": "link.test" }] },
            }),
            expect![[r#"
                web: Replaced 2 → 2
                api: Files 1 → 1
                disk: Replaced 1 → 1, held
                idle: Scaled 1 → 0
                same: Unchanged 1 → 1
                link: Routes 1 → 1
                old: Removed 1 → 0
                NoRequestLost: No request to web is lost: each new instance serves once TCP on 8080 succeeds, then an old one leaves.
                Held: disk stops, then starts: requests wait up to 30 s meanwhile, because its volume at /data is exclusive.
                Unserved: idle will have no instances: requests are answered 503.
                VolumeKept: The volume old-old is no longer used. It is kept until it is deleted by name.
            "#]],
        );
    }
}
