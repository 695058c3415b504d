//! Sources of plans: text files as they were sent, folders, and files that are fetched from an address.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream;
use pluvio_api::plans::*;
use pluvio_build::plan_compose::Asked;
use pluvio_build::plan_files::is_dotenv;
use pluvio_build::plan_source::{APP_FILES, Planned};
use pluvio_formats::{compose, heroku};
use pluvio_model::permission::Permission;
use pluvio_model::problem::{self, Problem};
use pluvio_model::spec::SourceSpec;
use pluvio_store::NewAudit;
use tokio::sync::Semaphore;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::App;
use crate::access::Caller;
use crate::outward::{self, Limits};
use crate::refusal::{Json, Refusal};

/// The name of a text that has none.
pub(super) const PASTED: &str = "pasted";
/// The most files of one request, and what one of them may hold.
const FILES: usize = 50;
const TEXT: usize = 1 << 20;
const URL: usize = 2048;
/// Fetches at once: each may hold all that it is given.
static AT_ONCE: Semaphore = Semaphore::const_new(4);
/// What an address may give.
const FETCHED: u64 = 64 << 20;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(fetch))
}

pub(super) fn internal(error: &dyn Display) -> Refusal {
    Refusal(problem::INTERNAL.problem(error.to_string(), "See the server's log."))
}

/// Fetches a file from an address, for a plan. Private addresses are refused unless the configuration allows them.
#[utoipa::path(post, path = "/fetch", tag = "plans", request_body = FetchRequest,
    responses((status = 200, body = Fetched), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 507, body = Problem)), extensions(("x-permission" = json!("application:create"))))]
async fn fetch(
    State(app): State<App>,
    caller: Caller,
    Json(request): Json<FetchRequest>,
) -> Result<Response, Refusal> {
    caller.may(&app, Permission::ApplicationCreate)?;
    if request.url.len() > URL {
        return Err(Refusal(problem::REQUEST_INVALID.problem(
            format!("The address has more than {URL} bytes."),
            "Download the file and choose it.",
        )));
    }
    let _turn = AT_ONCE.acquire().await.map_err(|e| internal(&e))?;
    let limits = Limits {
        bytes: FETCHED.min(app.config.upload_limit),
        private: app.config.fetch_private,
    };
    let found = outward::fetch(&request.url, limits).await;
    // Whatever came of it: the server asked somebody in a person's name.
    let row = NewAudit {
        team: Some(app.control.store().home().team),
        actor: caller.actor(),
        action: Permission::ApplicationCreate.as_str().to_owned(),
        object: format!("address {}", without_secrets(&request.url)),
        result: match &found {
            Ok(found) => format!("fetched: {} bytes", found.body.len()),
            Err(problem) => problem.code.clone(),
        },
    };
    app.control.store().audit(row).await?;
    let found = found?;
    let bytes = found.body.len() as u64;
    let mut fetched = Fetched {
        url: found.url,
        name: found.name,
        bytes,
        text: None,
        upload: None,
    };
    if is_archive(&found.body) {
        let data = stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from(found.body))]);
        let limit = app.config.upload_limit;
        let kept = app.control.blobs().put_by_content("uploads", data, limit);
        let key = kept.await?.key;
        fetched.upload = key.as_str().rsplit('/').next().map(str::to_owned);
    } else {
        fetched.text = Some(text_of(found.body, found.is_page, &fetched.url)?);
    }
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(fetched)).into_response())
}

fn text_of(body: Vec<u8>, is_page: bool, url: &str) -> Result<String, Problem> {
    let start = body.iter().take(200).copied().collect::<Vec<u8>>();
    let start = String::from_utf8_lossy(&start)
        .trim_start()
        .to_ascii_lowercase();
    if is_page || start.starts_with("<!doctype html") || start.starts_with("<html") {
        return Err(problem::SOURCE_FETCH.problem(
            format!("{} is a page to look at, not a file.", without_secrets(url)),
            "Take the address of the file itself: code hosts have it behind “Raw”. A whole repository is given as a Git URL.",
        ));
    }
    if body.len() > TEXT {
        return Err(problem::SPEC_TOO_LARGE.problem(
            "The text is larger than 1 MiB.",
            "Send it as an archive, with the folder that it is from.",
        ));
    }
    String::from_utf8(body).map_err(|_| {
        problem::SOURCE_FETCH.problem(
            format!("{} is neither text nor an archive.", without_secrets(url)),
            "Archives are zip, tar, or tar compressed with gzip; texts are UTF-8.",
        )
    })
}

/// A query may hold a token.
fn without_secrets(url: &str) -> &str {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    // Nor is a password written down that was refused.
    if url.contains('@') {
        "with a password"
    } else {
        url
    }
}

fn is_archive(body: &[u8]) -> bool {
    body.starts_with(&[0x1f, 0x8b])
        || body.starts_with(b"PK\x03\x04")
        || body.get(257..262) == Some(b"ustar")
}

