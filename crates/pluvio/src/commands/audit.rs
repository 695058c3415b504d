//! `audit`: who did what, and whether the log is as it was written.

use clap::{Args, Subcommand};
use pluvio_api::applications::Page;
use pluvio_api::audit::{AuditReport, AuditRow};

use super::{Done, moment};
use crate::context::{Context, escape};

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// Of the whole installation: every team's, sign-ins, users, tokens
    #[arg(long)]
    pub(crate) all: bool,
    /// Only what this one did
    #[arg(long)]
    pub(crate) actor: Option<String>,
    /// Only this, as application:deploy or application
    #[arg(long)]
    pub(crate) action: Option<String>,
    /// Only what was done to something with this in its name
    #[arg(long)]
    pub(crate) object: Option<String>,
    /// Only with this result, as done or refused
    #[arg(long)]
    pub(crate) result: Option<String>,
    /// Only since: a span (24h) or a time
    #[arg(long)]
    pub(crate) since: Option<String>,
    /// Only before: a span (1h) or a time
    #[arg(long)]
    pub(crate) until: Option<String>,
    /// The last so many records
    #[arg(short = 'n', long, default_value_t = 50)]
    pub(crate) limit: usize,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Who did what (the default)
    List(AuditArgs),
    /// Check that no record was altered or taken away; exits 1 when one was
    Verify,
}

pub(crate) async fn list(context: &Context, args: &AuditArgs) -> Done {
    let mut path = if args.all {
        "/api/v1/audit".to_owned()
    } else {
        format!("/api/v1/teams/{}/audit", escape(&context.global.team))
    };
    let mut join = '?';
    let mut ask = |key: &str, value: &str| {
        path.push_str(&format!("{join}{key}={}", escape(value)));
        join = '&';
    };
    let object = args.object.as_ref().or(context.global.app.as_ref());
    for (key, value) in [
        ("actor", args.actor.as_ref()),
        ("action", args.action.as_ref()),
        ("object", object),
        ("result", args.result.as_ref()),
    ] {
        if let Some(value) = value {
            ask(key, value);
        }
    }
    for (key, value) in [("since", &args.since), ("until", &args.until)] {
        if let Some(value) = value {
            ask(key, &moment(value)?.to_string());
        }
    }
    let client = context.client()?;
    let (mut rows, mut after) = (Vec::<AuditRow>::new(), String::new());
    while rows.len() < args.limit {
        let many = (args.limit - rows.len()).min(200);
        let page: Page<AuditRow> = client
            .get(&format!("{path}{join}limit={many}{after}"))
            .await?;
        rows.extend(page.items);
        match page.next {
            Some(next) => after = format!("&after={}", escape(&next)),
            None => break,
        }
    }
    if context.out.json {
        context.out.document(&rows);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| {
            vec![
                row.number.to_string(),
                row.at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
                row.actor,
                row.action,
                row.object,
                row.result,
            ]
        })
        .collect();
    context
        .out
        .table(&["NUMBER", "WHEN", "WHO", "WHAT", "TO", "RESULT"], &rows);
    Ok(())
}

pub(crate) async fn verify(context: &Context) -> Done {
    let report: AuditReport = context.client()?.post("/api/v1/audit/verify", &()).await?;
    if context.out.json {
        context.out.document(&report);
        return Ok(());
    }
    context.out.line(format!(
        "All {} records are as they were written.",
        report.sealed
    ));
    if report.open > 0 {
        context
            .out
            .say(format!("{} more were written meanwhile.", report.open));
    }
    Ok(())
}
