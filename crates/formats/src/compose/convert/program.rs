//! What runs in a service: command, environment, health.

use indexmap::IndexMap;
use pluvio_model::interpolate::escape;
use pluvio_model::name::EnvName;
use pluvio_model::problem;
use pluvio_model::quantity::Span;
use pluvio_model::spec::{Command, EnvValue, Kind, Probe, Probes};

use super::super::interpolate::Made;
use super::super::item::{Fields, Item, Place, Scalar, Taken, Value};
use super::super::load::Variables;
use super::super::{Entry, coolify, values};
use super::Convert;
use super::making::Making;
use crate::yaml::Resolved;

/// Failures that a startup probe made of a health check may have: compose ends nobody for them, so neither does the probe, whose
/// last failure would start the program again. A release has its own deadline.
const ROUNDS: u32 = 1_000_000;

impl Convert<'_> {
    pub(super) fn program(&mut self, fields: &mut Fields, making: &mut Making) {
        if let Some(entrypoint) = fields.take("entrypoint") {
            making.component.entrypoint = self.command(&entrypoint);
        }
        if let Some(command) = fields.take("command") {
            making.component.command = self.command(&command);
        }
        self.made_in_commands(making);
        if let Some(folder) = fields.take("working_dir") {
            making.component.working_dir = self.folder_in(&folder);
        }
        if let Some(user) = fields.take("user") {
            making.component.user = self.text(&user).filter(|user| !user.is_empty());
        }
        if let Some(signal) = fields.take("stop_signal") {
            making.component.stop_signal = self.text(&signal).filter(|text| !text.is_empty());
        }
        if let Some(grace) = fields.take("stop_grace_period")
            && let Some(span) = self.span(&grace)
        {
            making.component.rollout.get_or_insert_default().grace = Some(span);
        }
    }

    /// A list as it is; a text taken apart as a shell would.
    pub(super) fn command(&mut self, taken: &Taken) -> Option<Command> {
        match &taken.item.value {
            Value::List(_) => Some(Command::Words(
                self.texts(taken)
                    .into_iter()
                    .map(|(_, text)| text)
                    .collect(),
            )),
            Value::Scalar(scalar) => match values::words(&scalar.text) {
                Ok((words, operator)) => {
                    if operator {
                        self.told.advised(
                            taken.at,
                            &taken.path,
                            "It holds an operator of the shell outside of quotes, and no shell reads it: the program gets it as a word. Compose drops what follows it.",
                            "Write it as `sh -c \"…\"`.",
                        );
                    }
                    Some(Command::Words(words))
                }
                Err(why) => {
                    self.told.invalid(
                        taken.at,
                        &taken.path,
                        format!("In the command {why}."),
                        "Close the quote, or write the command as a list.",
                    );
                    None
                }
            },
            _ => {
                self.told.invalid(
                    taken.at,
                    &taken.path,
                    "It is a map, and must be a command.",
                    "Write a line, or a list of words.",
                );
                None
            }
        }
    }

    /// Values that are made are not known to whoever writes the command; the container's shell puts them in.
    fn made_in_commands(&mut self, making: &mut Making) {
        let dialect = self.loader_env.dialect;
        for command in [
            &mut making.component.entrypoint,
            &mut making.component.command,
        ] {
            let Some(Command::Words(words)) = command else {
                continue;
            };
            if let Some((shell, made)) = coolify::in_shell(words, dialect) {
                *command = Some(Command::Words(shell));
                made_env(&made, &mut making.component.env);
            }
        }
    }

    /// A file that the compose file names.
    pub(super) fn file_text(&mut self, path: &str, at: Place, key: &str) -> Option<String> {
        match self.around.entry(path) {
            Entry::Text(text) => Some(text),
            _ => {
                self.told.error(
                    problem::SOURCE_MISSING,
                    at,
                    key,
                    format!("There is no file {path} that could be read."),
                    "Put it beside the compose file, or correct the path.",
                );
                None
            }
        }
    }

    pub(super) fn environment(&mut self, fields: &mut Fields, making: &mut Making) {
        if let Some(files) = fields.take("env_file") {
            for item in files.item.items() {
                self.env_file(item, &files, making);
            }
        }
        let Some(environment) = fields.take("environment") else {
            return;
        };
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
            if self.lenient
                && let Some(port) = coolify::route(key)
                && field
                    .item
                    .as_text()
                    .is_none_or(|text| text.starts_with('/'))
            {
                self.template_route(key, port, field.at, &path, making);
                continue;
            }
            let scalar = match &field.item.value {
                Value::Scalar(scalar) => scalar.clone(),
                Value::Null => match self.variables.0.get(key) {
                    None if self.made(key).is_some() => {
                        let made = self.made(key).expect("there just now");
                        self.told.adapted(
                            field.at,
                            &path,
                            "Its value is made for the application.",
                        );
                        Scalar {
                            template: Some(made.template),
                            ..Scalar::text(made.text)
                        }
                    }
                    Some(value) => {
                        self.told.adapted(
                            field.at,
                            &path,
                            "Without a value of its own it takes that of the file of variables.",
                        );
                        Scalar::text(value.clone())
                    }
                    None => {
                        self.told.advised(
                            field.at,
                            &path,
                            "Without a value it would be taken from the shell that runs compose; it is left out.",
                            format!("Write `{key}=…` into the `.env` beside the file, or a value here."),
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
            if let Some(other) = printed_otherwise(&scalar) {
                self.told.adapted(
                    field.at,
                    &path,
                    format!(
                        "`{}` is kept as it is written; compose would print `{other}`.",
                        scalar.text
                    ),
                );
            }
            self.variable(key, &scalar.template(), field.at, &path, making);
        }
    }

    /// What a dialect makes for a variable.
    fn made(&self, key: &str) -> Option<Made> {
        self.loader_env.dialect.and_then(|dialect| dialect(key))
    }

    fn variable(&mut self, key: &str, template: &str, at: Place, path: &str, making: &mut Making) {
        match key.parse::<EnvName>() {
            Ok(name) => {
                making
                    .component
                    .env
                    .insert(name, EnvValue(template.to_owned()));
            }
            Err(_) => self.told.refused(
                at,
                path,
                format!("`{key}` is not a name of a variable."),
                "Write letters, digits and _.",
            ),
        }
    }

    /// `SERVICE_URL_GRAFANA_3000` alone: people reach that port.
    fn template_route(
        &mut self,
        key: &str,
        port: Option<u16>,
        at: Place,
        path: &str,
        making: &mut Making,
    ) {
        let names = &mut self.loader_env.settings.all;
        if let (Some(made), Ok(name)) = (coolify::made(key), key.parse::<EnvName>()) {
            names
                .entry(name.clone())
                .or_insert_with(|| pluvio_model::spec::SettingSpec {
                    default: Some(made.text),
                    ..Default::default()
                });
            let value = EnvValue(format!("${{settings.{key}}}"));
            making.component.env.insert(name, value);
        }
        let port = port.or(self.loader_env.header_port).unwrap_or(80);
        self.told.adapted(
            at,
            path,
            format!(
                "It declares the address of port {port}: a route, and a setting with the address."
            ),
        );
        self.routed
            .push((making.name.clone(), port, at, path.to_owned()));
    }

    fn env_file(&mut self, item: &Item, files: &Taken, making: &mut Making) {
        let (mut required, mut raw) = (true, false);
        let path = match &item.value {
            Value::Scalar(scalar) => scalar.text.clone(),
            Value::Map(_) => {
                let mut inner = Fields::new(files.path.clone(), item);
                if let Some(taken) = inner.take("required") {
                    required = self.flag(&taken) != Some(false);
                    self.told.ignored(
                        taken.at,
                        &taken.path,
                        "It matters only while the file is not there.",
                    );
                }
                if let Some(taken) = inner.take("format") {
                    match self.text(&taken).as_deref() {
                        Some("raw") => {
                            raw = true;
                            self.told.adapted(
                                taken.at,
                                &taken.path,
                                "Its lines are taken as they are.",
                            );
                        }
                        other => self.told.refused(
                            taken.at,
                            &taken.path,
                            format!("`{}` is no format of such a file.", other.unwrap_or("?")),
                            "Write `raw`, or leave it out.",
                        ),
                    }
                }
                let path = inner.take("path").and_then(|path| self.text(&path));
                inner.finish(&mut self.told, &["path", "required", "format"]);
                match path {
                    Some(path) => path,
                    None => {
                        self.told.invalid(
                            item.at,
                            &files.path,
                            "It names no file.",
                            "Write `path: …`.",
                        );
                        return;
                    }
                }
            }
            _ => return,
        };
        let path = super::super::rebase::join("", &path);
        let text = match self.around.entry(&path) {
            Entry::Text(text) => Some(text),
            _ => self.around.forgiven(&path).inspect(|_| {
                self.told.not_utf8(item.at, &files.path, &path);
            }),
        };
        let Some(text) = text else {
            if required && !(self.lenient && path == ".env") {
                self.told.error(
                    problem::SOURCE_MISSING,
                    item.at,
                    &files.path,
                    format!("There is no file {path} that could be read."),
                    "Put it beside the compose file, or write `required: false`.",
                );
            } else {
                self.told.adapted(
                    item.at,
                    &files.path,
                    format!("There is no {path}, and it is not required."),
                );
            }
            return;
        };
        self.told.adapted(
            item.at,
            &files.path,
            format!("The variables of {path} become the component's own."),
        );
        if raw {
            for line in text.lines() {
                if let Some((key, value)) = line.split_once('=')
                    && !line.starts_with('#')
                {
                    self.variable(key, &escape(value), item.at, &files.path, making);
                }
            }
            return;
        }
        match crate::dotenv::read_marked(&text, &path) {
            Ok(read) => {
                let mut known = Variables(self.variables.0.clone());
                for (name, value) in read {
                    let value = match value {
                        Some(value) => value,
                        None => match self.variables.0.get(&name) {
                            Some(value) => escape(value),
                            None => continue,
                        },
                    };
                    self.loader_env.told.files.clone_from(&self.told.files);
                    let at = format!("{}.{name}", files.path);
                    let scalar =
                        self.loader_env
                            .scalar(value, Resolved::Text, item.at, &known, &at);
                    self.told.rows.append(&mut self.loader_env.told.rows);
                    self.told.errors.append(&mut self.loader_env.told.errors);
                    self.variable(&name, &scalar.template(), item.at, &files.path, making);
                    known.0.entry(name).or_insert(scalar.text);
                }
            }
            Err(problems) => self.told.errors.extend(problems),
        }
    }

    /// What stands behind the line that a check's shell is given becomes the shell's own `$0`, `$1` …, which nobody means.
    fn behind_a_line(&mut self, test: &Taken, left: &[String]) {
        if !left.is_empty() {
            self.told.advised(
                test.at,
                &test.path,
                format!(
                    "As docker has it, the shell runs what stands first behind CMD-SHELL; `{}` is no part of that.",
                    left.join(" ")
                ),
                "Write the whole line as one text, or begin the list with CMD.",
            );
        }
    }

    pub(super) fn health(&mut self, fields: &mut Fields, making: &mut Making) {
        let Some(health) = fields.take("healthcheck") else {
            return;
        };
        let mut inner = Fields::new(health.path.clone(), health.item);
        let test = inner.take("test");
        let disabled = inner.take("disable");
        let mut span = |convert: &mut Self, key: &str| {
            let taken = inner.take(key)?;
            convert.span(&taken)
        };
        let interval = span(self, "interval");
        let timeout = span(self, "timeout");
        let start_period = span(self, "start_period");
        let start_interval = span(self, "start_interval");
        let retries = inner
            .take("retries")
            .and_then(|taken| self.number::<u32>(&taken));
        inner.finish(
            &mut self.told,
            &[
                "test",
                "interval",
                "timeout",
                "retries",
                "start_period",
                "start_interval",
                "disable",
            ],
        );
        if health.item.as_map().is_none() {
            self.told.invalid(
                health.at,
                &health.path,
                "It is not a map.",
                "Write `test: …` below it.",
            );
            return;
        }
        let off = disabled
            .as_ref()
            .is_some_and(|taken| self.flag(taken) == Some(true));
        let command = match &test {
            None => None,
            Some(test) => match &test.item.value {
                Value::Scalar(scalar) => Some(Command::Shell(scalar.text.clone())),
                _ => {
                    let words: Vec<String> =
                        self.texts(test).into_iter().map(|(_, text)| text).collect();
                    match words.split_first() {
                        Some((first, rest)) if first == "CMD" => {
                            Some(Command::Words(rest.to_vec()))
                        }
                        Some((first, rest)) if first == "CMD-SHELL" => {
                            rest.split_first().map(|(line, left)| {
                                self.behind_a_line(test, left);
                                Command::Shell(line.clone())
                            })
                        }
                        Some((first, _)) if first == "NONE" => None,
                        Some(_) => {
                            self.told.advised(
                                test.at,
                                &test.path,
                                "Its list does not begin with CMD or CMD-SHELL; it is taken as the words of a command.",
                                "Write `[CMD, …]`.",
                            );
                            Some(Command::Words(words))
                        }
                        None => None,
                    }
                }
            },
        };
        let Some(command) = command.filter(|_| !off) else {
            self.told.adapted(
                health.at,
                &health.path,
                "No check of its own: an open port is readiness, and without ports a running program is ready.",
            );
            if let Some(disabled) = disabled {
                self.told.ignored(
                    disabled.at,
                    &disabled.path,
                    "Checks that the image brings are not run anyway.",
                );
            }
            return;
        };
        if let Some(disabled) = disabled {
            self.told
                .ignored(disabled.at, &disabled.path, "It is so anyway.");
        }
        if matches!(making.component.kind, Kind::Job) {
            self.told.adapted(
                health.at,
                &health.path,
                "A job has come to its end when it is done; nothing asks how it is.",
            );
            return;
        }
        let dialect = self.loader_env.dialect;
        let command = match command {
            Command::Words(words) => match coolify::in_shell(&words, dialect) {
                Some((shell, made)) => {
                    made_env(&made, &mut making.component.env);
                    Command::Words(shell)
                }
                None => Command::Words(words),
            },
            Command::Shell(line) => {
                made_env(&coolify::made_in(&line, dialect), &mut making.component.env);
                Command::Shell(line)
            }
        };
        let usual = |span: Option<Span>, seconds| span.unwrap_or(Span::seconds(seconds));
        let (every, patience) = (usual(interval, 30), usual(timeout, 30));
        let ready = Probe {
            http: None,
            tcp: None,
            command: Some(command),
            period: Some(every),
            timeout: Some(Span(patience.millis().max(1))),
            delay: None,
            failures: Some(retries.unwrap_or(3).max(1)),
            successes: None,
        };
        // Until it was ready once it is asked often, as compose does within `start_period`, so that a deploy need not wait
        // for the next round.
        let often = Span(
            usual(start_interval, 5)
                .millis()
                .min(every.millis())
                .max(100),
        );
        let allowed = usual(start_period, 0).millis()
            + every.millis() * u64::from(retries.unwrap_or(3).max(1));
        let startup = Probe {
            period: Some(often),
            failures: Some(ROUNDS),
            ..ready.clone()
        };
        if allowed > 270_000 {
            making.component.rollout.get_or_insert_default().deadline =
                Some(Span(allowed + 30_000));
        }
        let unhurried = match start_period {
            Some(_) => {
                " Failures before that end nobody, so `start_period` need not hold them back."
            }
            None => "",
        };
        self.told.adapted(
            health.at,
            &health.path,
            format!("It becomes the readiness probe, asked every {often} until it succeeds once: only ready instances get requests.{unhurried}"),
        );
        making.component.probes = Some(Probes {
            startup: Some(startup),
            ready: Some(Probe {
                period: Some(Span(every.millis().max(1))),
                ..ready
            }),
            live: None,
            unhealthy: None,
        });
    }
}

pub(super) fn made_env(all: &[Made], env: &mut IndexMap<EnvName, EnvValue>) {
    for made in all {
        let name = made.text.trim_start_matches("${").trim_end_matches('}');
        if let Ok(key) = name.parse() {
            env.entry(key)
                .or_insert_with(|| EnvValue(made.template.clone()));
        }
    }
}

/// What compose would print for an unquoted value, where that differs from what was written.
fn printed_otherwise(scalar: &Scalar) -> Option<String> {
    let printed = match scalar.is {
        Resolved::Unsigned(number) => {
            // A leading zero is octal to compose's reader.
            let octal = scalar.text.len() > 1
                && scalar.text.starts_with('0')
                && scalar.text.bytes().all(|b| (b'0'..=b'7').contains(&b));
            match octal {
                true => u64::from_str_radix(&scalar.text, 8).ok()?.to_string(),
                false => number.to_string(),
            }
        }
        Resolved::Signed(number) => number.to_string(),
        Resolved::Float(number) => number.to_string(),
        Resolved::Bool(value) => value.to_string(),
        Resolved::Null | Resolved::Text => return None,
    };
    (printed != scalar.text).then_some(printed)
}
