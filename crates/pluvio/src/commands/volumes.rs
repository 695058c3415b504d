//! Volumes: which there are, who mounts them, what is in them.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use futures::StreamExt;
use pluvio_api::volumes::{AttachVolume, CloneVolume, DetachVolume, VolumeState, VolumeSummary};
use pluvio_model::files::{FileEntry, FileKind, Folder};
use pluvio_model::operation::Operation;
use pluvio_model::problem::{self, Problem};
use tokio::io::AsyncWriteExt;

use super::Done;
use super::apps::all;
use crate::context::{Context, escape};
use crate::output::{ago, bytes};

#[derive(Debug, Subcommand)]
pub(crate) enum VolumeCommand {
    /// Volumes, who mounts them, what they really take
    List,
    /// One volume
    Show { volume: String },
    /// Mount a volume in a component
    Attach(AttachArgs),
    /// Take a volume's mounts out of the application; its data stay
    Detach {
        volume: String,
        /// Only of this component
        #[arg(long)]
        component: Option<String>,
        /// Only the one at this path
        #[arg(long)]
        path: Option<String>,
    },
    /// Copy a volume's data into a new volume
    Clone {
        volume: String,
        /// Of the new volume
        name: String,
        /// The application that the new one is for (default: the volume's own)
        #[arg(long, value_name = "APP")]
        to: Option<String>,
    },
    /// Delete a volume that nothing mounts; it can be had back for a while
    Delete {
        volume: String,
        /// Its name, to be sure
        #[arg(long)]
        confirm: String,
        /// Without the grace period: its data are gone at once
        #[arg(long)]
        now: bool,
    },
    /// Have a deleted volume back, while its data are there
    Restore { volume: String },
    /// A volume's files: list, get, put
    Files {
        #[command(subcommand)]
        command: FilesCommand,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AttachArgs {
    pub(crate) volume: String,
    /// Where, in the container
    pub(crate) path: String,
    /// Which component (default: the only one)
    #[arg(long)]
    pub(crate) component: Option<String>,
    /// The application that the volume belongs to, where several have one of that name
    #[arg(long, value_name = "APP")]
    pub(crate) from: Option<String>,
    /// What the application shall call it
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// `exclusive` or `shared`; `shared` for all who mount it in the application
    #[arg(long)]
    pub(crate) access: Option<String>,
    #[arg(long)]
    pub(crate) read_only: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FilesCommand {
    /// What is in a folder
    Ls {
        volume: String,
        path: Option<String>,
    },
    /// Download a file, or a folder as a tar archive
    Get {
        volume: String,
        path: String,
        /// Where to; `-` for standard output
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// Upload a file
    Put {
        volume: String,
        /// Of this machine
        file: PathBuf,
        /// In the volume; a folder with a slash at its end
        #[arg(default_value = "")]
        path: String,
        /// Take the place of a file that is there
        #[arg(long)]
        replace: bool,
    },
    /// Make an empty folder
    Mkdir { volume: String, path: String },
    /// Remove a file, a link or a folder
    Rm {
        volume: String,
        path: String,
        /// A folder with all that is in it
        #[arg(long)]
        recursive: bool,
    },
}

pub(crate) async fn run(context: &Context, command: &VolumeCommand) -> Done {
    match command {
        VolumeCommand::List => list(context).await,
        VolumeCommand::Show { volume } => show(context, volume).await,
        VolumeCommand::Delete {
            volume,
            confirm,
            now,
        } => delete(context, volume, confirm, *now).await,
        VolumeCommand::Restore { volume } => {
            let found = find(context, volume).await?;
            let path = format!("{}/restore", path_of(context, &found));
            let row: VolumeSummary = context.client()?.post(&path, &()).await?;
            told(context, &row, format!("{} is kept again.", row.name));
            Ok(())
        }
        VolumeCommand::Clone { volume, name, to } => {
            let found = find(context, volume).await?;
            if let Some(used) = found.used_by.first() {
                context.out.say(format!(
                    "{} mounts it: each file is copied as it is when it is read. For a copy of one moment, stop it first.",
                    used.application
                ));
            }
            let request = CloneVolume {
                name: name.clone(),
                application: to.clone(),
            };
            operation(context, &found, "clone", &request).await
        }
        VolumeCommand::Attach(args) => {
            let found = find_of(context, &args.volume, args.from.as_deref()).await?;
            let request = AttachVolume {
                application: context.app_name()?,
                component: match &args.component {
                    Some(component) => component.clone(),
                    None => only_component(context).await?,
                },
                path: args.path.clone(),
                name: args.name.clone(),
                access: args.access.clone(),
                read_only: args.read_only,
            };
            operation(context, &found, "attach", &request).await
        }
        VolumeCommand::Detach {
            volume,
            component,
            path,
        } => {
            let application = context.app_name()?;
            let found = find_of(context, volume, Some(&application)).await?;
            let request = DetachVolume {
                application,
                component: component.clone(),
                path: path.clone(),
            };
            operation(context, &found, "detach", &request).await
        }
        VolumeCommand::Files { command } => files(context, command).await,
    }
}

async fn volumes(context: &Context, measure: bool) -> Result<Vec<VolumeSummary>, Problem> {
    let measure = if measure { "?measure=true" } else { "" };
    let path = format!("{}/volumes{measure}", context.environment_path());
    all(context, &path).await
}

async fn list(context: &Context) -> Done {
    let mut volumes = volumes(context, true).await?;
    if let Some(app) = &context.global.app {
        volumes.retain(|volume| concerns(volume, app));
    }
    if context.out.json {
        context.out.document(&volumes);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = volumes
        .iter()
        .map(|volume| {
            vec![
                volume.name.clone(),
                volume.application.clone().unwrap_or_else(|| "-".into()),
                state(volume),
                volume.access.clone().unwrap_or_else(|| "-".into()),
                volume.size.map_or("-".into(), bytes),
                used(volume),
                volume.id.to_string(),
            ]
        })
        .collect();
    let head = [
        "NAME",
        "APPLICATION",
        "STATE",
        "ACCESS",
        "ASKED",
        "USED",
        "ID",
    ];
    context.out.table(&head, &rows);
    Ok(())
}

fn used(volume: &VolumeSummary) -> String {
    match (volume.bytes, volume.measured_at) {
        (Some(size), Some(at)) => format!("{} ({})", bytes(size), ago(at)),
        _ => "not measured yet".into(),
    }
}

fn state(volume: &VolumeSummary) -> String {
    match (volume.state, volume.ends_at, volume.released_at) {
        (VolumeState::Bound, ..) => {
            let mounts = volume.used_by.iter();
            let mounts: Vec<_> = mounts
                .map(|one| format!("{}:{}", one.component, one.path))
                .collect();
            format!("bound, {}", mounts.join(", "))
        }
        (VolumeState::Leaving, Some(ends), _) => format!("leaving, until {ends:.0}"),
        (VolumeState::Leaving, ..) => "leaving".into(),
        (VolumeState::Copying, ..) => "being copied".into(),
        (VolumeState::Kept, _, Some(at)) => {
            format!("kept, its application was deleted {}", ago(at))
        }
        (VolumeState::Kept, ..) => "kept".into(),
    }
}

async fn show(context: &Context, name: &str) -> Done {
    let found = find(context, name).await?;
    let path = format!("{}?measure=true", path_of(context, &found));
    let volume: VolumeSummary = context.client()?.get(&path).await?;
    if context.out.json {
        context.out.document(&volume);
        return Ok(());
    }
    let mut rows = vec![
        vec!["id".into(), volume.id.to_string()],
        vec![
            "application".into(),
            volume.application.clone().unwrap_or_else(|| "-".into()),
        ],
        vec!["state".into(), state(&volume)],
        vec![
            "access".into(),
            volume.access.clone().unwrap_or_else(|| "-".into()),
        ],
        vec!["asked".into(), volume.size.map_or("-".into(), bytes)],
        vec!["used".into(), used(&volume)],
        vec!["made".into(), ago(volume.created_at)],
    ];
    for one in &volume.used_by {
        let how = if one.read_only { ", read only" } else { "" };
        rows.push(vec![
            "mounted".into(),
            format!("{} {} at {}{how}", one.application, one.component, one.path),
        ]);
    }
    if let Some(source) = volume.copy_of {
        rows.push(vec!["copy of".into(), source.to_string()]);
    }
    context.out.table(&["VOLUME", &volume.name], &rows);
    Ok(())
}

async fn delete(context: &Context, name: &str, confirm: &str, now: bool) -> Done {
    let found = find(context, name).await?;
    let now = if now { "&now=true" } else { "" };
    let path = format!(
        "{}?confirm={}{now}",
        path_of(context, &found),
        escape(confirm)
    );
    let row: VolumeSummary = context.client()?.delete(&path).await?;
    let said = match row.ends_at.filter(|_| now.is_empty()) {
        Some(ends) if ends > jiff::Timestamp::now() => format!(
            "{} is deleted. Its data end at {ends:.0}; until then `pluvio volume restore {}` has it back.",
            row.name, row.id
        ),
        _ => format!("{} is deleted with its data.", row.name),
    };
    told(context, &row, said);
    Ok(())
}

fn told(context: &Context, row: &VolumeSummary, said: String) {
    match context.out.json {
        true => context.out.document(row),
        false => context.out.line(said),
    }
}

async fn operation(
    context: &Context,
    volume: &VolumeSummary,
    verb: &str,
    request: &(impl serde::Serialize + Sync),
) -> Done {
    let path = format!("{}/{verb}", path_of(context, volume));
    let operation: Operation = context.client()?.post(&path, request).await?;
    let ended = context.finish(operation).await?;
    if context.out.json && !context.global.no_wait {
        context.out.document(&ended);
    }
    Ok(())
}

async fn only_component(context: &Context) -> Result<String, Problem> {
    let app: pluvio_api::applications::ApplicationDetail =
        context.client()?.get(&context.app_path()?).await?;
    match app.components.as_slice() {
        [only] => Ok(only.name.clone()),
        _ => Err(problem::REQUEST_INVALID.problem(
            "The application has several components.",
            "Say which with `--component`.",
        )),
    }
}

fn path_of(context: &Context, volume: &VolumeSummary) -> String {
    format!("{}/volumes/{}", context.environment_path(), volume.id)
}

fn concerns(volume: &VolumeSummary, app: &str) -> bool {
    volume.application.as_deref() == Some(app)
        || volume.used_by.iter().any(|one| one.application == app)
}

/// By id, or by name: of the application that is named, if one is.
async fn find(context: &Context, volume: &str) -> Result<VolumeSummary, Problem> {
    find_of(context, volume, context.global.app.as_deref()).await
}

async fn find_of(
    context: &Context,
    wanted: &str,
    app: Option<&str>,
) -> Result<VolumeSummary, Problem> {
    let mut found = volumes(context, false).await?;
    if let Some(at) = found.iter().position(|one| one.id.to_string() == wanted) {
        return Ok(found.swap_remove(at));
    }
    found.retain(|one| one.name == wanted && app.is_none_or(|app| concerns(one, app)));
    let names: Vec<String> = found
        .iter()
        .map(|one| {
            let of = one.application.as_deref().unwrap_or("no application");
            format!("{} of {of}, {}", one.id, state(one))
        })
        .collect();
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(problem::NOT_FOUND.problem(
            match app {
                Some(app) => format!("{app} has no volume {wanted}."),
                None => format!("There is no volume {wanted} here."),
            },
            "`pluvio volume list` shows which there are.",
        )),
        (Some(_), false) => Err(problem::REQUEST_INVALID
            .problem(
                format!("Several volumes are called {wanted}."),
                "Name the application with `-a`, or write the volume's id.",
            )
            .evidence(names)),
    }
}

async fn files(context: &Context, command: &FilesCommand) -> Done {
    let client = context.client()?;
    match command {
        FilesCommand::Ls { volume, path } => {
            let found = find(context, volume).await?;
            let path = format!(
                "{}/files?path={}",
                path_of(context, &found),
                escape(path.as_deref().unwrap_or_default())
            );
            let folder: Folder = client.get(&path).await?;
            show_folder(context, &folder);
            Ok(())
        }
        FilesCommand::Get { volume, path, to } => {
            let found = find(context, volume).await?;
            get(context, &found, path, to.as_deref()).await
        }
        FilesCommand::Put {
            volume,
            file,
            path,
            replace,
        } => {
            let found = find(context, volume).await?;
            put(context, &found, file, path, *replace).await
        }
        FilesCommand::Mkdir { volume, path } => {
            let found = find(context, volume).await?;
            let at = format!("{}/folders?path={}", path_of(context, &found), escape(path));
            let entry: FileEntry = client.post(&at, &()).await?;
            file_told(context, &entry, format!("{path} is made."));
            Ok(())
        }
        FilesCommand::Rm {
            volume,
            path,
            recursive,
        } => {
            let found = find(context, volume).await?;
            let at = format!(
                "{}/files?path={}&recursive={recursive}",
                path_of(context, &found),
                escape(path)
            );
            let entry: FileEntry = client.delete(&at).await?;
            file_told(context, &entry, format!("{path} is removed."));
            Ok(())
        }
    }
}

fn file_told(context: &Context, entry: &FileEntry, said: String) {
    match context.out.json {
        true => context.out.document(entry),
        false => context.out.line(said),
    }
}

/// A program chose the name: nothing in it is for the terminal.
fn plain(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

fn show_folder(context: &Context, folder: &Folder) {
    if context.out.json {
        context.out.document(folder);
        return;
    }
    let rows: Vec<Vec<String>> = folder
        .entries
        .iter()
        .map(|entry| {
            let name = plain(&entry.name);
            let name = match (entry.kind, &entry.target) {
                (FileKind::Folder, _) => format!("{name}/"),
                (FileKind::Link, Some(target)) => format!("{name} → {}", plain(target)),
                _ => name,
            };
            vec![
                entry.mode.clone(),
                format!("{}:{}", entry.user, entry.group),
                match entry.kind {
                    FileKind::File => bytes(entry.size),
                    _ => "-".into(),
                },
                entry.modified.map_or("-".into(), ago),
                name,
            ]
        })
        .collect();
    let head = ["MODE", "OWNER", "SIZE", "CHANGED", "NAME"];
    context.out.table(&head, &rows);
    if folder.left_out > 0 {
        context
            .out
            .say(format!("{} more are not shown.", folder.left_out));
    }
}

async fn get(context: &Context, volume: &VolumeSummary, path: &str, to: Option<&Path>) -> Done {
    let at = format!("{}/content?path={}", path_of(context, volume), escape(path));
    let (kind, mut content) = context.client()?.download(&at).await?;
    let failed = |what: &Path, error: std::io::Error| {
        problem::REFUSED.problem(
            format!("{} cannot be written: {error}.", what.display()),
            "Choose another place with `--to FILE`.",
        )
    };
    if to == Some(Path::new("-")) {
        let mut out = std::io::stdout().lock();
        while let Some(chunk) = content.next().await {
            let written = out.write_all(&chunk?);
            written.map_err(|error| failed(Path::new("stdout"), error))?;
        }
        let written = out.flush();
        return written.map_err(|error| failed(Path::new("stdout"), error));
    }
    let last = path.trim_end_matches('/').rsplit('/').next();
    let mut name = last
        .filter(|name| !name.is_empty())
        .unwrap_or(&volume.name)
        .to_owned();
    if kind == "application/x-tar" {
        name.push_str(".tar");
    }
    let to = to.map_or_else(|| PathBuf::from(&name), Path::to_owned);
    // Beside, then in place: what breaks off leaves no half file under the name.
    let mut part = to.clone().into_os_string();
    part.push(".part");
    let part = PathBuf::from(part);
    let mut file = tokio::fs::File::create(&part)
        .await
        .map_err(|error| failed(&part, error))?;
    let mut size = 0;
    while let Some(chunk) = content.next().await {
        let written = match chunk {
            Ok(chunk) => {
                size += chunk.len() as u64;
                file.write_all(&chunk)
                    .await
                    .map_err(|error| failed(&part, error))
            }
            Err(problem) => Err(problem),
        };
        if let Err(problem) = written {
            let _ = tokio::fs::remove_file(&part).await;
            return Err(problem);
        }
    }
    file.flush().await.map_err(|error| failed(&part, error))?;
    tokio::fs::rename(&part, &to)
        .await
        .map_err(|error| failed(&to, error))?;
    match context.out.json {
        true => context
            .out
            .document(&serde_json::json!({ "file": to, "bytes": size })),
        false => context
            .out
            .line(format!("{} ({})", to.display(), bytes(size))),
    }
    Ok(())
}

async fn put(
    context: &Context,
    volume: &VolumeSummary,
    file: &Path,
    path: &str,
    replace: bool,
) -> Done {
    let unreadable = |error: std::io::Error| {
        problem::REQUEST_INVALID.problem(
            format!("{} cannot be read: {error}.", file.display()),
            "Name a file of this machine.",
        )
    };
    let name = file
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let path = match (path.is_empty() || path.ends_with('/'), name) {
        (true, Some(name)) => format!("{path}{name}"),
        _ => path.to_owned(),
    };
    let opened = tokio::fs::File::open(file).await.map_err(unreadable)?;
    let about = opened.metadata().await.map_err(unreadable)?;
    if !about.is_file() {
        return Err(problem::REQUEST_INVALID.problem(
            format!("{} is no file.", file.display()),
            "Files are sent one by one; a folder is made with `pluvio volume files mkdir`.",
        ));
    }
    let at = format!(
        "{}/content?path={}&replace={replace}",
        path_of(context, volume),
        escape(&path)
    );
    let content = tokio_util::io::ReaderStream::new(opened);
    let entry: FileEntry = context.client()?.put(&at, about.len(), content).await?;
    file_told(context, &entry, format!("{path} ({})", bytes(entry.size)));
    Ok(())
}
