//! What can go wrong in the store, and what a user reads of it.

use pluvio_model::problem::{self, Problem};

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such thing (any more), or it is in another team: the two are never told apart.
    #[error("there is no such {what}")]
    NotFound { what: &'static str },
    /// The name is taken in its scope.
    #[error("the {what} {name:?} exists already")]
    NameTaken { what: &'static str, name: String },
    /// Another application claims the host. Its owner is never named.
    #[error("the host {host} is claimed by another application")]
    HostTaken { host: String },
    /// It is not at the revision that the caller named.
    #[error("{what} is at another revision")]
    Precondition { what: String },
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// A compare-and-swap lost, or the lease went to another: what was to be written is out of date and was not.
    #[error("{what} is out of date")]
    Stale { what: &'static str },
    /// A decision refused; nothing was written.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// A value that cannot be stored.
    #[error("{what} does not fit: {why}")]
    Invalid { what: &'static str, why: String },
    /// A sign-in link that is unknown, used or too old: never told which.
    #[error("the sign-in link is not valid")]
    Link,
    /// The data was written by a newer version of Pluvio.
    #[error("the data has version {found}, this program knows {known}")]
    NewerVersion { found: i64, known: i64 },
    /// No space is left for the database.
    #[error("no space is left for the database")]
    Full,
    /// The database does not answer, or is busy beyond patience. Trying again later may help.
    #[error("the database cannot be reached: {source}")]
    Unavailable {
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What is stored cannot be read: a damaged file, a wrong seal key, or a defect.
    #[error("{what} cannot be read: {why}")]
    Corrupt { what: &'static str, why: String },
    /// A statement failed for a reason that is none of the above: a defect of Pluvio.
    #[error("the database refused a statement: {0}")]
    Database(#[source] sqlx::Error),
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        let cause = error.to_string();
        match error {
            StoreError::NotFound { what } => problem::NOT_FOUND.problem(
                format!("There is no such {what}, or it is not yours."),
                "Check the name; a list shows what is there.",
            ),
            StoreError::NameTaken { what, name } => problem::NAME_TAKEN.problem(
                format!("There is already a {what} named {name:?} here."),
                "Choose another name, or use the one that exists.",
            ),
            StoreError::HostTaken { host } => problem::HOST_TAKEN.problem(
                format!("Another application answers at {host}."),
                "Choose another host in `routes`, or free this one first.",
            ),
            StoreError::Precondition { what } => problem::PRECONDITION.problem(
                format!("{what} was changed since you last saw it."),
                "Look at what is there now, then try again.",
            ),
            StoreError::KeyReused => problem::CONFLICT.problem(
                "This Idempotency-Key was sent before, with another request.",
                "Send a fresh key with each new request.",
            ),
            StoreError::Stale { .. } => problem::STALE_GENERATION.problem(
                format!("A newer decision has taken the place of this one: {cause}."),
                "Nothing was changed. Look at the latest operation.",
            ),
            StoreError::Refused(problem) => *problem,
            StoreError::Invalid { .. } => {
                problem::REQUEST_INVALID.problem(cause, "Correct the value and try again.")
            }
            StoreError::Link => problem::AUTH_LINK.problem(
                "A sign-in link works once, for fifteen minutes.",
                "Make another with `pluvio signin-link`.",
            ),
            StoreError::NewerVersion { .. } => problem::CONFIG_VERSION.problem(
                cause,
                "Start the version of Pluvio that wrote the data, or a newer one.",
            ),
            StoreError::Full => problem::DISK_FULL.problem(
                "The disk that holds Pluvio's database is full.",
                "Free some space in the data folder's file system; nothing was lost.",
            ),
            StoreError::Unavailable { .. } => problem::SERVER_UNREACHABLE.problem(
                cause,
                "Check that the database runs and can be reached, then try again.",
            ),
            StoreError::Corrupt { .. } | StoreError::Database(_) => problem::INTERNAL
                .problem(cause, "See the server's log; please report it if it stays."),
        }
    }
}
