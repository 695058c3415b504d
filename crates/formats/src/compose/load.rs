//! From texts to one document: YAML, interpolation, `extends`, `include`, several files merged.

use indexmap::{IndexMap, IndexSet};
use pluvio_model::interpolate::escape;
use pluvio_model::problem::{self, Fix, Problem};
use pluvio_model::spec::SecretSpec;

use super::interpolate::{Made, Met, Names, Settings, interpolate};
use super::item::{Field, Item, Map, Place, Scalar, Told, Value};
use super::merge::canonical;
use super::rebase::rebase;
use super::{Entry, Surroundings, shell};
use crate::yaml::{self, Limits, OVERRIDE, Resolved};

/// Files within files.
pub(super) const DEPTH_MAX: usize = 12;
const FILES_MAX: usize = 64;
/// Values of all files together, `extends` written out.
pub(super) const ITEMS_MAX: usize = 400_000;

/// What a dialect puts before the file's own variables.
pub(crate) type Dialect<'d> = Option<&'d dyn Fn(&str) -> Option<Made>>;

pub(crate) struct Loader<'l> {
    pub(crate) around: &'l dyn Surroundings,
    pub(crate) told: Told,
    pub(crate) settings: Settings,
    pub(crate) dialect: Dialect<'l>,
    /// Does not stop at what compose would call missing: templates ask for it later.
    pub(crate) lenient: bool,
    /// The dialect starts services in no order: `depends_on` asks for nothing there.
    pub(crate) unordered: bool,
    /// How a dialect's secrets are made.
    pub(crate) secret_rule: Option<&'l dyn Fn(&str) -> SecretSpec>,
    /// The port that a template's header names.
    pub(crate) header_port: Option<u16>,
    /// Told once each.
    unset: IndexSet<String>,
    /// Bytes that variables have put into values.
    filled: usize,
    /// Variables that are made of what every shell sets.
    shelled: shell::Shelled,
    pub(super) items: usize,
    pub(super) bodies: IndexMap<String, Item>,
}

/// What variables may make of all values together, in bytes.
const FILLED_MAX: usize = 16 << 20;

/// The variables of one file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variables(pub(crate) IndexMap<String, String>);

struct With<'w> {
    variables: &'w Variables,
    dialect: Dialect<'w>,
    lenient: bool,
}

impl Names for With<'_> {
    fn made(&self, name: &str) -> Option<Made> {
        self.dialect.and_then(|made| made(name))
    }
    fn value(&self, name: &str) -> Option<&str> {
        self.variables.0.get(name).map(String::as_str)
    }
    fn prefills(&self) -> bool {
        self.lenient
    }
}

