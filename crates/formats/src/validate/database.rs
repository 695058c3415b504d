//! A component of kind `database`: which one, and what its kind leaves to its writer.

use pluvio_model::clock;
use pluvio_model::spec::{
    Command, ComponentSpec, Database, DatabaseEngine, VolumeAccess, VolumeKind,
};

use super::{Found, cron};
use crate::suggest::nearest;

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
    parameters(path, database.engine, component, found);
    backups(path, component, found);
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

fn parameters(path: &str, engine: DatabaseEngine, component: &ComponentSpec, found: &mut Found) {
    let title = engine.title();
    let memory = component.resources.as_ref();
    let memory = memory.and_then(|resources| resources.memory.as_ref()?.limit);
    for (name, value) in &component.parameters {
        let at = format!("{path}.parameters.{name}");
        if let Some(why) = engine.forbidden(name) {
            found.conflict(
                at,
                format!("`{name}` of {title} is not set by hand: {why}."),
                "Remove it, or run its image: `kind: stateful`.",
            );
            continue;
        }
        let Some(parameter) = engine.parameter(name) else {
            let known = engine.parameters().iter().map(|parameter| parameter.name);
            let remedy = match nearest(name, known) {
                Some(near) => format!("Did you mean `{near}`?"),
                None => format!(
                    "`pluvio database parameters` lists those there are; any other goes through `command`, as an argument of {title}."
                ),
            };
            found.invalid(
                at,
                format!("{title} has no parameter `{name}` that is known."),
                remedy,
            );
            continue;
        };
        match engine.parameter_value(parameter, &value.0) {
            Err(wrong) => found.invalid(at, wrong.cause, wrong.remedy),
            Ok(_) if engine.takes_memory(name) => {
                let asked = pluvio_model::spec::size(&value.0).unwrap_or(0);
                if let Some(limit) = memory
                    && asked > 0
                    && asked.unsigned_abs() >= limit.0
                {
                    found.conflict(
                        at,
                        format!("{name} is {}, and its container may take {limit} altogether: the machine would end it.", value.0),
                        "Write less, or raise `resources.memory.limit`.",
                    );
                }
            }
            Ok(_) => {}
        }
    }
}

fn backups(path: &str, component: &ComponentSpec, found: &mut Found) {
    let Some(backups) = &component.backups else {
        return;
    };
    let schedule = backups.schedule();
    if let Err(why) = cron::check(&schedule.cron) {
        found.invalid(
            format!("{path}.backups.schedule"),
            format!("`{}` is no schedule: {why}.", schedule.cron),
            "Write five fields, minute hour day month weekday: `0 3 * * *` is every day at three.",
        );
    }
    if let Some(zone) = schedule.time_zone.as_deref()
        && !clock::is_time_zone(zone)
    {
        found.invalid(
            format!("{path}.backups.schedule.timeZone"),
            format!("`{zone}` is not a time zone's name."),
            "Write one as in the time zone database: Europe/Berlin, Asia/Shanghai, UTC.",
        );
    }
    if backups.keep.is_some_and(|keep| !(1..=1000).contains(&keep)) {
        found.invalid(
            format!("{path}.backups.keep"),
            "Between 1 and 1,000 backups are kept.",
            "Write `keep: 7`, or `keepFor: 30d`.",
        );
    }
    if backups
        .keep_for
        .is_some_and(|span| span.millis() < 3_600_000)
    {
        found.invalid(
            format!("{path}.backups.keepFor"),
            "A backup is kept for an hour at least.",
            "Write how long, such as `keepFor: 30d`.",
        );
    }
}

fn stands_in_address(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=63).contains(&text.len()) && text.bytes().all(plain)
}
