//! A component of kind `database`: which one, and what its kind leaves to its writer.

use pluvio_model::spec::{
    Command, ComponentSpec, Database, DatabaseEngine, VolumeAccess, VolumeKind,
};

use super::Found;

/// Where the data of each engine lie: there `volumes` may give a size, a class or a name.
fn data(engine: DatabaseEngine) -> &'static str {
    match engine {
        DatabaseEngine::Postgres => "/var/lib/postgresql/data",
        DatabaseEngine::Redis => "/data",
        DatabaseEngine::Mariadb => "/var/lib/mysql",
    }
}

pub(super) fn check(path: &str, text: &str, component: &ComponentSpec, found: &mut Found) {
    let database = match text.parse::<Database>() {
        Ok(database) => database,
        Err(wrong) => {
            found.invalid(format!("{path}.database"), wrong.cause, wrong.remedy);
            return;
        }
    };
    let title = database.engine.title();
    for (key, present) in [
        ("entrypoint", component.entrypoint.is_some()),
        ("workingDir", component.working_dir.is_some()),
        ("user", component.user.is_some()),
        ("stopSignal", component.stop_signal.is_some()),
        ("ports", !component.ports.is_empty()),
        (
            "routes",
            component
                .routes
                .as_ref()
                .is_some_and(|routes| !routes.is_empty()),
        ),
        ("release", component.release.is_some()),
    ] {
        if present {
            found.conflict(
                format!("{path}.{key}"),
                format!("A database has no `{key}` of its own: {title} is run as it must be."),
                format!("Remove `{key}`, or run its image: `kind: stateful`."),
            );
        }
    }
    if component.instances.is_some_and(|count| count > 1) {
        found.conflict(
            format!("{path}.instances"),
            "A database has one instance: two would write to the same data.",
            "Set `instances: 1`.",
        );
    }
    if let Some(Command::Shell(_)) = &component.command {
        found.invalid(
            format!("{path}.command"),
            format!("For a database `command` is the arguments of {title}, each one a word."),
            "Write a list, such as `command: [-c, max_connections=200]`.",
        );
    }
    for (key, value) in &component.env {
        let (key, taken) = (key.as_str(), key.as_str().contains("PASSWORD"));
        let fixed = taken || key == "PGDATA" || key.ends_with("_ROOT_HOST");
        let named = database.engine.identity().contains(&key);
        if fixed {
            found.conflict(
                format!("{path}.env.{key}"),
                format!("`{key}` is set by the platform: the password is made once and kept as a secret."),
                "Remove it; `pluvio secret set` changes the password.",
            );
        } else if named && !stands_in_address(&value.0) {
            found.invalid(
                format!("{path}.env.{key}"),
                format!("`{}` cannot stand in the database's address.", value.0),
                "Write letters, digits and underscores.",
            );
        }
    }
    for target in component.files.keys() {
        if target.as_str().starts_with("/run/pluvio/") {
            found.conflict(
                format!("{path}.files.{target}"),
                "Files below `/run/pluvio` are the database's own.",
                "Put it elsewhere.",
            );
        }
    }
    for (target, mount) in &component.volumes {
        let on_disk = mount.kind == VolumeKind::Disk
            && mount.access == VolumeAccess::Exclusive
            && !mount.read_only;
        if target.as_str() == data(database.engine) && !on_disk {
            found.conflict(
                format!("{path}.volumes.{target}"),
                "A database keeps its data on a disk that is its own.",
                "Leave `type`, `access` and `readOnly` out; `size`, `class` and `name` may be set.",
            );
        }
    }
}

fn stands_in_address(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=63).contains(&text.len()) && text.bytes().all(plain)
}
