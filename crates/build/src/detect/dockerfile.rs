//! A Dockerfile found in the source: what it tells before it is built.

use std::collections::BTreeMap;

use pluvio_model::problem::{self, Problem};
use pluvio_model::spec::BuilderChoice;

use super::{Context, DOCKERFILES, Detected, Findings};
use crate::plan::{BuildPlan, DockerfilePlan};

/// Where the text of `build.dockerfileText` is put to be built.
pub(crate) const WRITTEN_DOCKERFILE: &str = ".pluvio.Dockerfile";

pub(super) fn detect(context: &Context) -> Result<Detected, Problem> {
    let tree = context.tree;
    let mut findings = Findings::default();
    let path = match &context.build.dockerfile {
        _ if context.build.dockerfile_text.is_some() => WRITTEN_DOCKERFILE.to_owned(),
        Some(asked) => asked.trim_start_matches("./").to_owned(),
        None => tree
            .first(&DOCKERFILES)
            .unwrap_or(DOCKERFILES[0])
            .to_owned(),
    };
    let given = context.build.dockerfile_text.as_deref();
    if given.is_none() && !tree.has(&path) {
        let there: Vec<&str> = tree
            .paths()
            .filter(|path| {
                let name = path.rsplit('/').next().unwrap_or(path);
                name.contains("Dockerfile") || name.contains("Containerfile")
            })
            .take(5)
            .collect();
        let remedy = if there.is_empty() {
            "Add the file, or leave `build` out to have the source detected.".to_owned()
        } else {
            format!(
                "Write its path: `build: {{ dockerfile: … }}`. There is {}.",
                there.join(", ")
            )
        };
        return Err(problem::BUILD_DOCKERFILE_MISSING
            .problem(format!("There is no {path} in the source."), remedy));
    }
    if context.build.builder == BuilderChoice::Auto {
        findings.why(match given {
            Some(_) => "The specification holds its Dockerfile.".to_owned(),
            None => format!("{path} is in the source."),
        });
    }
    if let Some(text) = given.or_else(|| tree.text(&path)) {
        let file = read(text);
        if let Some(target) = &context.build.target {
            let known = file
                .stages
                .iter()
                .any(|stage| stage.name.as_deref() == Some(&target.to_lowercase()))
                || target
                    .parse::<usize>()
                    .is_ok_and(|index| index < file.stages.len());
            if !known {
                let names: Vec<&str> = file
                    .stages
                    .iter()
                    .filter_map(|stage| stage.name.as_deref())
                    .collect();
                let remedy = if names.is_empty() {
                    "Remove `target`: no stage of the file has a name (`FROM … AS name`)."
                        .to_owned()
                } else {
                    format!("Write one of {}.", names.join(", "))
                };
                return Err(problem::SPEC_UNKNOWN_REFERENCE
                    .problem(format!("{path} has no stage `{target}`."), remedy));
            }
            findings.why(format!("The stage `{target}` is built, as asked."));
        }
        tell(
            &path,
            &file.at(context.build.target.as_deref()),
            &mut findings,
        );
    }
    if let Some(asked) = context.asked_port() {
        findings.port = Some(asked);
    }
    let plan = DockerfilePlan {
        root: context.root.to_owned(),
        dockerfile: path,
        target: context.build.target.clone(),
        args: context.build.args.clone(),
        secrets: context.build.secrets.clone(),
        ssh: context.build.ssh.clone(),
        contexts: context.build.contexts.clone(),
    };
    let (component, why, report) = findings.component();
    Ok(Detected {
        kind: BuilderChoice::Dockerfile,
        why,
        alternatives: Vec::new(),
        component,
        report,
        build: BuildPlan::Dockerfile(plan),
    })
}

fn tell(path: &str, stage: &Stage, findings: &mut Findings) {
    match stage.exposed.split_first() {
        Some(((port, line), rest)) => {
            findings.why(format!("{path}:{line} exposes {port}."));
            findings.port = Some(*port);
            for (port, line) in rest {
                findings.why(format!("{path}:{line} exposes {port} too."));
                findings.more_ports.push(*port);
            }
        }
        None => findings.why(format!(
            "{path} exposes no port: which ones its base image exposes is known once it is built."
        )),
    }
    if let Some((command, line)) = &stage.command {
        findings.why(format!("{path}:{line} runs `{command}`."));
    }
}

#[derive(Debug, Default)]
struct Dockerfile {
    stages: Vec<Stage>,
}

#[derive(Debug, Default, Clone)]
struct Stage {
    name: Option<String>,
    /// The stage it begins with, by index.
    from: Option<usize>,
    exposed: Vec<(u16, usize)>,
    command: Option<(String, usize)>,
}

impl Dockerfile {
    /// A stage with what it has from those it begins with; the last one when none is named.
    fn at(&self, target: Option<&str>) -> Stage {
        let index = target
            .and_then(|target| {
                let lower = target.to_lowercase();
                self.stages
                    .iter()
                    .position(|stage| stage.name.as_ref() == Some(&lower))
                    .or_else(|| target.parse().ok())
            })
            .unwrap_or(self.stages.len().saturating_sub(1));
        let mut whole = Stage::default();
        let mut next = self.stages.get(index);
        while let Some(stage) = next {
            let mut exposed = stage.exposed.clone();
            exposed.append(&mut whole.exposed);
            whole.exposed = exposed;
            whole.command = whole.command.or_else(|| stage.command.clone());
            next = stage.from.and_then(|index| self.stages.get(index));
        }
        whole
    }
}

