//! The warm workspace: the source as it was last sent and what the steps produced, in volumes that live between builds.
//!
//! A state file beside the products says what is there. It is written before anything changes (without what is about to
//! change) and at the end of each step, so a build that is killed leaves a state that claims too little, never too much.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use pluvio_engine::body_of_reader;
use pluvio_model::problem::{self, Problem};
use serde::{Deserialize, Serialize};

use super::Site;
use super::container::{BUILD_USER, BuildContainer, HOME, workspace_volume};
use crate::job::{Job, engine};
use crate::plan::{PRODUCTS, WORKSPACE};
use crate::source::{self, Manifest};

/// In the volume of products.
const STATE_FOLDER: &str = "/out/.pluvio";
const STATE: &str = "/out/.pluvio/state.json";

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct State {
    /// The source files as they lie there; `None` while they are being sent.
    pub(super) files: Option<Manifest>,
    /// Steps whose results are there, with their keys.
    pub(super) steps: BTreeMap<String, String>,
}

pub(super) struct Workspace {
    pub(super) state: State,
    /// Steps that need not run.
    pub(super) kept: HashSet<String>,
    /// Shell lines that remove what is neither source nor a kept result. Run with the first step.
    pub(super) clean: String,
}

/// Makes the workspace hold this source, and finds which steps need not run.
pub(super) async fn sync(
    site: &Site<'_>,
    container: &BuildContainer,
) -> Result<Workspace, Problem> {
    let warm = !container.fresh_volumes.iter().any(|volume| {
        volume.starts_with("pluvio-work-") && (volume.ends_with("-app") || volume.ends_with("-out"))
    });
    let before = if warm {
        load(container).await?
    } else {
        State::default()
    };
    let kept = kept_steps(site, container, &before).await?;
    let state = State {
        files: None,
        steps: before
            .steps
            .into_iter()
            .filter(|(name, _)| kept.contains(name))
            .collect(),
    };
    let there = before.files.unwrap_or_default();
    let changed: Vec<String> = site
        .manifest
        .iter()
        .filter(|(path, mark)| there.get(*path) != Some(mark))
        .map(|(path, _)| path.clone())
        .collect();
    if warm {
        site.job.say(match changed.len() {
            0 => "source: unchanged".to_owned(),
            1 => format!("source: {} changed", changed[0]),
            n => format!("source: {n} files changed"),
        });
    } else {
        site.job.say(format!("source: {} files", changed.len()));
    }
    let after = states_after(site, &state, &kept);
    send(site, container, &state, &after, changed).await?;
    Ok(Workspace {
        clean: if warm {
            clean_script(site, &kept)
        } else {
            String::new()
        },
        state,
        kept,
    })
}

async fn load(container: &BuildContainer) -> Result<State, Problem> {
    let file = container
        .engine
        .read_file(&container.name, STATE)
        .await
        .map_err(engine)?;
    // What cannot be read claims nothing.
    Ok(file
        .and_then(|json| serde_json::from_slice(&json).ok())
        .unwrap_or_default())
}

/// Steps with the same key as before whose results are still there. A step after one that runs may still be kept: its key
/// covers what it comes after.
async fn kept_steps(
    site: &Site<'_>,
    container: &BuildContainer,
    before: &State,
) -> Result<HashSet<String>, Problem> {
    let mut kept = HashSet::new();
    for step in &site.plan.steps {
        let same = before.steps.get(&step.name).map(String::as_str)
            == site.keys.get(&step.name).map(|key| key.as_str());
        // A step without a result of its own worked for its caches: new ones are empty.
        let cache_lost = step.produces.is_empty()
            && step.caches.iter().any(|cache| {
                container
                    .caches
                    .get(&cache.id)
                    .is_some_and(|volume| container.fresh_volumes.contains(volume))
            });
        if !same || cache_lost {
            continue;
        }
        let mut there = true;
        for path in &step.produces {
            there &= container
                .engine
                .path_exists(&container.name, path)
                .await
                .map_err(engine)?;
        }
        if there {
            kept.insert(step.name.clone());
        }
    }
    Ok(kept)
}

