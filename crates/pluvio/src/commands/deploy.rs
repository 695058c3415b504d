//! `deploy`, `init`: from a source to an operation.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use pluvio_api::applications::{
    ApplicationDetail, DeployRequest, GitRequest, PlanReport, PlanRequest, SourceNote,
    SourceRequest, UploadReceipt,
};
use pluvio_build::plan_compose::Asked;
use pluvio_build::plan_source::Planned;
use pluvio_formats::report::Row;
use pluvio_model::name::Name;
use pluvio_model::operation::Operation;
use pluvio_model::problem::{self, Problem};
use pluvio_model::spec::{AppSpec, BuilderChoice, EnvValue, PortProtocol, PortSpec, SourceSpec};
use tokio_util::io::ReaderStream;

use super::openings::send_mended;
use super::source::{
    Named, UnpackedHere, asked_of, parse_name, plan_here, plan_here_as, reach_of, refuse_refused,
    repository, source_folder,
};
use super::{Done, pair};
use crate::cli::DeployArgs;
use crate::context::{Context, escape};
use crate::output::Tone;

pub(crate) fn refuse_errors(errors: &[Problem]) -> Done {
    let Some(first) = errors.first() else {
        return Ok(());
    };
    let rest = errors[1..].iter().map(|p| {
        let place =
            p.at.as_ref()
                .and_then(|a| a.line)
                .map(|l| format!("line {l}: "))
                .unwrap_or_default();
        format!("{place}{}", p.cause)
    });
    Err(first.clone().evidence(rest))
}

pub(crate) async fn deploy(context: &Context, args: &DeployArgs) -> Done {
    let env_files: Vec<PathBuf> = args.env_file.iter().cloned().collect();
    let (named, asked) = asked_of(args.source.as_deref(), &args.compose, &args.env, &env_files)?;
    let wanted = args.name.as_deref().or(context.global.app.as_deref());
    let name = wanted.map(parse_name).transpose()?;
    let client = context.client()?;
    let asked = Asked {
        reach: reach_of(context, &client).await,
        ..asked
    };
    let mut secrets = std::collections::BTreeMap::new();
    let mut is_compose = false;
    let (mut spec, upload, note) = match &named {
        Named::Git(url) => {
            let source = repository(url, args.reference.as_ref(), args.path.as_ref());
            context.out.say(format!(
                "{} Fetch    {}",
                context.out.paint(Tone::Accent, "…"),
                source.url
            ));
            let plain = Name::suggest(source.short_name());
            let git = GitRequest {
                url: source.url,
                reference: source.reference,
                path: source.path,
                credential: args.credential.clone(),
            };
            let report: PlanReport = client
                .post(
                    &format!("{}/plan", context.environment_path()),
                    &PlanRequest {
                        source: SourceRequest::Git(git),
                        name: name.as_ref().map(ToString::to_string),
                        variables: asked.variables.iter().cloned().collect(),
                        path: None,
                    },
                )
                .await?;
            refuse_errors(&report.errors)?;
            let rows = serde_json::to_value(&report.report).and_then(serde_json::from_value);
            let rows: Vec<Row> = rows.map_err(|e| {
                problem::INTERNAL.problem(
                    format!("The report cannot be read: {e}."),
                    "Client and server may differ in version.",
                )
            })?;
            refuse_refused(&rows, args.accept_refused)?;
            secrets.clone_from(&report.secrets);
            is_compose = has_variables_of_its_own(&report.detected.kind);
            let mut spec: AppSpec = serde_json::from_value(report.spec).map_err(|e| {
                problem::INTERNAL.problem(
                    format!("The plan cannot be read: {e}."),
                    "Client and server may differ in version.",
                )
            })?;
            if name.is_none()
                && let Some(plain) = plain
            {
                // Deploying the same repository again means the same application.
                spec.name = plain;
            }
            (spec, None, None)
        }
        Named::Folder(_) | Named::Archive(_) => {
            let unpacked;
            let (folder, planned) = match &named {
                Named::Archive(file) => {
                    unpacked = UnpackedHere::new(file)?;
                    let (planned, root) =
                        unpacked.plan(args.path.as_deref(), name.as_ref(), &asked)?;
                    (root, planned)
                }
                Named::Folder(folder) => {
                    let folder = args
                        .path
                        .as_ref()
                        .map_or_else(|| folder.clone(), |path| folder.join(path));
                    let planned = plan_here_as(
                        context,
                        &Named::Folder(folder.clone()),
                        name.as_ref(),
                        &asked,
                    )?
                    .expect("folders are planned here");
                    (planned.root.clone().unwrap_or(folder), planned)
                }
                _ => unreachable!("only these two are folders"),
            };
            tell(context, &planned);
            refuse_errors(&planned.errors)?;
            refuse_refused(&planned.report, args.accept_refused)?;
            secrets.clone_from(&planned.secrets);
            is_compose = has_variables_of_its_own(&planned.detected.kind);
            let upload = send_source(context, &planned, Some(&folder)).await?;
            (planned.spec, upload, git_note(&folder))
        }
        other => {
            let planned =
                plan_here_as(context, other, name.as_ref(), &asked)?.expect("planned here");
            if has_variables_of_its_own(&planned.detected.kind) {
                tell(context, &planned);
                is_compose = true;
            }
            refuse_errors(&planned.errors)?;
            refuse_refused(&planned.report, args.accept_refused)?;
            secrets.clone_from(&planned.secrets);
            let folder = source_folder(other, &planned);
            let upload = send_source(context, &planned, folder).await?;
            (planned.spec, upload, None)
        }
    };
    // Of compose files the variables are the file's, which it was read with.
    if !is_compose {
        adjust(&mut spec, args)?;
    }
    let path = format!(
        "{}/applications/{}/deploy",
        context.environment_path(),
        escape(spec.name.as_str())
    );
    let ended = send_mended(context, &named, &mut spec, args.open_ports, async |spec| {
        let request = DeployRequest {
            spec: Some(serde_json::to_value(spec).expect("a spec serialises")),
            upload: upload.clone(),
            source_note: note.clone(),
            pull: args.pull,
            secrets: secrets.clone(),
            ..DeployRequest::default()
        };
        let operation: Operation = client.post(&path, &request).await?;
        context.finish(operation).await
    })
    .await?;
    if context.global.no_wait {
        return Ok(());
    }
    let app: ApplicationDetail = client
        .get(&format!(
            "{}/applications/{}",
            context.environment_path(),
            escape(spec.name.as_str())
        ))
        .await?;
    if context.out.json {
        context.out.document(&serde_json::json!({ "operation": ended, "application": app.summary.name, "release": ended.release, "urls": app.summary.urls }));
    } else {
        context.out.line(app.summary.urls.first().map_or_else(
            || {
                format!(
                    "{} runs; it has no HTTP port to reach it by.",
                    app.summary.name
                )
            },
            Clone::clone,
        ));
    }
    Ok(())
}

