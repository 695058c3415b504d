//! What every shell sets, in paths: compose is run in the project's folder (`$PWD`), by somebody with a home (`$HOME`).
//!
//! A path that begins so is the project's or the home's, through defaults and variables of `.env` too. Elsewhere compose puts the
//! values of a shell that is not here.

use std::cell::Cell;

use indexmap::IndexMap;

use super::interpolate::{Made, Met, Names, Settings, interpolate};
use super::item::Place;
use super::load::{Loader, Variables};

pub(super) const NAMES: [&str; 2] = ["HOME", "PWD"];

/// Stand for the values while a text is put together; no file of text has them.
const HOME: char = '\u{1}';
const PWD: char = '\u{2}';

/// Variables by name: what they are without the shell's values, and with the marks of these.
#[derive(Debug, Default)]
pub(super) struct Shelled(pub(super) IndexMap<String, (String, String)>);

/// A path with marks.
pub(super) struct OfShell(String);

struct InPath<'w> {
    names: &'w dyn Names,
    shelled: &'w Shelled,
    met: Cell<bool>,
}

impl Names for InPath<'_> {
    fn made(&self, name: &str) -> Option<Made> {
        if let Some(made) = self.names.made(name) {
            return Some(made);
        }
        let text = match (self.names.value(name), name) {
            (None, "HOME") => HOME.to_string(),
            (None, "PWD") => PWD.to_string(),
            (None, _) => return None,
            // A variable of that name may be another file's.
            (Some(value), _) => match self.shelled.0.get(name) {
                Some((plain, of_shell)) if plain == value => of_shell.clone(),
                _ => return None,
            },
        };
        self.met.set(true);
        Some(Made {
            template: text.clone(),
            text,
            plain: true,
            setting: false,
        })
    }
    fn value(&self, name: &str) -> Option<&str> {
        self.names.value(name)
    }
    fn prefills(&self) -> bool {
        self.names.prefills()
    }
}

fn read(text: &str, names: &dyn Names, shelled: &Shelled, met: &mut Met) -> Option<String> {
    if !text.contains('$') {
        return None;
    }
    let in_path = InPath {
        names,
        shelled,
        met: Cell::new(false),
    };
    let mut inner = Met::default();
    // What a path is made of is no setting of the application.
    let (read, _) = interpolate(text, &in_path, &mut Settings::default(), &mut inner)?;
    let marked = in_path.met.get() && read.contains([HOME, PWD]);
    marked.then(|| {
        *met = inner;
        read
    })
}

/// A path of the machine, where the shell's values are part of it.
pub(super) fn path(
    text: &str,
    at: &str,
    names: &dyn Names,
    shelled: &Shelled,
    met: &mut Met,
) -> Option<OfShell> {
    is_path(at)
        .then(|| read(text, names, shelled, met))
        .flatten()
        .map(OfShell)
}

/// A variable's value with the marks, where it is made of the shell's.
pub(super) fn value(text: &str, variables: &Variables, shelled: &Shelled) -> Option<String> {
    struct Plain<'v>(&'v Variables);
    impl Names for Plain<'_> {
        fn made(&self, _: &str) -> Option<Made> {
            None
        }
        fn value(&self, name: &str) -> Option<&str> {
            self.0.0.get(name).map(String::as_str)
        }
    }
    read(text, &Plain(variables), shelled, &mut Met::default())
}

/// Whether a value is the path of something that is read or mounted.
fn is_path(at: &str) -> bool {
    let of_names = [".environment.", ".labels.", ".args.", ".env_file."];
    if of_names.iter().any(|key| at.contains(key)) {
        return false;
    }
    let ends = [".source", ".context", ".file", ".env_file", ".build"];
    at.contains(".volumes[")
        || at.contains(".env_file[")
        || at.starts_with("include")
        || ends.iter().any(|key| at.ends_with(key))
}

impl Loader<'_> {
    /// The path with what the marks stand for.
    pub(super) fn shells_place(&mut self, path: OfShell, at: Place, key: &str) -> String {
        let mut out = String::new();
        let mut rest = path.0.as_str();
        // What it is mounted at is no path of the machine.
        let is_target = key.ends_with(".target");
        for (mark, stands, message) in [
            (PWD, ".", "`$PWD` is the folder of the project."),
            (HOME, "~", "`$HOME` is the folder of who reads the file."),
        ] {
            if let Some(behind) = rest.strip_prefix(mark)
                && !is_target
                && (behind.is_empty() || behind.starts_with(['/', ':']))
            {
                self.told.adapted(at, key, message);
                out.push_str(stands);
                rest = behind;
                break;
            }
        }
        let home = self.around.absolute("~").unwrap_or_default();
        let home = home.trim_end_matches('/');
        for (mark, name, known) in [(HOME, "HOME", home), (PWD, "PWD", "")] {
            if rest.contains(mark) && known.is_empty() {
                self.told.advised(
                    at,
                    key,
                    format!("`${name}` inside of a path is of the shell that compose is run in: nothing is put there."),
                    format!("Write `{name}=…` into the `.env` beside the file, or give it: `--env {name}=…`."),
                );
            }
        }
        out.push_str(&rest.replace(HOME, home).replace(PWD, ""));
        out
    }
}
