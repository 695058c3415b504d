//! Python: web frameworks behind their servers, or a program of its own.

use pluvio_model::problem::{self, Problem};
use pluvio_model::spec::{BuilderChoice, Command};

use super::node::settle_version;
use super::static_site::{quote, shell_line};
use super::version::{self, Choice};
use super::{Context, DEFAULT_PORT, Detected, Findings, SourceTree, env, procfile, texts};
use crate::plan::{
    Base, BaseName, BuildPlan, Builder, Cache, Output, PRODUCTS, RUN_USER, RunImage, Step,
    StepsPlan, WORKSPACE,
};

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

/// What the manifests say, in one form.
struct Project {
    pyproject: Option<toml::Table>,
    /// All text that names dependencies, in lower case.
    named: String,
}

impl Project {
    fn read(tree: &SourceTree) -> Project {
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
    fn has(&self, package: &str) -> bool {
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
    fn dependencies(&self) -> Vec<&str> {
        self.pyproject
            .as_ref()
            .and_then(|table| table.get("project")?.get("dependencies")?.as_array())
            .map(|list| list.iter().filter_map(toml::Value::as_str).collect())
            .unwrap_or_default()
    }

    fn is_poetry(&self) -> bool {
        self.pyproject.as_ref().is_some_and(|table| {
            table
                .get("tool")
                .and_then(|tool| tool.get("poetry"))
                .is_some()
        })
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

/// A web framework and where its application is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Framework {
    Django {
        project: String,
    },
    /// `app:app` and the like, with the file and line it was found in.
    Wsgi {
        title: &'static str,
        target: String,
        place: String,
    },
    Asgi {
        title: &'static str,
        target: String,
        place: String,
    },
    Streamlit {
        file: String,
    },
}

/// A server that the platform adds, so that no program runs its development server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    Gunicorn,
    Uvicorn,
    /// Brings its own.
    Own,
}

impl Framework {
    fn find(tree: &SourceTree, project: &Project) -> Option<Framework> {
        if tree.has("manage.py") {
            let settings = tree
                .paths()
                .find(|path| path.ends_with("/wsgi.py") && path.matches('/').count() == 1)
                .or_else(|| {
                    tree.paths().find(|path| {
                        path.ends_with("/settings.py") && path.matches('/').count() == 1
                    })
                });
            if let Some((name, _)) = settings.and_then(|path| path.split_once('/')) {
                return Some(Framework::Django {
                    project: name.to_owned(),
                });
            }
        }
        for (class, title, asgi) in [
            ("FastAPI(", "FastAPI", true),
            ("Starlette(", "Starlette", true),
            ("Litestar(", "Litestar", true),
            ("Quart(", "Quart", true),
            ("Sanic(", "Sanic", true),
            ("Flask(", "Flask", false),
            ("Bottle(", "Bottle", false),
            ("falcon.App(", "Falcon", false),
        ] {
            if let Some((target, place)) = application(tree, class) {
                return Some(if asgi {
                    Framework::Asgi {
                        title,
                        target,
                        place,
                    }
                } else {
                    Framework::Wsgi {
                        title,
                        target,
                        place,
                    }
                });
            }
        }
        if project.has("streamlit") {
            let file = tree.first(&["streamlit_app.py", "app.py", "main.py", "Home.py"])?;
            return Some(Framework::Streamlit {
                file: file.to_owned(),
            });
        }
        None
    }
}

/// Where an application object is made: `name = Class(` at the top of a file, or inside `def create_app(`.
fn application(tree: &SourceTree, class: &str) -> Option<(String, String)> {
    for (path, text) in texts::programs(tree, &ENDINGS) {
        let module = module_of(path);
        let mut factory: Option<(String, usize)> = None;
        for (index, line) in text.lines().enumerate() {
            if let Some(rest) = line.strip_prefix("def ") {
                let name = rest.split(['(', ':']).next().unwrap_or_default().trim();
                factory = matches!(
                    name,
                    "create_app" | "make_app" | "build_app" | "create_application"
                )
                .then(|| (name.to_owned(), index + 1));
            }
            let Some((name, value)) = line.split_once('=') else {
                continue;
            };
            if !value.trim_start().starts_with(class) {
                continue;
            }
            let name = name.split(':').next().unwrap_or(name).trim_end();
            let indented = name.starts_with([' ', '\t']);
            if !indented && is_identifier(name) {
                return Some((format!("{module}:{name}"), format!("{path}:{}", index + 1)));
            }
            if let Some((name, line)) = factory.as_ref().filter(|_| indented) {
                return Some((format!("{module}:{name}()"), format!("{path}:{line}")));
            }
        }
    }
    None
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// `src/shop/__init__.py` → `shop`.
fn module_of(path: &str) -> String {
    let path = path.strip_prefix("src/").unwrap_or(path);
    let path = path.strip_suffix(".py").unwrap_or(path);
    let path = path.strip_suffix("/__init__").unwrap_or(path);
    path.replace('/', ".")
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

/// The step `dependencies`: a virtual environment beside the program, once for each lock file.
fn install(
    context: &Context,
    project: &Project,
    server: Option<Server>,
    findings: &mut Findings,
) -> Option<Step> {
    let tree = context.tree;
    let add = match server {
        Some(Server::Gunicorn) if !project.has("gunicorn") => Some("gunicorn"),
        Some(Server::Uvicorn) if !project.has("uvicorn") => Some("uvicorn"),
        _ => None,
    };
    if let Some(server) = add {
        findings.why(format!(
            "{server} is not among the dependencies: it is installed with them."
        ));
    }
    const VENV: &str = "python3 -m venv /app/.venv";
    const PIP: &str = "/app/.venv/bin/pip install";
    let and_add = add.map_or(String::new(), |server| format!(" && {PIP} {server}"));
    let tool = |name: &str| {
        format!("python3 -m venv {PRODUCTS}/tool && {PRODUCTS}/tool/bin/pip install {name}")
    };
    let reads_all = |texts: &str| {
        texts.lines().any(|line| {
            let line = line.trim();
            line.starts_with("-e ")
                || line.starts_with("./")
                || line.starts_with(". ")
                || line == "."
                || line.starts_with("file:")
        })
    };
    let (command, inputs, why): (String, Vec<&str>, String) = if tree.has("uv.lock")
        && tree.has("pyproject.toml")
    {
        (
            format!(
                "{} && {PRODUCTS}/tool/bin/uv sync --frozen --no-dev --no-install-project --python /usr/bin/python3{}",
                tool("uv"),
                add.map_or(String::new(), |server| format!(
                    " && {PRODUCTS}/tool/bin/uv pip install --python /app/.venv/bin/python {server}"
                ))
            ),
            vec!["pyproject.toml", "uv.lock"],
            "uv.lock: packages are installed with uv, exactly these.".into(),
        )
    } else if tree.has("poetry.lock") {
        (
            format!(
                "{VENV} && {} && {PRODUCTS}/tool/bin/poetry install --only main --no-root --no-interaction{and_add}",
                tool("poetry")
            ),
            vec!["pyproject.toml", "poetry.lock"],
            "poetry.lock: packages are installed with Poetry, exactly these.".into(),
        )
    } else if tree.has("requirements.txt") {
        let whole = tree.text("requirements.txt").is_none_or(reads_all);
        (
            format!(
                "{VENV} && {PIP} -r requirements.txt{}",
                add.map_or(String::new(), |server| format!(" {server}"))
            ),
            if whole {
                vec!["**"]
            } else {
                vec!["requirements*.txt", "requirements/**", "constraints*.txt"]
            },
            "requirements.txt: packages are installed with pip.".into(),
        )
    } else if tree.has("Pipfile") {
        let sync = if tree.has("Pipfile.lock") {
            "sync"
        } else {
            "install --skip-lock"
        };
        (
            format!(
                "{VENV} && {} && {PRODUCTS}/tool/bin/pipenv {sync}{and_add}",
                tool("pipenv")
            ),
            vec!["Pipfile", "Pipfile.lock"],
            "Pipfile: packages are installed with pipenv.".into(),
        )
    } else if !project.dependencies().is_empty() {
        let list: Vec<String> = project
            .dependencies()
            .into_iter()
            .chain(add)
            .map(quote)
            .collect();
        (
            format!("{VENV} && {PIP} {}", list.join(" ")),
            vec!["pyproject.toml"],
            "pyproject.toml: its dependencies are installed with pip.".into(),
        )
    } else if project.is_poetry() || tree.has("setup.py") || tree.has("setup.cfg") {
        (
            format!("{VENV} && {PIP} .{and_add}"),
            vec!["**"],
            "The project is installed with pip.".into(),
        )
    } else if let Some(server) = add {
        (
            format!("{VENV} && {PIP} {server}"),
            Vec::new(),
            format!("Only {server} is installed."),
        )
    } else {
        return None;
    };
    findings.why(why);
    let mut step_env = env([
        ("PIP_CACHE_DIR", "/cache/pip"),
        ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
        ("PIP_NO_INPUT", "1"),
        ("PIP_ROOT_USER_ACTION", "ignore"),
        ("VIRTUAL_ENV", "/app/.venv"),
        ("UV_CACHE_DIR", "/cache/pip/uv"),
        ("UV_PROJECT_ENVIRONMENT", "/app/.venv"),
        ("UV_PYTHON_DOWNLOADS", "never"),
        ("UV_LINK_MODE", "copy"),
        ("POETRY_CACHE_DIR", "/cache/pip/poetry"),
        ("POETRY_VIRTUALENVS_IN_PROJECT", "true"),
        ("PIPENV_VENV_IN_PROJECT", "1"),
    ]);
    // Only what the tool at hand reads: a key must not hang on settings of another.
    let uses = |word: &str| command.contains(word);
    step_env.retain(|name, _| {
        let name = name.as_str();
        (uses("/uv ") || !name.starts_with("UV_"))
            && (uses("poetry") || !name.starts_with("POETRY_"))
            && (uses("pipenv") || !name.starts_with("PIPENV_"))
            && (uses("poetry") || uses("pipenv") || name != "VIRTUAL_ENV")
    });
    step_env.extend(context.build_env());
    Some(Step {
        name: "dependencies".into(),
        command,
        inputs: inputs.into_iter().map(str::to_owned).collect(),
        after: Vec::new(),
        produces: vec![format!("{WORKSPACE}/.venv")],
        env: step_env,
        caches: vec![Cache {
            id: "pip".into(),
            path: "/cache/pip".into(),
        }],
        network: true,
    })
}

fn collects_static(tree: &SourceTree, project: &str) -> bool {
    tree.text(&format!("{project}/settings.py"))
        .is_some_and(|text| {
            text.lines()
                .any(|line| line.trim_start().starts_with("STATIC_ROOT"))
        })
}
