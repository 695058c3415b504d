//! The files of a template, as if they lay in `../files`, and its environment as `.env`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::config::Config;
use super::expand::{Piece, Pieces, Secrets};
use crate::compose::{Entry, Surroundings};

const FOLDER: &str = "../files";

/// A path below the folder of files, without what leads out of it.
pub(super) fn inside(path: &str) -> String {
    path.split('/')
        .filter(|part| !matches!(*part, "" | "." | ".."))
        .collect::<Vec<_>>()
        .join("/")
}

pub(super) struct Around<'a> {
    others: &'a dyn Surroundings,
    files: BTreeMap<String, String>,
    env: String,
    read: RefCell<BTreeSet<String>>,
}

impl<'a> Around<'a> {
    pub(super) fn new(others: &'a dyn Surroundings, config: &Config) -> Around<'a> {
        let mut env = String::new();
        for key in config.env.keys() {
            // Each is put in as any variable is, secrets too.
            let _ = writeln!(env, "{key}=${{{key}}}");
        }
        Around {
            others,
            files: config
                .files
                .iter()
                .map(|(path, (pieces, _))| (path.clone(), marked(pieces)))
                .collect(),
            env,
            read: RefCell::default(),
        }
    }

    pub(super) fn was_read(&self, path: &str) -> bool {
        self.read.borrow().contains(path)
    }
}

/// The path below the template's files.
fn of_template(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(FOLDER)?;
    if rest.is_empty() {
        return Some("");
    }
    rest.strip_prefix('/')
}

impl Surroundings for Around<'_> {
    fn entry(&self, path: &str) -> Entry {
        if path == ".env" && !self.env.is_empty() {
            return Entry::Text(self.env.clone());
        }
        let Some(path) = of_template(path) else {
            return self.others.entry(path);
        };
        if let Some(text) = self.files.get(path) {
            self.read.borrow_mut().insert(path.to_owned());
            return Entry::Text(text.clone());
        }
        match self.below_files(path).is_empty() {
            true => Entry::Missing,
            false => Entry::Folder,
        }
    }

    fn below(&self, path: &str) -> Option<Vec<String>> {
        match of_template(path) {
            Some(path) => Some(self.below_files(path)),
            None => self.others.below(path),
        }
    }

    fn absolute(&self, path: &str) -> Option<String> {
        match of_template(path) {
            Some(_) => None,
            None => self.others.absolute(path),
        }
    }

    fn is_program(&self, path: &str) -> bool {
        match of_template(path) {
            Some(path) => self
                .files
                .get(path)
                .is_some_and(|text| text.starts_with("#!")),
            None => self.others.is_program(path),
        }
    }

    fn takes_along(&self, path: &str) -> bool {
        of_template(path).is_some()
    }

    fn outside(&self) -> String {
        self.others.outside()
    }
}

impl Around<'_> {
    fn below_files(&self, folder: &str) -> Vec<String> {
        let prefix = match folder {
            "" => String::new(),
            folder => format!("{}/", folder.trim_end_matches('/')),
        };
        self.files
            .keys()
            .filter_map(|path| path.strip_prefix(&prefix))
            .map(str::to_owned)
            .collect()
    }
}

/// A text in which secrets stand as marks that no file has.
fn marked(pieces: &Pieces) -> String {
    pieces
        .0
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Secret(name) => mark(name),
        })
        .collect()
}

fn mark(name: &str) -> String {
    format!("\u{f8f0}{name}\u{f8f1}")
}

/// The text with references in place of marks, where there are any.
pub(super) fn with_references(text: &str, secrets: &Secrets) -> Option<String> {
    if !text.contains('\u{f8f0}') {
        return None;
    }
    let mut text = pluvio_model::interpolate::escape(text);
    for name in secrets.keys() {
        text = text.replace(&mark(name), &format!("${{secrets.{name}}}"));
    }
    Some(text)
}
