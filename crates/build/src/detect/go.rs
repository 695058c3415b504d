//! Go: one program of a module.

use std::collections::BTreeMap;

use pluvio_model::problem::{self, Problem};
use pluvio_model::spec::{BuilderChoice, Command};

use super::static_site::{quote, shell_line};
use super::version::Choice;
use super::{Context, DEFAULT_PORT, Detected, Findings, SourceTree, env, procfile, texts};
use crate::plan::{
    Base, BaseName, BuildPlan, Builder, Cache, Output, PRODUCTS, RUN_USER, RunImage, Step,
    StepsPlan, WORKSPACE,
};

const ENDINGS: [&str; 1] = [".go"];
const LISTENERS: [&str; 6] = [
    "ListenAndServe(",
    "Addr:",
    ".Run(\":",
    ".Listen(\":",
    ".Start(\":",
    "net.Listen(",
];
const MEMORY: u64 = 256;
/// Where the program is in the image.
const PROGRAM: &str = "/usr/local/bin/app";
/// Folders that a program may read while it runs.
const RESOURCES: [&str; 10] = [
    "templates",
    "views",
    "static",
    "public",
    "assets",
    "web",
    "migrations",
    "config",
    "data",
    "locales",
];

pub(super) fn matches(tree: &SourceTree) -> bool {
    tree.has("go.mod")
}

