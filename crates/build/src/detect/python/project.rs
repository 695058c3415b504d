//! What the manifests of a Python project say, in one form.

use super::super::SourceTree;

/// What the manifests say, in one form.
pub(super) struct Project {
    pub(super) pyproject: Option<toml::Table>,
    /// All text that names dependencies, in lower case.
    named: String,
}

impl Project {
    pub(super) fn read(tree: &SourceTree) -> Project {
        let pyproject = tree
            .text("pyproject.toml")
            .and_then(|text| text.parse::<toml::Table>().ok());
        let mut named = String::new();
        for path in tree.root() {
            let lists = path.starts_with("requirements") && path.ends_with(".txt");
            if lists
                || matches!(
                    path,
                    "pyproject.toml" | "Pipfile" | "setup.py" | "setup.cfg"
                )
            {
                named.push_str(tree.text(path).unwrap_or_default());
                named.push('\n');
            }
        }
        Project {
            pyproject,
            named: named.to_lowercase(),
        }
    }

    /// Whether a package is named as a dependency.
    pub(super) fn has(&self, package: &str) -> bool {
        self.named.match_indices(package).any(|(at, _)| {
            let before = self.named[..at].chars().next_back();
            let after = self.named[at + package.len()..].chars().next();
            let edge = |c: Option<char>| {
                c.is_none_or(|c| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.')))
            };
            edge(before) && edge(after)
        })
    }

    /// `[project] dependencies`.
    pub(super) fn dependencies(&self) -> Vec<&str> {
        self.pyproject
            .as_ref()
            .and_then(|table| table.get("project")?.get("dependencies")?.as_array())
            .map(|list| list.iter().filter_map(toml::Value::as_str).collect())
            .unwrap_or_default()
    }

    pub(super) fn is_poetry(&self) -> bool {
        self.pyproject.as_ref().is_some_and(|table| {
            table
                .get("tool")
                .and_then(|tool| tool.get("poetry"))
                .is_some()
        })
    }
}
