//! The rules of this code base that a tool can hold: who may depend on whom, how long a file may be, which names say
//! nothing, which pages must be there. Each test is one rule and names, when it fails, everything that breaks it.
//!
//! Start with [`MAY_USE`]: the layers of `docs/architecture.md` as a table. To allow what a rule forbids, change the
//! rule here, with its reason, in the same commit.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};
use pluvio_model::problem::CODES;

/// Each crate and the crates of this workspace that it may use. `model` is at the bottom; nothing uses `pluvio`.
const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("formats", &["model"]),
    ("plan", &["model"]),
    ("store", &["model"]),
    ("proxy", &["model"]),
    ("api", &["model"]),
    ("runtime", &["model", "plan"]),
    ("telemetry", &["model", "runtime"]),
    ("engine", &["model", "plan", "runtime"]),
    // `tests` in its tests only: between them and the cluster stands a proxy that fails on purpose, which the scenarios have too.
    ("kubernetes", &["model", "plan", "runtime", "tests"]),
    ("build", &["model", "formats", "runtime", "engine"]),
    (
        "node",
        &["model", "plan", "runtime", "engine", "proxy", "telemetry"],
    ),
    // `engine` in its tests only: real engines push, pull, and give archives.
    ("registry", &["model", "store", "engine"]),
    // `engine` and `node` for their words only (a registry's credential, the node's client): control runs no container.
    // `registry` to publish what was built to clusters, and to say what is kept there.
    (
        "control",
        &[
            "model", "formats", "plan", "runtime", "store", "build", "engine", "node", "registry",
        ],
    ),
    // `engine` to look for one in `doctor`, `node` for the words of its measurements.
    (
        "server",
        &[
            "model", "formats", "plan", "runtime", "store", "build", "engine", "node", "control",
            "api", "registry",
        ],
    ),
    // `proxy` for the gateway of a cluster, which is a process without a node: it joins what `kubernetes` tells to it.
    (
        "pluvio",
        &[
            "model",
            "formats",
            "plan",
            "runtime",
            "store",
            "build",
            "engine",
            "kubernetes",
            "node",
            "proxy",
            "control",
            "api",
            "server",
            "registry",
        ],
    ),
    // They start the binary and speak its API.
    ("tests", &["model", "api"]),
    ("benches", &["model", "api", "proxy"]),
];

/// Packages that only the named crates may use directly.
const ONLY_IN: &[(&str, &[&str], &str)] = &[
    ("sqlx", &["store"], "all SQL is in one crate"),
    (
        "axum",
        &["server", "registry"],
        "handlers of the API are in one crate, those of the distribution specification in another",
    ),
    ("tower-http", &["server"], "handlers are in one crate"),
    ("utoipa-axum", &["server"], "handlers are in one crate"),
    (
        "chacha20poly1305",
        &["store"],
        "secrets are sealed in one place",
    ),
    ("argon2", &["store"], "passwords are hashed in one place"),
    ("saphyr-parser", &["formats"], "YAML is read in one place"),
    (
        "clap",
        &["pluvio"],
        "the command line is parsed in one crate",
    ),
    (
        "tracing-subscriber",
        &["pluvio", "proxy", "benches"],
        "a program chooses where its log goes, a library does not",
    ),
    ("kube", &["kubernetes"], "one crate speaks to Kubernetes"),
    (
        "k8s-openapi",
        &["kubernetes"],
        "one crate speaks to Kubernetes",
    ),
    (
        "hyper",
        &[
            "proxy", "engine", "node", "api", "server", "pluvio", "benches",
        ],
        "what is pure, and what decides, speaks no HTTP",
    ),
];

/// Crates without I/O, and what must not be anywhere below them.
const PURE: &[&str] = &["model", "formats", "plan"];
const NOT_BELOW_PURE: &[&str] = &[
    "tokio",
    "hyper",
    "mio",
    "async-std",
    "sqlx",
    "rustix",
    "reqwest",
];

/// The longest file, in lines: a file holds one resource or one behaviour.
const LONGEST: usize = 600;