/// Uploads the folder that a plan's components are built from, if any is.
pub(crate) async fn send_source(
    context: &Context,
    planned: &Planned,
    folder: Option<&Path>,
) -> Result<Option<String>, Problem> {
    let mut components = planned.spec.components.values();
    let is_built = components.any(|c| matches!(c.source, Some(SourceSpec::Path(_))));
    match folder.filter(|_| is_built) {
        Some(folder) => send(context, folder).await.map(Some),
        None => Ok(None),
    }
}

/// Whether what a source is reads variables itself, so that flags give it values instead of changing what came of it.
fn has_variables_of_its_own(kind: &str) -> bool {
    matches!(
        kind,
        "compose" | "docker run" | "caprover" | "dokploy" | "heroku"
    )
}

/// What was detected, before anything is sent.
fn tell(context: &Context, planned: &Planned) {
    context.out.say(format!(
        "{} Plan     {}: {}",
        context.out.paint(Tone::Good, "✓"),
        planned.spec.name,
        planned.detected.kind
    ));
    for why in &planned.detected.why {
        context
            .out
            .say(format!("    {}", context.out.paint(Tone::Faint, why)));
    }
}

/// Flags change the only component with source or image.
fn adjust(spec: &mut AppSpec, args: &DeployArgs) -> Done {
    let touches = args.port.is_some()
        || !args.env.is_empty()
        || args.env_file.is_some()
        || args.dockerfile.is_some()
        || args.target.is_some()
        || !args.build_args.is_empty();
    if !touches {
        return Ok(());
    }
    if spec.components.len() != 1 {
        return Err(problem::REQUEST_INVALID.problem("The flags --port, --env, --dockerfile and the like fit an application of one component.", "Write them into app.yaml: `pluvio init` makes one."));
    }
    let component = &mut spec.components[0];
    if let Some(port) = args.port {
        component.ports = [(
            "http".parse().expect("a name"),
            PortSpec {
                port,
                protocol: PortProtocol::Http,
            },
        )]
        .into_iter()
        .collect();
    }
    if let Some(file) = &args.env_file {
        for (name, value) in super::change::read_env_file(file)? {
            let name = name.parse().map_err(|e: pluvio_model::name::InvalidName| {
                problem::SPEC_INVALID.problem(e.to_string(), "Rename the variable.")
            })?;
            component
                .env
                .insert(name, EnvValue(value.replace('$', "$$")));
        }
    }
    for text in &args.env {
        let (name, value) = pair(text)?;
        let name = name.parse().map_err(|e: pluvio_model::name::InvalidName| {
            problem::SPEC_INVALID.problem(e.to_string(), "Rename the variable.")
        })?;
        component.env.insert(name, EnvValue(value));
    }
    if args.dockerfile.is_some() || args.target.is_some() || !args.build_args.is_empty() {
        let build = component.build.get_or_insert_default();
        build.builder = BuilderChoice::Dockerfile;
        if args.dockerfile.is_some() {
            build.dockerfile.clone_from(&args.dockerfile);
        }
        if args.target.is_some() {
            build.target.clone_from(&args.target);
        }
        for text in &args.build_args {
            let (name, value) = pair(text)?;
            build.args.insert(name, value);
        }
    }
    Ok(())
}

