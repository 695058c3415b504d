//! Python: web frameworks behind their servers, or a program of its own.

mod framework;
mod install;
mod project;

use pluvio_model::problem::{self, Problem};
use pluvio_model::spec::{BuilderChoice, Command};

use super::node::settle_version;
use super::static_site::{quote, shell_line};
use super::version::{self, Choice};
use super::{Context, DEFAULT_PORT, Detected, Findings, SourceTree, env, procfile, texts};
use crate::plan::{
    Base, BaseName, BuildPlan, Builder, Output, RUN_USER, RunImage, Step, StepsPlan, WORKSPACE,
};
use framework::{Framework, Server};
use install::install;
use project::Project;

const ENDINGS: [&str; 1] = [".py"];
const LISTENERS: [&str; 5] = ["port=", "port =", "PORT =", ".listen(", "HTTPServer("];
const MEMORY: u64 = 512;
const MANIFESTS: [&str; 8] = [
    "requirements.txt",
    "pyproject.toml",
    "Pipfile",
    "uv.lock",
    "poetry.lock",
    "setup.py",
    "setup.cfg",
    "manage.py",
];
const PROGRAMS: [&str; 8] = [
    "main.py",
    "app.py",
    "server.py",
    "run.py",
    "wsgi.py",
    "asgi.py",
    "bot.py",
    "__main__.py",
];

/// The file that tells.
pub(super) fn manifest(tree: &SourceTree) -> Option<&'static str> {
    tree.first(&MANIFESTS).or_else(|| tree.first(&PROGRAMS))
}

pub(super) fn matches(tree: &SourceTree) -> bool {
    manifest(tree).is_some()
}

pub(super) fn detect(context: &Context) -> Result<Detected, Problem> {
    let tree = context.tree;
    let mut findings = Findings::default();
    match manifest(tree) {
        Some(file) => findings.why(format!("{file}: a Python program.")),
        None => {
            return Err(problem::SOURCE_UNKNOWN.problem(
                "Nothing in the folder is a Python program.",
                "Add requirements.txt or pyproject.toml, or name another builder.",
            ));
        }
    }
    let project = Project::read(tree);
    let version = python_version(context, &project, &mut findings);
    let framework = Framework::find(tree, &project);
    let server = start(context, framework.as_ref(), &mut findings)?;
    let found = texts::port(tree, &ENDINGS, &LISTENERS);
    if server.is_some() {
        // The server is told the port; what the program says for its own development server does not count.
        texts::settle_port(
            &mut findings,
            None,
            Some(context.asked_port().unwrap_or(DEFAULT_PORT)),
            DEFAULT_PORT,
        );
        findings.why(format!(
            "The server is told to listen on {}.",
            findings.port.unwrap_or(DEFAULT_PORT)
        ));
    } else if found.is_some() || context.asked_port().is_some() || procfile_web(tree) {
        texts::settle_port(&mut findings, found, context.asked_port(), DEFAULT_PORT);
    } else {
        findings.why("No line opens a port: it is run without one.");
    }
    if findings.port.is_some() {
        texts::health(tree, &ENDINGS, &mut findings);
    }
    texts::example_env(tree, &mut findings);
    findings.memory = Some(MEMORY);

    let mut steps = Vec::new();
    if let Some(step) = install(context, &project, server, &mut findings) {
        steps.push(step);
    }
    if let Some(asked) = &context.build.command {
        steps.push(run_step(context, "build", shell_line(asked)));
    } else if let Some(Framework::Django { project: name }) = &framework
        && collects_static(tree, name)
    {
        findings.why(format!(
            "{name}/settings.py sets STATIC_ROOT: its files are collected."
        ));
        steps.push(run_step(
            context,
            "static files",
            "python manage.py collectstatic --noinput".into(),
        ));
    }
    let mut outputs = Vec::new();
    let installs = steps
        .first()
        .is_some_and(|step| step.name == "dependencies");
    if installs {
        outputs.push(Output {
            from: format!("{WORKSPACE}/.venv"),
            to: format!("{WORKSPACE}/.venv"),
            exclude: Vec::new(),
            step: Some("dependencies".into()),
        });
    }
    outputs.push(Output {
        from: WORKSPACE.into(),
        to: WORKSPACE.into(),
        exclude: [".venv", ".git", "**/__pycache__", "*.Dockerfile"]
            .map(str::to_owned)
            .to_vec(),
        step: None,
    });
    let port = findings.port;
    let mut run_env = env([
        ("PYTHONUNBUFFERED", "1"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("PATH", VENV_PATH),
    ]);
    if tree.has_folder("src") {
        run_env.extend(env([("PYTHONPATH", "/app/src:/app")]));
    } else {
        run_env.extend(env([("PYTHONPATH", WORKSPACE)]));
    }
    if let Some(port) = port {
        run_env.extend(env([("PORT", port.to_string().as_str())]));
    }
    let plan = StepsPlan {
        builder: Builder {
            name: BuilderChoice::Python,
            version: 1,
        },
        root: context.root.to_owned(),
        build_base: (!steps.is_empty())
            .then(|| Base::new(BaseName::PythonBuild, version.version())),
        steps,
        run_base: Base::new(BaseName::Python, version.version()),
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
        kind: BuilderChoice::Python,
        why,
        alternatives: Vec::new(),
        component,
        report,
        build: BuildPlan::Steps(plan),
    })
}

