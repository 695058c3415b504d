//! Commands beside a program, as compose has them.

use pluvio_model::spec::{ComponentSpec, Hook, Hooks};
use serde_json::{Map, Value};

use super::{Writer, escaped, words};

impl Writer<'_> {
    pub(super) fn hooks(
        &mut self,
        path: &str,
        component: &ComponentSpec,
        out: &mut Map<String, Value>,
    ) {
        for (which, list) in component.hooks.iter().flat_map(Hooks::lists) {
            let all: Vec<Value> = list
                .iter()
                .enumerate()
                .map(|(index, hook)| {
                    let path = format!("{path}.hooks.{which}[{index}]");
                    self.hook(&path, hook, component).into()
                })
                .collect();
            if !all.is_empty() {
                let key = match which {
                    "postStart" => "post_start",
                    _ => "pre_stop",
                };
                out.insert(key.into(), all.into());
            }
        }
    }

    fn hook(&mut self, path: &str, hook: &Hook, component: &ComponentSpec) -> Map<String, Value> {
        let mut out = Map::new();
        out.insert("command".into(), words(&hook.command));
        for (key, value) in [
            ("user", hook.user.clone()),
            (
                "working_dir",
                hook.working_dir.as_ref().map(ToString::to_string),
            ),
        ] {
            if let Some(value) = value {
                out.insert(key.into(), escaped(&value).into());
            }
        }
        let env = self.environment(path, &hook.env, component);
        if !env.is_empty() {
            out.insert("environment".into(), env.into());
        }
        if hook.privileged {
            out.insert("privileged".into(), true.into());
        }
        if hook.timeout.is_some() {
            self.cannot(
                format!("{path}.timeout"),
                "Compose waits for it as long as it takes.",
            );
        }
        out
    }
}