pub(super) fn detect(context: &Context) -> Result<Detected, Problem> {
    let tree = context.tree;
    let Some(module_file) = tree.text("go.mod") else {
        return Err(problem::SOURCE_UNKNOWN.problem(
            "There is no go.mod that can be read.",
            "Run `go mod init NAME` in the folder, or name the folder that has it.",
        ));
    };
    let directive = |word: &str| {
        module_file.lines().find_map(|line| {
            let rest = line.trim().strip_prefix(word)?;
            rest.starts_with(char::is_whitespace)
                .then(|| rest.trim().trim_matches('"'))
        })
    };
    let mut findings = Findings::default();
    let module = directive("module").unwrap_or("app");
    findings.why(format!("go.mod: the module {module}."));
    let version = version(
        context,
        directive("go"),
        directive("toolchain"),
        &mut findings,
    );
    let package = main_package(context, module, &mut findings)?;
    let native = uses_c(tree, module_file);
    if native {
        findings.why("C code is linked in: the C compiler is used.");
    }

    if !procfile::read(tree, &mut findings) {
        findings.command = Some(Command::Words(vec![PROGRAM.into()]));
    }
    if let Some(asked) = &context.asked.command {
        findings.command = Some(asked.clone());
    }
    let found = texts::port(tree, &ENDINGS, &LISTENERS);
    let opens = found.is_some()
        || tree
            .paths()
            .filter(|path| path.ends_with(".go"))
            .filter_map(|path| tree.text(path))
            .any(|text| text.contains("net/http"));
    if opens || context.asked_port().is_some() {
        texts::settle_port(&mut findings, found, context.asked_port(), DEFAULT_PORT);
        texts::health(tree, &ENDINGS, &mut findings);
    } else {
        findings.why("No line opens a port: it is run without one.");
    }
    texts::example_env(tree, &mut findings);
    findings.memory = Some(MEMORY);

    let vendored = tree.has("vendor/modules.txt");
    let mut build_env = env([
        ("CGO_ENABLED", if native { "1" } else { "0" }),
        ("GOTOOLCHAIN", "local"),
        ("GOCACHE", "/cache/go-build"),
        ("GOMODCACHE", "/cache/go-mod"),
        (
            "GOFLAGS",
            if vendored {
                "-buildvcs=false -mod=vendor"
            } else {
                "-buildvcs=false"
            },
        ),
    ]);
    build_env.extend(context.build_env());
    let caches = vec![
        Cache {
            id: "go-mod".into(),
            path: "/cache/go-mod".into(),
        },
        Cache {
            id: "go-build".into(),
            path: "/cache/go-build".into(),
        },
    ];
    let command = match &context.build.command {
        Some(asked) => {
            findings.why(format!(
                "`build.command` is run; it must leave the program at {PRODUCTS}/app."
            ));
            shell_line(asked)
        }
        None => format!(
            "go build -trimpath -ldflags='-s -w' -o {PRODUCTS}/app {}",
            quote(&package)
        ),
    };
    let mut steps = Vec::new();
    if !vendored && (tree.has("go.sum") || module_file.contains("require")) {
        steps.push(Step {
            name: "modules".into(),
            command: "go mod download".into(),
            inputs: vec![
                "go.mod".into(),
                "go.sum".into(),
                "go.work".into(),
                "**/go.mod".into(),
            ],
            after: Vec::new(),
            produces: Vec::new(),
            env: build_env.clone(),
            caches: caches.clone(),
            network: true,
        });
    }
    steps.push(Step {
        name: "build".into(),
        command,
        inputs: vec!["**".into()],
        after: steps.iter().map(|step| step.name.clone()).collect(),
        produces: vec![format!("{PRODUCTS}/app")],
        env: build_env,
        caches,
        // Its modules are there by now; what somebody else's command needs is not known.
        network: !vendored && context.build.command.is_some(),
    });
    let mut outputs = Vec::new();
    for folder in RESOURCES
        .into_iter()
        .filter(|folder| tree.has_folder(folder))
    {
        let holds_more = tree
            .sub(folder)
            .is_some_and(|sub| sub.paths().any(|path| !path.ends_with(".go")));
        if holds_more {
            findings.why(format!(
                "{folder}/ is copied beside the program, which may read it."
            ));
            outputs.push(Output {
                from: format!("{WORKSPACE}/{folder}"),
                to: format!("{WORKSPACE}/{folder}"),
                exclude: vec!["**/*.go".into()],
                step: None,
            });
        }
    }
    outputs.push(Output {
        from: format!("{PRODUCTS}/app"),
        to: PROGRAM.into(),
        exclude: Vec::new(),
        step: Some("build".into()),
    });
    let port = findings.port;
    let mut run_env = indexmap::IndexMap::new();
    if let Some(port) = port {
        run_env.extend(env([("PORT", port.to_string().as_str())]));
    }
    let plan = StepsPlan {
        builder: Builder {
            name: BuilderChoice::Go,
            version: 1,
        },
        root: context.root.to_owned(),
        build_base: Some(Base::new(BaseName::Go, version.version())),
        steps,
        run_base: Base::new(BaseName::Run, None),
        outputs,
        run: RunImage {
            command: context.run_command(findings.command.as_ref()),
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
        kind: BuilderChoice::Go,
        why,
        alternatives: Vec::new(),
        component,
        report,
        build: BuildPlan::Steps(plan),
    })
}

/// A newer toolchain builds what asks for an older one, so only what is asked for by name is pinned.
fn version(
    context: &Context,
    language: Option<&str>,
    toolchain: Option<&str>,
    findings: &mut Findings,
) -> Choice {
    if let Some(asked) = &context.build.version {
        findings.why(format!("`build.version`: Go {asked}."));
        return Choice::Version(
            asked
                .trim_start_matches("go")
                .trim_start_matches('v')
                .to_owned(),
        );
    }
    match (language, toolchain) {
        (Some(language), _) => findings.why(format!(
            "go.mod: Go {language} or newer; the default builds it."
        )),
        (None, _) => findings.why("go.mod names no version of Go: the default is taken."),
    }
    Choice::Default
}

