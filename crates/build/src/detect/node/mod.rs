//! Node.js: servers, and pages that are built and then served as files.

mod framework;
mod package_manager;

use pluvio_model::problem::{self, Location, Problem};
use pluvio_model::spec::{BuilderChoice, Command};
use serde_json::Value as Json;

use super::procfile::{self, command_of};
use super::static_site::{shell_line, site};
use super::version::{self, Choice};
use super::{Context, DEFAULT_PORT, Detected, Findings, SourceTree, env, texts};
use crate::plan::{
    Base, BaseName, BuildPlan, Builder, Cache, Output, PRODUCTS, RUN_USER, RunImage, Step,
    StepsPlan, WORKSPACE,
};
use package_manager::Manager;

/// Files that hold a Node.js program.
const ENDINGS: [&str; 4] = [".js", ".mjs", ".cjs", ".ts"];
const LISTENERS: [&str; 3] = [".listen(", "port =", "PORT ="];
const MEMORY: u64 = 512;

pub(super) fn matches(tree: &SourceTree) -> bool {
    tree.has("package.json")
}

/// A package.json as far as it matters.
struct Package<'p> {
    json: &'p Json,
}

impl Package<'_> {
    fn script(&self, name: &str) -> Option<&str> {
        self.json["scripts"][name]
            .as_str()
            .map(str::trim)
            .filter(|line| !line.is_empty())
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.json[key].as_str()
    }

    /// Whether a package is depended on, to run or to build.
    fn has(&self, name: &str) -> bool {
        ["dependencies", "devDependencies"]
            .iter()
            .any(|list| !self.json[list][name].is_null())
    }

    fn names(&self, list: &str) -> Vec<&str> {
        self.json[list]
            .as_object()
            .map(|map| map.keys().map(String::as_str).collect())
            .unwrap_or_default()
    }

    fn workspaces(&self) -> bool {
        !self.json["workspaces"].is_null()
    }
}

pub(super) fn detect(context: &Context) -> Result<Detected, Problem> {
    let tree = context.tree;
    let Some(text) = tree.text("package.json") else {
        return Err(problem::SOURCE_UNKNOWN.problem(
            "There is no package.json that can be read.",
            "Add one (`npm init`), or choose another builder.",
        ));
    };
    let json: Json = serde_json::from_str(text).map_err(|error| {
        problem::SPEC_INVALID
            .problem(
                format!("package.json is not valid JSON: {error}."),
                "Correct it; `npm pkg get name` shows whether npm can read it.",
            )
            .at(Location {
                file: Some("package.json".into()),
                line: u32::try_from(error.line()).ok(),
                column: u32::try_from(error.column()).ok(),
                path: String::new(),
            })
    })?;
    let package = Package { json: &json };
    let mut findings = Findings::default();
    findings.why("package.json: a Node.js package.");
    let version = node_version(context, &package, &mut findings);
    let manager = Manager::find(tree, &package, &mut findings);
    if let Some(folder) = framework::pages(context, &package, &mut findings) {
        return Ok(pages(
            context, &package, &manager, version, findings, &folder,
        ));
    }
    server(context, &package, &manager, version, findings)
}

fn node_version(context: &Context, package: &Package, findings: &mut Findings) -> Choice {
    let tree = context.tree;
    let first_line = |file: &str| {
        tree.text(file).and_then(|text| {
            text.lines()
                .map(str::trim)
                .find(|line| !line.is_empty() && !line.starts_with('#'))
        })
    };
    let tool_versions = || {
        tree.text(".tool-versions")?.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            matches!(words.next(), Some("nodejs" | "node")).then(|| words.next())?
        })
    };
    let asked = [
        ("`build.version`", context.build.version.as_deref()),
        (".nvmrc", first_line(".nvmrc")),
        (".node-version", first_line(".node-version")),
        (
            "package.json engines",
            package.json["engines"]["node"].as_str(),
        ),
        ("package.json volta", package.json["volta"]["node"].as_str()),
        (".tool-versions", tool_versions()),
    ];
    settle_version("Node.js", &asked, &version::NODE, findings)
}

