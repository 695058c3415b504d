//! A source tree as a value: paths, sizes, and the text of the files that detection reads.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

use pluvio_model::problem::{self, Problem};

use super::ignore::{Dialect, Ignore};
use crate::source::text_inside;

/// The largest file that says what is left out.
const IGNORE_MAX: u64 = 1 << 20;

/// How much of a folder is read.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The most files; more is a Problem, for it is nearly always the wrong folder.
    pub files: usize,
    /// The largest file whose text is read, in bytes.
    pub text_file: u64,
    /// The most text altogether, in bytes; what is beyond is known by name only.
    pub text_total: u64,
    /// Whether `.gitignore` and the others say what belongs to the source. Not for a Git checkout: what is committed, is source.
    pub ignore_files: bool,
    /// Whether files of the root that say what the application is are there though they are ignored. Not for what is built:
    /// they stay out of images.
    pub manifests: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            files: 100_000,
            text_file: 256 << 10,
            text_total: 8 << 20,
            ignore_files: true,
            manifests: true,
        }
    }
}

/// One file: what its name does not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    pub size: u64,
    /// Its text where it was read; `None` for what is large, binary, a link or of no interest to detection.
    pub text: Option<String>,
}

/// The files of a source, by their path relative to its root, with `/`. Folders exist by the files in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceTree {
    files: BTreeMap<String, SourceFile>,
}

impl SourceTree {
    /// Reads a folder. Links are entries that are not followed. The only function here that does I/O.
    pub fn read(folder: &Path, limits: &Limits) -> Result<SourceTree, Problem> {
        let unreadable = |path: &Path, error: &std::io::Error| {
            problem::SOURCE_MISSING.problem(
                format!("{} cannot be read: {error}", path.display()),
                "Name a folder that exists and that you may read.",
            )
        };
        let mut tree = SourceTree::default();
        let mut ignore = Ignore::default();
        if limits.ignore_files {
            for (file, dialect) in [
                (".dockerignore", Dialect::Docker),
                (".pluvioignore", Dialect::Pluvio),
            ] {
                if let Ok(text) = text_inside(folder, file, IGNORE_MAX) {
                    ignore.add("", dialect, &text);
                }
            }
        }
        let mut text_left = limits.text_total;
        let mut waiting = vec![(String::new(), false)];
        while let Some((inside, parent)) = waiting.pop() {
            let here = folder.join(&inside);
            if limits.ignore_files
                && let Ok(text) = text_inside(&here, ".gitignore", IGNORE_MAX)
            {
                ignore.add(&inside, Dialect::Git, &text);
            }
            let mut entries = std::fs::read_dir(&here)
                .and_then(|entries| entries.collect::<Result<Vec<_>, _>>())
                .map_err(|error| unreadable(&here, &error))?;
            // Which texts fit in the limit must not hang on the order a file system lists names in.
            entries.sort_by_key(std::fs::DirEntry::file_name);
            let mut folders = Vec::new();
            for entry in entries {
                let Ok(name) = entry.file_name().into_string() else {
                    continue; // no name a manifest could refer to
                };
                let path = if inside.is_empty() {
                    name
                } else {
                    format!("{inside}/{name}")
                };
                let Ok(kind) = entry.file_type() else {
                    continue; // gone meanwhile
                };
                let ignored = if limits.ignore_files {
                    let kept = limits.manifests && !kind.is_dir() && ignore.keeps_manifest(&path);
                    !kept && ignore.ignored(&path, kind.is_dir(), parent)
                } else {
                    path == ".git"
                };
                if kind.is_dir() {
                    if !ignored || (ignore.may_return() && !path.ends_with(".git")) {
                        folders.push((path, ignored));
                    }
                    continue;
                }
                if ignored || !(kind.is_file() || kind.is_symlink()) {
                    continue;
                }
                if tree.files.len() == limits.files {
                    return Err(problem::SPEC_TOO_LARGE.problem(
                        format!("{} holds more than {} files", folder.display(), limits.files),
                        "Name the application's own folder, or leave files out with .pluvioignore (one pattern a line, as in .gitignore).",
                    ));
                }
                let size = entry.metadata().map(|data| data.len()).unwrap_or_default();
                let wanted = kind.is_file()
                    && size <= limits.text_file.min(text_left)
                    && is_of_interest(&path);
                let text = wanted.then(|| read_text(&entry.path(), size)).flatten();
                text_left -= text
                    .as_ref()
                    .map_or(0, |text| text.len() as u64)
                    .min(text_left);
                tree.files.insert(path, SourceFile { size, text });
            }
            waiting.extend(folders.into_iter().rev());
        }
        Ok(tree)
    }

