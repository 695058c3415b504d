//! What a folder or text is that is none of what is read: it is named, with what to do, instead of called broken.

use pluvio_formats::yaml::{self, Node};
use pluvio_formats::{dokploy, heroku};
use pluvio_model::problem::{self, Problem};

use crate::detect::SourceTree;

/// How much of a text is looked at.
const LOOKED_AT: usize = 256 << 10;

/// A folder of another kind of application.
pub(crate) fn foreign_folder(tree: &SourceTree) -> Option<Problem> {
    let own = tree.first(&[
        "Dockerfile",
        "package.json",
        "go.mod",
        "requirements.txt",
        "pyproject.toml",
        "index.html",
    ]);
    if own.is_some() {
        return None;
    }
    if tree.has("Chart.yaml") {
        return Some(later("Chart.yaml", "a Helm chart"));
    }
    if tree.has("kustomization.yaml") {
        return Some(later("kustomization.yaml", "a Kustomize folder"));
    }
    let rainbond = tree
        .text("metadata.json")
        .is_some_and(|text| text.contains("\"group_key\""));
    if rainbond {
        return Some(later("metadata.json", "a package of Rainbond's"));
    }
    if tree.has("fly.toml") {
        return Some(later("fly.toml", "a file of Fly's"));
    }
    if tree.has("render.yaml") {
        return Some(later("render.yaml", "a file of Render's"));
    }
    None
}

