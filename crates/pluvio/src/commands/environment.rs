//! `environment`, `copy`, `promote`, and the batch forms of `restart`, `start`, `stop`, `redeploy`.

use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Write};

use clap::{Args, Subcommand};
use pluvio_api::applications::DeployRequest;
use pluvio_api::environments::*;
use pluvio_api::releases::Change;
use pluvio_model::operation::Operation;
use pluvio_model::problem::{self, Problem};

use super::{Done, confirm, pair};
use crate::context::{Context, escape};
use crate::output::{Tone, ago};

pub(crate) const RESTART: &str = "Examples:\n  pluvio restart\n  pluvio restart -a shop web worker";
pub(crate) const START: &str = "What others use starts before them.\n\nExamples:\n  pluvio start\n  pluvio start -a shop worker";
pub(crate) const STOP: &str =
    "What others use stops after them.\n\nExamples:\n  pluvio stop\n  pluvio stop -a shop worker";
pub(crate) const REDEPLOY: &str = "Components that are not named keep the images they have.\n\nExamples:\n  pluvio redeploy\n  pluvio redeploy -a shop web --pull";
pub(crate) const COPY: &str = "Images are taken as they are; nothing is built again. Generated secrets are made anew. Data volumes and databases begin empty unless --with-data says otherwise: volumes are cloned; a database that runs is dumped and restored, one that is stopped has its volume cloned. The other components start when the data are there.\n\nExamples:\n  pluvio copy -a shop --to staging --dry-run\n  pluvio copy -a shop --to staging --instances web=1 --copy-secrets\n  pluvio copy -a shop --to staging --with-data all\n  pluvio copy -a shop --to staging --as shop-two --host shop.example.org=two.example.org";
pub(crate) const PROMOTE: &str = "Examples:\n  pluvio promote -a shop -e staging --to production --dry-run\n  pluvio promote -a shop -e staging --to production\n  pluvio promote -a shop -e staging --to production --images-only";

#[derive(Debug, Args)]
pub(crate) struct ChosenArgs {
    /// Components; the whole application when none is named
    pub(crate) components: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RedeployArgs {
    #[command(flatten)]
    pub(crate) chosen: ChosenArgs,
    /// Ask registries also for images that are at hand
    #[arg(long)]
    pub(crate) pull: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CopyArgs {
    /// The environment where the copy is made
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(crate) to: String,
    /// The copy's name; the original's when absent
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Instances of a component in the copy (may be given several times)
    #[arg(long, value_name = "COMPONENT=N")]
    pub(crate) instances: Vec<String>,
    /// Another host in the place of one that a route names (may be given several times)
    #[arg(long, value_name = "OLD=NEW")]
    pub(crate) host: Vec<String>,
    /// Another image of a component (may be given several times)
    #[arg(long, value_name = "COMPONENT=IMAGE")]
    pub(crate) image: Vec<String>,
    /// Another branch, tag or commit of a component built from Git (may be given several times)
    #[arg(long = "ref", value_name = "COMPONENT=REF")]
    pub(crate) reference: Vec<String>,
    /// Take the values of secrets along that were set by hand
    #[arg(long)]
    pub(crate) copy_secrets: bool,
    /// Values of secrets for the copy, a .env file, or - for stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) secrets: Option<String>,
    /// Data that come along: none, volumes, all (also databases), or names of volumes and databases
    #[arg(
        long,
        value_name = "none|volumes|all|NAME,NAME",
        default_value = "none"
    )]
    pub(crate) with_data: String,
    /// Show what will differ, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PromoteArgs {
    /// The environment that the release is brought to
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(crate) to: String,
    /// The application's name there; the same when absent
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Leave everything there as it is but the images
    #[arg(long)]
    pub(crate) images_only: bool,
    /// Do not ask where more than images changes
    #[arg(long)]
    pub(crate) yes: bool,
    /// Show what would change, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EnvironmentCommand {
    List,
    /// Make an environment
    Create {
        name: String,
        /// The cluster that its applications run on; the engine when absent
        #[arg(long)]
        cluster: Option<String>,
    },
    /// Delete an environment that no application is in
    Delete {
        name: String,
    },
}

/// `restart`, `start`, `stop` of chosen components.
pub(crate) async fn batch(context: &Context, verb: &str, chosen: &ChosenArgs) -> Done {
    let verb = match chosen.components.is_empty() {
        true => verb.to_owned(),
        false => format!("{verb}?components={}", escape(&chosen.components.join(","))),
    };
    context.operate(&verb, &()).await
}

