//! Well-known applications of several services, run as their users run them: `tests/known/NAME` has the compose file and what its images are
//! built from, and `ask.py`, which asks the application itself. [`run`] takes one from its first deploy to its end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::engine::name_of;
use crate::{Answer, Engine, Pluvio, load, pluvio};

/// A first build fetches packages.
const COLD: Duration = Duration::from_secs(900);

/// An application and the change that it is redeployed with.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    pub name: &'static str,
    /// Asked without a pause while it is redeployed.
    pub path: &'static str,
    /// The component that the change is of.
    pub front: &'static str,
    /// A variable of the compose file, before and after.
    pub change: (&'static str, &'static str, &'static str),
    /// Variables of the compose file and of `ask.py` that get a random value.
    pub secrets: &'static [&'static str],
}

/// What became of one.
#[derive(Debug)]
pub struct Row {
    pub services: usize,
    pub first: Duration,
    pub redeploy: Duration,
    pub served: u64,
    pub slowest: Duration,
}

/// The lightest first.
pub const ALL: &[Known] = &[
    Known {
        name: "prometheus",
        path: "/-/ready",
        front: "prometheus",
        change: ("RETENTION", "15d", "20d"),
        secrets: &[],
    },
    Known {
        name: "phpmyadmin",
        path: "/index.php",
        front: "phpmyadmin",
        change: ("UPLOAD_LIMIT", "64M", "32M"),
        secrets: &["DB_PASSWORD"],
    },
    Known {
        name: "node-red",
        path: "/",
        front: "nodered",
        change: ("TZ", "Europe/Berlin", "America/Lima"),
        secrets: &["NODE_RED_CREDENTIAL_SECRET"],
    },
    Known {
        name: "lemp",
        path: "/",
        front: "php",
        change: ("MOTTO", "plain", "fancy"),
        secrets: &["DB_PASSWORD"],
    },
    Known {
        name: "openldap",
        path: "/index.php",
        front: "phpldapadmin",
        change: ("TITLE", "Example Inc.", "Example and Sons"),
        secrets: &["LDAP_ADMIN_PASSWORD"],
    },
    Known {
        name: "celery",
        path: "/",
        front: "web",
        change: ("GREETING", "hello", "good day"),
        secrets: &["REDIS_PASSWORD"],
    },
    Known {
        name: "miniflux",
        path: "/healthcheck",
        front: "miniflux",
        change: ("POLLING_FREQUENCY", "60", "30"),
        secrets: &["POSTGRES_PASSWORD", "ADMIN_PASSWORD"],
    },
    Known {
        name: "wordpress",
        path: "/wp-login.php",
        front: "wordpress",
        change: ("TAGLINE", "One", "Two"),
        secrets: &["DB_PASSWORD", "ADMIN_PASSWORD"],
    },
    Known {
        name: "mediawiki",
        path: "/index.php?title=Main_Page",
        front: "mediawiki",
        change: ("SITE_NAME", "A wiki", "Another wiki"),
        secrets: &["DB_PASSWORD", "ADMIN_PASSWORD", "SECRET_KEY"],
    },
    Known {
        name: "roundcube",
        path: "/?_task=login",
        front: "roundcube",
        change: ("PRODUCT_NAME", "Webmail", "Post"),
        secrets: &["DB_PASSWORD", "DES_KEY", "USER_PASSWORD"],
    },
    Known {
        name: "synapse",
        path: "/health",
        front: "synapse",
        change: ("LOG_LEVEL", "WARNING", "INFO"),
        secrets: &["POSTGRES_PASSWORD", "REGISTRATION_SECRET", "ADA_PASSWORD"],
    },
    Known {
        name: "zabbix",
        path: "/index.php",
        front: "zabbix-web",
        change: ("ZBX_SERVER_NAME", "North", "South"),
        secrets: &["POSTGRES_PASSWORD", "ADMIN_PASSWORD"],
    },
];

