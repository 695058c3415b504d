//! Commands beside the program.

use pluvio_model::spec::{Command, ComponentSpec, Hooks};

use super::Found;

pub(super) fn check(path: &str, component: &ComponentSpec, found: &mut Found) {
    for (which, list) in component.hooks.iter().flat_map(Hooks::lists) {
        for (index, hook) in list.iter().enumerate() {
            let path = format!("{path}.hooks.{which}[{index}]");
            let says_nothing = match &hook.command {
                Command::Shell(line) => line.trim().is_empty(),
                Command::Words(words) => words.first().is_none_or(String::is_empty),
            };
            if says_nothing {
                found.invalid(
                    format!("{path}.command"),
                    "It says nothing to run.",
                    "Write a list of words, or one line for the shell.",
                );
            }
            if hook.timeout.is_some_and(|timeout| timeout.is_nothing()) {
                found.invalid(
                    format!("{path}.timeout"),
                    "`timeout` cannot be nothing.",
                    "Choose a span such as 30s.",
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn a_hook_runs_something_beside_what_stays() {
        let spec = serde_json::from_value(json!({ "name": "shop", "components": {
            "web": { "image": "localhost/web:1", "hooks": {
                "postStart": [
                    { "command": " " },
                    { "command": [], "timeout": "0s" },
                    { "command": "a", "env": { "A": "${B}" } },
                ],
                "preStop": [{ "command": ["a"], "user": "root" }],
            } },
            "job": { "kind": "job", "image": "localhost/job:1", "hooks": {} },
            "far": { "kind": "external", "ports": { "api": { "port": 443, "protocol": "tcp" } }, "external": { "addresses": ["bank.example"] }, "hooks": {} },
        } }));
        let told: Vec<String> = crate::validate(&spec.unwrap())
            .into_iter()
            .map(|problem| format!("{} {}", problem.code, problem.at.unwrap_or_default().path))
            .collect();
        assert_eq!(
            told,
            [
                "spec.invalid components.web.hooks.postStart[0].command",
                "spec.invalid components.web.hooks.postStart[1].command",
                "spec.invalid components.web.hooks.postStart[1].timeout",
                "spec.unknown-reference components.web.hooks.postStart[2].env.A",
                "spec.conflict components.job.hooks",
                "spec.conflict components.far.hooks",
            ]
        );
    }
}
