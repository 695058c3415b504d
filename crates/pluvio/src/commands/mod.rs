//! One file for each group of commands. Every command returns a [`Problem`] or nothing; `main` prints it and exits.

pub(crate) mod access;
pub(crate) mod apps;
pub(crate) mod audit;
pub(crate) mod backups;
pub(crate) mod change;
pub(crate) mod cluster;
pub(crate) mod database;
pub(crate) mod database_users;
pub(crate) mod declare;
pub(crate) mod deploy;
pub(crate) mod environment;
pub(crate) mod events;
pub(crate) mod follow;
pub(crate) mod history;
pub(crate) mod images;
pub(crate) mod instances;
pub(crate) mod objects;
pub(crate) mod openings;
pub(crate) mod plan;
pub(crate) mod reference;
pub(crate) mod runs;
pub(crate) mod scale;
pub(crate) mod source;
pub(crate) mod topology;
pub(crate) mod uninstall;
pub(crate) mod up;
pub(crate) mod volumes;

use pluvio_model::problem::{self, Problem};

pub(crate) type Done = Result<(), Problem>;

/// `NAME=VALUE`
pub(crate) fn pair(text: &str) -> Result<(String, String), Problem> {
    text.split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| {
            problem::REQUEST_INVALID.problem(
                format!("{text:?} is not NAME=VALUE."),
                "Write it as NAME=VALUE; quote the whole where the value holds spaces.",
            )
        })
}

/// A release's number as people write it: `12`, `r12`, `v12`.
pub(crate) fn release_number(text: &str) -> Result<u64, Problem> {
    text.trim_start_matches(['r', 'v']).parse().map_err(|_| {
        problem::REQUEST_INVALID.problem(
            format!("{text:?} is not a release."),
            "Name it by its number, such as 12 or r12; `pluvio releases` lists them.",
        )
    })
}

/// A time, or how long ago.
pub(crate) fn moment(text: &str) -> Result<jiff::Timestamp, Problem> {
    match text.parse::<pluvio_model::quantity::Span>() {
        Ok(span) => Ok(jiff::Timestamp::now() - jiff::SignedDuration::from_millis(span.0 as i64)),
        Err(_) => text.parse().map_err(|_| {
            problem::REQUEST_INVALID.problem(
                format!("{text:?} is neither a span of time nor a time."),
                "Write 10m, 2h or 2026-01-31T12:00:00Z.",
            )
        }),
    }
}

/// Asks a question where a person can answer; elsewhere it is refused with the flag that answers it.
pub(crate) fn confirm(question: &str, expected: &str, flag: &str) -> Done {
    use std::io::{BufRead, IsTerminal, Write};
    if !std::io::stdin().is_terminal() {
        return Err(problem::REFUSED.problem(
            format!("{question} Nobody is there to confirm it."),
            format!("Say it on the command line: {flag}."),
        ));
    }
    eprint!("{question} Type {expected} to go on: ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let _ = std::io::stdin().lock().read_line(&mut answer);
    if answer.trim() == expected {
        Ok(())
    } else {
        Err(problem::CANCELLED.problem("It was not confirmed.", "Nothing was changed."))
    }
}
