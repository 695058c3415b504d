//! Going back: a new revision equal to an old one, with the old one's images and today's sizes.

use indexmap::IndexMap;
use pluvio_model::image::ImageReference;
use pluvio_model::name::Name;
use pluvio_model::problem::{Problem, RELEASE_GONE};
use pluvio_model::release::{BuildRecord, DecidedContainer, Release};
use pluvio_model::revision::Revision;
use pluvio_model::spec::{AppSpec, Kind, MountSpec};

/// What is decided anew to go back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollback {
    /// The old specification; instance counts, larger volumes and storage classes as today.
    pub spec: AppSpec,
    /// The images of the old release, to be given to `decide` in `facts.images`.
    pub images: IndexMap<Name, PinnedImage>,
    /// Those of sidecars and init steps, by reference: for `facts.other_images`.
    pub other_images: IndexMap<String, PinnedImage>,
}

/// An image by what it really is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedImage {
    pub image: ImageReference,
    pub image_id: String,
    pub built: Option<BuildRecord>,
}

/// `target` and `release` are what is gone back to; `current` is the release that is the target now. Secret values are
/// today's, for `decide` takes the newest.
pub fn rollback(
    target: &Revision,
    release: &Release,
    current: &Release,
) -> Result<Rollback, Problem> {
    let mut spec = target.spec.clone();
    keep_todays(&mut spec, current);
    let pins = pin(&spec, release)?;
    Ok(Rollback {
        spec,
        images: pins.images,
        other_images: pins.other_images,
    })
}

/// What a release's containers run, by what it really is.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    pub(crate) images: IndexMap<Name, PinnedImage>,
    /// Those of sidecars and init steps, by reference.
    pub(crate) other_images: IndexMap<String, PinnedImage>,
}

/// The images that the release has for the components of the specification.
pub(crate) fn pin(spec: &AppSpec, release: &Release) -> Result<Pins, Problem> {
    let mut pins = Pins::default();
    for (name, component) in &spec.components {
        if matches!(component.kind, Kind::External | Kind::Vm) {
            continue;
        }
        let Some(decided) = release.components.get(name) else {
            return Err(RELEASE_GONE.problem(
                format!(
                    "Release r{} does not say which image {name} had.",
                    release.number
                ),
                "Deploy that version's source or image again.",
            ));
        };
        let content = &decided.content;
        let image = PinnedImage {
            built: decided.build.clone(),
            ..pinned(&content.main)
        };
        pins.images.insert(name.clone(), image);
        for container in content.sidecars.values().chain(content.init.values()) {
            pins.other_images
                .insert(container.image.to_string(), pinned(container));
        }
    }
    Ok(pins)
}

/// Takes today's instance counts, larger sizes and classes of volumes over.
pub(crate) fn keep_todays(spec: &mut AppSpec, current: &Release) {
    for (name, component) in &mut spec.components {
        // Programs that come to an end, and what runs once on every machine, have no count that could be said.
        let counted = matches!(component.kind, Kind::Service | Kind::Stateful);
        if let Some(today) = current.components.get(name).filter(|_| counted) {
            component.scale.clone_from(&today.scale);
            component.instances = today.scale.is_none().then_some(today.instances);
        }
        let database = component
            .database()
            .map(|database| crate::decide::database_volume(name, &database));
        let further = component
            .sidecars
            .values_mut()
            .chain(component.init.values_mut())
            .flat_map(|container| &mut container.volumes);
        for (target, mount) in component.volumes.iter_mut().chain(further) {
            let unnamed = match &database {
                Some(volume) => Some(volume.clone()),
                None => crate::decide::volume_of(name, target, mount),
            };
            keep_size_and_class(mount, unnamed.as_ref(), current);
        }
    }
}

/// Refuses to go back to a release whose data are not to be had under their names any more: a new, empty volume in their place
/// would not be what the release was. `next` is what was decided to go back.
pub fn refuse_lost_data(release: &Release, next: &Release) -> Result<(), Problem> {
    let lost = next.volumes.iter().find(|(name, volume)| {
        let was = release.volumes.get(*name);
        was.is_some_and(|was| was.id != volume.id)
    });
    match lost {
        None => Ok(()),
        Some((name, _)) => Err(RELEASE_GONE.problem(
            format!(
                "The volume {name} that r{} had was deleted. Nothing was changed.",
                release.number
            ),
            "Deploy that version again, as a new release: it gets a new, empty volume.",
        )),
    }
}

