//! Files that are served as they are, or after a command.

use pluvio_formats::report::{Outcome, Row};
use pluvio_model::problem::{self, Problem};
use pluvio_model::spec::{BuildSpec, BuilderChoice, Command};

use super::tree::normal_folder;
use super::{Context, Detected, Findings, SourceTree};
use crate::plan::{
    Base, BaseName, BuildPlan, Builder, Output, RUN_USER, RunImage, Step, StepsPlan, WORKSPACE,
};

/// Where a page may lie, the first that has one.
const FOLDERS: [&str; 7] = [".", "public", "dist", "build", "site", "www", "html"];
/// The port of the base image's web server.
const PORT: u16 = 8080;
const MEMORY: u64 = 64;

/// Files of the source that no visitor shall see.
const BEHIND: [&str; 10] = [
    ".git",
    ".env",
    ".env.*",
    ".gitignore",
    ".dockerignore",
    ".pluvioignore",
    "app.yaml",
    "app.yml",
    "Dockerfile",
    "*.Dockerfile",
];

pub(super) fn matches(tree: &SourceTree, build: &BuildSpec) -> bool {
    build.output.is_some() || folder(tree).is_some()
}

fn folder(tree: &SourceTree) -> Option<&'static str> {
    FOLDERS.into_iter().find(|folder| tree.has(&page(folder)))
}

fn page(folder: &str) -> String {
    match folder {
        "." => "index.html".to_owned(),
        folder => format!("{folder}/index.html"),
    }
}

pub(super) fn detect(context: &Context) -> Result<Detected, Problem> {
    let tree = context.tree;
    let mut findings = Findings::default();
    let output = match (&context.build.output, folder(tree)) {
        (Some(asked), _) => {
            findings.why(format!("`build: {{ output: {asked} }}` is what is served."));
            normal_folder(asked).ok_or_else(|| {
                problem::SPEC_INVALID.problem(
                    format!("`{asked}` is outside of the source."),
                    "Write a folder relative to the source, without `..`.",
                )
            })?
        }
        (None, Some(found)) => {
            findings.why(format!(
                "{} is a page, and nothing else tells a program.",
                page(found)
            ));
            found.to_owned()
        }
        (None, None) => {
            return Err(problem::SOURCE_UNKNOWN.problem(
                "There is no index.html to serve.",
                "Say which folder is served: `build: { builder: static, output: FOLDER }`.",
            ));
        }
    };
    let mut steps = Vec::new();
    if let Some(command) = &context.build.command {
        steps.push(Step {
            name: "build".into(),
            command: shell_line(command),
            inputs: vec!["**".into()],
            after: Vec::new(),
            produces: Vec::new(),
            env: context.build_env(),
            caches: Vec::new(),
            network: true,
        });
    } else if context.build.output.is_some() && output != "." && !tree.has_folder(&output) {
        return Err(problem::SOURCE_UNKNOWN.problem(
            format!("There is no folder `{output}` to serve, and no command that makes it."),
            "Correct `build: { output: … }`, or add `build: { command: … }`.",
        ));
    }
    let build_base = (!steps.is_empty()).then(|| Base::new(BaseName::Build, None));
    Ok(site(context, findings, build_base, steps, &output))
}

/// The plan of any site: steps of whichever builder, then the folder behind the web server.
pub(super) fn site(
    context: &Context,
    mut findings: Findings,
    build_base: Option<Base>,
    steps: Vec<Step>,
    output: &str,
) -> Detected {
    let from = match output {
        "." => WORKSPACE.to_owned(),
        output => format!("{WORKSPACE}/{output}"),
    };
    findings.why(format!("The base image's web server serves it on {PORT}."));
    findings.port = Some(PORT);
    if let Some(asked) = context.asked_port().filter(|asked| *asked != PORT) {
        findings.report.push(
            Row::new(
                Outcome::Refused,
                "ports",
                format!("The web server listens on {PORT}, not on {asked}."),
            )
            .remedy(format!("Write `port: {PORT}`, or leave `ports` out.")),
        );
    }
    findings.memory = Some(MEMORY);
    let built_by = if build_base
        .as_ref()
        .is_some_and(|base| base.name != BaseName::Build)
    {
        BuilderChoice::Node
    } else {
        BuilderChoice::Static
    };
    let plan = StepsPlan {
        builder: Builder {
            name: built_by,
            version: 1,
        },
        root: context.root.to_owned(),
        build_base,
        steps,
        run_base: Base::new(BaseName::Static, None),
        outputs: vec![Output {
            from,
            to: "/srv".into(),
            exclude: BEHIND.map(str::to_owned).to_vec(),
            step: None,
        }],
        run: RunImage {
            command: context.run_command(Some(&Command::Words(vec!["nginx".into()]))),
            user: RUN_USER.into(),
            working_dir: "/srv".into(),
            env: Default::default(),
            ports: vec![PORT],
            // Ends what it serves before it stops.
            stop_signal: Some("SIGQUIT".into()),
        },
        secrets: context.build.secrets.clone(),
    };
    let (component, why, report) = findings.component();
    Detected {
        kind: built_by,
        why,
        alternatives: Vec::new(),
        component,
        report,
        build: BuildPlan::Steps(plan),
    }
}

/// A command as a line for `/bin/sh -c`.
pub(super) fn shell_line(command: &Command) -> String {
    match command {
        Command::Shell(line) => line.clone(),
        Command::Words(words) => words
            .iter()
            .map(|word| quote(word))
            .collect::<Vec<_>>()
            .join(" "),
    }
}

/// One word for the shell.
pub(super) fn quote(word: &str) -> String {
    let plain = !word.is_empty()
        && word.bytes().all(|b| {
            b.is_ascii_alphanumeric()
                || matches!(
                    b,
                    b'/' | b'.' | b'_' | b'-' | b':' | b'=' | b'@' | b',' | b'+'
                )
        });
    if plain {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
