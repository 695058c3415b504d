//! Databases: `database list`, `url`, `shell`, `dump`, `restore`. All but the list run a program in the database's own
//! container, where its password lies in a file: no password travels in an argument, and whoever may not `exec` may not this.

use std::io::{IsTerminal, Write};

use clap::Subcommand;
use pluvio_api::applications::{ApplicationDetail, ComponentDetail};
use pluvio_model::problem::{self, Problem};
use pluvio_model::spec::DatabaseEngine;

use super::{Done, instances};
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
    /// Read a dump from standard input into an empty database
    Restore {
        component: String,
        /// Replace the data that are there
        #[arg(long)]
        replace: bool,
    },
}

/// How the scripts below say what is wrong.
const NOT_EMPTY: i64 = 41;
const NO_DUMP: i64 = 42;

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
            let words = script(shell(place.engine));
            let code = instances::run(
                context,
                &place.instance,
                &words,
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
            let words = script(dump(place.engine));
            match instances::run(context, &place.instance, &words, false, &mut out).await? {
                0 => Ok(()),
                _ => Err(place.failed("The dump failed; what was written is not whole", &out.last)),
            }
        }
        DatabaseCommand::Restore { component, replace } => {
            if std::io::stdin().is_terminal() {
                return Err(problem::REFUSED.problem(
                    "A dump is read from standard input, which is a terminal.",
                    format!("Give it a file: `pluvio database restore {component} < FILE`."),
                ));
            }
            let place = Place::find(context, component).await?;
            let mut said = Vec::new();
            let words = script(&restore(place.engine, *replace));
            match instances::run(context, &place.instance, &words, false, &mut said).await? {
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
    let app: ApplicationDetail = context.client()?.get(&context.app_path()?).await?;
    let databases = app.components.iter().filter_map(|component| {
        let engine = engine(component)?;
        let version = component.image.rsplit_once(':').map_or("", |(_, tag)| tag);
        let status = serde_json::to_value(component.status).unwrap_or_default();
        Some((component, engine, version, status))
    });
    let databases: Vec<_> = databases.collect();
    if context.out.json {
        let rows: Vec<_> = databases
            .iter()
            .map(|(component, engine, version, status)| {
                serde_json::json!({
                    "component": component.name,
                    "engine": engine.as_str(),
                    "version": version,
                    "status": status,
                    "host": component.name,
                    "port": engine.port(),
                })
            })
            .collect();
        context.out.document(&rows);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = databases
        .iter()
        .map(|(component, engine, version, status)| {
            vec![
                component.name.clone(),
                format!("{} {version}", engine.title()),
                status.as_str().unwrap_or_default().to_owned(),
                format!("{}:{}", component.name, engine.port()),
            ]
        })
        .collect();
    context
        .out
        .table(&["database", "engine", "status", "inside"], &rows);
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

fn script(text: &str) -> Vec<String> {
    vec!["/bin/sh".to_owned(), "-c".to_owned(), text.to_owned()]
}

fn shell(engine: DatabaseEngine) -> &'static str {
    match engine {
        DatabaseEngine::Postgres => "exec psql -U \"$POSTGRES_USER\" -d \"$POSTGRES_DB\"",
        DatabaseEngine::Redis => "REDISCLI_AUTH=$(cat /run/pluvio/password) exec redis-cli",
        DatabaseEngine::Mariadb => {
            "exec mariadb --defaults-file=/run/pluvio/client.cnf \"$MARIADB_DATABASE\""
        }
    }
}

/// What the program complains of comes after what it wrote, and only when it failed: both go the same way.
fn dump(engine: DatabaseEngine) -> &'static str {
    match engine {
        DatabaseEngine::Postgres => {
            "said=$(mktemp) && { pg_dump -U \"$POSTGRES_USER\" -d \"$POSTGRES_DB\" --no-owner --no-privileges 2>\"$said\" || { code=$?; cat \"$said\"; rm \"$said\"; exit $code; }; rm \"$said\"; }"
        }
        DatabaseEngine::Redis => {
            "said=$(mktemp) && { REDISCLI_AUTH=$(cat /run/pluvio/password) redis-cli --rdb \"$said.rdb\" >\"$said\" 2>&1 && cat \"$said.rdb\" && rm \"$said.rdb\" || { code=$?; cat \"$said\"; rm \"$said\"; exit $code; }; rm \"$said\"; }"
        }
        DatabaseEngine::Mariadb => {
            "said=$(mktemp) && { mariadb-dump --defaults-file=/run/pluvio/client.cnf --single-transaction --routines --triggers --no-tablespaces \"$MARIADB_DATABASE\" 2>\"$said\" || { code=$?; cat \"$said\"; rm \"$said\"; exit $code; }; rm \"$said\"; }"
        }
    }
}

/// Looks first, then takes the whole dump into a file, and begins only when its end is there: a broken connection changes
/// nothing. PostgreSQL takes all of it in one transaction. Redis follows a second server that holds the dump, as a replica
/// does, which replaces its data at once.
fn restore(engine: DatabaseEngine, replace: bool) -> String {
    let taken = "data=$(mktemp); trap 'rm -f \"$data\"' EXIT; cat >\"$data\"";
    let keep = if replace { "false" } else { "true" };
    match engine {
        DatabaseEngine::Postgres => {
            let clear = if replace {
                "-c 'DROP SCHEMA public CASCADE' -c 'CREATE SCHEMA public'"
            } else {
                ""
            };
            format!(
                "set -eu; export PGUSER=\"$POSTGRES_USER\" PGDATABASE=\"$POSTGRES_DB\"
                if {keep} && [ \"$(psql -Atc \"SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')\")\" != 0 ]; then exit {NOT_EMPTY}; fi
                {taken}
                tail -c 1000 \"$data\" | grep -q 'PostgreSQL database dump complete' || exit {NO_DUMP}
                psql -q -v ON_ERROR_STOP=1 --single-transaction {clear} -f \"$data\" 2>&1 >/dev/null"
            )
        }
        DatabaseEngine::Mariadb => {
            let clear = if replace {
                "run -e \"DROP DATABASE \\`$MARIADB_DATABASE\\`; CREATE DATABASE \\`$MARIADB_DATABASE\\`\""
            } else {
                ":"
            };
            format!(
                "set -eu; run() {{ mariadb --defaults-file=/run/pluvio/client.cnf \"$@\"; }}
                if {keep} && [ \"$(run -Ne \"SELECT count(*) FROM information_schema.tables WHERE table_schema = '$MARIADB_DATABASE'\")\" != 0 ]; then exit {NOT_EMPTY}; fi
                {taken}
                tail -c 1000 \"$data\" | grep -q '^-- Dump completed' || exit {NO_DUMP}
                {clear}
                run \"$MARIADB_DATABASE\" <\"$data\""
            )
        }
        DatabaseEngine::Redis => format!(
            "set -eu; REDISCLI_AUTH=$(cat /run/pluvio/password); export REDISCLI_AUTH
            if {keep} && [ \"$(redis-cli dbsize)\" != 0 ]; then exit {NOT_EMPTY}; fi
            folder=$(mktemp -d); second=; trap 'test -z \"$second\" || kill \"$second\"; rm -rf \"$folder\"' EXIT
            cat >\"$folder/dump.rdb\"
            redis-check-rdb \"$folder/dump.rdb\" >/dev/null 2>&1 || exit {NO_DUMP}
            printf 'port 16379\\nbind 127.0.0.1\\ndir %s\\nsave \"\"\\nrequirepass %s\\n' \"$folder\" \"$REDISCLI_AUTH\" | redis-server - >\"$folder/said\" 2>&1 & second=$!
            until [ \"$(redis-cli -p 16379 ping 2>/dev/null)\" = PONG ]; do kill -0 \"$second\" || {{ cat \"$folder/said\"; exit 1; }}; sleep 0.2; done
            printf %s \"$REDISCLI_AUTH\" | redis-cli -x config set masterauth >/dev/null
            redis-cli replicaof 127.0.0.1 16379 >/dev/null
            until redis-cli info replication | grep -q '^master_link_status:up'; do kill -0 \"$second\"; sleep 0.2; done
            redis-cli replicaof no one >/dev/null
            redis-cli config set masterauth '' >/dev/null"
        ),
    }
}
