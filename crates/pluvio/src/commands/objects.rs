//! `cluster objects`: what is in a cluster, whoever made it.

use clap::Args;
use pluvio_api::applications::Page;
use pluvio_api::clusters::*;
use pluvio_model::problem::{self, Problem};

use super::Done;
use crate::context::{Context, escape};
use crate::output::{Tone, ago};

#[derive(Debug, Args)]
pub(crate) struct ObjectsArgs {
    /// The cluster
    name: String,
    /// pods, deployments, statefulsets, daemonsets, jobs, cronjobs, services, ingresses, httproutes, configmaps, secrets, hpas, namespaces, nodes or events
    kind: String,
    /// One of them whole, as YAML, with what the cluster told of it; of secrets without values
    object: Option<String>,
    /// Only those in this namespace
    #[arg(short, long)]
    namespace: Option<String>,
    /// Only those that these words are in
    #[arg(long, value_name = "WORDS")]
    find: Option<String>,
    /// Only what Pluvio made
    #[arg(long)]
    ours: bool,
    /// Only what others made
    #[arg(long, conflicts_with = "ours")]
    foreign: bool,
    /// So many at most
    #[arg(long, default_value_t = 200, value_name = "N")]
    limit: usize,
}

pub(crate) async fn run(context: &Context, args: &ObjectsArgs) -> Done {
    let kind: ObjectKind = args.kind.parse().map_err(|()| {
        problem::REQUEST_INVALID.problem(
            format!("{:?} is no kind that can be listed.", args.kind),
            "`pluvio cluster objects --help` names those that can.",
        )
    })?;
    let base = format!(
        "/api/v1/clusters/{}/objects/{}",
        escape(&args.name),
        kind.word()
    );
    match &args.object {
        Some(object) => one(context, args, &base, object).await,
        None => list(context, args, kind, &base).await,
    }
}

async fn list(context: &Context, args: &ObjectsArgs, kind: ObjectKind, base: &str) -> Done {
    let mut query = String::new();
    for (name, value) in [("namespace", &args.namespace), ("find", &args.find)] {
        if let Some(value) = value {
            query.push_str(&format!("&{name}={}", escape(value)));
        }
    }
    match (args.ours, args.foreign) {
        (true, _) => query.push_str("&whose=ours"),
        (_, true) => query.push_str("&whose=foreign"),
        _ => {}
    }
    let (rows, more) = read(context, base, &query, args.limit).await?;
    let out = &context.out;
    if out.json {
        out.document(&rows);
        return Ok(());
    }
    let first = rows.iter().find(|row| !row.cells.is_empty());
    let columns = first.map(|row| row.cells.iter().map(|cell| cell.name.to_uppercase()));
    let namespaced = !matches!(kind, ObjectKind::Nodes | ObjectKind::Namespaces);
    let mut head = vec!["NAME".to_owned()];
    head.extend(namespaced.then(|| "NAMESPACE".to_owned()));
    head.extend(["STATE".to_owned(), "OURS".to_owned(), "AGE".to_owned()]);
    head.extend(columns.into_iter().flatten());
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let mut line = vec![row.name.clone()];
            line.extend(namespaced.then(|| row.namespace.clone().unwrap_or_default()));
            line.push(state(row.state, &row.note));
            line.push(if row.is_ours { "yes" } else { "" }.to_owned());
            line.push(row.created.map(ago).unwrap_or_default());
            line.extend(row.cells.iter().map(|cell| cell.value.clone()));
            line
        })
        .collect();
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    out.table(&head, &lines);
    if more {
        out.say(format!(
            "There are more: `--limit`, `-n NAMESPACE` or `--find` shows others than these {}.",
            rows.len()
        ));
    }
    Ok(())
}

async fn read(
    context: &Context,
    base: &str,
    query: &str,
    limit: usize,
) -> Result<(Vec<ObjectRow>, bool), Problem> {
    let client = context.client()?;
    let (mut rows, mut after) = (Vec::new(), String::new());
    while rows.len() < limit {
        let part = (limit - rows.len()).min(200);
        let path = format!("{base}?limit={part}{query}{after}");
        let page: Page<ObjectRow> = client.get(&path).await?;
        rows.extend(page.items);
        match page.next {
            Some(next) => after = format!("&after={}", escape(&next)),
            None => return Ok((rows, false)),
        }
    }
    Ok((rows, true))
}

fn state(state: ObjectState, note: &str) -> String {
    match (state, note) {
        (ObjectState::There, note) => note.to_owned(),
        (state, "") => format!("{state:?}").to_lowercase(),
        (state, note) => format!("{}: {note}", format!("{state:?}").to_lowercase()),
    }
}

async fn one(context: &Context, args: &ObjectsArgs, base: &str, object: &str) -> Done {
    let namespace = args.namespace.as_deref().map(escape);
    let at = namespace.map_or_else(String::new, |name| format!("?namespace={name}"));
    let path = format!("{base}/{}{at}", escape(object));
    let seen: ObjectDetail = context.client()?.get(&path).await?;
    let out = &context.out;
    if out.json {
        out.document(&seen);
        return Ok(());
    }
    out.line(seen.yaml.trim_end());
    for one in &seen.containers {
        let restarts = match one.restarts {
            0 => String::new(),
            times => format!(", {times} restarts"),
        };
        out.say(format!(
            "container {}: {}{restarts}",
            one.name,
            state(one.state, &one.note)
        ));
    }
    for event in &seen.events {
        let tone = if event.is_warning {
            Tone::Warn
        } else {
            Tone::Faint
        };
        out.say(format!(
            "{} {} {}",
            out.paint(tone, event.last.map(ago).unwrap_or_default()),
            event.reason,
            event.message
        ));
    }
    Ok(())
}