    /// A tree of texts, for callers that have them at hand (an archive, a test).
    pub fn from_texts<P: Into<String>, T: Into<String>>(
        files: impl IntoIterator<Item = (P, T)>,
    ) -> SourceTree {
        let mut tree = SourceTree::default();
        for (path, text) in files {
            let text = text.into();
            tree.insert(path, text.len() as u64, Some(text));
        }
        tree
    }

    pub fn insert(&mut self, path: impl Into<String>, size: u64, text: Option<String>) {
        self.files.insert(path.into(), SourceFile { size, text });
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Every path, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    pub fn file(&self, path: &str) -> Option<&SourceFile> {
        self.files.get(path)
    }

    pub fn has(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// Whether a folder holds any file.
    pub fn has_folder(&self, path: &str) -> bool {
        let prefix = format!("{path}/");
        self.files
            .range(prefix.clone()..)
            .next()
            .is_some_and(|(found, _)| found.starts_with(&prefix))
    }

    /// A file's text, where it was read.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.text.as_deref()
    }

    /// The first of the paths that is a file here.
    pub fn first<'n>(&self, paths: &[&'n str]) -> Option<&'n str> {
        paths.iter().copied().find(|path| self.has(path))
    }

    /// Files directly in the root.
    pub fn root(&self) -> impl Iterator<Item = &str> {
        self.paths().filter(|path| !path.contains('/'))
    }

    /// Folders directly in the root.
    pub fn folders(&self) -> BTreeSet<&str> {
        self.paths()
            .filter_map(|path| path.split_once('/').map(|(folder, _)| folder))
            .collect()
    }

    /// The tree of one folder, `.` for the whole. `None` when it holds no file.
    pub fn sub(&self, folder: &str) -> Option<SourceTree> {
        let folder = normal_folder(folder)?;
        if folder == "." {
            return Some(self.clone());
        }
        let prefix = format!("{folder}/");
        let files: BTreeMap<_, _> = self
            .files
            .range(prefix.clone()..)
            .take_while(|(path, _)| path.starts_with(&prefix))
            .map(|(path, file)| (path[prefix.len()..].to_owned(), file.clone()))
            .collect();
        (!files.is_empty()).then_some(SourceTree { files })
    }
}

/// `./web/` → `web`, `` → `.`; `None` for what leaves the tree.
pub(crate) fn normal_folder(folder: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in folder.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    if folder.starts_with('/') {
        return None;
    }
    Some(if parts.is_empty() {
        ".".to_owned()
    } else {
        parts.join("/")
    })
}

