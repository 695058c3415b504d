//! Releases and their differences.

use pluvio_api::releases::{Change, ReleaseDetail, ReleaseDiff, ReleaseStatus, ReleaseSummary};

use super::{Done, release_number};
use crate::context::Context;
use crate::output::{Tone, ago, span};

pub(crate) async fn list(context: &Context) -> Done {
    let releases: Vec<ReleaseSummary> =
        super::apps::all(context, &format!("{}/releases", context.app_path()?)).await?;
    if context.out.json {
        context.out.document(&releases);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = releases
        .iter()
        .map(|r| {
            let status = match r.status {
                ReleaseStatus::Deploying => "deploying",
                ReleaseStatus::Live => "live",
                ReleaseStatus::Retired => "",
                ReleaseStatus::Failed => "failed",
                ReleaseStatus::Superseded => "superseded",
            };
            let commit = r
                .built_from
                .as_ref()
                .and_then(|b| b.commit.clone())
                .map(|c| c[..c.len().min(7)].to_owned())
                .unwrap_or_default();
            vec![
                format!("r{}", r.number),
                status.into(),
                r.title.clone(),
                commit,
                r.actor.clone(),
                r.duration_ms.map(span).unwrap_or_default(),
                ago(r.at),
            ]
        })
        .collect();
    context.out.table(
        &["RELEASE", "STATUS", "WHAT", "COMMIT", "BY", "TOOK", "WHEN"],
        &rows,
    );
    Ok(())
}

pub(crate) async fn show(context: &Context, number: &str) -> Done {
    let number = release_number(number)?;
    let release: ReleaseDetail = context
        .client()?
        .get(&format!("{}/releases/{number}", context.app_path()?))
        .await?;
    if context.out.json {
        context.out.document(&release);
        return Ok(());
    }
    context.out.line(format!(
        "{}  {}",
        context.out.paint(Tone::Strong, format!("r{number}")),
        release.summary.title
    ));
    context.out.line(format!(
        "by {}, {}",
        release.summary.actor,
        ago(release.summary.at)
    ));
    if let Some(from) = &release.summary.built_from
        && let Some(commit) = &from.commit
    {
        let commit = &commit[..commit.len().min(12)];
        let branch = from.branch.as_deref().map(|branch| format!(" of {branch}"));
        let author = from
            .author
            .as_deref()
            .map(|author| format!(", by {author}"));
        context.out.line(format!(
            "commit {commit}{}{}",
            branch.unwrap_or_default(),
            author.unwrap_or_default()
        ));
    }
    for (component, image) in &release.summary.images {
        context.out.line(format!("{component}  {image}"));
    }
    context.out.line("");
    context.out.line(release.yaml.trim_end());
    Ok(())
}

pub(crate) async fn diff(context: &Context, from: &str, to: &str) -> Done {
    let (from, to) = (release_number(from)?, release_number(to)?);
    let diff: ReleaseDiff = context
        .client()?
        .get(&format!(
            "{}/releases/diff?from={from}&to={to}",
            context.app_path()?
        ))
        .await?;
    if context.out.json {
        context.out.document(&diff);
        return Ok(());
    }
    if diff.components.is_empty() {
        context.out.line(format!("r{from} and r{to} are the same."));
    }
    for component in &diff.components {
        context
            .out
            .line(context.out.paint(Tone::Strong, &component.component));
        for row in &component.rows {
            let (before, after) = (
                row.before.as_deref().unwrap_or(""),
                row.after.as_deref().unwrap_or(""),
            );
            context.out.line(match row.change {
                Change::Added => context
                    .out
                    .paint(Tone::Good, format!("  + {}: {after}", row.what)),
                Change::Removed => context
                    .out
                    .paint(Tone::Bad, format!("  - {}: {before}", row.what)),
                Change::Changed => format!("  ~ {}: {before} → {after}", row.what),
            });
        }
    }
    Ok(())
}
