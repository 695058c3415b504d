//! YAML as a tree in which every key and value knows its line and column.
//!
//! [`read`] takes text, within [`Limits`], and gives a [`Node`] or everything that is wrong. Anchors, aliases and merges
//! (`<<`) are resolved; equal keys are refused; scalars follow YAML 1.2's core schema and keep the text they were written
//! as. [`de`] reads any serde type from the tree, so that its errors have positions.

pub mod de;
mod read;
pub mod scalar;
pub mod write;

pub use read::{Limits, read};
pub(crate) use read::{OVERRIDE, problem_at};
pub use scalar::Resolved;

/// A place in a text; both count from 1, columns in characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

/// A value and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub at: Position,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// The text as written (quotes and escapes undone) and what it is.
    Scalar {
        text: String,
        is: Resolved,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// Taken out by a reader that goes on after an error; readers pass it by.
    Gone,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub key: String,
    pub key_at: Position,
    pub value: Node,
}

/// One step from a node to a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Key(String),
    Index(usize),
}

impl Node {
    pub fn text(at: Position, text: impl Into<String>) -> Node {
        Node {
            at,
            value: Value::Scalar {
                text: text.into(),
                is: Resolved::Text,
            },
        }
    }

    pub fn map(at: Position, entries: Vec<Entry>) -> Node {
        Node {
            at,
            value: Value::Map(entries),
        }
    }

    /// The bytes of all texts in it, keys included.
    pub(crate) fn bytes(&self) -> usize {
        match &self.value {
            Value::Scalar { text, .. } => text.len(),
            Value::List(items) => items.iter().map(Node::bytes).sum(),
            Value::Map(entries) => entries
                .iter()
                .map(|entry| entry.key.len() + entry.value.bytes())
                .sum(),
            Value::Gone => 0,
        }
    }

    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(
            self.value,
            Value::Scalar {
                is: Resolved::Null,
                ..
            }
        )
    }

    /// The part that the steps lead to.
    pub fn part_mut(&mut self, path: &[Step]) -> Option<&mut Node> {
        let Some((first, rest)) = path.split_first() else {
            return Some(self);
        };
        let next = match (first, &mut self.value) {
            (Step::Key(key), Value::Map(entries)) => {
                &mut entries.iter_mut().find(|entry| entry.key == *key)?.value
            }
            (Step::Index(index), Value::List(items)) => items.get_mut(*index)?,
            _ => return None,
        };
        next.part_mut(rest)
    }
}

/// Bytes as a text; else where they are none.
pub fn text_of(bytes: Vec<u8>) -> Result<String, Position> {
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let good = String::from_utf8_lossy(&error.as_bytes()[..good]);
        let last = good.rsplit('\n').next().unwrap_or_default();
        let count = |number: usize| u32::try_from(number + 1).unwrap_or(u32::MAX);
        Position {
            line: count(good.matches('\n').count()),
            column: count(last.chars().count()),
        }
    })
}

/// `components.web.routes[0].host`
pub fn show_path(path: &[Step]) -> String {
    let mut out = String::new();
    for step in path {
        match step {
            Step::Key(key) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(key);
            }
            Step::Index(index) => out.push_str(&format!("[{index}]")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_at_the_end_of_a_text_gets_no_line_end_of_its_own() {
        for (text, want) in [
            ("- |\n  echo b", "echo b"),
            ("- |\n  echo b\n", "echo b\n"),
            ("- |\n  echo b\n  ", "echo b\n"),
            ("- |+\n  echo b", "echo b"),
            ("- |-\n  echo b", "echo b"),
            ("- >\n  echo\n  b", "echo b"),
            ("- |\n  a\n\n  b", "a\n\nb"),
            ("- |\n  ä\u{20ac}", "ä\u{20ac}"),
        ] {
            let root = read(text, &Limits::default()).unwrap();
            let Value::List(items) = &root.value else {
                panic!("{text:?}");
            };
            assert_eq!(items[0].as_text(), Some(want), "{text:?}");
        }
        // What stands before the end keeps its own.
        for text in ["a: |\n  x\nb: 1", "a: |\n  x\n# note"] {
            let root = read(text, &Limits::default()).unwrap();
            assert_eq!(
                root.get("a").and_then(Node::as_text),
                Some("x\n"),
                "{text:?}"
            );
        }
    }

    #[test]
    fn bytes_that_are_no_text_have_a_place() {
        assert_eq!(text_of(b"a: \xc3\xa9\n".to_vec()).as_deref(), Ok("a: é\n"));
        let at = text_of(b"a: 1\nb: \xc3\xa9\xe9\n".to_vec());
        assert_eq!(at, Err(Position { line: 2, column: 5 }));
    }
}