pub(crate) async fn redeploy(context: &Context, args: &RedeployArgs) -> Done {
    let request = DeployRequest {
        pull: args.pull,
        components: args.chosen.components.clone(),
        ..DeployRequest::default()
    };
    context.operate("deploy", &request).await
}

pub(crate) async fn run(context: &Context, command: &EnvironmentCommand) -> Done {
    let path = format!(
        "/api/v1/teams/{}/environments",
        escape(&context.global.team)
    );
    match command {
        EnvironmentCommand::List => {
            let all: Vec<EnvironmentSummary> = super::apps::all(context, &path).await?;
            if context.out.json {
                context.out.document(&all);
                return Ok(());
            }
            let rows: Vec<Vec<String>> = all
                .iter()
                .map(|one| {
                    vec![
                        one.name.clone(),
                        one.cluster.clone(),
                        one.applications.to_string(),
                        ago(one.created_at),
                    ]
                })
                .collect();
            context
                .out
                .table(&["NAME", "CLUSTER", "APPLICATIONS", "MADE"], &rows);
        }
        EnvironmentCommand::Create { name, cluster } => {
            let request = EnvironmentRequest {
                name: name.clone(),
                cluster: cluster.clone(),
            };
            let made: EnvironmentSummary = context.client()?.post(&path, &request).await?;
            if context.out.json {
                context.out.document(&made);
            } else {
                context.out.line(format!(
                    "{} is there. `pluvio deploy -e {0}` deploys into it.",
                    made.name
                ));
            }
        }
        EnvironmentCommand::Delete { name } => {
            let name = escape(name);
            let path = format!("{path}/{name}?confirm={name}");
            let deleted: EnvironmentDeleted = context.client()?.delete(&path).await?;
            if context.out.json {
                context.out.document(&deleted);
                return Ok(());
            }
            context.out.line(format!("{} is deleted.", deleted.deleted));
            if let Some(left) = &deleted.left {
                context.out.line(stays(left));
            }
        }
    }
    Ok(())
}

fn stays(left: &NamespaceLeft) -> String {
    let NamespaceLeft {
        cluster,
        name,
        holds,
        problem,
    } = left;
    match problem {
        Some(problem) => format!(
            "Its namespace {name} on {cluster} goes later, since it cannot be looked at now: {}",
            problem.cause
        ),
        None if holds.is_empty() => format!("Its namespace {name} on {cluster} goes in a moment."),
        None => format!(
            "Its namespace {name} on {cluster} stays until nothing is in it any more: {}.",
            holds.join(", ")
        ),
    }
}

fn pairs(texts: &[String]) -> Result<BTreeMap<String, String>, Problem> {
    texts.iter().map(|text| pair(text)).collect()
}

pub(crate) async fn copy(context: &Context, args: &CopyArgs) -> Done {
    let instances = pairs(&args.instances)?
        .into_iter()
        .map(|(name, count)| match count.parse() {
            Ok(count) => Ok((name, count)),
            Err(_) => Err(problem::REQUEST_INVALID.problem(
                format!("{count:?} is not a number of instances."),
                "Write `--instances web=2`.",
            )),
        })
        .collect::<Result<_, _>>()?;
    let (data, data_of) = data(&args.with_data);
    let mut request = CopyRequest {
        to: args.to.clone(),
        name: args.name.clone(),
        instances,
        hosts: pairs(&args.host)?,
        images: pairs(&args.image)?,
        references: pairs(&args.reference)?,
        secrets: secrets(args.secrets.as_deref())?,
        copy_secrets: args.copy_secrets,
        data,
        data_of,
    };
    let path = format!("{}/copy", context.app_path()?);
    let client = context.client()?;
    let preview: CopyPreview = client.post(&format!("{path}/preview"), &request).await?;
    if args.dry_run && context.out.json {
        context.out.document(&preview);
        return Ok(());
    }
    show_copy(context, &preview, !args.dry_run);
    if args.dry_run {
        return Ok(());
    }
    for name in &preview.missing {
        // Without a person to ask, the server refuses with every name.
        if let Some(value) = ask_secret(name) {
            request.secrets.insert(name.clone(), value);
        }
    }
    let operation: Operation = client.post(&path, &request).await?;
    let ended = context.finish(operation).await?;
    if context.out.json && !context.global.no_wait {
        context.out.document(&ended);
    }
    Ok(())
}

