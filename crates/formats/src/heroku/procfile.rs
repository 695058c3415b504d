//! `Procfile`: `web: command`, a line for each process.

use indexmap::IndexMap;
use pluvio_model::spec::Command;

use crate::compose::item::{Place, Told};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub command: String,
    pub(crate) at: Place,
}

/// The longest file that is read; a line is a command.
const SIZE_MAX: usize = 256 << 10;

/// Whether a text looks like one: every line names a process.
pub fn is_procfile(text: &str) -> bool {
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !is_note(line))
        .peekable();
    lines.peek().is_some() && lines.all(|line| split(line).is_some())
}

/// The names of its processes.
pub fn names(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| !is_note(line));
    lines
        .filter_map(|line| Some(split(line)?.0.to_owned()))
        .collect()
}

fn is_note(line: &str) -> bool {
    line.is_empty() || line.starts_with('#') || line.starts_with("//")
}

fn split(line: &str) -> Option<(&str, &str)> {
    let (name, command) = line.split_once(':')?;
    let is_name = !name.is_empty()
        && name.len() <= 63
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let command = command.trim();
    (is_name && !command.is_empty()).then_some((name, command))
}

pub(super) fn read(text: &str, told: &mut Told) -> IndexMap<String, Process> {
    let mut processes = IndexMap::new();
    if text.len() > SIZE_MAX {
        told.invalid(
            Place {
                file: 1,
                line: 0,
                column: 0,
            },
            "",
            format!("A Procfile of {} bytes is not read.", text.len()),
            "Put long commands into scripts.",
        );
        return processes;
    }
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let at = Place {
            file: 1,
            line: number,
            column: 1,
        };
        let line = line.trim();
        if is_note(line) {
            continue;
        }
        let Some((name, command)) = split(line) else {
            let shown: String = line.chars().take(60).collect();
            told.invalid(
                at,
                "",
                format!("`{shown}` names no process with a command."),
                "Write NAME: COMMAND, the name of letters, digits, dashes and underscores.",
            );
            continue;
        };
        let process = Process {
            command: command.to_owned(),
            at,
        };
        if processes.insert(name.to_owned(), process).is_some() {
            told.invalid(
                at,
                name,
                format!("The process `{name}` is there twice."),
                "Give each a name of its own.",
            );
        }
    }
    processes
}

/// A line becomes words where no shell is needed, so that the program itself is told to stop.
pub fn command_of(line: &str) -> Command {
    // `A=1 program` sets a variable, which is the shell's work; `exec` would take it for the program.
    let first = line.split(' ').next().unwrap_or_default();
    let sets = first
        .split_once('=')
        .is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
    let plain = !line.is_empty()
        && line.chars().all(|c| {
            c.is_ascii_alphanumeric()
                || matches!(c, ' ' | '/' | '.' | '_' | '-' | ':' | '=' | '@' | ',' | '+')
        })
        && !first.contains('=');
    if plain {
        Command::Words(line.split_whitespace().map(str::to_owned).collect())
    } else if sets
        || matches!(first, "exec" | "cd" | "." | "source" | "export" | "eval")
        || line.contains([';', '&', '|', '\n', '('])
    {
        Command::Shell(line.to_owned())
    } else {
        Command::Shell(format!("exec {line}"))
    }
}