/// The first place that names a version which can be understood.
pub(super) fn settle_version(
    language: &str,
    asked: &[(&str, Option<&str>)],
    lines: &version::Lines,
    findings: &mut Findings,
) -> Choice {
    for (place, text) in asked {
        let Some(text) = text else {
            continue;
        };
        // Names of lines, as nvm knows them.
        let text = match text.to_ascii_lowercase().as_str() {
            "lts/krypton" => "24",
            "lts/jod" => "22",
            "lts/iron" => "20",
            "lts/hydrogen" => "18",
            _ => text,
        };
        match version::choose(text, lines) {
            Some(Choice::Default) => {
                findings.why(format!(
                    "{place}: {language} {text}; the default line fits."
                ));
                return Choice::Default;
            }
            Some(Choice::Version(version)) => {
                findings.why(format!("{place}: {language} {text}; {version} is taken."));
                return Choice::Version(version);
            }
            None => findings.why(format!(
                "{place}: {text:?} is not a version of {language} and is passed by."
            )),
        }
    }
    findings.why(format!(
        "No version of {language} is named: the default is taken."
    ));
    Choice::Default
}

/// A build whose result is files behind a web server.
fn pages(
    context: &Context,
    package: &Package,
    manager: &Manager,
    version: Choice,
    findings: Findings,
    folder: &str,
) -> Detected {
    let base = Base::new(manager.base(), version.version());
    let mut steps = vec![manager.install(context, false)];
    steps.extend(build_step(context, package, &[]));
    site(context, findings, Some(base), steps, folder)
}

/// The build command: what was asked, else the `build` script.
fn build_step(context: &Context, package: &Package, caches: &[Cache]) -> Option<Step> {
    let command = match &context.build.command {
        Some(asked) => shell_line(asked),
        None => {
            package.script("build")?;
            "npm run build".to_owned()
        }
    };
    let mut env = env([("NODE_ENV", "production"), ("NEXT_TELEMETRY_DISABLED", "1")]);
    env.extend(context.build_env());
    Some(Step {
        name: "build".into(),
        command,
        inputs: vec!["**".into()],
        after: vec!["dependencies".into()],
        produces: Vec::new(),
        env,
        caches: caches.to_vec(),
        network: true,
    })
}