/// Manifests at any depth that a monorepo has them; program text near the root, where frameworks and ports are named.
fn is_of_interest(path: &str) -> bool {
    let depth = path.matches('/').count();
    let name = path.rsplit('/').next().unwrap_or(path);
    let manifest = matches!(
        name,
        "package.json"
            | "package-lock.json"
            | "npm-shrinkwrap.json"
            | "yarn.lock"
            | "pnpm-lock.yaml"
            | ".npmrc"
            | ".yarnrc.yml"
            | ".nvmrc"
            | ".node-version"
            | ".tool-versions"
            | "Procfile"
            | "app.json"
            | "metadata.json"
            | "runtime.txt"
            | ".python-version"
            | "Pipfile"
            | "poetry.lock"
            | "uv.lock"
            | "pyproject.toml"
            | "setup.py"
            | "setup.cfg"
            | "go.mod"
            | "go.work"
            | "index.html"
            | "manage.py"
            | "app.yaml"
            | "app.yml"
            | "composer.json"
            | "pom.xml"
            | "Cargo.toml"
            | "Gemfile"
            | "mix.exs"
            | "deno.json"
            | ".env.example"
            | "main.go"
    ) || name.starts_with("Dockerfile")
        || (name.starts_with("requirements") && name.ends_with(".txt"))
        || (name.starts_with("vite.config.")
            || name.starts_with("next.config.")
            || name.starts_with("nuxt.config."))
        || (name.starts_with("svelte.config.")
            || name.starts_with("astro.config.")
            || name == "angular.json")
        || name.ends_with(".yaml") && depth == 0
        || name.ends_with(".yml") && depth == 0;
    let program = [".js", ".mjs", ".cjs", ".ts", ".py", ".go"]
        .iter()
        .any(|end| name.ends_with(end));
    (manifest && depth <= 4) || (program && depth <= 3)
}

fn read_text(path: &Path, size: u64) -> Option<String> {
    let mut text = String::with_capacity(size as usize);
    std::fs::File::open(path)
        .ok()?
        .take(size)
        .read_to_string(&mut text)
        .ok()?;
    (!text.contains('\0')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_without_what_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("package.json", "{}");
        write("node_modules/x/package.json", "{}");
        write(".gitignore", ".env\n");
        write(".env", "SECRET=1");
        write("sub/.gitignore", "*.tmp\n");
        write("sub/a.tmp", "");
        write("sub/picture.png", "\u{1}");
        write(".git/HEAD", "ref");
        write("dist/app.js", "x");
        write(".dockerignore", "dist\n");
        let tree = SourceTree::read(folder.path(), &Limits::default()).unwrap();
        assert_eq!(
            tree.paths().collect::<Vec<_>>(),
            [
                ".dockerignore",
                ".gitignore",
                "package.json",
                "sub/.gitignore",
                "sub/picture.png"
            ]
        );
        assert_eq!(tree.text("package.json"), Some("{}"));
        assert_eq!(tree.text("sub/picture.png"), None);
        let all = Limits {
            ignore_files: false,
            ..Limits::default()
        };
        assert!(SourceTree::read(folder.path(), &all).unwrap().has(".env"));
        let few = Limits {
            files: 2,
            ..Limits::default()
        };
        let problem = SourceTree::read(folder.path(), &few).unwrap_err();
        assert_eq!(problem.code, "spec.too-large");
        let missing = SourceTree::read(&folder.path().join("no"), &Limits::default()).unwrap_err();
        assert_eq!(missing.code, "source.missing");
    }

    #[test]
    fn what_is_built_is_without_ignored_files_that_are_planned_by() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["Dockerfile", "docker-compose.yml", "Procfile", "main.js"] {
            std::fs::write(folder.path().join(name), "a: b\n").unwrap();
        }
        std::fs::write(folder.path().join(".dockerignore"), "*\n").unwrap();
        let planned = SourceTree::read(folder.path(), &Limits::default()).unwrap();
        assert_eq!(
            planned.paths().collect::<Vec<_>>(),
            [
                ".dockerignore",
                "Dockerfile",
                "Procfile",
                "docker-compose.yml"
            ]
        );
        assert_eq!(planned.text("Procfile"), Some("a: b\n"));
        let built = Limits {
            manifests: false,
            ..Limits::default()
        };
        let built = SourceTree::read(folder.path(), &built).unwrap();
        assert_eq!(
            built.paths().collect::<Vec<_>>(),
            [".dockerignore", "Dockerfile"]
        );
    }

    #[test]
    fn a_sub_tree_starts_at_its_folder() {
        let tree = SourceTree::from_texts([("web/package.json", "{}"), ("api/go.mod", "")]);
        assert_eq!(
            tree.sub("./web/").unwrap().paths().collect::<Vec<_>>(),
            ["package.json"]
        );
        assert!(tree.sub("../x").is_none());
        assert!(tree.sub("no").is_none());
        assert_eq!(tree.sub(".").unwrap(), tree);
    }
}
