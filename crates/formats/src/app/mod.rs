//! `app.yaml`: the [`AppSpec`] as text.
//!
//! [`read`] gives the specification with the places of its keys, or everything that is wrong with the text; [`write`]
//! gives it back as tidy text. What the shape alone cannot say is [`crate::validate()`]'s work; [`Reading::place`] puts
//! lines and columns on its problems.

mod explain;
mod read;
mod write;

pub use read::{Reading, component_name, read};
pub use write::write;

use pluvio_model::problem::Problem;

/// Reads and validates. The specification is there whenever the text has the right shape, whatever else is wrong.
pub fn check(text: &str, file: &str) -> (Option<Reading>, Vec<Problem>) {
    match read(text, file) {
        Ok(reading) => {
            let mut problems = reading.place(crate::validate(&reading.spec));
            problems.sort_by_key(|problem| problem.at.as_ref().map(|at| (at.line, at.column)));
            (Some(reading), problems)
        }
        Err(problems) => (None, problems),
    }
}

/// What `components` of one component is called when its fields stand at the top of the file, or are detected: `web` for
/// a service, else its kind.
pub(crate) fn lone_name(kind: pluvio_model::spec::Kind) -> &'static str {
    use pluvio_model::spec::Kind;
    match kind {
        Kind::Service => "web",
        Kind::Stateful => "stateful",
        Kind::Job => "job",
        Kind::Cron => "cron",
        Kind::Daemon => "daemon",
        Kind::Database => "database",
        Kind::Vm => "vm",
        Kind::External => "external",
    }
}

#[cfg(test)]
mod tests;
