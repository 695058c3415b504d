//! A database as a component like any other: image aside, everything that its kind implies is written out here.
//!
//! The rest of the decision, both lowerings and the node know nothing of databases. What is written is the same for the
//! images made here and the official ones, which take the same variables and keep data in the same folder.

use indexmap::IndexMap;
use pluvio_model::name::{EnvName, Name};
use pluvio_model::problem::{Problem, REFUSED, SPEC_INVALID};
use pluvio_model::quantity::Span;
use pluvio_model::release::{DecidedComponent, Release};
use pluvio_model::spec::{
    AbsolutePath, AppSpec, Command, ComponentSpec, Database, DatabaseEngine, EnvValue, FileMode,
    FileSpec, Kind, PortProtocol, PortSpec, Probe, Probes, password_secret,
};

/// Where its own files lie: password, address, what its clients need.
const OWN: &str = "/run/pluvio";
/// The user and group of the official images on Debian
/// (github.com/docker-library/postgres, redis; github.com/MariaDB/mariadb-docker), and of those made here.
const USER: &str = "999:999";
/// A checkpoint or a large log may take a while to be written when it stops.
const GRACE: Span = Span::seconds(60);
/// After a crash it reads its log before it answers.
const DEADLINE: Span = Span::seconds(300);
/// Its connections are held for as long as programs like: waiting for their end would only make the gap longer.
const DRAIN: Span = Span::seconds(1);

/// The name of the volume with its data. Engine and major version are part of it: data of another version under the same
/// name of a component, removed and made anew, are never met by a server that would change or refuse them.
pub(crate) fn volume(name: &Name, database: &Database) -> Name {
    let text = format!("{name}-{}-{}", database.engine.as_str(), database.major());
    Name::suggest(&text).unwrap_or_else(|| name.clone())
}

/// Its data lie in a volume, also where none is written.
pub(crate) fn mount_data(name: &Name, component: &mut ComponentSpec, database: &Database) {
    let target = path(data(database.engine));
    let mount = component.volumes.entry(target).or_default();
    mount.name.get_or_insert_with(|| volume(name, database));
}

/// Whom a database of ours or an official image runs as, where neither specification nor image says it by number: the official
/// ones start as root to change to this user, and start as it just as well. On a cluster that makes an ordinary pod of it.
pub(super) fn user(component: &ComponentSpec, of_image: Option<&str>) -> Option<String> {
    let is_told = component.user.is_some() || component.image.is_some() || of_image.is_some();
    (component.kind == Kind::Database && !is_told).then(|| USER.to_owned())
}

/// The specification with every database written out. Problems: what does not name one.
pub(super) fn expand(spec: &AppSpec, problems: &mut Vec<Problem>) -> AppSpec {
    let mut spec = spec.clone();
    spec.secrets = spec.all_secrets();
    for (name, component) in &mut spec.components {
        if component.kind != Kind::Database {
            continue;
        }
        let text = component.database.as_deref().unwrap_or_default();
        match text.parse::<Database>() {
            Ok(database) => write_out(name, component, &database),
            Err(wrong) => problems.push(
                SPEC_INVALID
                    .problem(wrong.cause, wrong.remedy)
                    .path(format!("components.{name}.database")),
            ),
        }
    }
    spec
}

