//! What program text tells: ports, health checks, variables. Plain searches, each with its file and line as evidence;
//! a guess that is wrong is corrected in app.yaml.

use super::{Findings, SourceTree};

/// Paths that answer whether a program is well, the most telling first.
const HEALTH_PATHS: [&str; 9] = [
    "/healthz",
    "/readyz",
    "/livez",
    "/health",
    "/ready",
    "/healthcheck",
    "/health-check",
    "/_health",
    "/api/health",
];

/// Files that are not the program: tests, build configuration, what was built.
fn is_aside(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path.split('/').any(|part| {
        matches!(
            part,
            "test"
                | "tests"
                | "__tests__"
                | "spec"
                | "dist"
                | "build"
                | "coverage"
                | "vendor"
                | "scripts"
                | "docs"
                | "examples"
                | "migrations"
        )
    }) || name.contains(".test.")
        || name.contains(".spec.")
        || name.contains(".config.")
        || name.ends_with("_test.go")
        || name.starts_with("test_")
        || name == "conftest.py"
}

/// The program's texts with these endings, those near the root first.
pub(super) fn programs<'t>(
    tree: &'t SourceTree,
    endings: &'t [&str],
) -> impl Iterator<Item = (&'t str, &'t str)> {
    let mut paths: Vec<&str> = tree
        .paths()
        .filter(|path| endings.iter().any(|end| path.ends_with(end)) && !is_aside(path))
        .collect();
    paths.sort_by_key(|path| (path.matches('/').count(), *path));
    paths
        .into_iter()
        .filter_map(|path| Some((path, tree.text(path)?)))
}

/// Where a port is named, and which.
pub(super) struct Port {
    pub(super) number: Option<u16>,
    pub(super) place: String,
    /// Whether the program reads `PORT`.
    pub(super) from_env: bool,
}

/// The first port in the program: read from `PORT` (with its default where the line has one), or written after one of the
/// words that open a listener.
pub(super) fn port(tree: &SourceTree, endings: &[&str], listeners: &[&str]) -> Option<Port> {
    let env_words = [
        "process.env.PORT",
        "process.env[\"PORT\"]",
        "process.env['PORT']",
        "\"PORT\"",
        "'PORT'",
    ];
    let mut fixed = None;
    for (path, text) in programs(tree, endings) {
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.starts_with("//") || line.starts_with('#') || line.starts_with('*') {
                continue;
            }
            let place = || format!("{path}:{}", index + 1);
            if env_words.iter().any(|word| line.contains(word)) && !line.contains("DB_PORT") {
                return Some(Port {
                    number: number_in(line),
                    place: place(),
                    from_env: true,
                });
            }
            if fixed.is_none()
                && let Some(found) = listeners.iter().find_map(|word| line.find(word))
                && let Some(number) = number_in(&line[found..])
            {
                fixed = Some(Port {
                    number: Some(number),
                    place: place(),
                    from_env: false,
                });
            }
        }
    }
    fixed
}

/// Ports of other programs, which a line that connects to them names.
const FOREIGN: [u16; 9] = [1433, 3306, 5432, 5672, 6379, 9092, 11211, 27017, 1521];

/// The first number in a line that could be a program's port.
fn number_in(line: &str) -> Option<u16> {
    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.')
        .filter(|word| word.len() >= 2 && word.bytes().all(|b| b.is_ascii_digit()))
        .filter_map(|word| word.parse::<u16>().ok())
        .find(|number| *number == 80 || (*number >= 1024 && !FOREIGN.contains(number)))
}

/// Puts port and evidence into the findings. What was asked wins; `PORT` tells the program.
pub(super) fn settle_port(
    findings: &mut Findings,
    found: Option<Port>,
    asked: Option<u16>,
    fallback: u16,
) {
    match (found, asked) {
        (_, Some(asked)) => {
            findings.port = Some(asked);
        }
        (Some(port), None) => {
            let number = port.number.unwrap_or(fallback);
            findings.why(if port.from_env {
                format!(
                    "{} reads PORT: it is told to listen on {number}.",
                    port.place
                )
            } else {
                format!("{} listens on {number}.", port.place)
            });
            findings.port = Some(number);
        }
        (None, None) => {
            findings.why(format!(
                "No port is named in the source: it is told to listen on {fallback} by the variable PORT."
            ));
            findings.port = Some(fallback);
        }
    }
}

/// The first path of a health check that the program names.
pub(super) fn health(tree: &SourceTree, endings: &[&str], findings: &mut Findings) {
    for wanted in HEALTH_PATHS {
        for (path, text) in programs(tree, endings) {
            for (index, line) in text.lines().enumerate() {
                let quoted = ['"', '\'', '`', ' '].iter().any(|quote| {
                    line.find(&format!("{quote}{wanted}")).is_some_and(|at| {
                        // Go names the method before the path: `"GET /healthz"`.
                        let after = line[at + 1 + wanted.len()..].chars().next();
                        let in_quotes = *quote != ' ' || line[..at].contains('"');
                        in_quotes && matches!(after, Some('"' | '\'' | '`' | '?'))
                    })
                });
                if quoted {
                    findings.why(format!(
                        "{path}:{} answers {wanted}: it is the readiness check.",
                        index + 1
                    ));
                    findings.ready_path = Some(wanted.to_owned());
                    return;
                }
            }
        }
    }
}

/// Variables that an example file names, for whoever deploys to set.
pub(super) fn example_env(tree: &SourceTree, findings: &mut Findings) {
    for file in [".env.example", ".env.sample", ".env.template"] {
        let Some(text) = tree.text(file) else {
            continue;
        };
        let Ok(variables) = pluvio_formats::dotenv::read(text, file) else {
            continue;
        };
        let names: Vec<String> = variables
            .keys()
            .filter(|name| !matches!(name.as_str(), "PORT" | "HOST" | "NODE_ENV"))
            .map(ToString::to_string)
            .collect();
        if !names.is_empty() {
            findings.report.push(
                pluvio_formats::report::Row::new(
                    pluvio_formats::report::Outcome::Refused,
                    file,
                    format!(
                        "The program may need {}; example values are not taken over.",
                        names.join(", ")
                    ),
                )
                .remedy(
                    "Set them: `pluvio config set NAME=VALUE`, or `env` and `secrets` in app.yaml.",
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_found_where_programs_listen() {
        for (line, want) in [
            ("app.listen(3000)", Some((Some(3000), false))),
            (
                "const port = process.env.PORT || 4000",
                Some((Some(4000), true)),
            ),
            ("app.listen(process.env.PORT)", Some((None, true))),
            ("const limit = 5000", None),
            ("// app.listen(3000)", None),
        ] {
            let tree = SourceTree::from_texts([("server.js", line)]);
            let found = port(&tree, &[".js"], &[".listen("]).map(|p| (p.number, p.from_env));
            assert_eq!(found, want, "{line}");
        }
    }
}
