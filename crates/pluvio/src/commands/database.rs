//! Databases: `database list`, `url`, `shell`, `dump`, `restore`. All but the list run a program in the database's own
//! container, where its password lies in a file: no password travels in an argument, and whoever may not `exec` may not this.

use std::io::{IsTerminal, Write};

use clap::Subcommand;

use pluvio_api::applications::{ApplicationDetail, ComponentDetail, Page};
use pluvio_api::databases::{BackupSchedule, DatabaseSummary, RestoreRequest};
use pluvio_model::problem::{self, Problem};
use pluvio_model::spec::DatabaseEngine;
use pluvio_plan::database::{NO_DUMP, NOT_EMPTY, Restore, dump, restore, shell, words};

use super::{Done, backups, database_users, instances};
use crate::context::Context;

#[derive(Debug, Subcommand)]
pub(crate) enum DatabaseCommand {
    /// The databases, their engines and whether they answer
    List,
    /// Print the address with its password, as the application's components get it
    Url { component: String },
    /// The engine's own shell: psql, mariadb or redis-cli. Reads standard input where it is no terminal
    Shell { component: String },
    /// Write all data to standard output: SQL, or an RDB file of Redis
    Dump { component: String },
    /// Put a dump from standard input, or a kept backup (`--from`), into an empty database
    Restore {
        component: String,
        /// Replace the data that are there with the dump of standard input
        #[arg(long, conflicts_with_all = ["from", "into", "confirm"])]
        replace: bool,
        /// A kept backup of this database; `latest` is the newest good one
        #[arg(long)]
        from: Option<String>,
        /// Another database of the same engine; one that is not there is made
        #[arg(long, requires = "from")]
        into: Option<String>,
        /// The name of the database whose data are replaced, to be sure
        #[arg(long, requires = "from")]
        confirm: Option<String>,
    },
    /// Add a database to the application
    Create {
        component: String,
        /// Engine and version, as postgres@17
        database: String,
        /// Settings of the server
        #[arg(long = "set", value_name = "NAME=VALUE")]
        set: Vec<String>,
    },
    /// Make a backup that the platform keeps
    Backup { component: String },
    /// The backups that are kept, and those that failed
    Backups { component: String },
    /// Write a kept backup, compressed with gzip, to standard output
    Download { component: String, backup: String },
    /// Keep a dump from standard input, plain or compressed with gzip, as a backup
    Upload { component: String },
    /// Delete a kept backup for good
    Forget { component: String, backup: String },
    /// Have it backed up by the clock
    Schedule {
        component: String,
        /// Five fields of cron, as "0 3 * * *"; shows what is set when absent
        #[arg(conflicts_with = "off")]
        cron: Option<String>,
        #[arg(long)]
        time_zone: Option<String>,
        /// How many are kept; 7 when absent
        #[arg(long)]
        keep: Option<u32>,
        /// How long they are kept, as 30d; the newest good one stays
        #[arg(long)]
        keep_for: Option<String>,
        /// No more backups by the clock; those there are stay
        #[arg(long)]
        off: bool,
    },
    /// Settings of the server: show them, set (NAME=VALUE), remove (NAME-)
    Parameters {
        component: String,
        change: Vec<String>,
    },
    /// Size, connections, rate, hit ratio, what takes longest: asked of it now
    Figures { component: String },
    /// Users of the database
    #[command(subcommand)]
    User(database_users::UserCommand),
}

pub(crate) async fn run(context: &Context, command: &DatabaseCommand) -> Done {
    match command {
        DatabaseCommand::List => list(context).await,
        DatabaseCommand::Url { component } => {
            let place = Place::find(context, component).await?;
            let mut url = Vec::new();
            let words = ["cat".to_owned(), "/run/pluvio/url".to_owned()];
            let code = instances::run(context, &place.instance, &words, false, &mut url).await?;
            if code != 0 {
                return Err(place.failed("Its address cannot be read", &url));
            }
            let url = String::from_utf8_lossy(&url).trim().to_owned();
            if context.out.json {
                context
                    .out
                    .document(&serde_json::json!({ "component": component, "url": url }));
            } else {
                context.out.line(url);
            }
            Ok(())
        }
        DatabaseCommand::Shell { component } => {
            let place = Place::find(context, component).await?;
            let tty = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
            let program = words(shell(place.engine));
            let code = instances::run(
                context,
                &place.instance,
                &program,
                tty,
                &mut std::io::stdout(),
            )
            .await?;
            std::process::exit(i32::try_from(code).unwrap_or(1));
        }
        DatabaseCommand::Dump { component } => {
            if std::io::stdout().is_terminal() {
                return Err(problem::REFUSED.problem(
                    "A dump is written to standard output, which is a terminal.",
                    format!("Write it to a file: `pluvio database dump {component} > FILE`."),
                ));
            }
            let place = Place::find(context, component).await?;
            let mut out = Tail::new(std::io::stdout());
            let program = words(dump(place.engine));
            match instances::run(context, &place.instance, &program, false, &mut out).await? {
                0 => Ok(()),
                _ => Err(place.failed("The dump failed; what was written is not whole", &out.last)),
            }
        }
        DatabaseCommand::Create {
            component,
            database,
            set,
        } => backups::create(context, component, database, set).await,
        DatabaseCommand::Backup { component } => backups::make(context, component).await,
        DatabaseCommand::Backups { component } => backups::list(context, component).await,
        DatabaseCommand::Download { component, backup } => {
            backups::download(context, component, backup).await
        }
        DatabaseCommand::Upload { component } => backups::upload(context, component).await,
        DatabaseCommand::Forget { component, backup } => {
            backups::forget(context, component, backup).await
        }
        DatabaseCommand::Schedule {
            component,
            cron,
            time_zone,
            keep,
            keep_for,
            off,
        } => {
            let schedule = cron.as_ref().map(|cron| BackupSchedule {
                cron: cron.clone(),
                time_zone: time_zone.clone(),
                keep: *keep,
                keep_for: keep_for.clone(),
            });
            backups::schedule(context, component, schedule, *off).await
        }
        DatabaseCommand::Parameters { component, change } => {
            backups::parameters(context, component, change).await
        }
        DatabaseCommand::Figures { component } => backups::figures(context, component).await,
        DatabaseCommand::User(command) => database_users::run(context, command).await,
        DatabaseCommand::Restore {
            component,
            from: Some(backup),
            into,
            confirm,
            ..
        } => {
            let request = RestoreRequest {
                into: into.clone(),
                confirm: confirm.clone(),
            };
            backups::restore(context, component, backup, &request).await
        }
        DatabaseCommand::Restore {
            component, replace, ..
        } => {
            if std::io::stdin().is_terminal() {
                return Err(problem::REFUSED.problem(
                    "A dump is read from standard input, which is a terminal.",
                    format!("Give it a file: `pluvio database restore {component} < FILE`."),
                ));
            }
            let place = Place::find(context, component).await?;
            let mut said = Vec::new();
            let program = words(&restore(
                place.engine,
                Restore {
                    replace: *replace,
                    bytes: None,
                },
            ));
            match instances::run(context, &place.instance, &program, false, &mut said).await? {
                0 => {
                    context.out.say(format!("{component} holds the data of the dump."));
                    Ok(())
                }
                NOT_EMPTY => Err(problem::REFUSED.problem(
                    format!("{component} is not empty. Nothing was changed."),
                    "Add `--replace` to delete what it holds, or restore into a new database.",
                )),
                NO_DUMP => Err(problem::REFUSED.problem(
                    format!("What was given is no whole dump of {}. Nothing was changed.", place.engine.title()),
                    format!("Give what `pluvio database dump` wrote; other statements go through `pluvio database shell {component} < FILE`."),
                )),
                _ => Err(place.failed("The dump could not be restored", &said)),
            }
        }
    }
}

