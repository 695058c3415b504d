//! `Procfile`: `web: command`, a line for each process.

pub(super) use pluvio_formats::heroku::procfile::command_of;
use pluvio_formats::report::{Outcome, Row};

use super::{Findings, SourceTree};

/// Takes `web` as the command; other processes are reported. Returns whether there was a `web`.
pub(super) fn read(tree: &SourceTree, findings: &mut Findings) -> bool {
    let Some(text) = tree.text("Procfile") else {
        return false;
    };
    let mut web = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || line.starts_with("//") {
            continue;
        }
        let Some((name, command)) = line.split_once(':') else {
            continue;
        };
        let (name, command) = (name.trim(), command.trim());
        if command.is_empty() {
            continue;
        }
        match name {
            "web" => {
                findings.why(format!("Procfile: the web process runs `{command}`."));
                findings.command = Some(command_of(command));
                web = true;
            }
            // Filled in, it would make a deploy fail by a task that nobody wrote into app.yaml.
            "release" => findings.report.push(
                Row::new(
                    Outcome::Refused,
                    "Procfile.release",
                    format!("`{command}` is not run before releases by detection alone."),
                )
                .line(u32::try_from(index + 1).ok())
                .remedy(format!(
                    "Run it when it is needed (`pluvio exec -- {command}`), or as a part of the program's start."
                )),
            ),
            other => findings.report.push(
                Row::new(
                    Outcome::Refused,
                    format!("Procfile.{other}"),
                    format!("The process `{other}` is not part of this component."),
                )
                .line(u32::try_from(index + 1).ok())
                .remedy(format!(
                    "Add a component to app.yaml with the same source and `command: {command}`."
                )),
            ),
        }
    }
    web
}
