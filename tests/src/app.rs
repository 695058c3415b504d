//! The app.yaml of the scenarios' application, with the parts that a scenario changes.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::image::IMAGE;

/// A copy of one of `samples/`, without what was built in it.
#[track_caller]
pub fn sample(kind: &str, to: &Path) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../samples")
        .join(kind);
    let status = Command::new("cp").arg("-r").args([&from, to]).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "{}",
        from.display()
    );
    let _ = std::fs::remove_dir_all(to.join("node_modules"));
    to.to_owned()
}

/// One component that serves `greeting`; `more` is further YAML at the component's level.
pub fn yaml(name: &str, greeting: &str, instances: u32, more: &str) -> String {
    format!(
        "apiVersion: pluvio/v1
name: {name}
image: {IMAGE}
command: [/serve]
instances: {instances}
ports: {{ http: {{ port: 8080, protocol: http }} }}
probes: {{ ready: {{ http: {{ path: /healthz }}, period: 200ms }} }}
rollout: {{ drain: 5s }}
env:
  GREETING: {greeting}
{more}"
    )
}

/// The same with further variables.
pub fn with_env(name: &str, greeting: &str, env: &str, more: &str) -> String {
    yaml(name, greeting, 1, &format!("  {env}\n{more}"))
}