/// What may be claimed after each step that will run.
fn states_after(site: &Site<'_>, before: &State, kept: &HashSet<String>) -> Vec<(String, State)> {
    let mut state = before.clone();
    state.files = Some(site.manifest.clone());
    let mut all = Vec::new();
    for step in site
        .plan
        .steps
        .iter()
        .filter(|step| !kept.contains(&step.name))
    {
        let key = site.keys[&step.name].to_string();
        state.steps.insert(step.name.clone(), key);
        all.push((step.name.clone(), state.clone()));
    }
    all
}

/// Where the state that a step leaves waits until it is true.
fn state_after(step: &str) -> String {
    let hash = pluvio_model::image::ContentHash::of(&step);
    format!("{STATE_FOLDER}/after-{}.json", &hash.as_str()[..12])
}

/// The shell line that makes it so: in the step's own run, since the engine takes longer to unpack an archive than many a
/// step takes.
pub(super) fn done_line(step: &str) -> String {
    format!("mv -f {} {STATE}\n", state_after(step))
}

/// One archive, unpacked in order: the state that claims nothing comes first, those that the steps will leave, then folders of the build's user, secrets,
/// the list of what may stay, and the changed files.
async fn send(
    site: &Site<'_>,
    container: &BuildContainer,
    state: &State,
    after: &[(String, State)],
    changed: Vec<String>,
) -> Result<(), Problem> {
    let json = |state: &State| serde_json::to_vec(state).expect("a state serialises");
    let mut files: Vec<(String, Vec<u8>)> = vec![(STATE.to_owned(), json(state))];
    files.extend(
        after
            .iter()
            .map(|(step, state)| (state_after(step), json(state))),
    );
    let keep: String = site
        .manifest
        .keys()
        .map(|path| format!("./{path}\n"))
        .collect();
    let folders = owned_folders(site);
    let secrets: Vec<(String, String)> = site
        .plan
        .secrets
        .iter()
        .map(|name| {
            let value = site.job.request.secrets.get(name);
            let value = value.ok_or_else(|| {
                problem::SECRET_MISSING.problem(
                    format!("The build reads the secret {name}, which has no value."),
                    format!("Set it: `pluvio secret set {name}`."),
                )
            })?;
            Ok((format!("run/secrets/{name}"), value.0.clone()))
        })
        .collect::<Result<_, Problem>>()?;
    let folder = site.folder.to_owned();
    let (writer, reader) = tokio::io::duplex(1 << 20);
    let writer = tokio_util::io::SyncIoBridge::new(writer);
    let packing = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
        use tar::EntryType::{Directory, Regular};
        let mut tar = tar::Builder::new(writer);
        let own = |path: &str, tar: &mut tar::Builder<_>| {
            let mut header = source::header(Directory, 0o755, BUILD_USER);
            tar.append_data(&mut header, path.trim_start_matches('/'), std::io::empty())
        };
        let file = |path: &str, mode: u32, content: &[u8], tar: &mut tar::Builder<_>| {
            let mut header = source::header(Regular, mode, BUILD_USER);
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, path.trim_start_matches('/'), content)
        };
        own(PRODUCTS, &mut tar)?;
        own(STATE_FOLDER, &mut tar)?;
        for (path, content) in &files {
            file(path, 0o644, content, &mut tar)?;
        }
        file(
            &format!("{STATE_FOLDER}/keep"),
            0o644,
            keep.as_bytes(),
            &mut tar,
        )?;
        for path in &folders {
            own(path, &mut tar)?;
        }
        for (path, value) in &secrets {
            file(path, 0o400, value.as_bytes(), &mut tar)?;
        }
        let prefix = format!("{}/", WORKSPACE.trim_start_matches('/'));
        let paths = changed.iter().map(String::as_str);
        source::append(&mut tar, &folder, paths, &prefix, BUILD_USER)?;
        tar.into_inner()?.shutdown()
    });
    let put = container
        .engine
        .put_archive(&container.name, "/", body_of_reader(reader))
        .await;
    let packed = packing.await;
    put.map_err(engine)?;
    match packed {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(problem::SOURCE_MISSING.problem(
            format!("{} cannot be read: {error}", site.folder.display()),
            "Deploy again.",
        )),
        Err(error) => Err(problem::INTERNAL.problem(error.to_string(), "Deploy again.")),
    }
}

