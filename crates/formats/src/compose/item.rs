//! The tree that compose files are read into: values that know their file and line, after interpolation.

use indexmap::IndexMap;
use pluvio_model::problem::{Code, Fix, Location, Problem};

use crate::report::{Outcome, Row};
use crate::yaml::Resolved;

/// Where something was written. `file` counts the files that were read; 0 is the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: u16,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    pub(crate) at: Place,
    pub(crate) value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Scalar(Scalar),
    List(Vec<Item>),
    Map(Map),
    /// `!reset`: takes away what an earlier file says.
    Reset,
    /// `!override`: replaces what an earlier file says.
    Override(Box<Item>),
}

pub(crate) type Map = IndexMap<String, Field>;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    /// Of the key.
    pub(crate) at: Place,
    pub(crate) item: Item,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scalar {
    /// After interpolation.
    pub(crate) text: String,
    pub(crate) is: Resolved,
    /// The same in the form of app.yaml, where it refers to settings or secrets.
    pub(crate) template: Option<String>,
}

impl Scalar {
    pub(crate) fn text(text: impl Into<String>) -> Scalar {
        Scalar {
            text: text.into(),
            is: Resolved::Text,
            template: None,
        }
    }

    /// As a value of app.yaml.
    pub(crate) fn template(&self) -> String {
        self.template
            .clone()
            .unwrap_or_else(|| pluvio_model::interpolate::escape(&self.text))
    }
}

impl Item {
    pub(crate) fn scalar(at: Place, text: impl Into<String>) -> Item {
        Item {
            at,
            value: Value::Scalar(Scalar::text(text)),
        }
    }

    pub(crate) fn list(at: Place, items: Vec<Item>) -> Item {
        Item {
            at,
            value: Value::List(items),
        }
    }

    pub(crate) fn map(at: Place, map: Map) -> Item {
        Item {
            at,
            value: Value::Map(map),
        }
    }

    pub(crate) fn null(at: Place) -> Item {
        Item {
            at,
            value: Value::Null,
        }
    }

    pub(crate) fn as_scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        self.as_scalar().map(|scalar| scalar.text.as_str())
    }

    pub(crate) fn as_map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(crate) fn as_map_mut(&mut self) -> Option<&mut Map> {
        match &mut self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// A list's items; a scalar is a list of one.
    pub(crate) fn items(&self) -> &[Item] {
        match &self.value {
            Value::List(items) => items,
            Value::Scalar(_) => std::slice::from_ref(self),
            _ => &[],
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Item> {
        self.as_map()?.get(key).map(|field| &field.item)
    }
}

/// Gathers what became of the input.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) rows: Vec<Row>,
    pub(crate) errors: Vec<Problem>,
    /// By the numbers of [`Place`].
    pub(crate) files: Vec<String>,
}

impl Told {
    fn row(&mut self, outcome: Outcome, at: Place, path: &str, message: String) -> &mut Row {
        let mut row = Row::new(outcome, path, message).line((at.line > 0).then_some(at.line));
        row.file = match at.file {
            0 => None,
            other => self.files.get(usize::from(other)).cloned(),
        };
        self.rows.push(row);
        self.rows.last_mut().expect("pushed just now")
    }

    /// Whether something wrong was told of this very place.
    pub(crate) fn has_error_at(&self, path: &str) -> bool {
        let at = |problem: &Problem| problem.at.as_ref().is_some_and(|at| at.path == path);
        self.errors.iter().any(at)
    }

    pub(crate) fn adapted(&mut self, at: Place, path: &str, message: impl Into<String>) {
        self.row(Outcome::Adapted, at, path, message.into());
    }

    pub(crate) fn advised(
        &mut self,
        at: Place,
        path: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.row(Outcome::Adapted, at, path, message.into()).remedy = Some(remedy.into());
    }

    /// A file of variables is read as compose reads it, whatever its bytes.
    pub(crate) fn not_utf8(&mut self, at: Place, path: &str, file: &str) {
        self.advised(
            at,
            path,
            format!("{file} holds bytes that are no UTF-8 text: for each there is a \u{fffd}, as with compose."),
            "Save it as UTF-8.",
        );
    }

    pub(crate) fn ignored(&mut self, at: Place, path: &str, message: impl Into<String>) {
        self.row(Outcome::Ignored, at, path, message.into());
    }

    pub(crate) fn refused(
        &mut self,
        at: Place,
        path: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.row(Outcome::Refused, at, path, message.into()).remedy = Some(remedy.into());
    }

    pub(crate) fn error(
        &mut self,
        code: Code,
        at: Place,
        path: &str,
        cause: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.errors.push(code.problem(cause, remedy).at(Location {
            file: self.files.get(usize::from(at.file)).cloned(),
            line: (at.line > 0).then_some(at.line),
            column: (at.column > 0).then_some(at.column),
            path: path.to_owned(),
        }));
    }

    /// What mends the error that was told last.
    pub(crate) fn offer(&mut self, fix: Fix) {
        if let Some(last) = self.errors.last_mut() {
            last.fixes.push(fix);
        }
    }

    pub(crate) fn invalid(
        &mut self,
        at: Place,
        path: &str,
        cause: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.error(pluvio_model::problem::SPEC_INVALID, at, path, cause, remedy);
    }
}

/// A map whose keys are taken one after the other, so that what nobody took can be told.
#[derive(Debug)]
pub(crate) struct Fields<'m> {
    pub(crate) path: String,
    pub(crate) at: Place,
    map: Option<&'m Map>,
    taken: Vec<&'m str>,
}

