//! Outputs as layers, and the image on top of them.

use std::io;
use std::path::{Path, PathBuf};

use pluvio_engine::body_of_reader;
use pluvio_model::image::ContentHash;
use pluvio_model::problem::{self, Problem};
use serde_json::{Value, json};
use tokio_util::io::SyncIoBridge;

use super::Site;
use super::container::BuildContainer;
use crate::job::engine;
use crate::plan::{Output, WORKSPACE};
use crate::source;

/// On every image that a build keeps: whose it is, `TEAM/APP/COMPONENT`.
pub(crate) const BUILT_FOR: &str = "io.pluvio.built-for";
pub(crate) const BUILD_KEY: &str = "io.pluvio.build-key";

/// The layers that exist already.
pub(super) struct Known {
    /// How many outputs they cover.
    pub(super) count: usize,
    /// The image that ends in the last of them.
    pub(super) image: String,
}

/// The key of the image that ends in this output: what is below, what is copied, and the step that it comes from.
fn layer_key(site: &Site<'_>, below: &str, output: &Output) -> Option<ContentHash> {
    let step = site.keys.get(output.step.as_ref()?)?;
    Some(ContentHash::of(&("layer 1", below, output, step)))
}

/// Finds how many of the first outputs are layers already.
pub(super) async fn known(site: &Site<'_>) -> Result<Known, Problem> {
    let mut known = Known {
        count: 0,
        image: site.run_base.facts.id.clone(),
    };
    let mut below = site.run_base.facts.id.clone();
    for output in &site.plan.outputs {
        let Some(key) = layer_key(site, &below, output) else {
            break;
        };
        let name = site.job.image(&format!("layer-{}", &key.as_str()[..24]));
        let facts = site.job.engine.image_facts(&name).await.map_err(engine)?;
        let Some(facts) = facts else { break };
        known.count += 1;
        known.image = facts.id;
        below = key.to_string();
    }
    Ok(known)
}

/// An image to be made: a layer that later builds begin from, or the last one.
pub(super) struct ToMake<'a> {
    outputs: Vec<&'a Output>,
    name: String,
    changes: Changes,
    /// The container that becomes it.
    scratch: String,
}

/// What is to be made of the outputs that are not layers yet, one on top of the other; at least the image itself.
pub(super) fn to_make<'a>(site: &'a Site<'_>, known: &Known) -> Vec<ToMake<'a>> {
    let mut below = site.run_base.facts.id.clone();
    for output in &site.plan.outputs[..known.count] {
        below = layer_key(site, &below, output).map_or(below, |key| key.to_string());
    }
    let rest = &site.plan.outputs[known.count..];
    let mut all = Vec::new();
    let mut waiting: Vec<&Output> = Vec::new();
    for (index, output) in rest.iter().enumerate() {
        waiting.push(output);
        // Layers above one whose key is not known cannot be found again, and above the last there is only what the image
        // says of itself: they are one with the image.
        let is_last = index + 1 == rest.len();
        let key = layer_key(site, &below, output).filter(|_| waiting.len() == 1 && !is_last);
        let Some(key) = key else { continue };
        let name = site.job.image(&format!("layer-{}", &key.as_str()[..24]));
        all.push(ToMake::new(
            site,
            std::mem::take(&mut waiting),
            name,
            Changes::layer(site, &key),
        ));
        below = key.to_string();
    }
    all.push(ToMake::new(
        site,
        waiting,
        site.name(),
        Changes::of_image(site),
    ));
    all
}

/// What a container that becomes an image says of itself.
struct Changes {
    body: Value,
    /// What Podman does not take from the container.
    commit: Vec<String>,
}

impl Changes {
    fn labels(site: &Site<'_>) -> Value {
        let request = &site.job.request;
        json!({
            BUILT_FOR: format!("{}/{}/{}", request.team, request.application, request.component),
        })
    }

    fn layer(site: &Site<'_>, key: &ContentHash) -> Changes {
        let mut labels = Changes::labels(site);
        labels["io.pluvio.layer"] = json!(key.as_str());
        Changes {
            body: json!({ "Labels": labels }),
            commit: Vec::new(),
        }
    }