async fn list(context: &Context) -> Done {
    let client = context.client()?;
    let path = context.app_path()?;
    let app: ApplicationDetail = client.get(&path).await?;
    let page: Page<DatabaseSummary> = client.get(&format!("{path}/databases")).await?;
    let mut documents = Vec::new();
    let mut rows = Vec::new();
    for database in page.items {
        let component = app.components.iter().find(|c| c.name == database.component);
        let status = component.map(|c| serde_json::to_value(c.status).unwrap_or_default());
        let status = status.unwrap_or_default();
        let mut known = DatabaseEngine::ALL.into_iter();
        let known = known.find(|engine| engine.as_str() == database.engine);
        let title = known.map_or(database.engine.as_str(), |engine| engine.title());
        rows.push(vec![
            database.component.clone(),
            format!("{title} {}", database.version),
            status.as_str().unwrap_or_default().to_owned(),
            format!("{}:{}", database.host, database.port),
        ]);
        documents.push(serde_json::json!({
            "component": database.component,
            "engine": database.engine,
            "version": database.version,
            "status": status,
            "host": database.host,
            "port": database.port,
        }));
    }
    if context.out.json {
        context.out.document(&documents);
    } else {
        let heads = ["database", "engine", "status", "inside"];
        context.out.table(&heads, &rows);
    }
    Ok(())
}

/// Its only port is called after its engine.
fn engine(component: &ComponentDetail) -> Option<DatabaseEngine> {
    if component.kind != "database" {
        return None;
    }
    let named = |engine: &DatabaseEngine| {
        component
            .ports
            .iter()
            .any(|port| port.name == engine.as_str())
    };
    DatabaseEngine::ALL.into_iter().find(named)
}

/// A database and the instance it is reached through.
struct Place {
    component: String,
    engine: DatabaseEngine,
    instance: String,
}

impl Place {
    async fn find(context: &Context, component: &str) -> Result<Place, Problem> {
        let app: ApplicationDetail = context.client()?.get(&context.app_path()?).await?;
        let all = || {
            let names = app.components.iter().filter(|c| engine(c).is_some());
            names
                .map(|c| c.name.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let found = app.components.iter().find(|c| c.name == component);
        let Some(engine) = found.and_then(engine) else {
            let remedy = match all() {
                none if none.is_empty() => {
                    "Add one: `kind: database`, `database: postgres@17`.".to_owned()
                }
                names => format!("Its databases are: {names}."),
            };
            let cause = format!("{} has no database called {component}.", app.summary.name);
            return Err(problem::NOT_FOUND.problem(cause, remedy));
        };
        Ok(Place {
            component: component.to_owned(),
            engine,
            instance: instances::instance(context, Some(component), None).await?,
        })
    }

    fn failed(&self, what: &str, said: &[u8]) -> Problem {
        let said = String::from_utf8_lossy(said);
        let last: Vec<String> = said.lines().rev().take(8).map(str::to_owned).collect();
        problem::REFUSED
            .problem(
                format!(
                    "{what}: {} of {} refused.",
                    self.engine.title(),
                    self.component
                ),
                "Read what it said below.",
            )
            .evidence(last.into_iter().rev())
    }
}

/// Passes on what is written, and keeps the end of it to tell of.
struct Tail<W> {
    to: W,
    last: Vec<u8>,
}

impl<W: Write> Tail<W> {
    fn new(to: W) -> Tail<W> {
        Tail {
            to,
            last: Vec::new(),
        }
    }
}

impl<W: Write> Write for Tail<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.to.write_all(bytes)?;
        self.last.extend_from_slice(bytes);
        let over = self.last.len().saturating_sub(2048);
        self.last.drain(..over);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}