/// The table: on stdout when it is what was asked for, else beside the progress.
fn show_copy(context: &Context, preview: &CopyPreview, beside: bool) {
    let out = &context.out;
    if !beside {
        let rows: Vec<Vec<String>> = preview
            .rows
            .iter()
            .map(|row| {
                vec![
                    row.what.clone(),
                    row.about.clone(),
                    row.before.clone(),
                    row.after.clone(),
                ]
            })
            .collect();
        out.table(&["DIFFERS", "OF", "ORIGINAL", "COPY"], &rows);
        for note in &preview.notes {
            out.line(format!("Note: {note}"));
        }
        return;
    }
    for row in &preview.rows {
        out.say(format!(
            "  {:<12} {:<20} {} {} {}",
            row.what,
            row.about,
            row.before,
            out.paint(Tone::Faint, "→"),
            row.after
        ));
    }
    for note in &preview.notes {
        out.say(format!("  {}", out.paint(Tone::Warn, note)));
    }
}

fn data(word: &str) -> (CopyData, Vec<String>) {
    match word {
        "none" => (CopyData::None, Vec::new()),
        "volumes" => (CopyData::Volumes, Vec::new()),
        "all" => (CopyData::All, Vec::new()),
        names => (
            CopyData::None,
            names
                .split(',')
                .map(|name| name.trim().to_owned())
                .collect(),
        ),
    }
}

fn secrets(file: Option<&str>) -> Result<BTreeMap<String, String>, Problem> {
    let Some(file) = file else {
        return Ok(BTreeMap::new());
    };
    if file == "-" {
        let text = super::change::read_stdin()?;
        let read = pluvio_formats::dotenv::read(&text, "stdin")
            .map_err(|mut problems| problems.swap_remove(0))?;
        return Ok(read.into_iter().map(|(n, v)| (n.to_string(), v)).collect());
    }
    let read = super::change::read_env_file(std::path::Path::new(file))?;
    Ok(read.into_iter().collect())
}

/// Asks for a secret's value at a terminal, without showing it.
fn ask_secret(name: &str) -> Option<String> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return None;
    }
    eprint!("{name} was set by hand. Its value in the copy: ");
    let _ = std::io::stderr().flush();
    let before = tcgetattr(&stdin).ok()?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Now, &silent).ok()?;
    let mut value = String::new();
    let read = stdin.lock().read_line(&mut value);
    let _ = tcsetattr(&stdin, OptionalActions::Now, &before);
    eprintln!();
    let value = value.trim_end_matches(['\n', '\r']).to_owned();
    (read.is_ok() && !value.is_empty()).then_some(value)
}

pub(crate) async fn promote(context: &Context, args: &PromoteArgs) -> Done {
    let mut request = PromoteRequest {
        to: args.to.clone(),
        name: args.name.clone(),
        images_only: args.images_only,
        confirm: args.yes,
    };
    let path = format!("{}/promote", context.app_path()?);
    let client = context.client()?;
    let preview: PromotePreview = client.post(&format!("{path}/preview"), &request).await?;
    if args.dry_run && context.out.json {
        context.out.document(&preview);
        return Ok(());
    }
    show_promotion(context, &preview, args.dry_run);
    if args.dry_run {
        return Ok(());
    }
    if !preview.beyond_images.is_empty() && !args.yes && std::io::stdin().is_terminal() {
        confirm(
            &format!("This changes more than images in {}.", preview.environment),
            &preview.environment,
            "--yes",
        )?;
        request.confirm = true;
    }
    let operation: Operation = client.post(&path, &request).await?;
    let ended = context.finish(operation).await?;
    if context.out.json && !context.global.no_wait {
        context.out.document(&ended);
    }
    Ok(())
}

fn show_promotion(context: &Context, preview: &PromotePreview, alone: bool) {
    let out = &context.out;
    let tell = |line: String| match alone {
        true => out.line(line),
        false => out.say(line),
    };
    tell(format!(
        "r{} becomes r{} of {}/{}",
        preview.from_release, preview.change.number, preview.environment, preview.name
    ));
    if preview.change.diff.is_empty() {
        tell("  Nothing differs.".to_owned());
    }
    for component in &preview.change.diff {
        for row in &component.rows {
            let shown = |value: &Option<String>| value.clone().unwrap_or_default();
            let (before, after) = (shown(&row.before), shown(&row.after));
            let name = &component.component;
            tell(match row.change {
                Change::Added => format!("  + {name}  {}: {after}", row.what),
                Change::Removed => format!("  - {name}  {}: {before}", row.what),
                Change::Changed => format!("  ~ {name}  {}: {before} → {after}", row.what),
            });
        }
    }
}