/// Folders that the build's user must own: mount points begin as root's.
fn owned_folders(site: &Site<'_>) -> BTreeSet<String> {
    let mut folders: BTreeSet<String> = [WORKSPACE.to_owned(), HOME.to_owned()].into();
    for cache in site.plan.steps.iter().flat_map(|step| &step.caches) {
        folders.insert(cache.path.clone());
        for root in [WORKSPACE, PRODUCTS, HOME] {
            // The folders between the root and the mount point were made by the engine.
            let mut path = cache.path.as_str();
            while let Some((parent, _)) = path.rsplit_once('/') {
                if !parent.starts_with(root) {
                    break;
                }
                folders.insert(parent.to_owned());
                path = parent;
            }
        }
    }
    folders
}

/// The keys of the last build, as this process last saw them: only good for a guess.
pub(super) async fn hint(job: &Job) -> BTreeMap<String, String> {
    let hint = tokio::fs::read(hint_path(job)).await.unwrap_or_default();
    serde_json::from_slice(&hint).unwrap_or_default()
}

fn hint_path(job: &Job) -> std::path::PathBuf {
    let name = format!("keys-{}", workspace_volume(job, "app"));
    job.settings.work.join("bases").join(name)
}

/// Writes the keys down for the next build's guess.
pub(super) async fn remember(job: &Job, state: &State) {
    let keys = serde_json::to_vec(&state.steps).expect("keys serialise");
    // Not kept: the next build guesses worse.
    let _ = tokio::fs::write(hint_path(job), keys).await;
}

/// Where no step ran, nothing has said yet that all of the source is there.
pub(super) async fn save(
    job: &Job,
    container: &BuildContainer,
    state: &State,
) -> Result<(), Problem> {
    remember(job, state).await;
    use pluvio_engine::TarEntry;
    let json = serde_json::to_vec(state).expect("a state serialises");
    let entries = [TarEntry::File {
        path: "state.json",
        mode: 0o644,
        content: &json,
    }];
    let tar = TarEntry::archive(&entries, (BUILD_USER, BUILD_USER))
        .expect("an archive in memory is written");
    container
        .engine
        .put_archive(
            &container.name,
            STATE_FOLDER,
            body_of_reader(std::io::Cursor::new(tar)),
        )
        .await
        .map_err(engine)
}

/// Removes files of the workspace that are no source of this build, kept result or cache: a deleted file is deleted, and
/// nothing that an earlier build left is taken for a result of this one.
fn clean_script(site: &Site<'_>, kept: &HashSet<String>) -> String {
    let results = site
        .plan
        .steps
        .iter()
        .filter(|step| kept.contains(&step.name))
        .flat_map(|step| &step.produces);
    let caches = site
        .plan
        .steps
        .iter()
        .flat_map(|step| &step.caches)
        .map(|cache| &cache.path);
    let stay: BTreeSet<String> = results
        .chain(caches)
        .filter_map(|path| path.strip_prefix(&format!("{WORKSPACE}/")))
        .map(|path| format!("-path {}", quoted(&format!("./{}", glob_escaped(path)))))
        .collect();
    let prune = if stay.is_empty() {
        String::new()
    } else {
        let stay: Vec<String> = stay.into_iter().collect();
        format!("\\( {} \\) -prune -o ", stay.join(" -o "))
    };
    format!(
        "cd {WORKSPACE} && export LC_ALL=C && \
         find . {prune}! -type d -print | sort >/tmp/.pluvio-there && \
         sort {STATE_FOLDER}/keep | comm -23 /tmp/.pluvio-there - | while IFS= read -r file; do rm -f -- \"$file\"; done\n\
         unset LC_ALL\n"
    )
}

fn glob_escaped(path: &str) -> String {
    let mut out = String::new();
    for c in path.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// One word of a shell line.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
