//! `plan`: no server; no network but for a Git URL.

use std::collections::BTreeMap;

use pluvio_build::plan_beside;
use pluvio_build::plan_compose::Asked;
use pluvio_build::plan_source::Planned;
use pluvio_model::facts::{DecideFacts, Facts, ImageAtHand, ImageFacts, Reach, RuntimeKind};
use pluvio_model::id::{ApplicationId, ClusterId, Generation, VolumeId};
use pluvio_model::name::Name;
use pluvio_model::problem::{self, Problem};
use pluvio_model::revision::{Origin, Revision};
use pluvio_model::stage::{Power, RunWish};
use uuid::Uuid;

use super::Done;
use super::source::{Named, UnpackedHere, asked_of, parse_name, plan_here_as, repository};
use crate::cli::PlanArgs;
use crate::context::Context;
use crate::output::Tone;

pub(crate) async fn plan(context: &Context, args: &PlanArgs) -> Done {
    let name = args
        .name
        .as_deref()
        .or(context.global.app.as_deref())
        .map(parse_name)
        .transpose()?;
    let (named, mut asked) =
        asked_of(Some(&args.source), &args.compose, &args.env, &args.env_file)?;
    if args.runtime.as_deref() == Some("kubernetes") {
        asked.reach = plan_beside::Reach::Elsewhere;
    }
    let mut planned = match &named {
        Named::Git(url) => {
            let work = tempfile::tempdir().map_err(|e| {
                problem::DISK_FULL.problem(
                    format!("A temporary folder cannot be made: {e}."),
                    "Free space in /tmp, or set TMPDIR.",
                )
            })?;
            let git = repository(url, args.reference.as_ref(), args.path.as_ref());
            let quiet: pluvio_build::Log = std::sync::Arc::new(|_| {});
            let fetched = pluvio_build::fetch::fetch(
                &pluvio_build::BuildSource::Git {
                    git: git.clone(),
                    credential: None,
                    hosts: pluvio_build::SshHosts::Mine,
                },
                work.path(),
                &quiet,
            )
            .await?;
            let asked = Asked {
                name: name.clone(),
                fallback: Name::suggest(git.short_name()),
                ..asked
            };
            pluvio_build::plan_fetched::of_repository(&fetched, &git, &asked)?
        }
        Named::Archive(file) => {
            let unpacked = UnpackedHere::new(file)?;
            unpacked
                .plan(args.path.as_deref(), name.as_ref(), &asked)?
                .0
        }
        _ => {
            let named = match (&named, &args.path) {
                (Named::Folder(folder), Some(path)) => Named::Folder(folder.join(path)),
                _ => named.clone(),
            };
            plan_here_as(context, &named, name.as_ref(), &asked)?
                .expect("only Git addresses are not planned here")
        }
    };
    let closed = super::openings::located(&named, &planned.spec);
    planned.errors.extend(closed);
    if args.runtime.is_some() || args.output.is_some() {
        return manifests(
            context,
            args.runtime.as_deref(),
            args.output.as_deref(),
            &planned,
        );
    }
    if context.out.json {
        context.out.document(&planned);
    } else {
        show(context, &planned);
    }
    match planned.errors.first() {
        None => Ok(()),
        // With --json the document holds the errors; one document is enough.
        Some(_) if context.out.json => std::process::exit(1),
        Some(_) => super::deploy::refuse_errors(&planned.errors),
    }
}

fn show(context: &Context, planned: &Planned) {
    let out = &context.out;
    out.line(format!(
        "{}  {}",
        out.paint(Tone::Strong, &planned.spec.name),
        planned.detected.kind
    ));
    for why in &planned.detected.why {
        out.line(format!("  {}", out.paint(Tone::Faint, why)));
    }
    if !planned.detected.alternatives.is_empty() {
        out.line(format!(
            "  or: {}",
            planned.detected.alternatives.join(", ")
        ));
    }
    out.line("");
    out.line(pluvio_formats::app::write(&planned.spec).trim_end());
    if !planned.report.is_empty() {
        out.line("");
        for row in &planned.report {
            let value = serde_json::to_value(row).expect("a row serialises");
            let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
            let line = row.line.map(|line| format!(":{line}")).unwrap_or_default();
            out.line(format!(
                "{:<8} {}{line}  {}",
                text("outcome"),
                text("at"),
                out.paint(Tone::Faint, text("message"))
            ));
            if let Some(remedy) = &row.remedy {
                out.line(format!("         {}", out.paint(Tone::Faint, remedy)));
            }
        }
    }
}

/// The objects of a specification on Kubernetes.
pub(super) fn kubernetes_of(context: &Context, spec: pluvio_model::spec::AppSpec) -> Done {
    let planned = Planned {
        detected: pluvio_build::plan_source::About::default(),
        spec,
        report: Vec::new(),
        errors: Vec::new(),
        secrets: BTreeMap::new(),
        unset: Vec::new(),
        root: None,
    };
    manifests(context, Some("kubernetes"), Some("manifests"), &planned)
}

