//! Configs and secrets in a service: files.

use pluvio_model::interpolate::escape;
use pluvio_model::spec::{FileMode, FileSpec};

use super::super::item::{Fields, Item, Place, Scalar, Taken, Value};
use super::super::rebase::join;
use super::super::values;
use super::Convert;
use super::making::Making;

impl Convert<'_> {
    /// A config or secret in a service.
    pub(super) fn config(
        &mut self,
        section: &'static str,
        item: &Item,
        taken: &Taken,
        making: &mut Making,
    ) {
        let path = taken.path.as_str();
        let (mut target, mut mode) = (None, None);
        let source = match &item.value {
            Value::Scalar(scalar) => Some(scalar.text.clone()),
            Value::Map(_) => {
                let mut inner = Fields::new(path, item);
                let source = inner.take("source").and_then(|taken| self.text(&taken));
                target = inner.take("target").and_then(|taken| self.text(&taken));
                mode = inner.take("mode").and_then(|taken| self.mode(&taken));
                for key in ["uid", "gid"] {
                    if let Some(owner) = inner.take(key) {
                        if owner.item.as_text() == Some("0") {
                            self.told.ignored(owner.at, &owner.path, "It is so anyway.");
                        } else {
                            self.told.refused(
                                owner.at,
                                &owner.path,
                                "Files belong to root.",
                                "Let others read it by its `mode`.",
                            );
                        }
                    }
                }
                inner.finish(&mut self.told, &["source", "target", "uid", "gid", "mode"]);
                source
            }
            _ => None,
        };
        let Some(source) = source else {
            self.told.invalid(
                item.at,
                path,
                "It does not say which is meant.",
                "Write its name, or `source: NAME`.",
            );
            return;
        };
        let usual = if section == "secrets" {
            "/run/secrets"
        } else {
            ""
        };
        let target = match target {
            Some(target) if target.starts_with('/') => target,
            Some(target) => format!("{usual}/{target}"),
            None => format!("{usual}/{source}"),
        };
        let Some(target) = self.target(&target, item.at, path) else {
            return;
        };
        let content = if section == "secrets" {
            self.declared_secret(&source, item.at, path)
                .map(|name| (format!("${{secrets.{name}}}"), false))
        } else {
            self.config_content(&source, item.at, path)
        };
        let Some((content, raw)) = content else {
            return;
        };
        making.component.files.insert(
            target,
            FileSpec {
                content,
                hot: false,
                mode: Some(mode.unwrap_or(FileMode(0o444))),
                raw,
                reload: None,
            },
        );
    }

    fn mode(&mut self, taken: &Taken) -> Option<FileMode> {
        let scalar = taken.item.as_scalar();
        let read = |_: &str| scalar.and_then(values::mode);
        let mode = self.parsed(taken, "a mode such as 0440", read)?;
        if scalar.is_some_and(values::is_decimal) {
            self.told.advised(
                taken.at,
                &taken.path,
                format!(
                    "A number without a 0 before it is decimal: the permission bits are {mode}."
                ),
                "Write the permission bits with a 0 before them, such as 0440.",
            );
        }
        Some(mode)
    }

    pub(super) fn config_content(
        &mut self,
        source: &str,
        at: Place,
        path: &str,
    ) -> Option<(String, bool)> {
        self.used.insert(("configs", source.to_owned()));
        let Some(declared) = self.configs.get(source).cloned() else {
            self.told.invalid(
                at,
                path,
                format!("There is no config `{source}`."),
                "Declare it under `configs` at the end of the file.",
            );
            return None;
        };
        let item = &declared.item;
        if let Some(Scalar { text, template, .. }) = item.get("content").and_then(Item::as_scalar) {
            let content = template.clone().unwrap_or_else(|| escape(text));
            return Some((content, false));
        }
        if let Some(variable) = item.get("environment").and_then(Item::as_text) {
            return match self.variables.0.get(variable) {
                Some(value) => Some((value.clone(), true)),
                None => {
                    self.told.invalid(
                        declared.at,
                        &format!("configs.{source}.environment"),
                        format!("The variable {variable} is not set."),
                        "Set it in the `.env` beside the file.",
                    );
                    None
                }
            };
        }
        if let Some(file) = item.get("file").and_then(Item::as_text) {
            let file = join("", file);
            let text = self.file_text(&file, declared.at, &format!("configs.{source}.file"))?;
            self.taken_along += text.len();
            return Some((text, true));
        }
        self.told.refused(
            declared.at,
            &format!("configs.{source}"),
            "Its content is not in the file.",
            "Write its `content` or `file`.",
        );
        None
    }
}