fn pinned(container: &DecidedContainer) -> PinnedImage {
    PinnedImage {
        image: container.image.clone(),
        image_id: container.image_id.clone(),
        built: None,
    }
}

/// A volume never shrinks, never changes its class nor where it leads: its data is today's.
fn keep_size_and_class(mount: &mut MountSpec, unnamed: Option<&Name>, current: &Release) {
    let today = mount
        .name
        .as_ref()
        .or(unnamed)
        .and_then(|name| current.volumes.get(name));
    if let Some(today) = today {
        mount.size = mount.size.max(today.size);
        mount.class.clone_from(&today.class);
        mount.options.clone_from(&today.options);
    }
}

#[cfg(test)]
mod tests {
    use pluvio_model::facts::{DecideFacts, ImageAtHand, ImageFacts};
    use pluvio_model::revision::Origin;
    use serde_json::{Value, json};

    use super::*;
    use crate::sample;

    fn web(more: Value) -> AppSpec {
        let mut web = json!({ "image": "localhost/shop:1" });
        web.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        sample::shop(json!({ "web": web }))
    }

    fn decide(revision: &Revision, parent: Option<&Release>, facts: &DecideFacts) -> Release {
        crate::decide(revision, parent, facts, &mut sample::volume_ids().skip(5))
            .unwrap_or_else(|problems| panic!("{problems:#?}"))
    }

    /// r1, then r2 with another image, more instances, another variable and a larger volume; then back to r1.
    #[test]
    fn d3_the_old_release_comes_back_with_todays_sizes_and_secrets() {
        let old = web(json!({
            "env": { "LEVEL": "info", "TOKEN": "${secrets.KEY}" },
            "volumes": { "/data": { "name": "data", "access": "shared", "size": "1Gi" } },
            "routes": [{ "host": "old.test" }],
        }));
        let first = sample::revision(1, &old, Origin::Deploy);
        let r1 = decide(&first, None, &sample::facts(&old));

        let new = web(json!({
            "image": "localhost/shop:2",
            "instances": 3,
            "env": { "LEVEL": "debug", "NEW": "1" },
            "volumes": { "/data": { "name": "data", "access": "shared", "size": "5Gi", "class": "fast" } },
        }));
        let second = sample::revision(2, &new, Origin::Apply);
        let mut facts = sample::facts(&new);
        let r2 = decide(&second, Some(&r1), &facts);

        let back = rollback(&first, &r1, &r2).unwrap();
        // What the caller does with it: the images as they were, the secrets as they are.
        facts.secrets.insert("KEY".parse().unwrap(), 9);
        facts.images = back
            .images
            .iter()
            .map(|(name, pinned)| {
                let image = ImageAtHand {
                    reference: pinned.image.clone(),
                    facts: ImageFacts {
                        id: pinned.image_id.clone(),
                        exposed: vec![8080],
                        ..ImageFacts::default()
                    },
                    built: pinned.built.clone(),
                };
                (name.clone(), image)
            })
            .collect();
        let third = sample::revision(3, &back.spec, Origin::Rollback { to: 1 });
        let r3 = decide(&third, Some(&r2), &facts);

        let (web1, web3) = (&r1.components["web"], &r3.components["web"]);
        assert_eq!(web3.content.main.image_id, web1.content.main.image_id);
        assert_eq!(web3.instances, 3);
        assert_eq!(
            web3.content.main.env["LEVEL"],
            web1.content.main.env["LEVEL"]
        );
        assert!(!web3.content.main.env.contains_key("NEW"));
        assert_eq!(
            web3.content.main.env["TOKEN"]
                .secrets()
                .next()
                .unwrap()
                .version,
            9
        );
        assert_eq!(r3.routes, r1.routes);
        assert_eq!(r3.volumes["data"].id, r1.volumes["data"].id);
        assert_eq!(r3.volumes["data"].size, r2.volumes["data"].size);
        assert_eq!(r3.volumes["data"].class.as_deref(), Some("fast"));
    }

