//! Backups that are kept, and settings and figures of a database.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};

use futures::StreamExt;
use pluvio_api::applications::Page;
use pluvio_api::databases::{
    BackupSchedule, DatabaseRequest, DatabaseSummary, ParametersRequest, RestoreRequest,
};
use pluvio_model::database::{Backup, BackupReason, BackupState, DatabaseFigures, Protection};
use pluvio_model::operation::Operation;
use pluvio_model::problem::{self, Problem};
use tokio_util::io::ReaderStream;

use super::Done;
use super::deploy::SyncStream;
use crate::context::{Context, escape};
use crate::output::{Tone, ago, bytes};

/// The API's path of a database.
pub(super) fn path(context: &Context, component: &str) -> Result<String, Problem> {
    Ok(format!(
        "{}/databases/{}",
        context.app_path()?,
        escape(component)
    ))
}

/// Follows an operation; with `--json` its end is the document.
async fn finish(context: &Context, operation: Operation, said: &str) -> Done {
    let ended = context.finish(operation).await?;
    if context.global.no_wait {
        return Ok(());
    }
    match context.out.json {
        true => context.out.document(&ended),
        false => context.out.say(said),
    }
    Ok(())
}

pub(super) async fn create(
    context: &Context,
    component: &str,
    database: &str,
    set: &[String],
) -> Done {
    let mut parameters = BTreeMap::new();
    for pair in set {
        let (name, value) = pair.split_once('=').ok_or_else(|| not_a_pair(pair))?;
        parameters.insert(name.to_owned(), value.to_owned());
    }
    let request = DatabaseRequest {
        component: component.to_owned(),
        database: database.to_owned(),
        parameters,
        backups: None,
    };
    let to = format!("{}/databases", context.app_path()?);
    let operation = context.client()?.post(&to, &request).await?;
    finish(context, operation, &format!("{component} runs.")).await
}

pub(super) async fn make(context: &Context, component: &str) -> Done {
    let to = format!("{}/backups", path(context, component)?);
    let operation: Operation = context.client()?.post(&to, &()).await?;
    finish(context, operation, &format!("{component} is backed up.")).await
}

async fn all(context: &Context, component: &str) -> Result<Vec<Backup>, Problem> {
    let from = format!("{}/backups", path(context, component)?);
    let page: Page<Backup> = context.client()?.get(&from).await?;
    Ok(page.items)
}

