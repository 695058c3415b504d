//! A whole specification in the place of the target's, as the console's editors make it: a change like any other, not an
//! `apply`, so that a file which is applied later still sees what was changed here.

use std::collections::{BTreeMap, BTreeSet};

use pluvio_model::facts::{ImageAtHand, ImageFacts};
use pluvio_model::image::ImageReference;
use pluvio_model::name::{EnvName, Name};
use pluvio_model::operation::OperationKind;
use pluvio_model::problem::{self, Problem};
use pluvio_model::release::Release;
use pluvio_model::revision::{Origin, Revision, SourceRecord};
use pluvio_model::spec::AppSpec;
use pluvio_model::stage::SecretValue;
use pluvio_plan::{ImageNeed, LookedFor, asked_inside, images_needed, named_users};
use pluvio_runtime::Images;
use pluvio_store::{Application, Asked, Deciding, Whose};

use crate::Control;
use crate::asks::{Asker, DeployAsk, ROLLOUT, first, no_worse, waiting};

/// What an edit would do.
#[derive(Debug, Clone)]
pub struct EditPreview {
    pub current: Option<Release>,
    pub next: Release,
    pub number: u64,
    /// Components whose image is pulled or built first; what it says of itself is not known yet.
    pub pulled: Vec<Name>,
    pub built: Vec<Name>,
}

impl Control {
    /// Makes the application what the specification says. Images that nothing changed about stay as they are.
    pub async fn edit(
        &self,
        by: Asker,
        application: &Application,
        spec: AppSpec,
        secrets: Vec<(EnvName, SecretValue)>,
    ) -> Result<Asked, Problem> {
        let base = self.target_revision(application).await?;
        let title = title(&base.spec, &spec);
        // Whoever looked at another revision is told that first.
        let current = by
            .if_revision
            .is_none_or(|seen| application.revision == Some(seen));
        if title.is_empty() && secrets.is_empty() && current {
            return Err(problem::REQUEST_INVALID.problem(
                "Nothing is to be changed.",
                "The specification is what runs already.",
            ));
        }
        no_worse(&base.spec, &spec)?;
        let origin = Origin::Patch {
            what: title.clone(),
        };
        let parent = self.parent(application).await?;
        let needs = images_needed(&spec, &origin, parent.as_ref().map(|(a, b)| (a, b)));
        let at_hand = |need: &ImageNeed| matches!(need, ImageNeed::Inherit { .. });
        if parent.is_none()
            || !needs.values().all(at_hand)
            || others_of(&spec) != others_of(&base.spec)
            || (application.cluster.is_some() && looks(&spec) != looks(&base.spec))
        {
            let deploy = DeployAsk {
                scope: self.scope_of(application),
                spec,
                upload: self.last_upload(application).await,
                source_note: SourceRecord::default(),
                pull: false,
                secrets,
                origin,
                create_only: false,
                take_over: false,
                only: Vec::new(),
            };
            return self.deploy(by, deploy).await;
        }
        let surroundings = self
            .surroundings(application.cluster, application.id, BTreeMap::new())
            .await?;
        let whose = Whose::Existing(application.id);
        let steps = waiting(&ROLLOUT);
        let mut ask = self
            .ask(by, whose, OperationKind::Configure, title, steps)
            .await?;
        ask.secrets = secrets;
        let change = |current: &AppSpec| {
            if *current == base.spec {
                return Ok(spec.clone());
            }
            Err(problem::PRECONDITION.problem(
                "Somebody changed the application in this very moment.",
                "Read it again and repeat the change.",
            ))
        };
        self.inner
            .store
            .patch(ask, origin, change, |seen| surroundings.decide(seen))
            .await
            .map_err(Problem::from)
    }

    async fn parent(
        &self,
        application: &Application,
    ) -> Result<Option<(AppSpec, Release)>, Problem> {
        let Some(number) = application.release else {
            return Ok(None);
        };
        let store = &self.inner.store;
        let revision = store.revision(application.id, number).await?;
        let release = store.release(application.id, number).await?;
        Ok(Some((revision.spec, release.release)))
    }

    /// The same, decided and not kept.
    pub async fn preview_edit(
        &self,
        application: &Application,
        spec: AppSpec,
        given: &[(EnvName, SecretValue)],
    ) -> Result<EditPreview, Problem> {
        let problems = pluvio_formats::validate(&spec);
        if !problems.is_empty() {
            return Err(first(problems));
        }
        let store = &self.inner.store;
        let base = self.target_revision(application).await?;
        let parent = self.parent(application).await?;
        let origin = Origin::Patch {
            what: String::new(),
        };
        let needs = images_needed(&spec, &origin, parent.as_ref().map(|(a, b)| (a, b)));
        let (mut pulled, mut built) = (Vec::new(), Vec::new());
        let mut images = BTreeMap::new();
        for (name, need) in needs {
            let (reference, facts) = match need {
                ImageNeed::Inherit { .. } => continue,
                ImageNeed::Pull(reference) => {
                    let known = self.inner.node.image(&reference.to_string()).await;
                    let known = known.ok().flatten();
                    if known.is_none() {
                        pulled.push(name.clone());
                    }
                    (reference, known.unwrap_or_default())
                }
                ImageNeed::Build | ImageNeed::Database(_) => {
                    built.push(name.clone());
                    (to_be_made(application, &name)?, ImageFacts::default())
                }
            };
            let image = ImageAtHand {
                reference,
                facts,
                built: None,
            };
            images.insert(name, image);
        }
        let number = application.revision.unwrap_or(base.number) + 1;
        let kept = store.secrets(application.id).await?;
        let mut secrets: BTreeMap<EnvName, u32> =
            kept.into_iter().map(|s| (s.name, s.version)).collect();
        // Those that come with the edit, or are made by it.
        for (name, _) in given {
            *secrets.entry(name.clone()).or_default() += 1;
        }
        for (name, rule) in spec.all_secrets() {
            if rule.generate {
                secrets.entry(name).or_insert(1);
            }
        }
        let (parent_spec, current) = parent.unzip();
        let seen = Deciding {
            application: application.clone(),
            revision: Revision {
                number,
                spec,
                origin,
                ..base
            },
            parent: current.clone(),
            parent_spec,
            target: None,
            secrets,
            settings: store.settings(application.id).await?,
            hosts_of_others: self.hosts_of_others(application).await?,
        };
        let surroundings = self
            .surroundings(application.cluster, application.id, images)
            .await?;
        let next = surroundings.decide(&seen)?;
        Ok(EditPreview {
            current,
            next,
            number,
            pulled,
            built,
        })
    }
}