/// Deploys an application, asks it, redeploys it with its change while it is asked, stops and starts it, and deletes it.
#[track_caller]
pub fn run(engine: &Engine, known: &Known) -> Row {
    let pluvio = Pluvio::start(engine.clone());
    let name = pluvio.name(known.name);
    let folder = copied(known.name, &pluvio.scratch().join(known.name));
    let (variable, before, after) = known.change;
    let mut env: BTreeMap<&str, String> =
        known.secrets.iter().map(|name| (*name, random())).collect();
    env.insert(variable, before.to_owned());

    let planned = within(&pluvio, &folder, "plan", &name, &env).ok();
    let refused = planned["report"].as_array().into_iter().flatten();
    let refused: Vec<&Value> = refused.filter(|row| row["outcome"] == "refused").collect();
    assert!(refused.is_empty(), "{refused:#?}");
    let began = Instant::now();
    within(&pluvio, &folder, "deploy", &name, &env).ok();
    let first = began.elapsed();
    let ask = |verb: &str, env: &BTreeMap<&str, String>| {
        let mut asking = Command::new("python3");
        asking
            .arg(Path::new(ROOT).join("ask.py"))
            .arg(&folder)
            .args([verb, &name]);
        asking
            .arg(pluvio.gateway_port().to_string())
            .env("SCRATCH", pluvio.scratch());
        asking.envs(env);
        let answer = pluvio::finish(asking, None, Duration::from_secs(300));
        assert_eq!(answer.exit, 0, "{verb}: {}{}", answer.stdout, answer.stderr);
    };
    ask("fill", &env);

    let untouched = containers(&pluvio);
    let host = format!("{name}.localhost");
    let asking = load::closed(pluvio.gateway_port(), &host, known.path, 2);
    env.insert(variable, after.to_owned());
    let began = Instant::now();
    within(&pluvio, &folder, "deploy", &name, &env).ok();
    let redeploy = began.elapsed();
    // What follows a redeploy counts as well.
    std::thread::sleep(Duration::from_secs(2));
    let counted = asking.end();
    assert_eq!(counted.failed, 0, "requests were lost: {counted:#?}");
    assert!(counted.served > 0, "{counted:#?}");
    ask("kept", &env);
    let now = containers(&pluvio);
    let touched: Vec<&String> = now
        .iter()
        .filter(|(id, _)| !untouched.contains_key(*id))
        .map(|(_, component)| component)
        .collect();
    assert!(
        !touched.is_empty() && touched.iter().all(|component| *component == known.front),
        "the change is of {}, and touched: {touched:?}",
        known.front
    );

    pluvio.cli(&["stop", "-a", &name, "--json"]).ok();
    pluvio
        .cli_within(&["start", "-a", &name, "--json"], COLD)
        .ok();
    ask("kept", &env);
    let services = now
        .values()
        .collect::<std::collections::BTreeSet<_>>()
        .len();
    pluvio.cli(&["delete", "-a", &name, "--yes", "--json"]).ok();
    assert_eq!(containers(&pluvio), BTreeMap::new(), "left after delete");
    pluvio.end();
    Row {
        services,
        first,
        redeploy,
        served: counted.served,
        slowest: counted.slowest,
    }
}

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/known");

fn copied(name: &str, to: &Path) -> PathBuf {
    let from = Path::new(ROOT).join(name);
    let status = Command::new("cp").arg("-r").args([&from, to]).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "{}",
        from.display()
    );
    to.to_owned()
}

fn within(
    pluvio: &Pluvio,
    folder: &Path,
    verb: &str,
    name: &str,
    env: &BTreeMap<&str, String>,
) -> Answer {
    let mut command = pluvio.command(&[verb, "--name", name, "--json"]);
    if verb == "deploy" {
        command.args(["--timeout", "15m"]);
    }
    for (name, value) in env {
        command.arg("--env").arg(format!("{name}={value}"));
    }
    command.current_dir(folder);
    pluvio::finish(command, None, COLD)
}

/// The containers of components: id and start, and whose.
fn containers(pluvio: &Pluvio) -> BTreeMap<String, String> {
    let all = pluvio.engine.containers(pluvio.installation());
    let mine = all.iter().filter_map(|container| {
        let component = container["Labels"]["io.pluvio.component"].as_str()?;
        let started = &pluvio.engine.inspect(&name_of(container))["State"]["StartedAt"];
        Some((
            format!("{} {started}", container["Id"]),
            component.to_owned(),
        ))
    });
    mine.collect()
}

/// A password that nobody has had before.
fn random() -> String {
    let bytes = std::fs::read("/proc/sys/kernel/random/uuid").expect("the kernel's random numbers");
    String::from_utf8_lossy(&bytes).trim().replace('-', "")
}