/// The lowered objects. What only a pull would tell is taken as unknown.
fn manifests(
    context: &Context,
    runtime: Option<&str>,
    output: Option<&str>,
    planned: &Planned,
) -> Done {
    super::deploy::refuse_errors(&planned.errors)?;
    if let Some(form) = output
        && form != "manifests"
    {
        return Err(problem::REQUEST_INVALID
            .problem(format!("There is no form {form:?}."), "Use -o manifests."));
    }
    let kubernetes = match runtime {
        None | Some("engine") => false,
        Some("kubernetes") => true,
        Some(other) => {
            return Err(problem::REQUEST_INVALID.problem(
                format!("There is no runtime {other:?}."),
                "Use --for engine or --for kubernetes.",
            ));
        }
    };
    let wish = decide(planned, kubernetes)?;
    if kubernetes {
        for (path, user) in pluvio_plan::named_users(&planned.spec) {
            context.out.say(format!(
                "{path}.user: the number of {user} is looked up in the image when it is deployed."
            ));
        }
    }
    let facts = facts(kubernetes);
    let objects = if kubernetes {
        let options = pluvio_plan::lower::kubernetes::Options::for_reading(&wish.release);
        let objects = pluvio_plan::lower::kubernetes::kubernetes(
            &wish,
            ApplicationId(Uuid::nil()),
            Generation(1),
            &options,
        )
        .map_err(first)?;
        serde_json::to_value(objects).expect("objects serialise")
    } else {
        pluvio_plan::lower::engine::engine(&wish, ApplicationId(Uuid::nil()), Generation(1), &facts)
            .map_err(first)?
            .manifests()
    };
    if kubernetes && !context.out.json {
        for object in objects.as_array().into_iter().flatten() {
            context.out.line("---");
            context
                .out
                .line(pluvio_formats::yaml::write::write(object, &|_| false).trim_end());
        }
    } else {
        context.out.document(&objects);
    }
    Ok(())
}

fn first(problems: Vec<Problem>) -> Problem {
    let mut problems = problems.into_iter();
    let first = problems.next().unwrap_or_else(|| {
        problem::SPEC_UNSUPPORTED.problem("It cannot be lowered.", "Please report it.")
    });
    first.evidence(problems.map(|p| p.cause))
}

fn facts(kubernetes: bool) -> Facts {
    Facts {
        cluster: ClusterId(Uuid::nil()),
        runtime: if kubernetes {
            RuntimeKind::Kubernetes
        } else {
            RuntimeKind::Docker
        },
        version: "unknown until asked".into(),
        architecture: "amd64".into(),
        reach: Reach::Bridge,
        rootless: false,
        cpu_millis: 0,
        memory_bytes: 0,
    }
}

fn decide(planned: &Planned, kubernetes: bool) -> Result<RunWish, Problem> {
    let spec = &planned.spec;
    let mut images = BTreeMap::new();
    for (name, component) in &spec.components {
        let reference = match &component.image {
            Some(image) => image.clone(),
            None if component.source.is_some() => {
                format!("localhost/pluvio/main/{}/{name}:unbuilt", spec.name)
                    .parse()
                    .map_err(|e: pluvio_model::image::InvalidImage| {
                        problem::INTERNAL.problem(e.to_string(), "Please report it.")
                    })?
            }
            None => match component.database() {
                Some(database) => format!(
                    "localhost/pluvio/base-{}:{}",
                    database.engine.as_str(),
                    database.version()
                )
                .parse()
                .map_err(|e: pluvio_model::image::InvalidImage| {
                    problem::INTERNAL.problem(e.to_string(), "Please report it.")
                })?,
                None => continue,
            },
        };
        images.insert(name.clone(), taken_as_there(reference));
    }
    let facts = DecideFacts {
        application: ApplicationId(Uuid::nil()),
        team: "main".parse().expect("a name"),
        environment: "production".parse().expect("a name"),
        runtime: facts(kubernetes),
        images,
        // Values are not needed to plan: every declared secret is taken as set.
        secrets: spec
            .all_secrets()
            .into_keys()
            .map(|name| (name, 1))
            .collect(),
        settings: spec
            .settings
            .iter()
            .filter_map(|(name, s)| s.default.clone().map(|d| (name.clone(), d)))
            .collect(),
        domain: "localhost".into(),
        gateway_port: 8080,
        short_host_taken: false,
        other_images: pluvio_plan::other_images_needed(spec, &Origin::Deploy, None)
            .into_iter()
            .map(|reference| (reference.to_string(), taken_as_there(reference)))
            .collect(),
        inherited: Default::default(),
        kept_volumes: BTreeMap::new(),
    };
    let revision = Revision {
        application: ApplicationId(Uuid::nil()),
        number: 1,
        spec: spec.clone(),
        origin: Origin::Deploy,
        actor: "plan".into(),
        at: jiff::Timestamp::UNIX_EPOCH,
    };
    let mut ids = (1..).map(|n: u128| VolumeId(Uuid::from_u128(n)));
    let release = pluvio_plan::decide(&revision, None, &facts, &mut ids).map_err(first)?;
    let secrets = release
        .secrets()
        .iter()
        .map(|s| {
            (
                RunWish::key(s),
                pluvio_model::stage::SecretValue("(secret)".into()),
            )
        })
        .collect();
    Ok(RunWish {
        components: release.components.keys().cloned().collect(),
        release,
        tasks: Vec::new(),
        power: Power::On,
        stopped: Vec::new(),
        secrets,
    })
}

/// An image that is not asked for: a plan fetches nothing.
fn taken_as_there(reference: pluvio_model::image::ImageReference) -> ImageAtHand {
    ImageAtHand {
        facts: ImageFacts {
            id: reference.to_string(),
            ..ImageFacts::default()
        },
        reference,
        built: None,
    }
}