fn server(
    context: &Context,
    package: &Package,
    manager: &Manager,
    version: Choice,
    mut findings: Findings,
) -> Result<Detected, Problem> {
    let tree = context.tree;
    framework::name(package, &mut findings);
    start(context, package, &mut findings)?;
    let standalone = framework::port(package);
    match standalone {
        Some((name, port)) if context.asked_port().is_none() => {
            findings.why(format!("{name} listens on PORT: it is told {port}."));
            findings.port = Some(port);
        }
        _ => {
            let found = texts::port(tree, &ENDINGS, &LISTENERS);
            texts::settle_port(&mut findings, found, context.asked_port(), DEFAULT_PORT);
        }
    }
    texts::health(tree, &ENDINGS, &mut findings);
    texts::example_env(tree, &mut findings);
    findings.memory = Some(MEMORY);

    let caches = if package.has("next") {
        vec![Cache {
            id: "next@app".into(),
            path: format!("{WORKSPACE}/.next/cache"),
        }]
    } else {
        Vec::new()
    };
    let build = build_step(context, package, &caches);
    if let Some(step) = &build {
        findings.why(match &context.build.command {
            Some(_) => format!("`build.command` is run: `{}`.", step.command),
            None => format!(
                "package.json: the build script is run (`{}`).",
                package.script("build").unwrap_or_default()
            ),
        });
    }
    // What is only needed to build stays out of the image, and a change of source leaves the packages' layer alone.
    let scripted = ["prepare", "postinstall", "install", "preinstall"]
        .iter()
        .any(|name| package.script(name).is_some());
    let for_building = !package.names("devDependencies").is_empty();
    let all_needed = build.is_some() || scripted;
    let depends = !package.names("dependencies").is_empty()
        || for_building
        || !package.names("optionalDependencies").is_empty();
    let mut steps = Vec::new();
    let mut outputs = Vec::new();
    let mut packages_from = None;
    if depends {
        let install = manager.install(context, for_building && !all_needed);
        let kept = !install.produces.is_empty();
        steps.push(install);
        // A build may write into packages (generated clients), and then they are only whole after it.
        let generated = build.is_some() && package.has("@prisma/client");
        let prune = (for_building && all_needed && kept && !generated)
            .then(|| manager.prune(context))
            .flatten();
        packages_from = Some(match prune {
            Some(step) => {
                let from = (
                    format!("{PRODUCTS}/packages/node_modules"),
                    Some(step.name.clone()),
                );
                steps.push(step);
                from
            }
            None => (
                format!("{WORKSPACE}/node_modules"),
                (kept && !generated).then(|| "dependencies".to_owned()),
            ),
        });
    }
    if let Some((from, step)) = packages_from {
        outputs.push(Output {
            from,
            to: format!("{WORKSPACE}/node_modules"),
            exclude: vec![".cache".into()],
            step,
        });
    }
    if let Some(mut step) = build {
        if !depends {
            step.after.clear();
        }
        steps.push(step);
    }
    outputs.push(Output {
        from: WORKSPACE.into(),
        to: WORKSPACE.into(),
        exclude: [
            "node_modules",
            ".git",
            ".next/cache",
            ".npmrc",
            "*.Dockerfile",
        ]
        .map(str::to_owned)
        .to_vec(),
        step: None,
    });
    let port = findings.port;
    let command = context.run_command(findings.command.as_ref());
    let build_base = (!steps.is_empty()).then(|| Base::new(manager.base(), version.version()));
    let mut run_env = env([
        ("NODE_ENV", "production"),
        (
            "PATH",
            "/app/node_modules/.bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ),
    ]);
    if let Some(port) = port {
        run_env.insert("PORT".parse().expect("a name"), port.to_string());
    }
    let plan = StepsPlan {
        builder: Builder {
            name: BuilderChoice::Node,
            version: 1,
        },
        root: context.root.to_owned(),
        build_base,
        steps,
        run_base: Base::new(BaseName::Node, version.version()),
        outputs,
        run: RunImage {
            command,
            user: RUN_USER.into(),
            working_dir: WORKSPACE.into(),
            env: run_env,
            ports: port.into_iter().collect(),
            stop_signal: None,
        },
        secrets: context.build.secrets.clone(),
    };
    let (component, why, report) = findings.component();
    Ok(Detected {
        kind: BuilderChoice::Node,
        why,
        alternatives: Vec::new(),
        component,
        report,
        build: BuildPlan::Steps(plan),
    })
}

/// What is run: asked, Procfile, the `start` script, `main`, a file with a usual name.
fn start(context: &Context, package: &Package, findings: &mut Findings) -> Result<(), Problem> {
    let tree = context.tree;
    let from_procfile = procfile::read(tree, findings);
    if let Some(asked) = &context.asked.command {
        findings.command = Some(asked.clone());
        return Ok(());
    }
    if from_procfile {
        return Ok(());
    }
    if let Some(line) = package.script("start") {
        let around = package.script("prestart").is_some() || package.script("poststart").is_some();
        let words = match command_of(line) {
            Command::Words(words) if !around => Some(words),
            _ => None,
        };
        findings.command = Some(match words {
            Some(words) => {
                findings.why(format!("package.json: the start script is `{line}`; it is run without npm, so that it is told to stop."));
                Command::Words(words)
            }
            None => {
                findings.why(format!(
                    "package.json: the start script is `{line}`, run by npm."
                ));
                Command::Words(vec!["npm".into(), "start".into()])
            }
        });
        return Ok(());
    }
    const USUAL: [&str; 10] = [
        "server.js",
        "app.js",
        "index.js",
        "main.js",
        "server.mjs",
        "index.mjs",
        "src/server.js",
        "src/index.js",
        "src/app.js",
        "src/main.js",
    ];
    let main = package
        .text("main")
        .map(|main| main.trim_start_matches("./"))
        .filter(|main| tree.has(main) || package.script("build").is_some());
    let (file, why) = match (main, tree.first(&USUAL)) {
        (Some(main), _) => (main, format!("package.json: main is {main}.")),
        (None, Some(file)) => (
            file,
            format!("{file} is there, and no start script says otherwise."),
        ),
        (None, None) => {
            return Err(problem::SOURCE_UNKNOWN.problem(
                "package.json has no start script, and none of the usual files (server.js, index.js …) is there.",
                "Add a `start` script to package.json, or `command: [node, FILE]` to app.yaml.",
            ));
        }
    };
    findings.why(why);
    findings.command = Some(Command::Words(vec!["node".into(), file.to_owned()]));
    Ok(())
}
