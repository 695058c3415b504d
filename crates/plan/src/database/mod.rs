//! What is done inside a database's container: the programs, as text, and the reading of what they say.
//!
//! Programs run in the database's own container, where its password lies in a file. Nothing of a person's is put into a
//! program's text or its arguments: statements go through its standard input, where names and values are quoted.

mod dump;
mod figures;
mod restore;
mod users;

pub use dump::{dump, is_whole, shell};
pub use figures::{figures, read_figures};
pub use restore::{NO_DUMP, NOT_EMPTY, Restore, SHORT, holds_data, restore};
pub use users::{UserChange, check_user_name, list_users, read_users, statements, users_program};

/// The words that run a program's text.
pub fn words(text: &str) -> Vec<String> {
    vec!["/bin/sh".to_owned(), "-c".to_owned(), text.to_owned()]
}

/// Defines `admin`, MariaDB's client as one who may do everything: by the socket, as the user that the image made here knows;
/// else, in an official image, by root's password.
const ADMIN: &str = "as=\"--no-defaults --protocol=socket --user=$(id -un)\"
mariadb $as -e 'SELECT 1' >/dev/null 2>&1 || as='--defaults-file=/run/pluvio/client.cnf --protocol=socket --host=localhost --user=root'
admin() { mariadb $as --default-character-set=utf8mb4 \"$@\"; }
";

#[cfg(test)]
mod tests;
