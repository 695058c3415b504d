//! Ports that components dial and others do not open: opened when a person says so, by flag or at a terminal.

use std::io::{BufRead, IsTerminal, Write};

use pluvio_model::operation::Operation;
use pluvio_model::problem::{Fix, Problem};
use pluvio_model::spec::AppSpec;

use super::source::Named;
use crate::context::Context;
use crate::output::Tone;

/// How often another closed port may come up: each try tells of all there are.
const TRIES: usize = 3;

/// Sends a specification and follows it; where closed ports refuse it and they may be opened, sends it with them open.
pub(crate) async fn send_mended(
    context: &Context,
    named: &Named,
    spec: &mut AppSpec,
    open_ports: bool,
    mut send: impl AsyncFnMut(&AppSpec) -> Result<Operation, Problem>,
) -> Result<Operation, Problem> {
    for _ in 0..TRIES {
        // What the file tells by itself is told with its line, before anything is sent.
        let sent = match closed(named, spec) {
            Some(problem) => Err(problem),
            None => send(spec).await,
        };
        match sent {
            Err(problem) if opens(&problem) => {
                if !open_ports && !agreed(&problem) {
                    return Err(problem);
                }
                let before =
                    std::mem::replace(spec, pluvio_plan::openings::mend(spec, &problem.fixes));
                for fix in &problem.fixes {
                    let Fix::OpenPort {
                        component,
                        name,
                        port,
                        ..
                    } = fix
                    else {
                        continue;
                    };
                    let known = before.components.iter().any(|(key, known)| {
                        key.as_str() == component
                            && known.ports.values().any(|open| open.port == *port)
                    });
                    if known {
                        continue;
                    }
                    context.out.say(format!(
                        "{} Open     port {port} of {component}; write it into app.yaml: `ports: {{ {name}: {{ port: {port} }} }}`",
                        context.out.paint(Tone::Good, "✓")
                    ));
                }
            }
            other => return other.map_err(|problem| placed(named, problem)),
        }
    }
    send(spec).await
}

/// Whether ports are all that it takes.
fn opens(problem: &Problem) -> bool {
    !problem.fixes.is_empty()
        && problem
            .fixes
            .iter()
            .all(|fix| matches!(fix, Fix::OpenPort { .. }))
}

/// What the specification tells by itself, as one problem at its place in the file.
fn closed(named: &Named, spec: &AppSpec) -> Option<Problem> {
    let mut problems = located(named, spec).into_iter();
    let mut first = problems.next()?;
    for other in problems {
        first.fixes.extend(other.fixes);
        first.evidence.push(other.cause);
    }
    Some(first)
}

/// What the server found, at its line in the file that it was read from.
fn placed(named: &Named, mut problem: Problem) -> Problem {
    let path = match &problem.at {
        Some(at) if at.line.is_none() && !at.path.is_empty() => at.path.clone(),
        _ => return problem,
    };
    if let Some(reading) = reading(named) {
        problem.at = Some(reading.locate(&path));
    }
    problem
}

fn reading(named: &Named) -> Option<pluvio_formats::app::Reading> {
    let file = match named {
        Named::File(file) => file.clone(),
        Named::Folder(folder) => folder.join("app.yaml"),
        _ => return None,
    };
    let text = std::fs::read_to_string(&file).ok()?;
    pluvio_formats::app::read(&text, &file.display().to_string()).ok()
}

/// What the specification tells by itself, each at its place in the file that it was read from.
pub(crate) fn located(named: &Named, spec: &AppSpec) -> Vec<Problem> {
    let problems = pluvio_plan::foreseen(spec);
    match reading(named) {
        Some(reading) => reading.place(problems),
        None => problems,
    }
}

/// Asks where a person can answer.
fn agreed(problem: &Problem) -> bool {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return false;
    }
    eprint!("{} Open it? [y/N] ", problem.cause);
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let _ = stdin.lock().read_line(&mut answer);
    matches!(answer.trim(), "y" | "Y" | "yes")
}
