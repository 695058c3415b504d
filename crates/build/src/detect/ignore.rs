//! Which files of a folder belong to the source: `.gitignore`, `.dockerignore`, `.pluvioignore`, and what never does.

use crate::glob::Glob;

/// Left out unless `.pluvioignore` takes it back in: version control, what package managers install, editors' files.
const NEVER: &str = "\
.git
.hg
.svn
node_modules/
__pycache__/
.venv/
.DS_Store
.pluvio/
";

/// Files of the root that say what the application is. People leave them out of images and repositories, which says nothing of
/// how the application is planned.
const MANIFESTS: [&str; 10] = [
    "app.yaml",
    "app.yml",
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
    "template.toml",
    "Procfile",
    "app.json",
    "heroku.yml",
];

/// In which way a file of rules is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// A name without a slash matches at any depth; a folder's file holds below that folder; what is below an ignored
    /// folder cannot be taken back.
    Git,
    /// Every pattern starts at the root.
    Docker,
    /// As Git, but a file below an ignored folder can be taken back.
    Pluvio,
}

#[derive(Debug, Clone)]
struct Rule {
    /// The folder the file lies in, with a trailing slash; empty for the root.
    base: String,
    glob: String,
    negated: bool,
    folders_only: bool,
    /// Whether it takes files back from below an ignored folder.
    reaches_below: bool,
    /// Whether it was written for Pluvio.
    own: bool,
}

/// All rules, the strongest last.
#[derive(Debug, Clone)]
pub struct Ignore {
    rules: Vec<Rule>,
    /// `.dockerignore` and `.pluvioignore` of the root, which win over every `.gitignore`.
    strong: Vec<Rule>,
}

impl Default for Ignore {
    fn default() -> Self {
        let mut ignore = Ignore {
            rules: Vec::new(),
            strong: Vec::new(),
        };
        ignore.add("", Dialect::Git, NEVER);
        ignore
    }
}

impl Ignore {
    /// Adds a file of rules that lies in `folder` (relative to the root, empty for the root itself).
    pub fn add(&mut self, folder: &str, dialect: Dialect, text: &str) {
        let base = if folder.is_empty() {
            String::new()
        } else {
            format!("{folder}/")
        };
        for line in text.lines() {
            if let Some(rule) = rule(&base, dialect, line) {
                match dialect {
                    Dialect::Git => self.rules.push(rule),
                    Dialect::Docker | Dialect::Pluvio => self.strong.push(rule),
                }
            }
        }
    }

    /// Whether a path is left out. `parent` is the answer for the folder it lies in.
    pub fn ignored(&self, path: &str, folder: bool, parent: bool) -> bool {
        // Docker sends these two whatever the rules say: without them it could not build.
        if matches!(path, "Dockerfile" | ".dockerignore" | ".pluvioignore") {
            return false;
        }
        let last = |rules: &[Rule], below: bool| {
            rules
                .iter()
                .rev()
                .filter(|rule| !below || rule.reaches_below || !rule.negated)
                .find(|rule| rule.matches(path, folder))
                .map(|rule| !rule.negated)
        };
        last(&self.strong, parent)
            .or_else(|| last(&self.rules, parent))
            .unwrap_or(parent)
    }

    /// Whether a file says what the application is and is looked at whatever Git and Docker leave out; `.pluvioignore` is
    /// about just that, and counts.
    pub fn keeps_manifest(&self, path: &str) -> bool {
        let own = self.strong.iter().rev().filter(|rule| rule.own);
        let mut said = own.filter(|rule| rule.matches(path, false));
        MANIFESTS.contains(&path) && said.next().is_none_or(|rule| rule.negated)
    }

    /// Whether something below an ignored folder may still belong to the source.
    pub fn may_return(&self) -> bool {
        self.strong.iter().any(|rule| rule.negated)
    }
}

impl Rule {
    fn matches(&self, path: &str, folder: bool) -> bool {
        (folder || !self.folders_only)
            && path
                .strip_prefix(&self.base)
                .is_some_and(|path| Glob::new(&self.glob).matches(path))
    }
}