fn write_out(name: &Name, component: &mut ComponentSpec, database: &Database) {
    let engine = database.engine;
    let own = |file: &str| path(&format!("{OWN}/{file}"));
    for (key, value) in variables(engine) {
        let key: EnvName = key.parse().expect("a variable's name");
        component.env.entry(key).or_insert(EnvValue(value));
    }
    let password = format!("${{secrets.{}}}", password_secret(name));
    let exports = database.exports(name);
    let url = database.long_name("url").and_then(|url| exports.get(&url));
    let mut files = vec![("password", password.clone())];
    files.extend(url.map(|url| ("url", url.0.clone())));
    match engine {
        DatabaseEngine::Postgres => {}
        DatabaseEngine::Redis => files.push((
            "redis.conf",
            format!("bind * -::*\nport 6379\ndir /data\nappendonly yes\nrequirepass {password}\n"),
        )),
        DatabaseEngine::Mariadb => files.push((
            "client.cnf",
            format!("[client]\nuser=${{MARIADB_USER}}\npassword=\"{password}\"\nhost=127.0.0.1\nprotocol=tcp\n"),
        )),
    }
    for (file, content) in files {
        let file_spec = FileSpec {
            content,
            // The server is no root, and whoever is in its container may read its data anyway.
            mode: Some(FileMode(0o444)),
            hot: false,
            raw: false,
            reload: None,
        };
        component.files.insert(own(file), file_spec);
    }
    for (key, value) in exports {
        component.exports.entry(key).or_insert(value);
    }
    let more = component
        .command
        .take()
        .map(|command| command.words())
        .unwrap_or_default();
    let start: Vec<String> = match engine {
        DatabaseEngine::Postgres => vec!["postgres".to_owned()],
        DatabaseEngine::Redis => vec!["redis-server".to_owned(), format!("{OWN}/redis.conf")],
        DatabaseEngine::Mariadb => vec!["mariadbd".to_owned()],
    };
    let set = parameters(engine, component);
    // What is written as arguments comes last, where it counts.
    let words = start.into_iter().chain(set).chain(more);
    component.command = Some(Command::Words(words.collect()));
    if engine == DatabaseEngine::Postgres {
        // Ends the connections; SIGTERM would wait for programs that hold them for ever.
        component.stop_signal = Some("SIGINT".to_owned());
    }
    mount_data(name, component, database);
    let port = PortSpec {
        port: engine.port(),
        protocol: PortProtocol::Tcp,
    };
    let port_name = engine.as_str().parse().expect("a slug");
    component.ports = IndexMap::from([(port_name, port)]);
    component.probes.get_or_insert_with(|| Probes {
        ready: Some(Probe {
            http: None,
            tcp: None,
            command: Some(Command::Shell(ready(engine))),
            period: Some(Span::seconds(2)),
            timeout: Some(Span::seconds(5)),
            delay: None,
            failures: None,
            successes: None,
        }),
        ..Probes::default()
    });
    let rollout = component.rollout.get_or_insert_default();
    rollout.grace.get_or_insert(GRACE);
    rollout.deadline.get_or_insert(DEADLINE);
    rollout.drain.get_or_insert(DRAIN);
}

/// What follows from the memory it may take, and what is asked, as arguments of the server. What is no value was refused
/// when the specification was checked.
fn parameters(engine: DatabaseEngine, component: &ComponentSpec) -> Vec<String> {
    let limit = component.resources.as_ref();
    let limit = limit.and_then(|resources| resources.memory.as_ref()?.limit);
    let mut set: IndexMap<&str, String> = IndexMap::new();
    for (name, value) in limit
        .map(|limit| engine.parameters_for(limit.0))
        .unwrap_or_default()
    {
        set.insert(name, value);
    }
    for (name, value) in &component.parameters {
        if let Some(parameter) = engine.parameter(name)
            && let Ok(value) = engine.parameter_value(parameter, &value.0)
        {
            set.insert(parameter.name, value);
        }
    }
    let argument = |(name, value): (&str, String)| match engine {
        DatabaseEngine::Postgres => vec!["-c".to_owned(), format!("{name}={value}")],
        DatabaseEngine::Mariadb => vec![format!("--{name}={value}")],
        DatabaseEngine::Redis => vec![format!("--{name}"), value],
    };
    set.into_iter().flat_map(argument).collect()
}

/// The folder with its data.
fn data(engine: DatabaseEngine) -> &'static str {
    match engine {
        DatabaseEngine::Postgres => "/var/lib/postgresql/data",
        DatabaseEngine::Redis => "/data",
        DatabaseEngine::Mariadb => "/var/lib/mysql",
    }
}

