//! Commands before, beside and behind a service's program.

use pluvio_model::name::EnvName;
use pluvio_model::spec::{Command, EnvValue, Hook, Kind, ReleaseTask};

use super::super::coolify;
use super::super::item::{Fields, Item, Taken, Value};
use super::Convert;
use super::making::Making;
use super::program::made_env;

const KEYS: [&str; 5] = [
    "command",
    "user",
    "privileged",
    "working_dir",
    "environment",
];

impl Convert<'_> {
    pub(super) fn hooks(&mut self, fields: &mut Fields, making: &mut Making) {
        for key in ["post_start", "pre_stop"] {
            let Some(taken) = fields.take(key) else {
                continue;
            };
            if making.component.kind == Kind::Job {
                self.told.refused(
                    taken.at,
                    &taken.path,
                    "It runs to its end, and nothing is run beside what does.",
                    "Put it into the command itself.",
                );
                continue;
            }
            let Value::List(items) = &taken.item.value else {
                self.told.invalid(
                    taken.at,
                    &taken.path,
                    "It is no list.",
                    "Write `- command: …` below it.",
                );
                continue;
            };
            if items.is_empty() {
                self.told
                    .ignored(taken.at, &taken.path, "Nothing is in it.");
                continue;
            }
            let mut hooks = Vec::new();
            for item in items {
                hooks.extend(self.hook(&taken, item, making));
            }
            let all = making.component.hooks.get_or_insert_default();
            match key {
                "post_start" => all.post_start = hooks,
                _ => all.pre_stop = hooks,
            }
        }
        if let Some(steps) = fields.take("pre_start") {
            self.steps_before(&steps, making);
        }
    }

    fn hook(&mut self, of: &Taken, item: &Item, making: &mut Making) -> Option<Hook> {
        let path = &of.path;
        if item.as_map().is_none() {
            self.told.invalid(
                item.at,
                path,
                "An item of the list is no map.",
                "Write `- command: …`.",
            );
            return None;
        }
        let mut fields = Fields::new(path.clone(), item);
        let command = match fields.take("command") {
            Some(command) => self.command(&command),
            None => {
                self.told.invalid(
                    item.at,
                    path,
                    "It names no command.",
                    "Write `command: …`, or take it out.",
                );
                None
            }
        };
        let user = fields.take("user").and_then(|user| self.text(&user));
        let folder = fields.take("working_dir");
        let folder = folder.and_then(|folder| self.folder_in(&folder));
        let privileged = fields.take("privileged");
        let privileged = privileged.is_some_and(|taken| self.flag(&taken) == Some(true));
        let mut hook = Hook {
            command: self.made_in_hook(command?, making),
            user: user.filter(|user| !user.is_empty()),
            working_dir: folder,
            env: Default::default(),
            privileged,
            timeout: None,
        };
        if let Some(environment) = fields.take("environment") {
            self.environment_of_hook(&environment, &mut hook);
        }
        fields.finish(&mut self.told, &KEYS);
        Some(hook)
    }

    /// Values that are made are not known to whoever writes the command; the container's shell puts them in.
    fn made_in_hook(&self, command: Command, making: &mut Making) -> Command {
        let made = match &command {
            Command::Words(words) => coolify::in_shell(words, self.loader_env.dialect),
            Command::Shell(_) => None,
        };
        let Some((shell, made)) = made else {
            return command;
        };
        made_env(&made, &mut making.component.env);
        Command::Words(shell)
    }

    fn environment_of_hook(&mut self, environment: &Taken, hook: &mut Hook) {
        let Some(map) = environment.item.as_map() else {
            self.told.invalid(
                environment.at,
                &environment.path,
                "It is neither a list nor a map.",
                "Write `KEY: value`.",
            );
            return;
        };
        for (key, field) in map {
            let path = format!("{}.{key}", environment.path);
            let value = match &field.item.value {
                Value::Scalar(scalar) => scalar.template(),
                Value::Null => match self.variables.0.get(key) {
                    Some(value) => pluvio_model::interpolate::escape(value),
                    None => {
                        self.told.ignored(
                            field.at,
                            &path,
                            "It has no value, and the file of variables has none for it.",
                        );
                        continue;
                    }
                },
                _ => {
                    self.told.invalid(
                        field.at,
                        &path,
                        "A variable's value is a text.",
                        "Write it on the same line; put JSON in quotes.",
                    );
                    continue;
                }
            };
            match key.parse::<EnvName>() {
                Ok(name) => {
                    hook.env.insert(name, EnvValue(value));
                }
                Err(_) => self.told.refused(
                    field.at,
                    &path,
                    format!("`{key}` is not a name of a variable."),
                    "Write letters, digits and _.",
                ),
            }
        }
    }

    fn steps_before(&mut self, steps: &Taken, making: &mut Making) {
        let mut commands = Vec::new();
        for step in steps.item.items() {
            let mut inner = Fields::new(steps.path.clone(), step);
            if let Some(command) = inner.take("command") {
                commands.extend(self.command(&command));
            }
            inner.finish(&mut self.told, &["command"]);
        }
        match (commands.pop(), commands.is_empty()) {
            (Some(command), true) => {
                self.told.adapted(
                    steps.at,
                    &steps.path,
                    "It becomes the release task: before new instances, and again only when its content changed.",
                );
                making.component.release = Some(ReleaseTask {
                    command,
                    timeout: None,
                });
            }
            _ => self.told.refused(
                steps.at,
                &steps.path,
                "A component has one command before it starts.",
                "Join them in one, or write `init` steps in app.yaml.",
            ),
        }
    }
}