    fn of_image(site: &Site<'_>) -> Changes {
        let run = &site.plan.run;
        let mut labels = Changes::labels(site);
        labels[BUILD_KEY] = json!(site.key.as_str());
        let env: Vec<String> = site
            .run_base
            .facts
            .env
            .iter()
            .filter(|(name, _)| !run.env.keys().any(|own| own.as_str() == name.as_str()))
            .map(|(name, value)| format!("{name}={value}"))
            .chain(
                run.env
                    .iter()
                    .map(|(name, value)| format!("{name}={value}")),
            )
            .collect();
        let ports: serde_json::Map<String, Value> = run
            .ports
            .iter()
            .map(|port| (format!("{port}/tcp"), json!({})))
            .collect();
        let mut body = json!({
            "Entrypoint": [],
            "Cmd": run.command,
            "User": run.user,
            "WorkingDir": run.working_dir,
            "Env": env,
            "ExposedPorts": ports,
            "Labels": labels,
        });
        // A container without a network has no ports to Podman, whatever its body says.
        let mut commit: Vec<String> = run
            .ports
            .iter()
            .map(|port| format!("EXPOSE {port}"))
            .collect();
        if let Some(signal) = &run.stop_signal {
            body["StopSignal"] = json!(signal);
            commit.push(format!("STOPSIGNAL {signal}"));
        }
        Changes { body, commit }
    }
}

impl<'a> ToMake<'a> {
    fn new(
        site: &Site<'_>,
        outputs: Vec<&'a Output>,
        name: String,
        changes: Changes,
    ) -> ToMake<'a> {
        let hash = ContentHash::of(&name);
        let scratch = site.job.named(&format!("layer-{}", hash.short()));
        ToMake {
            outputs,
            name,
            changes,
            scratch,
        }
    }

    /// Makes the container, which never starts, on top of an image.
    pub(super) async fn begin(&self, site: &Site<'_>, below: &str) -> Result<(), Problem> {
        let mut body = self.changes.body.clone();
        body["Image"] = json!(below);
        body["HostConfig"] = json!({ "NetworkMode": "none" });
        if body.get("Cmd").is_none() {
            // A layer keeps what the base says; a container must have a command.
            body["Cmd"] = json!(["true"]);
        }
        let made = site.job.engine.create_container(&self.scratch, &body).await;
        made.map(drop).map_err(engine)
    }

    /// Outputs in, image out: its id.
    pub(super) async fn finish(
        &self,
        site: &Site<'_>,
        container: Option<&BuildContainer>,
    ) -> Result<String, Problem> {
        for output in &self.outputs {
            copy(site, container, output, &self.scratch).await?;
        }
        let client = &site.job.engine;
        let committed = client
            .commit(&self.scratch, &self.name, &self.changes.commit)
            .await;
        let image = committed.map_err(engine)?;
        site.job.clear(self.scratch.clone());
        Ok(image)
    }
}

/// Copies one output into a container: from the source where it is only that, else from the build container.
async fn copy(
    site: &Site<'_>,
    container: Option<&BuildContainer>,
    output: &Output,
    into: &str,
) -> Result<(), Problem> {
    let (writer, reader) = tokio::io::duplex(1 << 20);
    let writer = SyncIoBridge::new(writer);
    let put = site
        .job
        .engine
        .put_archive(into, "/", body_of_reader(reader));
    let from = container.filter(|_| !site.is_source_only(output));
    let packing = match from {
        None => {
            let folder = site.folder.to_owned();
            let paths = source_paths(site, output);
            let to = output.to.clone();
            tokio::task::spawn_blocking(move || from_source(&folder, &paths, &to, writer))
        }
        Some(from) => {
            let archive = from
                .engine
                .get_archive(&from.name, &output.from)
                .await
                .map_err(engine)?;
            let Some(archive) = archive else {
                return Err(problem::BUILD_FAILED.problem(
                format!("The build ended without error, and {} is not there.", output.from),
                "Check the build command, and `build.output` if it is set: the folder must be what the build makes.",
            ));
            };
            let reader = SyncIoBridge::new(archive);
            let output = output.clone();
            tokio::task::spawn_blocking(move || rewrite(reader, &output, writer))
        }
    };
    let (put, packed) = tokio::join!(put, packing);
    let packed = packed.unwrap_or_else(|e| Err(io::Error::other(e)));
    put.map_err(engine)?;
    packed.map_err(|e| {
        problem::BUILD_FAILED.problem(
            format!("{} could not be copied into the image: {e}", output.from),
            "Build again; if it stays, report it with the log.",
        )
    })
}

/// The source files of an output: path in the source, and path below the output's `to`.
fn source_paths(site: &Site<'_>, output: &Output) -> Vec<(String, String)> {
    let inside = output.from[WORKSPACE.len()..].trim_matches('/');
    let paths = site.manifest.keys().filter_map(|path| {
        let below = if inside.is_empty() {
            path.as_str()
        } else if path == inside {
            ""
        } else {
            path.strip_prefix(inside)?.strip_prefix('/')?
        };
        (!output.excludes(below)).then(|| (path.clone(), below.to_owned()))
    });
    paths.collect()
}

