//! The files of a volume. What is read and written is in the audit log before it is: a volume may hold what a password does.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt;
use pluvio_model::files::{FileEntry, FileKind, Folder};
use pluvio_model::permission::Permission;
use pluvio_model::problem::{self, Problem};
use pluvio_store::{NewAudit, VolumeRow};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::volumes::find;
use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Query, Refusal};

/// Entries that one answer holds.
const ENTRIES: usize = 2000;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, remove))
        .routes(routes!(read, write))
        .routes(routes!(make_folder))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct At {
    /// From the volume's root: `uploads/2026`. The root itself when absent.
    #[serde(default)]
    path: String,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Reading {
    #[serde(default)]
    path: String,
    /// No more than so many bytes of a file.
    most: Option<u64>,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Writing {
    path: String,
    /// Take the place of a file that is there.
    #[serde(default)]
    replace: bool,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Removing {
    path: String,
    /// A folder with all that is in it.
    #[serde(default)]
    recursive: bool,
}

/// What is in a folder of a volume. Links are shown with where they point, and never followed.
#[utoipa::path(get, path = "/volumes/{volume}/files", tag = "volumes", params(("team" = String, Path), ("environment" = String, Path), ("volume" = String, Path), At),
    responses((status = 200, body = Folder), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 502, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("volume-files:view"))))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<(String, String, String)>,
    Query(at): Query<At>,
) -> Result<Json<Folder>, Refusal> {
    let (_, row) = find(&app, &caller, &path, Permission::VolumeFilesView).await?;
    record(
        &app,
        &caller,
        &row,
        Permission::VolumeFilesView,
        &at.path,
        "listed",
    )
    .await?;
    Ok(Json(app.control.list_files(&row, &at.path, ENTRIES).await?))
}

/// A file's content, or a folder as a tar archive.
#[utoipa::path(get, path = "/volumes/{volume}/content", tag = "volumes", params(("team" = String, Path), ("environment" = String, Path), ("volume" = String, Path), Reading),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 502, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("volume-files:view"))))]
async fn read(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<(String, String, String)>,
    Query(reading): Query<Reading>,
) -> Result<Response, Refusal> {
    let (_, row) = find(&app, &caller, &path, Permission::VolumeFilesView).await?;
    record(
        &app,
        &caller,
        &row,
        Permission::VolumeFilesView,
        &reading.path,
        "read",
    )
    .await?;
    let found = app
        .control
        .read_file(&row, &reading.path, reading.most)
        .await?;
    let entry = found.entry;
    let name = match entry.name.as_str() {
        "" => row.name.as_str(),
        name => name,
    };
    let (kind, name) = match entry.kind {
        FileKind::Folder => ("application/x-tar", format!("{name}.tar")),
        _ => ("application/octet-stream", name.to_owned()),
    };
    let mut response = Body::from_stream(found.content).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // Never shown as a page of this host, whatever an application wrote there.
    headers.insert(header::CONTENT_DISPOSITION, attachment(&name));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if entry.kind == FileKind::File {
        let length = reading.most.unwrap_or(u64::MAX).min(entry.size);
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    Ok(response)
}

/// Takes a file's content: all of it, or nothing.
#[utoipa::path(put, path = "/volumes/{volume}/content", tag = "volumes", params(("team" = String, Path), ("environment" = String, Path), ("volume" = String, Path), Writing), request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = FileEntry), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 413, body = Problem), (status = 422, body = Problem), (status = 502, body = Problem), (status = 503, body = Problem), (status = 507, body = Problem)), extensions(("x-permission" = json!("volume-files:write"))))]
async fn write(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<(String, String, String)>,
    Query(writing): Query<Writing>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<FileEntry>, Refusal> {
    let (_, row) = find(&app, &caller, &path, Permission::VolumeFilesWrite).await?;
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let length = length.ok_or_else(|| {
        Refusal(problem::REQUEST_INVALID.problem(
            "The request does not say how long the file is.",
            "Send it with Content-Length: what is shorter was cut off, and is not kept.",
        ))
    })?;
    let most = app.config.upload_limit;
    if length > most {
        return Err(Refusal(problem::SPEC_TOO_LARGE.problem(
            format!("The file has {length} bytes; {most} are taken at once."),
            "Larger files go in through the application: `pluvio exec`, or a program that fetches them.",
        )));
    }
    record(
        &app,
        &caller,
        &row,
        Permission::VolumeFilesWrite,
        &writing.path,
        "written",
    )
    .await?;
    let content = body.into_data_stream().map_err(std::io::Error::other);
    let entry = app
        .control
        .write_file(&row, &writing.path, length, writing.replace, content)
        .await?;
    Ok(Json(entry))
}

/// Makes an empty folder.
#[utoipa::path(post, path = "/volumes/{volume}/folders", tag = "volumes", params(("team" = String, Path), ("environment" = String, Path), ("volume" = String, Path), At),
    responses((status = 201, body = FileEntry), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 502, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("volume-files:write"))))]
async fn make_folder(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<(String, String, String)>,
    Query(at): Query<At>,
) -> Result<Response, Refusal> {
    let (_, row) = find(&app, &caller, &path, Permission::VolumeFilesWrite).await?;
    record(
        &app,
        &caller,
        &row,
        Permission::VolumeFilesWrite,
        &at.path,
        "made",
    )
    .await?;
    let entry = app.control.make_folder(&row, &at.path).await?;
    Ok((StatusCode::CREATED, Json(entry)).into_response())
}

/// Removes a file, a link, or a folder.
#[utoipa::path(delete, path = "/volumes/{volume}/files", tag = "volumes", params(("team" = String, Path), ("environment" = String, Path), ("volume" = String, Path), Removing),
    responses((status = 200, body = FileEntry), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 502, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("volume-files:write"))))]
async fn remove(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<(String, String, String)>,
    Query(removing): Query<Removing>,
) -> Result<Json<FileEntry>, Refusal> {
    let (_, row) = find(&app, &caller, &path, Permission::VolumeFilesWrite).await?;
    record(
        &app,
        &caller,
        &row,
        Permission::VolumeFilesWrite,
        &removing.path,
        "removed",
    )
    .await?;
    let entry = app
        .control
        .remove_file(&row, &removing.path, removing.recursive)
        .await?;
    Ok(Json(entry))
}

async fn record(
    app: &App,
    caller: &Caller,
    volume: &VolumeRow,
    permission: Permission,
    path: &str,
    what: &str,
) -> Result<(), Refusal> {
    // As it was typed, but no longer than a row of the log should be, and nothing that a terminal would obey.
    let shown = path.chars().take(200);
    let shown: String = shown
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    let row = NewAudit {
        team: Some(volume.team),
        actor: caller.actor(),
        action: permission.as_str().to_owned(),
        object: format!(
            "/{} in volume {} of {}",
            shown.trim_start_matches('/'),
            volume.name,
            volume.application_name
        ),
        result: format!("to be {what}"),
    };
    app.control.store().audit(row).await?;
    Ok(())
}

/// RFC 6266: the name in ASCII, and as it is.
fn attachment(name: &str) -> HeaderValue {
    let plain: String = name
        .chars()
        .map(|c| match c {
            ' '..='~' if c != '"' && c != '\\' => c,
            _ => '_',
        })
        .collect();
    let mut whole = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            whole.push(char::from(byte));
        } else {
            whole.push_str(&format!("%{byte:02X}"));
        }
    }
    let value = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{whole}");
    HeaderValue::from_str(&value).unwrap_or_else(|_| HeaderValue::from_static("attachment"))
}
