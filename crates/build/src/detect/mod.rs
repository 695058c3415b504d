//! What a source tree is, how it is built and how it runs, each with its evidence. Pure but for [`SourceTree::read`].
//!
//! [`component`] looks at one tree with what was asked for it, in a fixed order: the builder asked for, a Dockerfile, then
//! languages, the most telling first. It ends in a [`Detected`]: a guess at the component, the [`BuildPlan`], and one
//! sentence for each thing it went by. The same tree and settings always end in the same. [`crate::plan_source`] does it
//! for a whole input (a folder with or without app.yaml, an image) and is what `pluvio plan` prints.

mod dockerfile;
mod go;
mod ignore;
mod node;
mod others;
mod procfile;
mod python;
mod static_site;
mod texts;
mod tree;
mod version;

use indexmap::IndexMap;
use pluvio_formats::report::Row;
use pluvio_model::name::EnvName;
use pluvio_model::problem::{self, Problem};
use pluvio_model::quantity::Bytes;
use pluvio_model::spec::{
    BuildSpec, BuilderChoice, Command, ComponentSpec, HttpProbe, MemoryRange, PortProtocol,
    PortSpec, Probe, Probes, Resources, SourceSpec,
};

pub(crate) use dockerfile::WRITTEN_DOCKERFILE;
pub use ignore::{Dialect, Ignore};
pub use tree::{Limits, SourceFile, SourceTree};

use crate::plan::BuildPlan;

/// The port that programs are asked to listen on (in `PORT`) when their source names none.
pub const DEFAULT_PORT: u16 = 8080;

/// What one source tree is.
#[derive(Debug, Clone, PartialEq)]
pub struct Detected {
    pub kind: BuilderChoice,
    /// One sentence for each thing that was gone by, with the file that tells it.
    pub why: Vec<String>,
    /// What else it could be, and how to ask for that.
    pub alternatives: Vec<String>,
    /// Ports, command, probes, memory as the source suggests them; everything else absent.
    pub component: ComponentSpec,
    /// What the source says that is not taken over, or taken over in another form.
    pub report: Vec<Row>,
    pub build: BuildPlan,
}

/// The name of a kind in reports and `build: { builder: … }`.
pub const fn kind_name(kind: BuilderChoice) -> &'static str {
    match kind {
        BuilderChoice::Auto => "auto",
        BuilderChoice::Dockerfile => "dockerfile",
        BuilderChoice::Node => "node",
        BuilderChoice::Python => "python",
        BuilderChoice::Go => "go",
        BuilderChoice::Static => "static",
    }
}

/// What a detector found out, before it is put together.
#[derive(Debug, Clone, Default)]
struct Findings {
    why: Vec<String>,
    report: Vec<Row>,
    command: Option<Command>,
    port: Option<u16>,
    /// Further TCP ports.
    more_ports: Vec<u16>,
    ready_path: Option<String>,
    memory: Option<u64>,
}

impl Findings {
    fn why(&mut self, sentence: impl Into<String>) {
        self.why.push(sentence.into());
    }

    fn component(self) -> (ComponentSpec, Vec<String>, Vec<Row>) {
        let mut ports = IndexMap::new();
        let named = |name: &str| name.parse().expect("these are names");
        if let Some(port) = self.port {
            ports.insert(
                named("http"),
                PortSpec {
                    port,
                    protocol: PortProtocol::Http,
                },
            );
        }
        for port in self.more_ports {
            ports.insert(
                named(&format!("tcp-{port}")),
                PortSpec {
                    port,
                    protocol: PortProtocol::Tcp,
                },
            );
        }
        let component = ComponentSpec {
            command: self.command,
            ports,
            probes: self.ready_path.map(|path| Probes {
                ready: Some(Probe {
                    http: Some(HttpProbe {
                        path,
                        port: None,
                        headers: IndexMap::new(),
                        host: None,
                        status: None,
                    }),
                    tcp: None,
                    command: None,
                    period: None,
                    timeout: None,
                    delay: None,
                    failures: None,
                    successes: None,
                }),
                ..Probes::default()
            }),
            resources: self.memory.map(|mebibytes| Resources {
                memory: Some(MemoryRange {
                    request: None,
                    limit: Some(Bytes(mebibytes << 20)),
                }),
                ..Resources::default()
            }),
            ..ComponentSpec::default()
        };
        (component, self.why, self.report)
    }
}

/// Looks at one component's source. `tree` begins at the component's folder, and `root` is that folder in the whole
/// source (`.` when it is the same), where the plan says what is built. `asked` is what is known of the component
/// already: its `build` settings, command and ports win over what the source suggests.
pub fn component(
    tree: &SourceTree,
    root: &str,
    asked: &ComponentSpec,
) -> Result<Detected, Problem> {
    let context = Context {
        tree,
        root,
        asked,
        build: asked.build.clone().unwrap_or_default(),
    };
    if tree.is_empty() && context.build.dockerfile_text.is_none() {
        return Err(problem::SOURCE_MISSING.problem(
            "The folder holds no files.",
            "Name a folder with an application in it.",
        ));
    }
    let kind = choose(&context)?;
    let mut detected = match kind {
        BuilderChoice::Dockerfile => dockerfile::detect(&context),
        BuilderChoice::Node => node::detect(&context),
        BuilderChoice::Python => python::detect(&context),
        BuilderChoice::Go => go::detect(&context),
        BuilderChoice::Static | BuilderChoice::Auto => static_site::detect(&context),
    }?;
    if context.build.builder != BuilderChoice::Auto {
        detected.why.insert(
            0,
            format!("`build: {{ builder: {} }}` says so.", kind_name(kind)),
        );
    }
    detected.alternatives.extend(alternatives(&context, kind));
    Ok(detected)
}