pub(super) async fn list(context: &Context, component: &str) -> Done {
    let backups = all(context, component).await?;
    if context.out.json {
        context.out.document(&backups);
        return Ok(());
    }
    let row = |backup: &Backup| {
        let state = match backup.state {
            BackupState::Kept => context.out.paint(Tone::Good, "kept"),
            BackupState::Running => context.out.paint(Tone::Accent, "running"),
            BackupState::Failed => context.out.paint(Tone::Bad, "failed"),
        };
        let why = match backup.reason {
            BackupReason::Asked => "asked",
            BackupReason::Schedule => "schedule",
            BackupReason::Upload => "upload",
        };
        vec![
            backup.id.to_string(),
            state,
            why.to_owned(),
            ago(backup.begun_at),
            backup.bytes.map_or("-".to_owned(), bytes),
            backup.plain_bytes.map_or("-".to_owned(), bytes),
            backup.database.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = backups.iter().map(row).collect();
    let head = ["BACKUP", "STATE", "WHY", "WHEN", "SIZE", "PLAIN", "OF"];
    context.out.table(&head, &rows);
    let database: Result<DatabaseSummary, Problem> =
        context.client()?.get(&path(context, component)?).await;
    if let Ok(database) = database {
        context.out.say(protection(&database));
    }
    Ok(())
}

/// Whether it is backed up, in a sentence.
fn protection(database: &DatabaseSummary) -> String {
    let name = &database.component;
    let good = match &database.last_good {
        Some(good) => format!("the last good backup is from {}", ago(good.begun_at)),
        None => "there is no good backup".to_owned(),
    };
    match database.protection {
        Protection::Never => format!("{name} is not backed up."),
        Protection::ByHand => format!("{name} is backed up by hand only; {good}."),
        Protection::Scheduled => format!("{name} is backed up by the clock; {good}."),
        Protection::Waiting => format!("{name} was not backed up yet; its time comes."),
        Protection::Failing => format!("The last backup of {name} failed; {good}."),
    }
}

/// A backup's id; `latest` is the newest good one.
async fn named(context: &Context, component: &str, backup: &str) -> Result<String, Problem> {
    if backup != "latest" {
        return Ok(backup.to_owned());
    }
    let all = all(context, component).await?;
    let good = all.iter().find(|backup| backup.state == BackupState::Kept);
    good.map(|backup| backup.id.to_string()).ok_or_else(|| {
        problem::NOT_FOUND.problem(
            format!("{component} has no kept backup."),
            format!("Make one: `pluvio database backup {component}`."),
        )
    })
}

pub(super) async fn download(context: &Context, component: &str, backup: &str) -> Done {
    if std::io::stdout().is_terminal() {
        return Err(problem::REFUSED.problem(
            "A backup is written to standard output, which is a terminal.",
            format!(
                "Write it to a file: `pluvio database download {component} {backup} > FILE.gz`."
            ),
        ));
    }
    let backup = named(context, component, backup).await?;
    let from = format!(
        "{}/backups/{}/file",
        path(context, component)?,
        escape(&backup)
    );
    let (_, mut pieces) = context.client()?.download(&from).await?;
    let mut out = std::io::stdout().lock();
    let failed = |error: std::io::Error| {
        problem::INTERNAL.problem(
            format!("Standard output cannot be written: {error}."),
            "Write it to a place with room.",
        )
    };
    while let Some(piece) = pieces.next().await {
        out.write_all(&piece?).map_err(failed)?;
    }
    out.flush().map_err(failed)
}

pub(super) async fn upload(context: &Context, component: &str) -> Done {
    if std::io::stdin().is_terminal() {
        return Err(problem::REFUSED.problem(
            "A dump is read from standard input, which is a terminal.",
            format!("Give it a file: `pluvio database upload {component} < FILE`."),
        ));
    }
    let to = format!("{}/backups/upload", path(context, component)?);
    let input = std::os::fd::AsFd::as_fd(&std::io::stdin()).try_clone_to_owned();
    let input = input.map_err(|error| {
        problem::INTERNAL.problem(
            format!("Standard input cannot be read: {error}."),
            "Try again.",
        )
    })?;
    let input = tokio::fs::File::from_std(input.into());
    let stream = SyncStream::new(ReaderStream::with_capacity(input, 64 * 1024));
    let kept: Backup = context
        .client()?
        .upload(&to, "application/octet-stream", stream)
        .await?;
    match context.out.json {
        true => context.out.document(&kept),
        false => context.out.line(kept.id.to_string()),
    }
    Ok(())
}

pub(super) async fn forget(context: &Context, component: &str, backup: &str) -> Done {
    let which = format!("{}/backups/{}", path(context, component)?, escape(backup));
    let () = context.client()?.delete(&which).await?;
    if !context.out.json {
        context.out.say("It is deleted.");
    }
    Ok(())
}

pub(super) async fn restore(
    context: &Context,
    component: &str,
    backup: &str,
    request: &RestoreRequest,
) -> Done {
    let backup = named(context, component, backup).await?;
    let to = format!(
        "{}/backups/{}/restore",
        path(context, component)?,
        escape(&backup)
    );
    let operation = context.client()?.post(&to, request).await?;
    let into = request.into.as_deref().unwrap_or(component);
    finish(
        context,
        operation,
        &format!("{into} holds the data of the backup."),
    )
    .await
}

pub(super) async fn schedule(
    context: &Context,
    component: &str,
    schedule: Option<BackupSchedule>,
    off: bool,
) -> Done {
    let of = path(context, component)?;
    let to = format!("{of}/schedule");
    let client = context.client()?;
    match (schedule, off) {
        (Some(schedule), _) => {
            let operation = client.call(http::Method::PUT, &to, Some(&schedule)).await?;
            finish(
                context,
                operation,
                &format!("{component} is backed up by the clock."),
            )
            .await
        }
        (None, true) => {
            let operation = client.delete(&to).await?;
            finish(
                context,
                operation,
                &format!("{component} is backed up by the clock no more."),
            )
            .await
        }
        (None, false) => {
            let database: DatabaseSummary = client.get(&of).await?;
            match (context.out.json, &database.backups) {
                (true, backups) => context.out.document(&serde_json::json!({
                    "schedule": backups,
                    "next_at": database.next_backup_at,
                    "protection": database.protection,
                })),
                (false, Some(backups)) => {
                    let zone = backups.time_zone.as_deref().unwrap_or("UTC");
                    context.out.line(format!("{} {zone}", backups.cron));
                    context.out.say(protection(&database));
                }
                (false, None) => context.out.say(protection(&database)),
            }
            Ok(())
        }
    }
}

fn not_a_pair(text: &str) -> Problem {
    problem::REQUEST_INVALID.problem(
        format!("{text:?} sets nothing."),
        "Write NAME=VALUE, or NAME- to remove it.",
    )
}

pub(super) async fn parameters(context: &Context, component: &str, change: &[String]) -> Done {
    let of = path(context, component)?;
    if change.is_empty() {
        let database: DatabaseSummary = context.client()?.get(&of).await?;
        if context.out.json {
            context.out.document(&serde_json::json!({
                "parameters": database.parameters,
                "known": database.known_parameters,
            }));
            return Ok(());
        }
        let rows: Vec<Vec<String>> = database
            .parameters
            .iter()
            .map(|one| {
                let why = if one.asked { "asked" } else { "by its memory" };
                vec![one.name.clone(), one.value.clone(), why.to_owned()]
            })
            .collect();
        context.out.table(&["PARAMETER", "VALUE", "WHY"], &rows);
        let known = database.known_parameters.join(", ");
        context.out.say(format!("There are: {known}."));
        return Ok(());
    }
    let mut parameters = BTreeMap::new();
    for one in change {
        let (name, value) = match (one.split_once('='), one.strip_suffix('-')) {
            (Some((name, value)), _) => (name, Some(value.to_owned())),
            (None, Some(name)) => (name, None),
            (None, None) => return Err(not_a_pair(one)),
        };
        parameters.insert(name.to_owned(), value);
    }
    let request = ParametersRequest { parameters };
    let to = format!("{of}/parameters");
    let operation = context
        .client()?
        .call(http::Method::PATCH, &to, Some(&request))
        .await?;
    finish(context, operation, &format!("{component} runs with it.")).await
}

pub(super) async fn figures(context: &Context, component: &str) -> Done {
    let from = format!("{}/figures", path(context, component)?);
    let figures: DatabaseFigures = context.client()?.get(&from).await?;
    if context.out.json {
        context.out.document(&figures);
        return Ok(());
    }
    let none = || "-".to_owned();
    let number = |value: Option<u64>| value.map_or_else(none, |value| value.to_string());
    let uptime = figures.uptime_seconds;
    let rows = vec![
        ("version", figures.version.clone().unwrap_or_else(none)),
        (
            "up for",
            uptime.map_or_else(none, |s| crate::output::span(s * 1000)),
        ),
        ("size", figures.size_bytes.map_or_else(none, bytes)),
        ("tables or keys", number(figures.objects)),
        (
            "connections",
            format!(
                "{} of {}",
                number(figures.connections),
                number(figures.connections_limit)
            ),
        ),
        (
            "a second",
            figures
                .per_second
                .map_or_else(none, |rate| format!("{rate:.1}")),
        ),
        (
            "from memory",
            figures
                .hit_ratio
                .map_or_else(none, |ratio| format!("{:.1} %", ratio * 100.0)),
        ),
    ];
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(what, value)| vec![what.to_owned(), value])
        .collect();
    context.out.table(&["FIGURE", "VALUE"], &rows);
    for one in &figures.slowest {
        context.out.line(format!(
            "{:.0} ms  {}  {}",
            one.milliseconds, one.user, one.text
        ));
    }
    Ok(())
}