/// What a text is when it is not `app.yaml`.
pub(crate) fn foreign_text(text: &str, file: &str) -> Option<Problem> {
    let mut end = text.len().min(LOOKED_AT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text[..end].trim_start_matches('\u{feff}');
    let name = file.rsplit('/').next().unwrap_or(file);
    by_name(name, file)
        .or_else(|| by_lines(text, file))
        .or_else(|| by_json(text, file))
        .or_else(|| by_yaml(text, name, file))
}

fn is(file: &str, what: &str, remedy: &str) -> Problem {
    problem::SOURCE_UNKNOWN.problem(format!("{file} is {what}."), remedy)
}

fn part_of_source(file: &str, what: &str) -> Problem {
    is(
        file,
        what,
        "Name the folder it is in: `pluvio plan FOLDER`.",
    )
}

fn by_name(name: &str, file: &str) -> Option<Problem> {
    Some(match name {
        "Dockerfile" | "Containerfile" => part_of_source(file, "a Dockerfile"),
        "Procfile" => part_of_source(file, "a Procfile"),
        "package.json" => part_of_source(file, "the package.json of a Node.js program"),
        "Cargo.toml" | "go.mod" | "pyproject.toml" | "requirements.txt" | "composer.json"
        | "Gemfile" | "pom.xml" => part_of_source(file, "a part of a program's source"),
        "Makefile" => part_of_source(file, "a Makefile"),
        "fly.toml" => later(file, "a file of Fly's"),
        "render.yaml" => later(file, "a file of Render's"),
        "Chart.yaml" => later(file, "a Helm chart"),
        "values.yaml" => later(file, "a file of values of a Helm chart"),
        "kustomization.yaml" | "kustomization.yml" => later(file, "a Kustomize folder"),
        "heroku.yml" => is(
            file,
            "a heroku.yml, which says what Heroku builds and runs",
            "Name the folder it is in: its Dockerfiles are built, its processes run.",
        ),
        _ if name.starts_with(".env") => is(
            file,
            "a file of variables",
            "Give it along: `pluvio plan . --env-file FILE`.",
        ),
        _ => return None,
    })
}

fn by_lines(text: &str, file: &str) -> Option<Problem> {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines()
        .find(|line| !line.starts_with('#'))
        .unwrap_or_default();
    let has = |line: &str| lines().any(|found| found == line);
    let starts = |start: &str| lines().any(|found| found.starts_with(start));
    let word = first.split_whitespace().next().unwrap_or_default();
    if text.starts_with("#!") {
        return Some(is(
            file,
            "a script",
            "Paste the `docker run` lines or the compose file in it; a script is not run.",
        ));
    }
    let command: Vec<&str> = first
        .split_whitespace()
        .skip_while(|word| matches!(*word, "$" | "sudo"))
        .take(3)
        .collect();
    match command.as_slice() {
        ["docker", "service", "create" | "update"] => {
            return Some(is(
                file,
                "a line that makes a service of Docker Swarm",
                "Write `docker run` in place of `docker service create`: most flags are alike, and `--replicas` is `instances` in app.yaml. Or write it as a service of a compose file.",
            ));
        }
        ["docker", "stack", "deploy"] => {
            return Some(is(
                file,
                "a line that gives a compose file to Docker Swarm",
                "Name the compose file: `pluvio deploy -f FILE`.",
            ));
        }
        _ => {}
    }
    if word == "FROM" || (word == "ARG" && starts("FROM ")) {
        return Some(part_of_source(file, "a Dockerfile"));
    }
    if first.starts_with('<') {
        let what = match first.to_ascii_lowercase() {
            line if line.starts_with("<?xml") => "XML",
            _ => "a page of the web",
        };
        return Some(is(
            file,
            what,
            "Fetch the file itself; where a site shows it in a page, take the address of its raw text.",
        ));
    }
    if has("[Container]") || has("[Pod]") {
        return Some(is(
            file,
            "a Quadlet of Podman's",
            "Write the container as a `podman run` line or a service of a compose file.",
        ));
    }
    if has("[Unit]") && has("[Service]") {
        return Some(is(
            file,
            "a unit of systemd",
            "Name the folder of the program that it starts.",
        ));
    }
    if dokploy::is_template(text) {
        return Some(is(
            file,
            "a template of Dokploy's without its compose file",
            "Name the folder with both files, or paste the text that Dokploy exports.",
        ));
    }
    if has("[http_service]") || has("[[services]]") && starts("app =") {
        return Some(later(file, "a file of Fly's"));
    }
    if starts("resource \"") || starts("provider \"") || starts("terraform {") {
        return Some(is(
            file,
            "a file of Terraform's",
            "Name what it runs: an image, a folder with source, a compose file.",
        ));
    }
    if starts("job \"") && starts("group \"") {
        return Some(is(
            file,
            "a job of Nomad's",
            "Write its tasks as services of a compose file.",
        ));
    }
    if heroku::procfile::is_procfile(text)
        && heroku::procfile::names(text)
            .iter()
            .any(|name| name == "web")
    {
        return Some(is(
            file,
            "a Procfile",
            "Name the folder with the source that it belongs to: `pluvio plan FOLDER`.",
        ));
    }
    let is_variable = |line: &str| {
        line.split_once('=').is_some_and(|(name, _)| {
            let name = name.trim_start_matches("export ");
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        })
    };
    let mut said = lines().filter(|line| !line.starts_with('#')).peekable();
    if said.peek().is_some() && said.all(is_variable) {
        return Some(is(
            file,
            "a file of variables",
            "Give it along: `pluvio plan . --env-file FILE`.",
        ));
    }
    None
}

fn by_json(text: &str, file: &str) -> Option<Problem> {
    let plain = text.trim_start();
    if !plain.starts_with(['{', '[']) {
        return None;
    }
    if heroku::is_app_json(text) {
        return Some(is(
            file,
            "an app.json of Heroku's",
            "Name the folder with the source that it belongs to: `pluvio plan FOLDER`.",
        ));
    }
    let root: serde_json::Value = serde_json::from_str(text).ok()?;
    let first = root.get(0).unwrap_or(&root);
    let has = |keys: &[&str]| keys.iter().all(|key| first.get(key).is_some());
    if has(&["Id", "Config", "HostConfig"]) {
        return Some(is(
            file,
            "what `docker inspect` says of a container",
            "Paste the `docker run` line that started it.",
        ));
    }
    if has(&["group_key", "apps"]) || has(&["template_version", "apps"]) {
        return Some(later(file, "the template of a package of Rainbond's"));
    }
    if has(&["name", "dependencies"]) || has(&["name", "version", "scripts"]) {
        return Some(part_of_source(
            file,
            "the package.json of a Node.js program",
        ));
    }
    let templates = root.get("templates").and_then(|templates| templates.get(0));
    let template = templates.unwrap_or(first);
    let in_template = |key: &str| template.get(key).is_some();
    if in_template("type")
        && in_template("title")
        && (in_template("image") || in_template("repository"))
    {
        return Some(is(
            file,
            "a list of templates of Portainer's",
            "Write the `image`, `ports`, `volumes` and `env` of the one that is meant as a service of a compose file; where it has a `repository`, name the compose file in that.",
        ));
    }
    if has(&["containerDefinitions"]) {
        return Some(is(
            file,
            "a task definition of Amazon ECS",
            "Write its containers as services of a compose file.",
        ));
    }
    if has(&["apiVersion", "kind"]) {
        return Some(later(file, "Kubernetes YAML"));
    }
    if has(&["captainVersion"]) {
        return Some(is(
            file,
            "a template of CapRover in JSON",
            "Write it as YAML: keys and values stay what they are.",
        ));
    }
    None
}

fn by_yaml(text: &str, name: &str, file: &str) -> Option<Problem> {
    let first = text.trim_start().trim_start_matches("---");
    let first = first.split("\n---").next().unwrap_or(first);
    if first.contains("{{")
        && first.contains("}}")
        && (first.contains(".Values") || first.contains("include \""))
    {
        return Some(later(file, "a file of a Helm chart"));
    }
    let root = yaml::read(first, &yaml::Limits::default()).ok()?;
    let words = |key: &str| root.get(key).and_then(Node::as_text).unwrap_or_default();
    let map = |key: &str| root.get(key).is_some_and(|node| !node.entries().is_empty());
    let version = words("apiVersion");
    if version.starts_with("pluvio/") || root.get("components").is_some() {
        return None;
    }
    if !version.is_empty() && root.get("kind").is_some() {
        return Some(later(file, "Kubernetes YAML"));
    }
    let has = |keys: &[&str]| keys.iter().all(|key| root.get(key).is_some());
    if has(&["name", "version"]) && (name == "Chart.yaml" || has(&["apiVersion"])) {
        return Some(later(file, "a Helm chart"));
    }
    if map("jobs") && (has(&["on"]) || has(&["true"])) {
        return Some(is(
            file,
            "a workflow of GitHub's",
            "Name the folder with the source that it builds.",
        ));
    }
    if has(&["stages"]) || (has(&["image", "script"])) {
        return Some(is(
            file,
            "a pipeline of GitLab's",
            "Name the folder with the source that it builds.",
        ));
    }
    let first_item = match &root.value {
        yaml::Value::List(items) => items.first(),
        _ => None,
    };
    if first_item.is_some_and(|item| item.get("hosts").is_some()) {
        return Some(is(
            file,
            "a playbook of Ansible's",
            "Name what it runs: an image, a folder with source, a compose file.",
        ));
    }
    // Compose files before version 2 had services at the top.
    let entries = root.entries();
    let is_service = |node: &Node| {
        (node.get("image").is_some() || node.get("build").is_some()) && node.get("kind").is_none()
    };
    if !entries.is_empty() && entries.iter().all(|entry| is_service(&entry.value)) {
        return Some(is(
            file,
            "a compose file of the first version, which has services at the top",
            "Write `services:` above them, and two blanks more before each line.",
        ));
    }
    None
}

fn later(file: &str, what: &str) -> Problem {
    problem::SOURCE_UNKNOWN.problem(
        format!("{file} is {what}; reading these comes later."),
        "Until then, write app.yaml: each part that runs is a component, with `image` or `source`. `pluvio schema app` describes it.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_of_portainers_and_lines_of_swarm_are_named() {
        for (text, want) in [
            (
                r#"{"version": "2", "templates": [{"type": 1, "title": "A", "image": "a"}]}"#,
                "templates of Portainer's",
            ),
            (
                r#"[{"type": 3, "title": "A", "repository": {"url": "b"}}]"#,
                "templates of Portainer's",
            ),
            (
                "$ sudo docker service create --name a nginx\n",
                "a service of Docker Swarm",
            ),
            (
                "docker stack deploy -c compose.yaml a\n",
                "a compose file to Docker Swarm",
            ),
        ] {
            let problem = foreign_text(text, "The text").expect("it is none of ours");
            assert!(problem.cause.contains(want), "{}", problem.cause);
        }
    }
}