    /// Decides `new` after `old` and goes back; what is refused is refused before anything starts.
    fn there_and_back(
        old: &AppSpec,
        new: &AppSpec,
    ) -> Result<(Release, Release, Release), Problem> {
        let first = sample::revision(1, old, Origin::Deploy);
        let mut all = sample::facts(old);
        for (name, database) in [old, new].into_iter().flat_map(|spec| &spec.components) {
            if let Some(database) = database.database() {
                all.images.insert(
                    name.clone(),
                    image(&format!("localhost/{database}").replace('@', ":")),
                );
                all.secrets
                    .insert(pluvio_model::spec::password_secret(name), 1);
            }
        }
        let with = |spec: &AppSpec, all: &DecideFacts| {
            let mut facts = sample::facts(spec);
            for (name, component) in &spec.components {
                if let Some(database) = component.database() {
                    let text = format!("localhost/{database}").replace('@', ":");
                    facts.images.insert(name.clone(), image(&text));
                }
            }
            facts.secrets.extend(all.secrets.clone());
            facts
        };
        let r1 = decide(&first, None, &with(old, &all));
        let second = sample::revision(2, new, Origin::Apply);
        let mut facts = with(new, &all);
        facts.kept_volumes = r1
            .volumes
            .iter()
            .map(|(name, volume)| (name.clone(), volume.id))
            .collect();
        let ids = &mut sample::volume_ids().skip(20);
        let r2 = crate::decide(&second, Some(&r1), &facts, ids).map_err(|all| all[0].clone())?;
        let back = rollback(&first, &r1, &r2)?;
        facts.images = back
            .images
            .iter()
            .map(|(name, pinned)| {
                let mut image = image(&pinned.image.to_string());
                image.facts.id.clone_from(&pinned.image_id);
                (name.clone(), image)
            })
            .collect();
        let third = sample::revision(3, &back.spec, Origin::Rollback { to: 1 });
        let ids = &mut sample::volume_ids().skip(40);
        let r3 = crate::decide(&third, Some(&r2), &facts, ids).map_err(|all| all[0].clone())?;
        Ok((r1, r2, r3))
    }

    fn image(reference: &str) -> ImageAtHand {
        ImageAtHand {
            reference: reference.parse().unwrap(),
            facts: ImageFacts {
                id: format!("sha256:{reference}"),
                exposed: vec![8080],
                ..ImageFacts::default()
            },
            built: None,
        }
    }

    #[test]
    fn the_size_of_a_volume_without_a_name_stays_too() {
        let of = |size: &str| web(json!({ "volumes": { "/data": { "size": size } } }));
        let (_, r2, r3) = there_and_back(&of("1Gi"), &of("5Gi")).unwrap();
        assert_eq!(r3.volumes, r2.volumes);
    }

    #[test]
    fn a_database_of_another_major_version_is_refused_before_anything_starts() {
        let of = |database: &str| {
            sample::shop(json!({
                "web": { "image": "localhost/shop:1" },
                "db": { "kind": "database", "database": database },
            }))
        };
        // From one minor version to the next, data go along: back as well.
        let (r1, _, r3) = there_and_back(&of("postgres@15.4"), &of("postgres@15.6")).unwrap();
        assert_eq!(r3.components["db"].content, r1.components["db"].content);
        assert_eq!(r3.volumes, r1.volumes);
        // Another major version can only be there under the same name when the older was taken out in between.
        let without = sample::shop(json!({ "web": { "image": "localhost/shop:1" } }));
        let (r1, _, r3) = there_and_back(&of("postgres@15"), &without).unwrap();
        assert_eq!(r3.volumes, r1.volumes, "the data of before are bound again");
        let first = sample::revision(1, &of("postgres@15"), Origin::Deploy);
        let (newer, ..) = there_and_back(&of("postgres@17"), &without).unwrap();
        let back = rollback(&first, &r1, &newer).unwrap();
        let third = sample::revision(3, &back.spec, Origin::Rollback { to: 1 });
        let mut facts = sample::facts(&back.spec);
        facts
            .images
            .insert("db".parse().unwrap(), image("localhost/postgres:15"));
        facts.secrets.insert("DB_PASSWORD".parse().unwrap(), 1);
        let refused =
            crate::decide(&third, Some(&newer), &facts, &mut sample::volume_ids()).unwrap_err();
        assert_eq!(refused[0].code, "refused");
        assert!(
            refused[0]
                .cause
                .starts_with("db holds the data of postgres@17"),
            "{}",
            refused[0]
        );
    }