impl<'l> Loader<'l> {
    pub(crate) fn new(around: &'l dyn Surroundings) -> Loader<'l> {
        Loader {
            around,
            told: Told::default(),
            settings: Settings::default(),
            dialect: None,
            lenient: false,
            unordered: false,
            secret_rule: None,
            header_port: None,
            unset: IndexSet::new(),
            filled: 0,
            shelled: shell::Shelled::default(),
            items: 0,
            bodies: IndexMap::new(),
        }
    }

    /// Variables that nothing was put for, in the order in which they were met.
    pub(crate) fn left_open(&self) -> Vec<String> {
        let open = self.unset.iter().filter(|name| !name.starts_with('?'));
        open.cloned().collect()
    }

    fn number(&mut self, file: &str) -> u16 {
        let known = self.told.files.iter().position(|known| known == file);
        let number = known.unwrap_or_else(|| {
            self.told.files.push(file.to_owned());
            self.told.files.len() - 1
        });
        u16::try_from(number).unwrap_or(u16::MAX)
    }

    /// Reads the text of a file into a tree, interpolated.
    pub(crate) fn text(&mut self, text: &str, file: &str, variables: &Variables) -> Option<Item> {
        let number = self.number(file);
        let limits = Limits {
            compose: true,
            ..Limits::default()
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match self.read_forgiving(text, &limits) {
            Ok(node) => Some(self.tree(node, number, variables, "", false)),
            Err(problems) => {
                self.told
                    .errors
                    .extend(problems.into_iter().map(|mut problem: Problem| {
                        problem.at.get_or_insert_default().file = Some(file.to_owned());
                        problem
                    }));
                None
            }
        }
    }

    /// YAML wants brackets that close deeper than the key they belong to; compose's reader does not, and people write them so.
    pub(crate) fn read_forgiving(
        &self,
        text: &str,
        limits: &Limits,
    ) -> Result<yaml::Node, Vec<Problem>> {
        const TRIES: usize = 16;
        let mut changed: Option<String> = None;
        let mut tries = 0;
        loop {
            let read = yaml::read(changed.as_deref().unwrap_or(text), limits);
            let Err(problems) = read else { return read };
            tries += 1;
            let line = problems
                .last()
                .filter(|problem| problem.cause.contains("invalid indentation"))
                .and_then(|problem| problem.at.as_ref()?.line);
            let Some(line) = line.filter(|_| tries <= TRIES) else {
                return Err(problems);
            };
            let mut lines: Vec<String> = changed
                .as_deref()
                .unwrap_or(text)
                .split('\n')
                .map(str::to_owned)
                .collect();
            // The error may stand on the line or where the next token is.
            let at = line as usize - 1;
            match lines.get_mut(at) {
                Some(found) if found.trim_start().starts_with([']', '}']) || tries == 1 => {
                    found.insert_str(0, "        ");
                    let closes = found.trim_start().starts_with([']', '}']);
                    if !closes {
                        return Err(problems);
                    }
                }
                _ => return Err(problems),
            }
            changed = Some(lines.join("\n"));
        }
    }

    /// A tree that was read and changed already.
    pub(crate) fn node(&mut self, node: yaml::Node, file: &str, variables: &Variables) -> Item {
        let number = self.number(file);
        self.tree(node, number, variables, "", false)
    }

    /// A node with its variables put in. `literal` subtrees are taken as they are.
    fn tree(
        &mut self,
        node: yaml::Node,
        file: u16,
        variables: &Variables,
        path: &str,
        literal: bool,
    ) -> Item {
        self.items += 1;
        let at = Place {
            file,
            line: node.at.line,
            column: node.at.column,
        };
        let value = match node.value {
            yaml::Value::Scalar {
                is: Resolved::Null, ..
            } => Value::Null,
            yaml::Value::Scalar { text, is } => {
                if literal {
                    Value::Scalar(Scalar {
                        text,
                        is,
                        template: None,
                    })
                } else {
                    Value::Scalar(self.scalar(text, is, at, variables, path))
                }
            }
            yaml::Value::Gone => Value::Reset,
            yaml::Value::List(items) => Value::List(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(index, item)| {
                        self.tree(item, file, variables, &format!("{path}[{index}]"), literal)
                    })
                    .collect(),
            ),
            yaml::Value::Map(mut entries) if entries.len() == 1 && entries[0].key == OVERRIDE => {
                let inner = entries.pop().expect("there is one").value;
                Value::Override(Box::new(self.tree(inner, file, variables, path, literal)))
            }
            yaml::Value::Map(entries) => {
                let is_bind = self.lenient
                    && entries.iter().any(|entry| entry.key == "target")
                    && entries.iter().any(|entry| entry.key == "content");
                Value::Map(
                    entries
                        .into_iter()
                        .map(|entry| {
                            let inner = if path.is_empty() {
                                entry.key.clone()
                            } else {
                                format!("{path}.{}", entry.key)
                            };
                            // Notes are no values, and a template's inline files are taken as they are.
                            let literal = literal
                                || (path.is_empty() && entry.key.starts_with("x-"))
                                || (is_bind && entry.key == "content");
                            let field = Field {
                                at: Place {
                                    file,
                                    line: entry.key_at.line,
                                    column: entry.key_at.column,
                                },
                                item: self.tree(entry.value, file, variables, &inner, literal),
                            };
                            (entry.key, field)
                        })
                        .collect(),
                )
            }
        };
        Item { at, value }
    }

    pub(crate) fn scalar(
        &mut self,
        text: String,
        is: Resolved,
        at: Place,
        variables: &Variables,
        path: &str,
    ) -> Scalar {
        let names = With {
            variables,
            dialect: self.dialect,
            lenient: self.lenient,
        };
        let mut met = Met::default();
        let made = match shell::path(&text, path, &names, &self.shelled, &mut met) {
            Some(of_shell) => {
                let filled = self.shells_place(of_shell, at, path);
                let template = escape(&filled);
                Some((filled, template))
            }
            None => interpolate(&text, &names, &mut self.settings, &mut met),
        };
        for name in met.unset {
            if self.unset.insert(name.clone()) {
                if shell::NAMES.contains(&name.as_str()) {
                    self.told.advised(
                        at,
                        path,
                        format!("`${name}` is of the shell that compose is run in; outside of the paths of what is mounted nothing is put there."),
                        format!("Write `{name}=…` into the `.env` beside the file, or give it: `--env {name}=…`, `--env-file FILE`."),
                    );
                    continue;
                }
                self.told.advised(
                    at,
                    path,
                    format!("The variable {name} is not set; compose puts nothing there, and so does this."),
                    format!("Write `{name}=…` into the `.env` beside the file, or give it: `--env {name}=…`, `--env-file FILE`."),
                );
            }
        }
        for (name, message) in met.required {
            if self.unset.insert(format!("?{name}")) {
                let message = message.trim();
                let said = match message {
                    "" => String::new(),
                    said => format!(": {said}"),
                };
                self.told.error(
                    problem::SETTING_MISSING,
                    at,
                    path,
                    format!("The file requires the variable {name}, and it is not set{said}."),
                    format!("Write `{name}=…` into the `.env` beside the file, or give it: `--env {name}=…`, `--env-file FILE`."),
                );
                self.told.offer(Fix::SetVariable {
                    name: name.clone(),
                    message: (!message.is_empty()).then(|| message.to_owned()),
                });
            }
        }
        for wrong in met.wrong {
            if self.lenient {
                self.told.adapted(
                    at,
                    path,
                    format!("In this value {wrong}: it stays as it is written."),
                );
                continue;
            }
            self.told.error(
                problem::SPEC_SYNTAX,
                at,
                path,
                format!("In this value {wrong}."),
                "Write ${NAME}, ${NAME:-default}, ${NAME:?message} or ${NAME:+value}; for a dollar write $$.",
            );
        }
        let made = made.filter(|(filled, _)| {
            let before = self.filled;
            self.filled += filled.len();
            if before <= FILLED_MAX && self.filled > FILLED_MAX {
                self.told.error(
                    problem::SPEC_TOO_LARGE,
                    at,
                    path,
                    format!("Variables make more than {FILLED_MAX} bytes of the files."),
                    "Put less into variables that many values name.",
                );
            }
            self.filled <= FILLED_MAX
        });
        match made {
            Some((text, template)) => {
                // What was put in is looked at again: `${PORT}` may be a number.
                let is = match is {
                    Resolved::Text => Resolved::Text,
                    _ => yaml::scalar::resolve(&text),
                };
                Scalar {
                    text,
                    is,
                    template: Some(template),
                }
            }
            None => Scalar {
                text,
                is,
                template: None,
            },
        }
    }

    /// A file with what it extends and includes, in canonical form. `folder` is what its paths begin at, relative to the
    /// project's (empty for the project's own).
    pub(crate) fn file(
        &mut self,
        path: &str,
        folder: &str,
        variables: &Variables,
        depth: usize,
    ) -> Option<Item> {
        let text = self.read(path, Place::default(), "")?;
        let item = self.text(&text, path, variables)?;
        self.document(item, path, folder, variables, depth)
    }

    pub(super) fn read(&mut self, path: &str, at: Place, key: &str) -> Option<String> {
        match self.around.entry(path) {
            Entry::Text(text) => Some(text),
            Entry::Missing | Entry::Folder => {
                self.told.error(
                    problem::SOURCE_MISSING,
                    at,
                    key,
                    format!("There is no file {path}."),
                    "Correct the path: it is relative to the folder of the compose file.",
                );
                None
            }
            Entry::Other => {
                if let Some(broken) = self.around.broken_at(path) {
                    let at = Place {
                        file: self.number(path),
                        line: broken.line,
                        column: broken.column,
                    };
                    self.told.error(
                        problem::SPEC_SYNTAX,
                        at,
                        key,
                        format!(
                            "{path} holds bytes on line {} that are no UTF-8 text.",
                            at.line
                        ),
                        "Save it as UTF-8.",
                    );
                    return None;
                }
                self.told.error(
                    problem::SPEC_SYNTAX,
                    at,
                    key,
                    format!("{path} is too large or holds bytes that are no text."),
                    "Write it as UTF-8 text of at most 1 MiB.",
                );
                None
            }
        }
    }

    pub(crate) fn document(
        &mut self,
        mut item: Item,
        path: &str,
        folder: &str,
        variables: &Variables,
        depth: usize,
    ) -> Option<Item> {
        let at = item.at;
        if item.is_null() {
            item.value = Value::Map(Map::new());
        }
        if item.as_map().is_none() {
            self.told.error(
                problem::SPEC_SYNTAX,
                at,
                "",
                format!("{path} is no compose file: it holds no map."),
                "Begin it with `services:`.",
            );
            return None;
        }
        if depth > DEPTH_MAX || self.told.files.len() > FILES_MAX || self.items > ITEMS_MAX {
            self.told.error(
                problem::SPEC_TOO_LARGE,
                at,
                "",
                "The files include or extend each other too deeply, or hold too much together.",
                "Look for files that include each other in a circle.",
            );
            return None;
        }
        canonical(&mut item, &mut self.told);
        rebase(&mut item, folder);
        self.extend_all(&mut item, path, folder, variables, depth);
        self.include_all(&mut item, folder, variables, depth);
        Some(item)
    }

    /// Reads a `.env` file into variables; later files win.
    pub(crate) fn env_file(&mut self, text: &str, file: &str, into: &mut Variables) {
        match crate::dotenv::read_marked(text, file) {
            Ok(read) => {
                for (name, value) in read {
                    let Some(value) = value else { continue };
                    let at = Place {
                        file: self.number(file),
                        ..Place::default()
                    };
                    let shelled = shell::value(&value, into, &self.shelled);
                    let scalar = {
                        let mut settings = Settings::default();
                        std::mem::swap(&mut settings, &mut self.settings);
                        // What a .env file says of itself is no setting of its own.
                        let scalar = self.scalar(value, Resolved::Text, at, into, &name);
                        self.settings = settings;
                        scalar
                    };
                    if let Some(of_shell) = shelled {
                        let both = (scalar.text.clone(), of_shell);
                        self.shelled.0.insert(name.clone(), both);
                    }
                    into.0.insert(name, scalar.text);
                }
            }
            Err(problems) => self.told.errors.extend(problems),
        }
    }
}