/// Reads what is needed: stages, `EXPOSE`, `CMD` and `ENTRYPOINT`; variables with a value in the file are put in.
fn read(text: &str) -> Dockerfile {
    let mut file = Dockerfile::default();
    let mut variables: BTreeMap<String, String> = BTreeMap::new();
    for (line, instruction) in instructions(text) {
        let Some((word, rest)) = instruction.split_once(char::is_whitespace) else {
            continue;
        };
        let rest = rest.trim();
        match word.to_ascii_uppercase().as_str() {
            "FROM" => {
                let words: Vec<&str> = rest
                    .split_whitespace()
                    .filter(|word| !word.starts_with("--"))
                    .collect();
                let from = words.first().and_then(|image| {
                    let image = image.to_lowercase();
                    file.stages
                        .iter()
                        .position(|stage| stage.name.as_ref() == Some(&image))
                });
                let name = match words.as_slice() {
                    [_, middle, name, ..] if middle.eq_ignore_ascii_case("as") => {
                        Some(name.to_lowercase())
                    }
                    _ => None,
                };
                file.stages.push(Stage {
                    name,
                    from,
                    ..Stage::default()
                });
            }
            "ARG" | "ENV" => {
                for pair in rest.split_whitespace() {
                    if let Some((name, value)) = pair.split_once('=') {
                        variables
                            .insert(name.to_owned(), value.trim_matches(['"', '\'']).to_owned());
                    }
                }
                if word.eq_ignore_ascii_case("env")
                    && let Some((name, value)) = rest.split_once(' ')
                    && !name.contains('=')
                {
                    variables.insert(name.to_owned(), value.trim().to_owned());
                }
            }
            "EXPOSE" => {
                let Some(stage) = file.stages.last_mut() else {
                    continue;
                };
                for word in rest.split_whitespace() {
                    let (port, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
                    let port = match port.strip_prefix('$') {
                        Some(name) => {
                            let name = name.trim_matches(['{', '}']);
                            let (name, default) = name.split_once(":-").unwrap_or((name, ""));
                            variables.get(name).map_or(default, String::as_str)
                        }
                        None => port,
                    };
                    if let Ok(port) = port.parse::<u16>()
                        && protocol.eq_ignore_ascii_case("tcp")
                        && port != 0
                        && !stage.exposed.iter().any(|(known, _)| *known == port)
                    {
                        stage.exposed.push((port, line));
                    }
                }
            }
            "CMD" | "ENTRYPOINT" => {
                if let Some(stage) = file.stages.last_mut() {
                    let shown = match serde_json::from_str::<Vec<String>>(rest) {
                        Ok(words) => words.join(" "),
                        Err(_) => rest.to_owned(),
                    };
                    let entry = word.eq_ignore_ascii_case("entrypoint");
                    stage.command = match (stage.command.take(), entry) {
                        // What CMD says are arguments of ENTRYPOINT.
                        (Some((first, line)), false) if first != shown => {
                            Some((format!("{first} {shown}"), line))
                        }
                        _ => Some((shown, line)),
                    };
                }
            }
            _ => {}
        }
    }
    file
}

/// Instructions with their first line; `\` at an end joins lines, comments between them are passed by, bodies of
/// here-documents too.
fn instructions(text: &str) -> Vec<(usize, String)> {
    let mut all = Vec::new();
    let mut current: Option<(usize, String)> = None;
    let mut until: Option<String> = None;
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if let Some(end) = &until {
            if trimmed == end {
                until = None;
            }
            continue;
        }
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let (part, goes_on) = match trimmed.strip_suffix('\\') {
            Some(part) => (part.trim_end(), true),
            None => (trimmed, false),
        };
        let (_, joined) = current.get_or_insert_with(|| (index + 1, String::new()));
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(part);
        if !goes_on && let Some(done) = current.take() {
            let word = done.1.split_whitespace().next().unwrap_or_default();
            if matches!(word.to_ascii_uppercase().as_str(), "RUN" | "COPY" | "ADD")
                && let Some((_, mark)) = done.1.split_once("<<")
            {
                let mark: String = mark
                    .trim_start_matches('-')
                    .trim_start_matches(['"', '\''])
                    .chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                    .collect();
                until = (!mark.is_empty()).then_some(mark);
            }
            all.push(done);
        }
    }
    all.extend(current);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_ports_and_commands_are_read() {
        let file = read(
            "# syntax=docker/dockerfile:1\nARG PORT=9000\nFROM node:22 AS base\nEXPOSE $PORT/tcp 53/udp\nFROM base AS Build\nRUN <<EOF\nEXPOSE 1\nEOF\nRUN a \\\n  # note\n  b\nFROM base\nENTRYPOINT [\"node\"]\nCMD [\"server.js\"]\nEXPOSE 9001\n",
        );
        let last = file.at(None);
        assert_eq!(last.exposed, [(9000, 4), (9001, 15)]);
        assert_eq!(last.command, Some(("node server.js".to_owned(), 13)));
        assert_eq!(file.at(Some("BUILD")).exposed, [(9000, 4)]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "((FROM|CMD|EXPOSE|RUN|ENV)? ?[a-z0-9$\\[\\]\"<{}:-]{0,8}[\\\\\n ]{0,2}){0,20}") {
            let _ = read(&text).at(None);
        }
    }
}
