//! The app.yaml of the scenarios' application, with the parts that a scenario changes.

use crate::image::IMAGE;

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