/// Longer files, each with its reason. One that has become short must leave the list.
const LONGER: &[(&str, &str)] = &[(
    "crates/model/src/route.rs",
    "the whole vocabulary of routing with its tests; splitting it would part hosts from the routes they order",
)];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "common", "helper", "helpers", "manager", "service", "misc", "shared",
];

/// The ids of the design's feature list: `docs/features.md` has the state of each. A feature that several lists name is
/// one row with several ids: `KS-01 [AC-01, DC-02]`.
const ROWS: &[(&str, &str)] = &[
    (
        "RB",
        "01-06 10-25 30-44 46-47 50-68 70-75 80-83 90-99 A1-A15",
    ),
    ("KS", "01-08 10-13 20-21 30-36 40-46 50-65 70-72 80-82 90"),
    ("AC", "01-27 30-51 60-66"),
    ("DC", "01-14"),
    ("BX", "01-22"),
];

static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ is in the workspace")
        .to_owned()
});

/// What cargo knows of this workspace. Only for this platform: what others need may not be downloaded.
static CARGO: LazyLock<Metadata> = LazyLock::new(|| {
    MetadataCommand::new()
        .manifest_path(ROOT.join("Cargo.toml"))
        .other_options([
            "--locked".to_owned(),
            "--filter-platform".to_owned(),
            format!("{}-unknown-linux-gnu", std::env::consts::ARCH),
        ])
        .exec()
        .expect("cargo metadata answers")
});

/// Fails with all that breaks a rule, one a line.
fn none(rule: &str, broken: impl IntoIterator<Item = String>) {
    let broken: Vec<String> = broken.into_iter().collect();
    assert!(broken.is_empty(), "{rule}\n  {}\n", broken.join("\n  "));
}

fn members() -> Vec<&'static Package> {
    CARGO.workspace_packages()
}

/// `pluvio-model` → `model`.
fn short(package: &str) -> &str {
    package.strip_prefix("pluvio-").unwrap_or(package)
}