/// Looks at a component in the source it comes in: where `source: { path: … }` names a folder, in that folder.
pub fn in_source(tree: &SourceTree, asked: &ComponentSpec) -> Result<Detected, Problem> {
    let folder = match &asked.source {
        Some(SourceSpec::Path(folder)) => folder.as_str(),
        _ => ".",
    };
    let root = tree::normal_folder(folder);
    let inside = root
        .as_ref()
        .and_then(|root| tree.sub(root).zip(Some(root)));
    match inside {
        Some((sub, root)) => component(&sub, root, asked),
        None if tree.is_empty() => component(tree, ".", asked),
        None => Err(problem::SOURCE_MISSING.problem(
            format!("The folder `{folder}` holds no files."),
            "Correct `source: { path: … }`; it is relative to app.yaml. Files that .gitignore or .pluvioignore name do not count.",
        )),
    }
}

/// What a detector works on.
struct Context<'d> {
    tree: &'d SourceTree,
    root: &'d str,
    asked: &'d ComponentSpec,
    build: BuildSpec,
}

impl Context<'_> {
    /// The first HTTP port that was asked for.
    fn asked_port(&self) -> Option<u16> {
        self.asked
            .ports
            .values()
            .find(|port| matches!(port.protocol, PortProtocol::Http | PortProtocol::Http2))
            .map(|port| port.port)
    }

    /// What the image runs: asked, or found.
    fn run_command(&self, found: Option<&Command>) -> Vec<String> {
        self.asked
            .command
            .as_ref()
            .or(found)
            .map(Command::words)
            .unwrap_or_default()
    }

    fn build_env(&self) -> IndexMap<EnvName, String> {
        self.build.env.clone()
    }
}

fn env<const N: usize>(pairs: [(&str, &str); N]) -> IndexMap<EnvName, String> {
    pairs
        .into_iter()
        .map(|(name, value)| {
            (
                name.parse().expect("these are variables' names"),
                value.to_owned(),
            )
        })
        .collect()
}

/// What a Dockerfile may be called to be found without being named.
const DOCKERFILES: [&str; 2] = ["Dockerfile", "Containerfile"];
const COMPOSE_FILES: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yaml",
    "docker-compose.yml",
];

fn choose(context: &Context) -> Result<BuilderChoice, Problem> {
    let tree = context.tree;
    if context.build.builder != BuilderChoice::Auto {
        return Ok(context.build.builder);
    }
    if context.build.dockerfile.is_some()
        || context.build.dockerfile_text.is_some()
        || tree.first(&DOCKERFILES).is_some()
    {
        return Ok(BuilderChoice::Dockerfile);
    }
    let other = others::find(tree);
    let found = if others::is_before(other.as_ref(), "go") {
        None
    } else if go::matches(tree) {
        Some(BuilderChoice::Go)
    } else if others::is_before(other.as_ref(), "python") {
        None
    } else if python::matches(tree) {
        Some(BuilderChoice::Python)
    } else if other.is_some() {
        None
    } else if node::matches(tree) {
        Some(BuilderChoice::Node)
    } else if static_site::matches(tree, &context.build) {
        Some(BuilderChoice::Static)
    } else {
        None
    };
    match (found, other) {
        (Some(kind), _) => Ok(kind),
        (None, Some(other)) => Err(other.problem()),
        (None, None) => Err(others::unknown(tree)),
    }
}

/// The other kinds that match, with how to ask for them.
fn alternatives(context: &Context, chosen: BuilderChoice) -> Vec<String> {
    let tree = context.tree;
    let mut all = Vec::new();
    for (kind, file) in [
        (BuilderChoice::Dockerfile, tree.first(&DOCKERFILES)),
        (BuilderChoice::Go, go::matches(tree).then_some("go.mod")),
        (BuilderChoice::Python, python::manifest(tree)),
        (
            BuilderChoice::Node,
            node::matches(tree).then_some("package.json"),
        ),
        // A page beside a program is the program's.
        (
            BuilderChoice::Static,
            tree.first(&["index.html"])
                .filter(|_| chosen == BuilderChoice::Dockerfile),
        ),
    ] {
        if let Some(file) = file
            && kind != chosen
        {
            let kind = kind_name(kind);
            all.push(format!(
                "{kind}: {file} is there too; `build: {{ builder: {kind} }}` asks for it."
            ));
        }
    }
    if let Some(file) = tree.first(&COMPOSE_FILES) {
        all.push(format!(
            "{file}: whole applications from compose files are not read yet."
        ));
    }
    all
}