/// The line that runs a container, if it is one, for its report.
pub(super) fn docker_run(text: String) -> Vec<TextFile> {
    if !pluvio_formats::docker_run::is_run(&text) {
        return Vec::new();
    }
    let path = PASTED.to_owned();
    vec![TextFile { path, text }]
}

/// Plans text files in a folder of their own.
pub(super) async fn of_files(
    work: PathBuf,
    files: Vec<TextFile>,
    asked: Asked,
) -> Result<Planned, Refusal> {
    let wrong = |cause: String| {
        Refusal(problem::REQUEST_INVALID.problem(
            cause,
            "Send at most 50 texts of at most 1 MiB, each by its path in the folder.",
        ))
    };
    if files.is_empty() || files.len() > FILES {
        return Err(wrong(format!("{} files are sent.", files.len())));
    }
    for (index, file) in files.iter().enumerate() {
        let plain = |part: std::path::Component| matches!(part, std::path::Component::Normal(_));
        let path = Path::new(&file.path);
        let fits = !file.path.is_empty() && file.path.len() <= 200 && path.components().all(plain);
        if !fits || file.path.contains(['\0', '\n', '\\']) {
            return Err(wrong(format!(
                "{:?} is no path of a file in a folder.",
                file.path
            )));
        }
        if file.text.len() > TEXT {
            return Err(wrong(format!("{} is larger than 1 MiB.", file.path)));
        }
        if files[..index].iter().any(|other| other.path == file.path) {
            return Err(wrong(format!("There are two files {}.", file.path)));
        }
    }
    let task = tokio::task::spawn_blocking(move || {
        for file in &files {
            let place = work.join(&file.path);
            let folder = place.parent().unwrap_or(&work);
            std::fs::create_dir_all(folder)
                .and_then(|()| std::fs::write(&place, &file.text))
                .map_err(|e| problem::INTERNAL.problem(e.to_string(), "See the server's log."))?;
        }
        let files: Vec<(String, String)> = files
            .into_iter()
            .map(|file| (file.path, file.text))
            .collect();
        pluvio_build::plan_files::of_files(&work, &files, &asked)
    });
    task.await.map_err(|e| internal(&e))?.map_err(Refusal)
}

/// Plans what was fetched, by `plan`, which also says which folder it looked at; with the texts that the report speaks of.
pub(super) async fn of_fetched(
    plan: impl FnOnce() -> Result<(Planned, PathBuf), Problem> + Send + 'static,
) -> Result<(Planned, Vec<TextFile>), Refusal> {
    let task = tokio::task::spawn_blocking(move || {
        let (planned, folder) = plan()?;
        let texts = texts(&folder, &planned);
        Ok((planned, texts))
    });
    task.await.map_err(|e| internal(&e))?.map_err(Refusal)
}

/// The file that says what the application is comes first; then those that rows of the report name.
fn texts(folder: &Path, planned: &Planned) -> Vec<TextFile> {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    // Paths of a report begin where the source does, which may be above.
    let root = planned.root.clone().unwrap_or_else(|| folder.clone());
    let inside = folder.strip_prefix(&root).unwrap_or(Path::new(""));
    let usual: Vec<&str> = match planned.detected.kind.as_str() {
        "compose" => compose::FILES.to_vec(),
        _ => [APP_FILES.as_slice(), &heroku::FILES].concat(),
    };
    let mut paths: Vec<String> = usual
        .into_iter()
        .map(|path| inside.join(path).to_string_lossy().into_owned())
        .collect();
    paths.retain(|path| root.join(path).is_file());
    paths.truncate(3);
    for path in planned.report.iter().filter_map(|row| row.file.as_deref()) {
        // What is private in them is nobody's to look at.
        if !paths.iter().any(|known| known == path) && !is_dotenv(path) {
            paths.push(path.to_owned());
        }
    }
    let read = |path: &str| {
        let place = root.join(path).canonicalize().ok()?;
        let is_ours = place.starts_with(&root) && place.metadata().ok()?.len() <= TEXT as u64 / 4;
        is_ours.then(|| std::fs::read_to_string(place).ok())?
    };
    paths
        .into_iter()
        .take(10)
        .filter_map(|path| {
            let text = read(&path)?;
            Some(TextFile { path, text })
        })
        .collect()
}

/// Texts alone hold no source: what is built from a folder cannot be.
pub(super) fn folders_missing(planned: &mut Planned) {
    let mut told: Vec<Problem> = Vec::new();
    for (name, component) in &planned.spec.components {
        let Some(SourceSpec::Path(path)) = &component.source else {
            continue;
        };
        let own = format!("services.{name}.build");
        planned
            .errors
            .retain(|error| error.at.as_ref().is_none_or(|at| at.path != own));
        let folder = match path.as_str() {
            "." => "the folder of this file".to_owned(),
            path => format!("the folder `{path}`"),
        };
        told.push(
            problem::SOURCE_MISSING
                .problem(
                    format!("{name} is built from {folder}, which was not sent."),
                    "Choose the whole folder or an archive of it, or give the Git URL of the repository.",
                )
                .path(format!("components.{name}.source")),
        );
    }
    planned.errors.extend(told);
}
