//! The build plan: how one source tree becomes one image, as a value.
//!
//! [`crate::detect`] makes it, the executor follows it and makes no choice. Nothing here runs anything. The same tree with
//! the same settings gives the same plan, byte for byte, and so do two machines.
//!
//! A plan of steps is made so that a rebuild after a small change does little: each step has a key made of its command and
//! the content of the files it names, results are kept under their keys, and an output that comes from a step with a known
//! key is a layer that exists already. What depends on lock files only is installed once for each lock file.

use indexmap::IndexMap;
use pluvio_model::image::ContentHash;
use pluvio_model::name::EnvName;
use pluvio_model::spec::{BuildContext, BuilderChoice};
use serde::{Deserialize, Serialize};

use crate::glob::Glob;

/// Where the source lies in a build container, and the program in the image.
pub const WORKSPACE: &str = "/app";
/// Where what steps make beside the source lies in a build container.
pub const PRODUCTS: &str = "/out";
/// The user every image made from source runs as, `app` in the base images.
pub const RUN_USER: &str = "10001:10001";

/// How one source tree becomes one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum BuildPlan {
    Steps(StepsPlan),
    Dockerfile(DockerfilePlan),
}

/// The user's own Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DockerfilePlan {
    /// The context: a folder of the tree, `.` for all of it.
    pub root: String,
    /// Its path in the context.
    pub dockerfile: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub args: IndexMap<String, String>,
    /// Readable as files under `/run/secrets` while it builds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<EnvName>,
    /// Secrets that hold the keys of `RUN --mount=type=ssh`, by its `id`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub ssh: IndexMap<String, EnvName>,
    /// What it names beside its own context.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub contexts: IndexMap<String, BuildContext>,
}

/// Steps in a build container of ours, then an image of base and outputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepsPlan {
    pub builder: Builder,
    /// The folder of the tree that is built, `.` for all of it. It lies at [`WORKSPACE`], writable, owned by the build's user.
    pub root: String,
    /// What the steps run in; `None` where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_base: Option<Base>,
    /// In order. A step sees what the ones before it produced.
    pub steps: Vec<Step>,
    /// What the image starts from.
    pub run_base: Base,
    /// What is copied onto it, in order: each is one layer, those that change least first.
    pub outputs: Vec<Output>,
    pub run: RunImage,
    /// Readable as files under `/run/secrets` in every step; never in the image, a key or the log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<EnvName>,
}

/// Which recipe made the plan. A recipe that gives another result takes another version, so that old keys do not match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Builder {
    pub name: BuilderChoice,
    pub version: u32,
}

/// A base image by its logical name and the version asked for; the executor resolves it (registry, or `scripts/bases`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Base {
    pub name: BaseName,
    /// `22`, `22.11.0`, `3.13`: a shorter one means the newest of its kind, `None` what the base maker calls `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Base {
    pub fn new(name: BaseName, version: Option<&str>) -> Base {
        Base {
            name,
            version: version.map(str::to_owned),
        }
    }
}

/// The bases that exist; `scripts/bases/make` says what is in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BaseName {
    Run,
    Build,
    Static,
    Node,
    NodeBuild,
    Python,
    PythonBuild,
    Go,
    Postgres,
    Redis,
    Mariadb,
}

impl BaseName {
    /// As the base maker and image names write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            BaseName::Run => "run",
            BaseName::Build => "build",
            BaseName::Static => "static",
            BaseName::Node => "node",
            BaseName::NodeBuild => "node-build",
            BaseName::Python => "python",
            BaseName::PythonBuild => "python-build",
            BaseName::Go => "go",
            BaseName::Postgres => "postgres",
            BaseName::Redis => "redis",
            BaseName::Mariadb => "mariadb",
        }
    }
}

impl std::fmt::Display for BaseName {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.write_str(self.as_str())
    }
}

/// One command in the build container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// A few words for the log: `dependencies`, `build`.
    pub name: String,
    /// A line for `/bin/sh -c`, run in [`WORKSPACE`].
    pub command: String,
    /// Files of the tree (globs relative to `root`) whose content is part of the step's key.
    pub inputs: Vec<String>,
    /// Names of earlier steps whose keys are part of this one's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// Absolute folders that are the step's result. Kept under the key; with the same key they are put back and the
    /// command is not run. None: the step only fills caches or works for the steps after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub produces: Vec<String>,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub env: IndexMap<EnvName, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caches: Vec<Cache>,
    /// Whether it may reach the network.
    pub network: bool,
}