const VENV_PATH: &str =
    "/app/.venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn procfile_web(tree: &SourceTree) -> bool {
    tree.text("Procfile").is_some_and(|text| {
        text.lines()
            .any(|line| line.trim_start().starts_with("web:"))
    })
}

fn run_step(context: &Context, name: &str, command: String) -> Step {
    let mut step_env = env([("PATH", VENV_PATH), ("PYTHONDONTWRITEBYTECODE", "1")]);
    step_env.extend(context.build_env());
    Step {
        name: name.into(),
        command,
        inputs: vec!["**".into()],
        after: vec!["dependencies".into()],
        produces: Vec::new(),
        env: step_env,
        caches: Vec::new(),
        network: true,
    }
}

fn python_version(context: &Context, project: &Project, findings: &mut Findings) -> Choice {
    let tree = context.tree;
    let first_line = |file: &str| {
        tree.text(file).and_then(|text| {
            text.lines()
                .map(str::trim)
                .find(|line| !line.is_empty() && !line.starts_with('#'))
        })
    };
    let pyproject = project.pyproject.as_ref();
    let requires =
        pyproject.and_then(|table| table.get("project")?.get("requires-python")?.as_str());
    let poetry = pyproject.and_then(|table| {
        table
            .get("tool")?
            .get("poetry")?
            .get("dependencies")?
            .get("python")?
            .as_str()
    });
    let pipfile: Option<toml::Table> = tree.text("Pipfile").and_then(|text| text.parse().ok());
    let pipenv = pipfile
        .as_ref()
        .and_then(|table| table.get("requires")?.get("python_version")?.as_str());
    let runtime = first_line("runtime.txt").map(|line| line.trim_start_matches("python-"));
    let asked = [
        ("`build.version`", context.build.version.as_deref()),
        (".python-version", first_line(".python-version")),
        ("runtime.txt", runtime),
        ("pyproject.toml requires-python", requires),
        ("pyproject.toml poetry", poetry),
        ("Pipfile", pipenv),
    ];
    settle_version("Python", &asked, &version::PYTHON, findings)
}

/// Settles the command; the server that must be there for it.
fn start(
    context: &Context,
    framework: Option<&Framework>,
    findings: &mut Findings,
) -> Result<Option<Server>, Problem> {
    let tree = context.tree;
    let from_procfile = procfile::read(tree, findings);
    if let Some(asked) = &context.asked.command {
        findings.command = Some(asked.clone());
    }
    if (from_procfile || context.asked.command.is_some())
        && let Some(command) = &findings.command
    {
        // A command that names one of the servers needs it installed, whoever wrote the command.
        let line = command.words().join(" ");
        return Ok(if line.contains("gunicorn") {
            Some(Server::Gunicorn)
        } else if line.contains("uvicorn") {
            Some(Server::Uvicorn)
        } else {
            None
        });
    }
    // The gateway keeps connections for a few seconds; a server that closes them first would cut requests.
    let gunicorn = |target: &str| {
        format!(
            "exec gunicorn --bind 0.0.0.0:$PORT --threads 4 --keep-alive 65 --worker-tmp-dir /dev/shm --access-logfile - {}",
            quote(target)
        )
    };
    let (line, server) = match framework {
        Some(Framework::Django { project: name }) => {
            findings.why(format!("manage.py and {name}/: Django, behind gunicorn."));
            (
                gunicorn(&format!("{name}.wsgi:application")),
                Server::Gunicorn,
            )
        }
        Some(Framework::Wsgi {
            title,
            target,
            place,
        }) => {
            findings.why(format!("{place}: a {title} application, behind gunicorn."));
            (gunicorn(target), Server::Gunicorn)
        }
        Some(Framework::Asgi {
            title,
            target,
            place,
        }) => {
            findings.why(format!("{place}: a {title} application, behind uvicorn."));
            let (target, factory) = match target.strip_suffix("()") {
                Some(target) => (target, " --factory"),
                None => (target.as_str(), ""),
            };
            (
                format!(
                    "exec uvicorn --host 0.0.0.0 --port $PORT --timeout-keep-alive 65{factory} {}",
                    quote(target)
                ),
                Server::Uvicorn,
            )
        }
        Some(Framework::Streamlit { file }) => {
            findings.why(format!("{file}: a Streamlit application."));
            (
                format!(
                    "exec streamlit run --server.address 0.0.0.0 --server.port $PORT --server.headless true {}",
                    quote(file)
                ),
                Server::Own,
            )
        }
        None => {
            let Some(file) = tree.first(&PROGRAMS) else {
                return Err(problem::SOURCE_UNKNOWN.problem(
                    "It is Python, but nothing tells how it is started: no framework, no Procfile, no main.py or app.py.",
                    "Add `command: [python3, FILE]` to app.yaml, or a Procfile with a line `web: COMMAND`.",
                ));
            };
            findings.why(format!("{file} is started, for no framework is named."));
            findings.command = Some(Command::Words(vec!["python3".into(), file.to_owned()]));
            return Ok(None);
        }
    };
    findings.command = Some(Command::Shell(line));
    Ok(Some(server))
}

fn collects_static(tree: &SourceTree, project: &str) -> bool {
    tree.text(&format!("{project}/settings.py"))
        .is_some_and(|text| {
            text.lines()
                .any(|line| line.trim_start().starts_with("STATIC_ROOT"))
        })
}