/// A name for an image that does not exist yet.
fn to_be_made(application: &Application, component: &Name) -> Result<ImageReference, Problem> {
    let text = format!("localhost/pluvio/{}/{component}:next", application.name);
    text.parse()
        .map_err(|error: pluvio_model::image::InvalidImage| {
            problem::INTERNAL.problem(error.to_string(), "Please report it.")
        })
}

/// Images of sidecars and init steps, which have to be at hand too.
fn others_of(spec: &AppSpec) -> BTreeSet<String> {
    let containers = spec
        .components
        .values()
        .flat_map(|component| component.sidecars.values().chain(component.init.values()));
    containers
        .filter_map(|container| Some(container.image.as_ref()?.to_string()))
        .collect()
}

/// What images have to be looked into for, on a cluster.
fn looks(
    spec: &AppSpec,
) -> (
    BTreeMap<String, String>,
    BTreeMap<Name, LookedFor>,
    LookedFor,
) {
    let components = spec.components.keys();
    let each = components.map(|name| (name.clone(), asked_inside(spec, Some(name))));
    (named_users(spec), each.collect(), asked_inside(spec, None))
}

/// What an edit does, in a few words: `Add cache; web uses cache; change worker`. Empty if it does nothing.
fn title(before: &AppSpec, after: &AppSpec) -> String {
    let mut said = Vec::new();
    let names = |names: Vec<&Name>| {
        let names: Vec<&str> = names.into_iter().map(Name::as_str).collect();
        names.join(", ")
    };
    let of = |spec: &AppSpec, other: &AppSpec| -> String {
        let keys = spec.components.keys();
        names(
            keys.filter(|name| !other.components.contains_key(*name))
                .collect(),
        )
    };
    let (added, removed) = (of(after, before), of(before, after));
    if !added.is_empty() {
        said.push(format!("add {added}"));
    }
    if !removed.is_empty() {
        said.push(format!("remove {removed}"));
    }
    let mut changed = Vec::new();
    for (name, now) in &after.components {
        let Some(was) = before.components.get(name).filter(|was| *was != now) else {
            continue;
        };
        let mut only_uses = was.clone();
        only_uses.uses.clone_from(&now.uses);
        if only_uses != *now {
            changed.push(name);
            continue;
        }
        let fresh = now.uses.iter().filter(|used| !was.uses.contains(used));
        let fresh = names(fresh.map(|used| used.component()).collect());
        let gone = was.uses.iter().filter(|used| {
            !now.uses
                .iter()
                .any(|other| other.component() == used.component())
        });
        let gone = names(gone.map(|used| used.component()).collect());
        match (fresh.is_empty(), gone.is_empty()) {
            (false, _) => said.push(format!("{name} uses {fresh}")),
            (true, false) => said.push(format!("{name} no longer uses {gone}")),
            (true, true) => changed.push(name),
        }
    }
    if !changed.is_empty() {
        said.push(format!("change {}", names(changed)));
    }
    let mut rest = before.clone();
    rest.components.clone_from(&after.components);
    if rest != *after {
        said.push("change what components share".to_owned());
    }
    let text = said.join("; ");
    let mut letters = text.chars();
    match letters.next() {
        // A component's name keeps its case.
        Some(_)
            if after
                .components
                .keys()
                .any(|name| text.starts_with(name.as_str())) =>
        {
            text
        }
        Some(letter) => letter.to_uppercase().chain(letters).collect(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> AppSpec {
        let text = format!("name: shop\ncomponents:\n{text}");
        pluvio_formats::app::read(&text, "app.yaml")
            .expect("a spec")
            .spec
    }

    #[test]
    fn an_edit_says_what_it_does() {
        let before = spec("  web: { image: a }\n  api: { image: b }\n");
        let said = |text: &str| title(&before, &spec(text));
        assert_eq!(said("  web: { image: a }\n  api: { image: b }\n"), "");
        assert_eq!(
            said("  web: { image: a, uses: [api] }\n  api: { image: b }\n"),
            "web uses api"
        );
        assert_eq!(
            said("  web: { image: c }\n  cache: { kind: database, database: redis@7 }\n"),
            "Add cache; remove api; change web"
        );
        let using = spec("  web: { image: a, uses: [api] }\n  api: { image: b }\n");
        assert_eq!(title(&using, &before), "web no longer uses api");
    }
}