/// Files below a folder of the repository with this ending, as paths from the root. Nothing that was built or installed.
fn files(folder: &str, ending: &str) -> Vec<String> {
    fn walk(folder: &Path, ending: &str, found: &mut Vec<String>) {
        let Ok(entries) = fs::read_dir(folder) else {
            return;
        };
        for entry in entries.flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if path.is_dir() {
                if !["target", "node_modules", "dist", ".git"].contains(&name.as_ref()) {
                    walk(&path, ending, found);
                }
            } else if name.ends_with(ending) {
                let path = path.strip_prefix(&*ROOT).expect("below the root");
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(&ROOT.join(folder), ending, &mut found);
    found.sort();
    found
}

fn read(path: &str) -> String {
    fs::read_to_string(ROOT.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Rust files that are compiled into crates, not their tests' folders.
fn sources() -> Vec<String> {
    let rust = files("crates", ".rs").into_iter();
    rust.filter(|path| path.split('/').nth(2) == Some("src"))
        .collect()
}

// ---- who depends on whom ----

#[test]
fn crates_use_only_what_their_layer_may() {
    let allowed: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    let ours: BTreeSet<&str> = members()
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut broken = Vec::new();
    for package in members() {
        let name = short(&package.name);
        let Some(allowed) = allowed.get(name) else {
            broken.push(format!("{name} is not in MAY_USE"));
            continue;
        };
        for dependency in &package.dependencies {
            let used = short(&dependency.name);
            if ours.contains(dependency.name.as_str()) && !allowed.contains(&used) {
                broken.push(format!("{name} uses {used}"));
            }
        }
    }
    none("Crates use only what MAY_USE allows them:", broken);
}

#[test]
fn some_packages_are_used_in_one_place_only() {
    let broken = members().into_iter().flat_map(|package| {
        let name = short(&package.name).to_owned();
        let used = package
            .dependencies
            .iter()
            .filter(|d| d.kind != DependencyKind::Development);
        used.filter_map(move |dependency| {
            let (what, only, why) = ONLY_IN
                .iter()
                .find(|(what, ..)| dependency.name.as_str() == *what)?;
            (!only.contains(&name.as_str())).then(|| format!("{name} uses {what}, but {why}"))
        })
    });
    none(
        "Packages of ONLY_IN are used by the crates it names:",
        broken,
    );
}

#[test]
fn pure_crates_have_no_async_and_no_io_below_them() {
    let resolve = CARGO.resolve.as_ref().expect("dependencies are resolved");
    let nodes: BTreeMap<&PackageId, _> =
        resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut broken = Vec::new();
    for package in members()
        .into_iter()
        .filter(|p| PURE.contains(&short(&p.name)))
    {
        let (mut seen, mut next) = (BTreeSet::new(), vec![&package.id]);
        while let Some(id) = next.pop() {
            let below = nodes[id].deps.iter().filter(|dep| {
                dep.dep_kinds
                    .iter()
                    .any(|kind| kind.kind == DependencyKind::Normal)
            });
            for dep in below {
                if seen.insert(&dep.pkg) {
                    next.push(&dep.pkg);
                }
            }
        }
        for id in seen {
            let name = CARGO[id].name.as_str();
            if NOT_BELOW_PURE.contains(&name) {
                broken.push(format!("{} has {name} below it", short(&package.name)));
            }
        }
    }
    none("Pure crates decide; they do no I/O:", broken);
}

#[test]
fn every_dependency_is_used() {
    let mut broken = Vec::new();
    for package in members() {
        let folder = package
            .manifest_path
            .parent()
            .expect("a manifest is in a folder");
        let folder = folder.strip_prefix(&*ROOT).expect("below the root");
        let text: String = files(folder.as_str(), ".rs")
            .iter()
            .map(|path| read(path))
            .collect();
        for dependency in &package.dependencies {
            let name = dependency
                .rename
                .as_ref()
                .unwrap_or(&dependency.name)
                .replace('-', "_");
            let word = |part: &str| {
                part.chars()
                    .next_back()
                    .is_some_and(|c| c.is_alphanumeric() || c == '_')
            };
            let used = text.match_indices(&name).any(|(at, _)| {
                let after = text[at + name.len()..].chars().next();
                !word(&text[..at]) && !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
            });
            if !used {
                broken.push(format!(
                    "{} names {} and does not use it",
                    short(&package.name),
                    dependency.name
                ));
            }
        }
    }
    let manifest = read("Cargo.toml");
    let named = manifest
        .split("[workspace.dependencies]")
        .nth(1)
        .expect("there is such a table");
    let named = named.split("\n[").next().expect("it ends").lines();
    let named = named
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" = "));
    let used: BTreeSet<&str> = members()
        .iter()
        .flat_map(|p| p.dependencies.iter().map(|d| d.name.as_str()))
        .collect();
    broken.extend(
        named
            .filter(|(name, _)| !used.contains(name))
            .map(|(name, _)| format!("no crate uses {name} of Cargo.toml")),
    );
    none(
        "Dependencies cost time to compile and to trust; take unused ones out:",
        broken,
    );
}

#[test]
fn every_crate_takes_the_workspace_s_lints_and_versions() {
    let broken = members().into_iter().filter_map(|package| {
        let text = fs::read_to_string(&package.manifest_path).expect("a manifest");
        let missing = [
            "[lints]\nworkspace = true",
            "version.workspace = true",
            "edition.workspace = true",
        ];
        let missing: Vec<_> = missing
            .into_iter()
            .filter(|part| !text.contains(part))
            .collect();
        (!missing.is_empty()).then(|| format!("{} lacks {missing:?}", package.name))
    });
    none("Lints and versions are the workspace's:", broken);
}

// ---- how files look ----

#[test]
fn a_file_holds_one_thing() {
    let mut broken = Vec::new();
    for path in sources() {
        let lines = read(&path).lines().count();
        match LONGER.iter().any(|(longer, _)| *longer == path) {
            false if lines > LONGEST => broken.push(format!("{path} has {lines} lines")),
            true if lines <= LONGEST => {
                broken.push(format!("{path} has {lines} lines: take it out of LONGER"))
            }
            _ => {}
        }
    }
    let gone = LONGER.iter().filter(|(path, _)| !ROOT.join(path).exists());
    broken.extend(gone.map(|(path, _)| format!("{path} is gone: take it out of LONGER")));
    none(
        &format!("A file has at most {LONGEST} lines, or a reason in LONGER:"),
        broken,
    );
}

#[test]
fn modules_are_named_after_what_they_hold() {
    let mut broken = Vec::new();
    for path in files("crates", ".rs") {
        for name in path
            .trim_end_matches(".rs")
            .split('/')
            .skip(2)
            .filter(|name| EMPTY_NAMES.contains(name))
        {
            broken.push(format!("{path}: `{name}` says nothing"));
        }
        for line in read(&path).lines() {
            let Some(rest) = line.trim_start_matches("pub ").strip_prefix("mod ") else {
                continue;
            };
            let name = rest.trim_end_matches(';').trim_end_matches(" {");
            if EMPTY_NAMES.contains(&name) {
                broken.push(format!("{path}: `mod {name}` says nothing"));
            }
        }
    }
    none(
        "Name the concept, or put the code where it is used:",
        broken,
    );
}

#[test]
fn every_crate_tells_a_newcomer_what_it_is() {
    let broken = members().into_iter().flat_map(|package| {
        let roots = package.targets.iter().filter(|t| t.is_lib() || t.is_bin());
        roots.filter_map(|target| {
            let text = fs::read_to_string(&target.src_path).expect("a crate's root");
            (!text.starts_with("//!"))
                .then(|| format!("{} does not begin with `//!`", target.src_path))
        })
    });
    none("A crate's root begins by saying what lives there:", broken);
}

#[test]
fn nothing_is_left_unfinished() {
    // Written in two parts, so that this file does not find itself.
    let marks = ["todo!", "unimplemented!", "dbg!"].map(|mark| format!("{mark}("));
    let broken = sources().into_iter().flat_map(|path| {
        let text = read(&path);
        let found = text
            .lines()
            .enumerate()
            .filter(|(_, line)| marks.iter().any(|mark| line.contains(mark)));
        found
            .map(|(at, line)| format!("{path}:{}: {}", at + 1, line.trim()))
            .collect::<Vec<_>>()
    });
    none("What is committed is finished:", broken);
}

#[test]
fn sql_is_written_in_the_store_alone() {
    let words = ["SELECT ", "INSERT INTO ", "DELETE FROM ", "UPDATE "];
    // What people's own databases are asked, by their own clients, is none of the store's business.
    let others = [
        "crates/plan/src/database/",
        "crates/control/src/databases/keep.rs",
    ];
    let broken = sources()
        .into_iter()
        .filter(|path| !path.starts_with("crates/store/"))
        .filter(|path| !others.iter().any(|other| path.starts_with(other)))
        .flat_map(|path| {
            let text = read(&path);
            let found = text
                .lines()
                .enumerate()
                .filter(|(_, line)| words.iter().any(|w| line.contains(&format!("\"{w}"))));
            found
                .map(|(at, _)| format!("{path}:{}", at + 1))
                .collect::<Vec<_>>()
        });
    none("SQL is only in the store:", broken);
}

// ---- documents that must be complete ----

/// `RB` and `01-03 A1` → `RB-01 RB-02 RB-03 RB-A1`.
fn ids(list: &str, ranges: &str) -> Vec<String> {
    let mut all = Vec::new();
    for range in ranges.split(' ') {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let letter = if from.starts_with('A') { "A" } else { "" };
        let number = |text: &str| {
            text.trim_start_matches('A')
                .parse::<u32>()
                .expect("a number")
        };
        for n in number(from)..=number(to) {
            all.push(if letter.is_empty() {
                format!("{list}-{n:02}")
            } else {
                format!("{list}-A{n}")
            });
        }
    }
    all
}

#[test]
fn every_feature_has_its_state_once() {
    let wanted: BTreeSet<String> = ROWS
        .iter()
        .flat_map(|(list, ranges)| ids(list, ranges))
        .collect();
    let rust = files("crates", ".rs")
        .into_iter()
        .chain(files("tests", ".rs"));
    let code: String = rust.map(|path| read(&path)).collect();
    let (mut seen, mut broken) = (BTreeSet::new(), Vec::new());
    for line in read("docs/features.md").lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let id = cells[0];
        let is_row = ["RB-", "KS-", "AC-", "DC-", "BX-"]
            .iter()
            .any(|list| id.starts_with(list));
        if !line.starts_with('|') || !is_row {
            continue;
        }
        for id in id.split([' ', ',', '[', ']']).filter(|id| !id.is_empty()) {
            if !seen.insert(id.to_owned()) {
                broken.push(format!("{id} is there twice"));
            }
        }
        if cells.len() != 5 {
            broken.push(format!(
                "{id} has {} cells: id, what, engine, Kubernetes, evidence",
                cells.len()
            ));
            continue;
        }
        for (runtime, state) in [("engine", cells[2]), ("Kubernetes", cells[3])] {
            let known = ["done", "part: ", "not yet", "n.a.: ", "= "]
                .iter()
                .any(|known| state.starts_with(known));
            if !known {
                broken.push(format!("{id}: the state on {runtime} is {state:?}"));
            }
        }
        // Tests are named by what they show; a name that no test has any more is no evidence.
        let names = cells[4].split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for name in names.filter(|name| name.matches('_').count() >= 2) {
            if !code.contains(&format!("fn {name}(")) {
                broken.push(format!("{id}: there is no test {name}"));
            }
        }
        if cells[2].starts_with("done") && cells[4].is_empty() {
            broken.push(format!("{id} is done without evidence"));
        }
    }
    broken.extend(
        wanted
            .difference(&seen)
            .map(|id| format!("{id} is missing")),
    );
    broken.extend(
        seen.difference(&wanted)
            .map(|id| format!("{id} is no row of the design")),
    );
    none(
        "docs/features.md tells the state of every row, once:",
        broken,
    );
}

#[test]
fn every_error_has_its_page() {
    let mut broken = Vec::new();
    let list = read("docs/errors/README.md");
    for code in CODES {
        let path = format!("docs/errors/{}.md", code.code);
        let Ok(text) = fs::read_to_string(ROOT.join(&path)) else {
            broken.push(format!("{path} is missing"));
            continue;
        };
        if !text.starts_with(&format!("# {}\n", code.title)) {
            broken.push(format!("{path} does not begin with `# {}`", code.title));
        }
        if !(200..=900).contains(&text.len()) {
            broken.push(format!("{path} has {} bytes, not 200 to 900", text.len()));
        }
        let row = format!(
            "| [{0}]({0}.md) | {1} | {2} |",
            code.code, code.status, code.title
        );
        if !list.contains(&row) {
            broken.push(format!("docs/errors/README.md lacks the row {row}"));
        }
    }
    for path in files("docs/errors", ".md") {
        let name = path
            .rsplit('/')
            .next()
            .and_then(|file| file.strip_suffix(".md"))
            .expect("a page");
        if name != "README" && !CODES.iter().any(|code| code.code == name) {
            broken.push(format!("{path} explains a code that is not in CODES"));
        }
    }
    none("Every code has a page, and every page a code:", broken);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut documents = files("docs", ".md");
    documents.extend(
        files(".", ".md")
            .into_iter()
            .filter(|path| !path.contains('/')),
    );
    documents.sort();
    documents.dedup();
    let mut broken = Vec::new();
    for path in documents {
        let folder = Path::new(&path).parent().unwrap_or(Path::new(""));
        let text = read(&path);
        for rest in text.split("](").skip(1) {
            let Some((link, _)) = rest.split_once(')') else {
                continue;
            };
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            if !ROOT.join(folder).join(target).exists() {
                broken.push(format!("{path}: {link}"));
            }
        }
    }
    none("Links in documents lead to files that exist:", broken);
}
