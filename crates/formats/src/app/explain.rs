//! From what serde refused to what a person reads.

use pluvio_model::problem::{self, Problem};
use pluvio_model::spec::ComponentSpec;

use crate::suggest::nearest;
use crate::yaml::de::{Error, Wrong, keys_of};
use crate::yaml::show_path;

/// What other formats call it, and what it is here. Asked when no accepted key looks alike.
const ELSEWHERE: &[(&str, &str)] = &[
    ("environment", "`env`"),
    (
        "env_file",
        "`env`; read a file in with `pluvio config import FILE`",
    ),
    ("depends_on", "`uses`"),
    ("dependsOn", "`uses`"),
    ("links", "`uses`"),
    ("services", "`components`"),
    ("replicas", "`instances`"),
    ("autoscaling", "`scale`"),
    ("hpa", "`scale`"),
    ("deploy", "`instances`, `resources` and `rollout`"),
    ("healthcheck", "`probes: { ready: … }`"),
    ("readinessProbe", "`probes: { ready: … }`"),
    ("livenessProbe", "`probes: { live: … }`"),
    ("startupProbe", "`probes: { startup: … }`"),
    ("expose", "`ports`"),
    ("cmd", "`command`"),
    ("args", "`command`"),
    ("domains", "`routes: [{ host: … }]`"),
    ("hosts", "`routes: [{ host: … }]`"),
    ("ingress", "`routes: [{ host: … }]`"),
    ("memory", "`resources: { memory: { limit: … } }`"),
    ("mem_limit", "`resources: { memory: { limit: … } }`"),
    ("cpu", "`resources: { cpu: { limit: … } }`"),
    ("cpus", "`resources: { cpu: { limit: … } }`"),
    ("configs", "`files`"),
    ("tmpfs", "`volumes: { /path: { type: memory } }`"),
    ("mounts", "`volumes`"),
    ("dockerfile", "`build: { dockerfile: … }`"),
    ("git", "`source: { git: { url: … } }`"),
    ("path", "`source: { path: … }`"),
    ("version", "`build: { version: … }`"),
    ("privileged", "`host: { privileged: true }`"),
    ("cap_add", "`host: { capabilities: […] }`"),
    ("devices", "`host: { devices: […] }`"),
    ("cron", "`schedule`, with `kind: cron`"),
    ("kubernetes", "`patch: { kubernetes: […] }`"),
    ("manifests", "`objects`"),
    ("period_seconds", "`period`"),
    ("interval", "`period`"),
    ("retries", "`failures`"),
    ("failureThreshold", "`failures`"),
    ("successThreshold", "`successes`"),
    ("initialDelay", "`delay`"),
    ("initialDelaySeconds", "`delay`"),
    ("exec", "`command`"),
    ("httpGet", "`http`"),
    ("tcpSocket", "`tcp`"),
    ("containerPort", "`port`"),
    ("target", "`port`, or `build: { target: … }`"),
];

/// `also` are further keys that the reader would have taken at this place.
pub(super) fn explain(error: &Error, also: &[&'static str]) -> Problem {
    let path = show_path(&error.path);
    let (code, path, cause, remedy) = match &error.wrong {
        Wrong::UnknownKey { key, accepted } => {
            let place = show_path(&error.path[..error.path.len().saturating_sub(1)]);
            let place = if place.is_empty() {
                "at the top of the file".to_owned()
            } else {
                format!("in `{place}`")
            };
            let all = || accepted.iter().chain(also).copied();
            let of_component =
                error.path.len() == 1 && keys_of::<ComponentSpec>().contains(&key.as_str());
            let remedy = match (nearest(key, all()), elsewhere(key)) {
                _ if of_component => {
                    "It belongs to a component: move it to one under `components`.".to_owned()
                }
                (Some(near), _) => format!("Did you mean `{near}`?"),
                (None, Some(here)) => format!("Here it is {here}."),
                (None, None) => {
                    let mut keys: Vec<_> = all().collect();
                    keys.sort_unstable();
                    keys.dedup();
                    format!("The keys {place} are {}.", keys.join(", "))
                }
            };
            (
                problem::SPEC_UNKNOWN_KEY,
                path,
                format!("There is no key `{key}` {place}."),
                remedy,
            )
        }
        Wrong::UnknownWord { word, accepted } => {
            let remedy = match nearest(word, accepted.iter().copied()) {
                Some(near) => format!("Did you mean `{near}`?"),
                None => format!("Write one of {}.", accepted.join(", ")),
            };
            let cause = match accepted {
                [only] => format!("`{path}` is `{word}`; it can only be {only}."),
                _ => format!("`{path}` is `{word}`; it can be {}.", accepted.join(", ")),
            };
            (problem::SPEC_INVALID, path, cause, remedy)
        }
        Wrong::MissingKey(key) => {
            let place = if path.is_empty() {
                "The file".to_owned()
            } else {
                format!("`{path}`")
            };
            let remedy = match (*key, path.as_str()) {
                ("name", "") => "Add a line `name: …`: the application's name.".to_owned(),
                _ => format!("Add `{key}: …` to it."),
            };
            (
                problem::SPEC_INVALID,
                path,
                format!("{place} has no `{key}`."),
                remedy,
            )
        }
        Wrong::Mismatch { found, expected } => {
            let quoted = expected == "a text" && (found == "true" || found == "false");
            let unquoted = expected.contains("number") && found.starts_with("the text")
                || expected == "true or false";
            let remedy = if quoted {
                format!("Put it in quotes: \"{found}\".")
            } else if unquoted {
                format!("Write {expected}, without quotes.")
            } else {
                format!("Write {expected}.")
            };
            let subject = subject(&path);
            (
                problem::SPEC_INVALID,
                path,
                format!("{subject} is {found}; what belongs there is {expected}."),
                remedy,
            )
        }
        Wrong::Refused(why) => {
            let subject = subject(&path);
            (
                problem::SPEC_INVALID,
                path,
                format!("{subject}: {why}."),
                "Correct the value; `pluvio schema app` describes each.".to_owned(),
            )
        }
    };
    crate::yaml::problem_at(code, error.at, &path, cause, remedy)
}

fn subject(path: &str) -> String {
    if path.is_empty() {
        "The file".to_owned()
    } else {
        format!("`{path}`")
    }
}

fn elsewhere(key: &str) -> Option<&'static str> {
    ELSEWHERE
        .iter()
        .find(|(theirs, _)| *theirs == key)
        .map(|(_, ours)| *ours)
}