/// The folder of `package main`, as `go build` takes it.
fn main_package(
    context: &Context,
    module: &str,
    findings: &mut Findings,
) -> Result<String, Problem> {
    let tree = context.tree;
    let mut mains: BTreeMap<String, String> = BTreeMap::new();
    for path in tree.paths() {
        let aside = path.starts_with("vendor/")
            || path.contains("/testdata/")
            || path.ends_with("_test.go");
        if !path.ends_with(".go") || aside {
            continue;
        }
        let Some(text) = tree.text(path) else {
            continue;
        };
        let main = text.lines().any(|line| line.trim_end() == "package main")
            && !text.contains("//go:build ignore");
        if main && text.contains("func main()") {
            let folder = path.rsplit_once('/').map_or(".", |(folder, _)| folder);
            mains
                .entry(folder.to_owned())
                .or_insert_with(|| path.to_owned());
        }
    }
    // Generators and examples are programs too, but never the one.
    let likely: Vec<(&String, &String)> = {
        let plain: Vec<_> = mains
            .iter()
            .filter(|(folder, _)| {
                !folder.split('/').any(|part| {
                    matches!(
                        part,
                        "examples"
                            | "example"
                            | "tools"
                            | "internal"
                            | "scripts"
                            | "hack"
                            | "test"
                            | "tests"
                    )
                })
            })
            .collect();
        if plain.is_empty() {
            mains.iter().collect()
        } else {
            plain
        }
    };
    let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let module_name = {
        let name = last(module);
        let versioned = name
            .strip_prefix('v')
            .is_some_and(|n| n.parse::<u32>().is_ok());
        match module.rsplit_once('/') {
            Some((before, _)) if versioned => last(before),
            _ => name,
        }
    };
    let wanted = [
        ".",
        module_name.as_str(),
        "server",
        "web",
        "api",
        "app",
        "main",
    ];
    let chosen = wanted.iter().find_map(|name| {
        likely
            .iter()
            .find(|(folder, _)| folder.as_str() == *name || (*name != "." && last(folder) == *name))
    });
    let package = |folder: &str| match folder {
        "." => ".".to_owned(),
        folder => format!("./{folder}"),
    };
    let (folder, file) = match (chosen, likely.as_slice()) {
        (Some(chosen), _) => *chosen,
        (None, [only]) => *only,
        (None, []) => {
            return if context.build.command.is_some() {
                Ok(".".to_owned())
            } else {
                Err(problem::SOURCE_UNKNOWN.problem(
                    "No file of the module is `package main` with a `func main()`, so there is no program to build.",
                    "Deploy the module that has the program, or name a folder with `source: { path: … }`.",
                ))
            };
        }
        (None, several) => {
            let list: Vec<String> = several
                .iter()
                .take(8)
                .map(|(folder, _)| package(folder))
                .collect();
            return if context.build.command.is_some() {
                Ok(".".to_owned())
            } else {
                Err(problem::SOURCE_UNKNOWN.problem(
                    format!("The module holds several programs: {}.", list.join(", ")),
                    format!(
                        "Say which: `build: {{ command: go build -o {PRODUCTS}/app {} }}`.",
                        list[0]
                    ),
                ))
            };
        }
    };
    findings.why(format!("{file}: the program that is built."));
    let others: Vec<String> = likely
        .iter()
        .filter(|(other, _)| *other != folder)
        .take(5)
        .map(|(other, _)| package(other))
        .collect();
    if !others.is_empty() {
        findings.why(format!(
            "Other programs of the module are not built: {}.",
            others.join(", ")
        ));
    }
    Ok(package(folder))
}

/// Whether C is compiled in: own code, or a module known for it.
fn uses_c(tree: &SourceTree, module_file: &str) -> bool {
    ["mattn/go-sqlite3", "confluent-kafka-go", "gopkg.in/sass"]
        .iter()
        .any(|module| module_file.contains(module))
        || tree
            .paths()
            .filter(|path| path.ends_with(".go") && !path.starts_with("vendor/"))
            .filter_map(|path| tree.text(path))
            .any(|text| text.lines().any(|line| line.trim() == "import \"C\""))
}
