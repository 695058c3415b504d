//! Values as they are expected: what is of another kind is told.

use pluvio_model::quantity::{Bytes, Span};
use pluvio_model::spec::AbsolutePath;

use super::super::item::{Place, Taken};
use super::super::values;
use super::Convert;

impl Convert<'_> {
    pub(super) fn text(&mut self, taken: &Taken) -> Option<String> {
        match taken.item.as_text() {
            Some(text) => Some(text.to_owned()),
            None => {
                self.told.invalid(
                    taken.at,
                    &taken.path,
                    "It is a list or a map, and must be one value.",
                    "Write it on the same line.",
                );
                None
            }
        }
    }

    /// A list's texts; what is no text is told.
    pub(super) fn texts(&mut self, taken: &Taken) -> Vec<(Place, String)> {
        let mut all = Vec::new();
        if taken.item.as_map().is_some() {
            self.told.invalid(
                taken.at,
                &taken.path,
                "It is a map, and must be a list.",
                "Write each item with a dash.",
            );
        }
        for item in taken.item.items() {
            match item.as_text() {
                Some(text) => all.push((item.at, text.to_owned())),
                None if item.is_null() => {
                    self.told
                        .ignored(item.at, &taken.path, "An item of the list is empty.")
                }
                None => self.told.invalid(
                    item.at,
                    &taken.path,
                    "An item of the list is no text.",
                    "Write one value after each dash.",
                ),
            }
        }
        all
    }

    pub(super) fn parsed<T>(
        &mut self,
        taken: &Taken,
        what: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(taken)?;
        // A variable that is not set leaves nothing: then the key says nothing.
        if text.trim().is_empty() {
            self.told
                .ignored(taken.at, &taken.path, "It is empty and counts as absent.");
            return None;
        }
        let value = parse(text.trim());
        if value.is_none() {
            self.told.invalid(
                taken.at,
                &taken.path,
                format!("`{text}` is not {what}."),
                format!("Write {what}."),
            );
        }
        value
    }

    pub(super) fn number<T: std::str::FromStr>(&mut self, taken: &Taken) -> Option<T> {
        self.parsed(taken, "a number", |text| text.parse().ok())
    }

    pub(super) fn size(&mut self, taken: &Taken) -> Option<Bytes> {
        self.parsed(taken, "a size such as 64m or 1g", values::size)
    }

    pub(super) fn span(&mut self, taken: &Taken) -> Option<Span> {
        self.parsed(taken, "a span of time such as 10s or 1m30s", values::span)
    }

    pub(super) fn folder_in(&mut self, taken: &Taken) -> Option<AbsolutePath> {
        self.parsed(taken, "an absolute path", |text| {
            // A path of the specification is below `/`; `/.` is the root itself to every runtime.
            let is_root = text.bytes().all(|byte| byte == b'/');
            let text = if is_root { "/." } else { text };
            text.parse().ok()
        })
    }

    pub(super) fn flag(&mut self, taken: &Taken) -> Option<bool> {
        let scalar = taken.item.as_scalar();
        let value = scalar.and_then(values::boolean);
        if value.is_none() {
            self.told.invalid(
                taken.at,
                &taken.path,
                "It is neither true nor false.",
                "Write true or false.",
            );
        }
        value
    }
}