/// Packs a folder (what its ignore files do not leave out) and sends it; answers with its SHA-256.
async fn send(context: &Context, folder: &Path) -> Result<String, Problem> {
    let broken = |e: std::io::Error| {
        problem::SOURCE_ARCHIVE.problem(
            format!("{} cannot be packed: {e}.", folder.display()),
            "Check that its files can be read and that the disk has space.",
        )
    };
    let packed = folder.to_owned();
    let file = tokio::task::spawn_blocking(move || crate::pack::pack(&packed))
        .await
        .map_err(|e| problem::INTERNAL.problem(e.to_string(), "Please report it."))??;
    let bytes = file.as_file().metadata().map_err(broken)?.len();
    context.out.say(format!(
        "{} Upload   {} of source",
        context.out.paint(Tone::Good, "✓"),
        crate::output::bytes(bytes)
    ));
    let reader = tokio::fs::File::from_std(file.reopen().map_err(broken)?);
    let receipt: UploadReceipt = context
        .client()?
        .upload(
            "/api/v1/uploads",
            "application/gzip",
            SyncStream::new(ReaderStream::with_capacity(reader, 64 * 1024)),
        )
        .await?;
    Ok(receipt.upload)
}

/// A body must be `Sync`; a reader's stream is only `Send`. Polling has `&mut`, so the lock is never waited for.
pub(super) struct SyncStream(std::sync::Mutex<std::pin::Pin<Box<ReaderStream<tokio::fs::File>>>>);

impl SyncStream {
    pub(super) fn new(stream: ReaderStream<tokio::fs::File>) -> SyncStream {
        SyncStream(std::sync::Mutex::new(Box::pin(stream)))
    }
}

impl futures::Stream for SyncStream {
    type Item = std::io::Result<Bytes>;
    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0
            .get_mut()
            .expect("not poisoned")
            .as_mut()
            .poll_next(cx)
    }
}

/// Commit, author and branch of a working copy, for the history.
fn git_note(folder: &Path) -> Option<SourceNote> {
    let git = |args: &[&str]| {
        let out = std::process::Command::new("git")
            .arg("-C")
            .arg(folder)
            .args(args)
            .stderr(std::process::Stdio::null())
            .output()
            .ok()?;
        let text = String::from_utf8(out.stdout).ok()?.trim().to_owned();
        (out.status.success() && !text.is_empty()).then_some(text)
    };
    let commit = git(&["rev-parse", "HEAD"])?;
    // A folder that is only inside somebody else's repository has no history of its own.
    git(&["ls-files", "--error-unmatch", "."])?;
    let dirty = git(&["status", "--porcelain", "--", "."]).is_some();
    let message = git(&["log", "-1", "--format=%s", "--", "."])?;
    Some(SourceNote {
        commit: Some(commit),
        message: Some(if dirty {
            format!("{message} (with changes not committed)")
        } else {
            message
        }),
        author: git(&["log", "-1", "--format=%an", "--", "."]),
        branch: git(&["rev-parse", "--abbrev-ref", "HEAD"]),
    })
}

pub(crate) fn init(context: &Context, folder: &Path, force: bool) -> Done {
    let file = folder.join("app.yaml");
    if file.exists() && !force {
        return Err(problem::REFUSED.problem(
            format!("{} is there already.", file.display()),
            "Edit it, or replace it with --force.",
        ));
    }
    let name = context.global.app.as_deref().map(parse_name).transpose()?;
    let backup = force.then(|| std::fs::read(&file).ok()).flatten();
    if force {
        let _ = std::fs::remove_file(&file);
    }
    let planned =
        plan_here(context, &Named::Folder(folder.to_owned()), name.as_ref()).and_then(|planned| {
            let planned = planned.expect("folders are planned here");
            refuse_errors(&planned.errors).map(|()| planned)
        });
    let planned = match planned {
        Ok(planned) => planned,
        Err(problem) => {
            if let Some(backup) = backup {
                let _ = std::fs::write(&file, backup);
            }
            return Err(problem);
        }
    };
    let mut text = String::new();
    for why in &planned.detected.why {
        text.push_str(&format!("# {why}\n"));
    }
    text.push_str(&pluvio_formats::app::write(&planned.spec));
    std::fs::write(&file, text).map_err(|e| {
        problem::REFUSED.problem(
            format!("{} cannot be written: {e}.", file.display()),
            "Check the folder's permissions.",
        )
    })?;
    if context.out.json {
        context
            .out
            .document(&serde_json::json!({ "file": file, "spec": planned.spec }));
    } else {
        context.out.line(format!(
            "Wrote {}. `pluvio deploy` makes it run.",
            file.display()
        ));
    }
    Ok(())
}