/// A folder kept between builds of one team. Correctness never rests on its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    /// `npm`, `go-build` …; those that hold one application's files end in `@app`.
    pub id: String,
    /// Absolute, in the build container.
    pub path: String,
}

impl Cache {
    /// Whether two applications of a team may share it.
    pub fn shared(&self) -> bool {
        !self.id.ends_with("@app")
    }
}

/// A folder or file copied from the build container into the image, owned by root and readable by all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// Absolute, in the build container.
    pub from: String,
    /// Absolute, in the image.
    pub to: String,
    /// Globs relative to `from` that stay behind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// The step all of it comes from: with that step's key unchanged, so is this layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
}

/// What the image says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunImage {
    pub command: Vec<String>,
    /// `uid:gid`.
    pub user: String,
    pub working_dir: String,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub env: IndexMap<EnvName, String>,
    /// TCP ports the program listens on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
}

impl Step {
    /// Whether a file of the tree (relative to `root`, with `/`) is part of this step's key.
    pub fn reads(&self, path: &str) -> bool {
        self.inputs.iter().any(|glob| Glob::new(glob).matches(path))
    }
}

impl Output {
    /// Whether a file (relative to `from`, with `/`) stays behind. What excludes a folder excludes all in it.
    pub fn excludes(&self, path: &str) -> bool {
        let globs: Vec<_> = self.exclude.iter().map(|glob| Glob::new(glob)).collect();
        let ends = path.match_indices('/').map(|(end, _)| end);
        ends.chain([path.len()])
            .any(|end| globs.iter().any(|glob| glob.matches(&path[..end])))
    }
}

impl StepsPlan {
    /// The key of each step, in order. `base` names what `build_base` resolved to (an image id); `content` gives the
    /// hash of one file; `files` are the paths of the tree relative to `root`, in any order.
    ///
    /// A key covers the recipe's version, the base, command, environment, what it produces, the names and contents of
    /// its inputs, and the keys of the steps it comes after: equal keys, equal results.
    pub fn keys<'f>(
        &self,
        base: &str,
        files: &[&'f str],
        content: impl Fn(&'f str) -> String,
    ) -> IndexMap<String, ContentHash> {
        let mut sorted = files.to_vec();
        sorted.sort_unstable();
        let mut keys: IndexMap<String, ContentHash> = IndexMap::new();
        for step in &self.steps {
            let globs: Vec<_> = step.inputs.iter().map(|glob| Glob::new(glob)).collect();
            let inputs: Vec<(&str, String)> = sorted
                .iter()
                .filter(|path| globs.iter().any(|glob| glob.matches(path)))
                .map(|path| (*path, content(path)))
                .collect();
            let after: Vec<_> = step.after.iter().map(|name| keys.get(name)).collect();
            let key = ContentHash::of(&(
                (&self.builder, base),
                (&step.name, &step.command, &step.env, &step.produces),
                inputs,
                after,
            ));
            keys.insert(step.name.clone(), key);
        }
        keys
    }
}

impl BuildPlan {
    /// For the release's history: `node 22`, `Dockerfile`.
    pub fn title(&self) -> String {
        match self {
            BuildPlan::Dockerfile(plan) if plan.dockerfile == "Dockerfile" => "Dockerfile".into(),
            BuildPlan::Dockerfile(plan) => format!("Dockerfile {}", plan.dockerfile),
            BuildPlan::Steps(plan) => {
                let name = match plan.builder.name {
                    BuilderChoice::Node => "node",
                    BuilderChoice::Python => "python",
                    BuilderChoice::Go => "go",
                    BuilderChoice::Static => "static",
                    BuilderChoice::Dockerfile => "Dockerfile",
                    BuilderChoice::Auto => "auto",
                };
                match plan
                    .build_base
                    .as_ref()
                    .and_then(|base| base.version.as_ref())
                {
                    Some(version) => format!("{name} {version}"),
                    None => name.to_owned(),
                }
            }
        }
    }

    /// Every base image the plan needs, each once.
    pub fn bases(&self) -> Vec<&Base> {
        match self {
            BuildPlan::Dockerfile(_) => Vec::new(),
            BuildPlan::Steps(plan) => {
                let mut bases: Vec<_> = plan.build_base.iter().chain([&plan.run_base]).collect();
                bases.dedup();
                bases
            }
        }
    }
}
