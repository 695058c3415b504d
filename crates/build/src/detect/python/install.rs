//! How a Python project's dependencies are installed: once for each lock file.

use super::super::static_site::quote;
use super::super::{Context, Findings, env};
use super::framework::Server;
use super::project::Project;
use crate::plan::{Cache, PRODUCTS, Step, WORKSPACE};

/// The step `dependencies`: a virtual environment beside the program, once for each lock file.
pub(super) fn install(
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