/// A key that was taken, with its path.
#[derive(Debug, Clone)]
pub(crate) struct Taken<'m> {
    pub(crate) path: String,
    pub(crate) at: Place,
    pub(crate) item: &'m Item,
}

impl<'m> Fields<'m> {
    pub(crate) fn new(path: impl Into<String>, item: &'m Item) -> Fields<'m> {
        Fields {
            path: path.into(),
            at: item.at,
            map: item.as_map(),
            taken: Vec::new(),
        }
    }

    /// A key's value; one without a value counts as absent, and as taken.
    pub(crate) fn take(&mut self, key: &str) -> Option<Taken<'m>> {
        let (_, key, field) = self.map?.get_full(key)?;
        self.taken.push(key);
        (!matches!(field.item.value, Value::Null | Value::Reset)).then(|| Taken {
            path: format!("{}.{key}", self.path),
            at: field.at,
            item: &field.item,
        })
    }

    /// The value of a key, which stays to be taken.
    pub(crate) fn peek(&self, key: &str) -> Option<&'m Item> {
        Some(&self.map?.get(key)?.item)
    }

    /// The text of a key, which stays to be taken.
    pub(crate) fn peek_text(&self, key: &str) -> Option<&'m str> {
        self.peek(key)?.as_text()
    }

    /// A row for each key that is left.
    pub(crate) fn finish(self, told: &mut Told, known: &[&str]) {
        for (key, field) in self.map.into_iter().flatten() {
            if self.taken.contains(&key.as_str()) {
                if matches!(field.item.value, Value::Null) {
                    told.ignored(
                        field.at,
                        &format!("{}.{key}", self.path),
                        "It has no value and counts as absent.",
                    );
                }
                continue;
            }
            let path = format!("{}.{key}", self.path);
            if key.starts_with("x-") {
                told.ignored(
                    field.at,
                    &path,
                    "Keys that begin with `x-` hold anchors and notes.",
                );
                continue;
            }
            let taken = self.taken.iter().copied();
            let remedy = match crate::suggest::nearest(key, known.iter().copied().chain(taken)) {
                Some(near) => format!("Did you mean `{near}`? Otherwise remove it."),
                None => "Remove it; compose has no such key here.".to_owned(),
            };
            told.refused(
                field.at,
                &path,
                format!("There is no key `{key}` here."),
                remedy,
            );
        }
    }
}