    #[test]
    fn only_components_that_are_counted_keep_a_count() {
        let spec = sample::shop(json!({
            "web": { "image": "localhost/shop:1", "instances": 2 },
            "report": { "kind": "cron", "schedule": { "cron": "0 3 * * *" }, "image": "localhost/jobs:1" },
            "agent": { "kind": "daemon", "image": "localhost/jobs:1" },
        }));
        let revision = sample::revision(1, &spec, Origin::Deploy);
        let release = decide(&revision, None, &sample::facts(&spec));
        let back = rollback(&revision, &release, &release).unwrap().spec;
        let counts = back.components.iter();
        let counts = counts.filter_map(|(name, one)| Some((name.as_str(), one.instances?)));
        assert_eq!(counts.collect::<Vec<_>>(), [("web", 2)]);
    }

    #[test]
    fn a_renamed_component_comes_back_whole() {
        let old = sample::shop(json!({
            "web": { "image": "localhost/shop:1", "uses": ["jobs"] },
            "jobs": { "image": "localhost/jobs:1", "routes": [], "instances": 2, "volumes": { "/own": {}, "/data": { "name": "data", "size": "2Gi" } } },
        }));
        let new = sample::shop(json!({
            "web": { "image": "localhost/shop:1", "uses": ["worker"] },
            "worker": { "image": "localhost/jobs:2", "routes": [], "volumes": { "/own": {}, "/data": { "name": "data", "size": "4Gi" } } },
        }));
        // Two instances of an exclusive volume are none; what matters here are names.
        let mut old = old;
        old.components["jobs"].instances = None;
        let (r1, r2, r3) = there_and_back(&old, &new).unwrap();
        assert_eq!(
            r3.components.keys().collect::<Vec<_>>(),
            r1.components.keys().collect::<Vec<_>>()
        );
        assert_eq!(r3.components["jobs"].content, r1.components["jobs"].content);
        // A volume with a name is the same data all along; one without is that of before, and the other is kept aside.
        assert_eq!(r3.volumes["data"].id, r2.volumes["data"].id);
        assert_eq!(r3.volumes["data"].size, r2.volumes["data"].size);
        assert_eq!(r3.volumes["jobs-own"].id, r1.volumes["jobs-own"].id);
        assert!(!r3.volumes.contains_key("worker-own"));
        let told = crate::preview::preview(Some(&r2), &r3).notes;
        assert!(
            told.iter()
                .any(|note| note.text.contains("worker-own is no longer used")),
            "{told:?}"
        );
    }

    #[test]
    fn d3_nobody_goes_back_to_data_that_are_gone() {
        let old = web(json!({ "volumes": { "/data": { "name": "data" } } }));
        let revision = sample::revision(1, &old, Origin::Deploy);
        let r1 = decide(&revision, None, &sample::facts(&old));
        let mut next = r1.clone();
        refuse_lost_data(&r1, &next).unwrap();
        next.volumes["data"].id = sample::volume_ids().nth(9).unwrap();
        let problem = refuse_lost_data(&r1, &next).unwrap_err();
        assert_eq!(problem.code, "release.gone");
        assert!(problem.cause.contains("data"), "{problem}");
    }

    #[test]
    fn what_the_old_release_does_not_know_cannot_be_gone_back_to() {
        let old = web(json!({}));
        let revision = sample::revision(1, &old, Origin::Deploy);
        let mut r1 = decide(&revision, None, &sample::facts(&old));
        let current = r1.clone();
        r1.components.clear();
        let problem = rollback(&revision, &r1, &current).unwrap_err();
        assert_eq!(problem.code, "release.gone");
    }
}