fn variables(engine: DatabaseEngine) -> Vec<(&'static str, String)> {
    let password = format!("{OWN}/password");
    match engine {
        DatabaseEngine::Postgres => vec![
            ("POSTGRES_USER", "app".to_owned()),
            ("POSTGRES_DB", "app".to_owned()),
            ("POSTGRES_PASSWORD_FILE", password),
            // Beside what a file system puts into the root of a volume.
            ("PGDATA", format!("{}/pgdata", data(engine))),
        ],
        DatabaseEngine::Redis => Vec::new(),
        DatabaseEngine::Mariadb => vec![
            ("MARIADB_USER", "app".to_owned()),
            ("MARIADB_DATABASE", "app".to_owned()),
            ("MARIADB_PASSWORD_FILE", password.clone()),
            // The official image asks for root's too; nobody reaches that one from outside its container.
            ("MARIADB_ROOT_PASSWORD_FILE", password),
            ("MARIADB_ROOT_HOST", "localhost".to_owned()),
        ],
    }
}

/// Over TCP: while the official images prepare their data, a server of theirs answers on the socket in the file system.
/// Passwords come from files, never through arguments.
fn ready(engine: DatabaseEngine) -> String {
    match engine {
        DatabaseEngine::Postgres => {
            "exec pg_isready -q -h 127.0.0.1 -U \"$POSTGRES_USER\" -d \"$POSTGRES_DB\"".to_owned()
        }
        DatabaseEngine::Redis => {
            format!("REDISCLI_AUTH=$(cat {OWN}/password) redis-cli ping | grep -q PONG")
        }
        DatabaseEngine::Mariadb => {
            format!("exec mariadb-admin --defaults-file={OWN}/client.cnf --silent ping")
        }
    }
}

fn path(text: &str) -> AbsolutePath {
    text.parse().expect("an absolute path")
}

/// Refuses a database of another engine or major version in the place of one whose data are there: no server reads the data
/// of another major version, and some change them for good before they find out.
pub fn refuse_other_data(spec: &AppSpec, parent: &Release) -> Result<(), Problem> {
    for (name, component) in &spec.components {
        let before = parent.components.get(name);
        let before = before.and_then(|before| before.database.as_ref());
        let (Some(before), Some(after)) = (before, component.database()) else {
            continue;
        };
        if after.reads_data_of(before) {
            continue;
        }
        let cause = format!(
            "{name} holds the data of {before}, which {after} cannot take over. Nothing was started or changed."
        );
        let remedy = format!(
            "Keep `database: {before}`. To move: `pluvio database dump {name} > data.sql`, add a component with `database: {after}` under a new name, `pluvio database restore` into it, let the others use it, and remove {name}."
        );
        return Err(REFUSED
            .problem(cause, remedy)
            .path(format!("components.{name}.database")));
    }
    Ok(())
}

/// Refuses another user or database name over data that were made with the first: the server reads them once only.
pub(super) fn keep_identity(
    components: &IndexMap<Name, DecidedComponent>,
    parent: Option<&Release>,
    problems: &mut Vec<Problem>,
) {
    for (name, after) in components {
        let before = parent.and_then(|parent| parent.components.get(name));
        let (Some(before), Some(database)) = (before, &after.database) else {
            continue;
        };
        if before.database.is_none() {
            continue;
        }
        for key in database.engine.identity() {
            let value = |of: &DecidedComponent| of.content.main.env.get(*key).cloned();
            if value(before) != value(after) {
                problems.push(
                    REFUSED
                        .problem(
                            format!("{key} of {name} counts when its data are made; they are there, under another name."),
                            format!("Write {key} as it was, or add a database component under a new name."),
                        )
                        .path(format!("components.{name}.env.{key}")),
                );
            }
        }
    }
}