type Tar = tar::Builder<SyncIoBridge<tokio::io::DuplexStream>>;

fn from_source(
    folder: &Path,
    paths: &[(String, String)],
    to: &str,
    writer: SyncIoBridge<tokio::io::DuplexStream>,
) -> io::Result<()> {
    let mut tar: Tar = tar::Builder::new(writer);
    let to = to.trim_matches('/');
    let is_file = matches!(paths, [(_, below)] if below.is_empty());
    if !is_file && !to.is_empty() {
        tar.append_data(
            &mut source::header(tar::EntryType::Directory, 0o755, 0),
            to,
            io::empty(),
        )?;
    }
    let mut folders = std::collections::HashSet::new();
    for (path, below) in paths {
        let file = folder.join(path);
        let Ok(data) = file.symlink_metadata() else {
            continue;
        };
        for (end, _) in below.match_indices('/') {
            let parent = join(to, &below[..end]);
            if folders.insert(parent.clone()) {
                tar.append_data(
                    &mut source::header(tar::EntryType::Directory, 0o755, 0),
                    parent,
                    io::empty(),
                )?;
            }
        }
        let name = join(to, below);
        if data.file_type().is_symlink() {
            let mut header = source::header(tar::EntryType::Symlink, 0o777, 0);
            tar.append_link(&mut header, name, std::fs::read_link(&file)?)?;
            continue;
        }
        let mode = {
            use std::os::unix::fs::PermissionsExt;
            data.permissions().mode()
        };
        let content = std::fs::File::open(&file)?;
        let size = content.metadata()?.len();
        let mut header = source::header(tar::EntryType::Regular, readable(mode), 0);
        header.set_size(size);
        header.set_mtime(modified(&data));
        tar.append_data(&mut header, name, io::Read::take(content, size))?;
    }
    tar.into_inner()?.shutdown()
}

fn modified(data: &std::fs::Metadata) -> u64 {
    data.modified()
        .ok()
        .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok())
        .map_or(0, |since| since.as_secs())
}

/// Everyone may read, and run what somebody may run.
fn readable(mode: u32) -> u32 {
    if mode & 0o111 != 0 { 0o755 } else { 0o644 }
}

fn join(to: &str, below: &str) -> String {
    match (to.is_empty(), below.is_empty()) {
        (_, true) => to.to_owned(),
        (true, _) => below.to_owned(),
        _ => format!("{to}/{below}"),
    }
}

/// Turns the archive of one path of the build container into entries for the image: moved to `to`, without what is
/// excluded, owned by root, readable by all. Times are kept: compiled Python files name those of their source.
fn rewrite(
    reader: impl io::Read,
    output: &Output,
    writer: SyncIoBridge<tokio::io::DuplexStream>,
) -> io::Result<()> {
    let mut archive = tar::Archive::new(reader);
    let mut tar: Tar = tar::Builder::new(writer);
    let to = output.to.trim_matches('/');
    // `/app` comes as `app/`, `app/x` …; a file as its name.
    let below = |path: &Path| -> PathBuf { path.components().skip(1).collect() };
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = below(&entry.path()?);
        let Some(path) = path.to_str().map(str::to_owned) else {
            continue;
        };
        if !path.is_empty() && output.excludes(&path)
            || path == ".pluvio"
            || path.starts_with(".pluvio/")
        {
            continue;
        }
        let kind = entry.header().entry_type();
        let name = join(to, &path);
        if name.is_empty() {
            continue;
        }
        let mtime = entry.header().mtime().unwrap_or(0);
        let mode = entry.header().mode().unwrap_or(0o644);
        if kind.is_dir() {
            let mut header = source::header(kind, 0o755, 0);
            header.set_mtime(mtime);
            tar.append_data(&mut header, name, io::empty())?;
        } else if kind.is_symlink() || kind.is_hard_link() {
            let Some(target) = entry.link_name()? else {
                continue;
            };
            // A hard link names its target from the archive's root, a symbolic one from its own folder.
            let target = if kind.is_hard_link() {
                PathBuf::from(join(to, &below(&target).to_string_lossy()))
            } else {
                target.into_owned()
            };
            let mut header = source::header(kind, 0o777, 0);
            header.set_mtime(mtime);
            tar.append_link(&mut header, name, target)?;
        } else if kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse() {
            let mut header = source::header(tar::EntryType::Regular, readable(mode), 0);
            header.set_size(entry.size());
            header.set_mtime(mtime);
            tar.append_data(&mut header, name, &mut entry)?;
        }
    }
    tar.into_inner()?.shutdown()
}