fn rule(base: &str, dialect: Dialect, line: &str) -> Option<Rule> {
    let line = line.trim_end_matches(['\r', ' ', '\t']);
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (negated, pattern) = match line.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (
            false,
            line.strip_prefix('\\')
                .filter(|l| l.starts_with(['#', '!']))
                .unwrap_or(line),
        ),
    };
    let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
    let (pattern, folders_only) = match pattern.strip_suffix('/') {
        Some(pattern) => (pattern, dialect != Dialect::Docker),
        None => (pattern, false),
    };
    let anchored = dialect == Dialect::Docker || pattern.contains('/');
    let pattern = pattern.trim_start_matches('/');
    if pattern.is_empty() || pattern == "." {
        return None;
    }
    let glob = if anchored {
        pattern.to_owned()
    } else {
        format!("**/{pattern}")
    };
    Some(Rule {
        base: base.to_owned(),
        glob,
        negated,
        folders_only,
        reaches_below: negated && dialect != Dialect::Git,
        own: dialect == Dialect::Pluvio,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks to the path as a reader of folders does, asking for each folder on the way.
    fn ignored(ignore: &Ignore, path: &str) -> bool {
        let mut parent = false;
        for (end, _) in path.match_indices('/') {
            parent = ignore.ignored(&path[..end], true, parent);
        }
        ignore.ignored(path, false, parent)
    }

    #[test]
    fn gitignore_is_read_as_git_reads_it() {
        let mut ignore = Ignore::default();
        ignore.add(
            "",
            Dialect::Git,
            "# c\n*.log\n!keep.log\n/dist\nbuild/\ndoc/*.txt\n\\#x\n",
        );
        ignore.add("sub", Dialect::Git, "/only\n");
        for (path, want) in [
            ("a.log", true),
            ("x/y/a.log", true),
            ("keep.log", false),
            ("dist/index.html", true),
            ("x/dist/index.html", false),
            ("x/build/y", true),
            ("build", false),
            ("doc/a.txt", true),
            ("doc/x/a.txt", false),
            ("#x", true),
            ("sub/only", true),
            ("only", false),
            (".git/HEAD", true),
            ("web/node_modules/a/index.js", true),
        ] {
            assert_eq!(ignored(&ignore, path), want, "{path}");
        }
    }

    #[test]
    fn dockerignore_starts_at_the_root_and_may_take_back() {
        let mut ignore = Ignore::default();
        ignore.add("", Dialect::Docker, "*\n!src\n!package.json\n**/secret\n");
        for (path, want) in [
            ("README.md", true),
            ("src/main.js", false),
            ("src/secret", true),
            ("package.json", false),
            ("Dockerfile", false),
        ] {
            assert_eq!(ignored(&ignore, path), want, "{path}");
        }
    }

    #[test]
    fn pluvioignore_has_the_last_word() {
        let mut ignore = Ignore::default();
        ignore.add("", Dialect::Git, "dist/\n");
        ignore.add("", Dialect::Pluvio, "!dist/\ndist/*.map\n");
        assert!(!ignored(&ignore, "dist/index.html"));
        assert!(ignored(&ignore, "dist/index.map"));
    }

    #[test]
    fn what_says_what_the_application_is_is_left_out_by_pluvioignore_alone() {
        let mut ignore = Ignore::default();
        ignore.add("", Dialect::Docker, "*\n");
        ignore.add("", Dialect::Git, "Procfile\n");
        assert!(ignore.keeps_manifest("docker-compose.yml"));
        assert!(ignore.keeps_manifest("Procfile"));
        assert!(!ignore.keeps_manifest("sub/Procfile"));
        assert!(!ignore.keeps_manifest("main.js"));
        ignore.add("", Dialect::Pluvio, "*.yml\n!app.yml\n");
        assert!(!ignore.keeps_manifest("docker-compose.yml"));
        assert!(ignore.keeps_manifest("app.yml"));
        assert!(ignore.keeps_manifest("Procfile"));
    }
}
