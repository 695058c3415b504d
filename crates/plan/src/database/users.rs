use pluvio_model::database::{DatabaseUser, UserRights};
use pluvio_model::problem::{self, Problem, REQUEST_INVALID, SPEC_UNSUPPORTED};
use pluvio_model::spec::DatabaseEngine;

use super::ADMIN;

/// One change of a database's users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserChange {
    Create {
        rights: UserRights,
        password: String,
    },
    Rights(UserRights),
    Remove,
}

/// A name that may be given: it goes into statements, addresses and people's heads.
pub fn check_user_name(engine: DatabaseEngine, name: &str) -> Result<(), Problem> {
    if engine == DatabaseEngine::Redis {
        return Err(SPEC_UNSUPPORTED.problem(
            "Redis has one user here, `default`: it keeps others in a file that its configuration would not find again.",
            "Give each program a database of its own: `kind: database`, `database: redis@7` under another name.",
        ));
    }
    let fits = (1..=31).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !fits {
        return Err(REQUEST_INVALID.problem(
            format!(
                "{:?} is no name of a user.",
                name.chars().take(64).collect::<String>()
            ),
            "Write up to 31 of a-z, 0-9 and _, a letter first.",
        ));
    }
    const TAKEN: [&str; 10] = [
        "root",
        "mysql",
        "postgres",
        "public",
        "none",
        "default",
        "mariadb",
        "healthcheck",
        "session_user",
        "current_user",
    ];
    if TAKEN.contains(&name) || name.starts_with("pg_") || name.starts_with("pluvio") {
        return Err(problem::REFUSED.problem(
            format!("{name} is a name of {}'s own.", engine.title()),
            "Choose another name.",
        ));
    }
    Ok(())
}

/// The program that takes statements on its standard input; what one of them refuses ends it.
pub fn users_program(engine: DatabaseEngine) -> String {
    match engine {
        DatabaseEngine::Postgres => "exec psql -X -q -At -F '|' -v ON_ERROR_STOP=1 --single-transaction -U \"$POSTGRES_USER\" -d \"$POSTGRES_DB\" -f -".to_owned(),
        DatabaseEngine::Mariadb => format!("{ADMIN}\nadmin -N --batch \"$MARIADB_DATABASE\""),
        DatabaseEngine::Redis => "exit 1".to_owned(),
    }
}

/// `NAME|RIGHTS|OWN` a line.
pub fn list_users(engine: DatabaseEngine) -> &'static str {
    match engine {
        DatabaseEngine::Postgres => {
            "SELECT rolname, coalesce(nullif(substring(shobj_description(oid, 'pg_authid') from '^pluvio: (.*)$'), ''), 'other'), CASE WHEN rolname = current_user THEN 1 ELSE 0 END FROM pg_roles WHERE rolcanlogin ORDER BY rolname;\n"
        }
        // The mark that a user was made here is the rights themselves.
        DatabaseEngine::Mariadb => {
            "SELECT CONCAT(u.user, '|', CASE WHEN MAX(p.privilege_type = 'CREATE') THEN 'owner' WHEN MAX(p.privilege_type = 'INSERT') THEN 'read-write' WHEN MAX(p.privilege_type = 'SELECT') THEN 'read-only' ELSE 'other' END, '|0') FROM (SELECT DISTINCT user FROM mysql.user WHERE host = '%') u LEFT JOIN information_schema.schema_privileges p ON p.grantee = CONCAT('''', u.user, '''@''%''') AND REPLACE(p.table_schema, '\\\\', '') = DATABASE() WHERE u.user NOT IN ('root', 'mysql', 'mariadb.sys', 'healthcheck', '', 'PUBLIC') GROUP BY u.user ORDER BY u.user;\n"
        }
        DatabaseEngine::Redis => "",
    }
}

/// Reads what [`list_users`] wrote; `own` is the application's own user.
pub fn read_users(text: &str, own: &str) -> Vec<DatabaseUser> {
    let lines = text.lines().filter_map(|line| {
        let mut parts = line.split('|');
        let (name, rights) = (parts.next()?, parts.next()?);
        let rights = match rights {
            "read-only" => UserRights::ReadOnly,
            "read-write" => UserRights::ReadWrite,
            "owner" => UserRights::Owner,
            _ => UserRights::Other,
        };
        let own = name == own;
        Some(DatabaseUser {
            name: name.to_owned(),
            rights: if own { UserRights::Owner } else { rights },
            own,
        })
    });
    lines.collect()
}

/// The statements of a change. `name` has been checked, `own` and `database` are what the server was made with: letters, digits
/// and underscores. Everything is quoted all the same.
pub fn statements(
    engine: DatabaseEngine,
    (own, database): (&str, &str),
    name: &str,
    change: &UserChange,
) -> String {
    match engine {
        DatabaseEngine::Postgres => postgres(own, database, name, change),
        DatabaseEngine::Mariadb => mariadb(database, name, change),
        DatabaseEngine::Redis => String::new(),
    }
}

fn postgres(own: &str, database: &str, name: &str, change: &UserChange) -> String {
    let identifier = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let (user, owner, database) = (identifier(name), identifier(own), identifier(database));
    // What it was given, in this database and for what comes; what it made goes to the application's own user.
    let clear = format!(
        "REASSIGN OWNED BY {user} TO {owner};\nDROP OWNED BY {user};\nREVOKE {owner} FROM {user};\nALTER ROLE {user} RESET ALL;\n"
    );
    let give = |rights: UserRights| {
        let mut text = format!("GRANT CONNECT ON DATABASE {database} TO {user};\n");
        let (tables, sequences) = match rights {
            UserRights::ReadOnly => ("SELECT", "SELECT"),
            UserRights::ReadWrite => ("SELECT, INSERT, UPDATE, DELETE", "USAGE, SELECT, UPDATE"),
            UserRights::Owner | UserRights::Other => {
                // As the application's own user from the first statement on, so that what it makes is the application's too.
                text.push_str(&format!(
                    "GRANT {owner} TO {user};\nALTER ROLE {user} SET role TO {owner};\n"
                ));
                text.push_str(&format!(
                    "COMMENT ON ROLE {user} IS 'pluvio: {}';\n",
                    rights.as_str()
                ));
                return text;
            }
        };
        text.push_str(&format!(
            "DO $pluvio$ DECLARE one record; BEGIN FOR one IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP \
             EXECUTE format('GRANT USAGE ON SCHEMA %I TO {user}', one.nspname); \
             EXECUTE format('GRANT {tables} ON ALL TABLES IN SCHEMA %I TO {user}', one.nspname); \
             EXECUTE format('GRANT {sequences} ON ALL SEQUENCES IN SCHEMA %I TO {user}', one.nspname); \
             END LOOP; END $pluvio$;\n"
        ));
        // Not of one schema: a restore makes schemas anew.
        for (what, given) in [
            ("SCHEMAS", "USAGE"),
            ("TABLES", tables),
            ("SEQUENCES", sequences),
        ] {
            text.push_str(&format!(
                "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT {given} ON {what} TO {user};\n"
            ));
        }
        text.push_str(&format!(
            "COMMENT ON ROLE {user} IS 'pluvio: {}';\n",
            rights.as_str()
        ));
        text
    };
    // Connections keep the rights that they began with.
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {};\n",
        literal(name)
    );
    match change {
        UserChange::Create { rights, password } => format!(
            "SET log_statement = 'none';\nSET log_min_error_statement = 'panic';\nSET log_min_duration_statement = -1;\nSET log_min_duration_sample = -1;\nSET log_duration = off;\nCREATE ROLE {user} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {};\n{}",
            literal(password),
            give(*rights)
        ),
        UserChange::Rights(rights) => format!("{clear}{}{end}", give(*rights)),
        UserChange::Remove => format!("{clear}{end}DROP ROLE {user};\n"),
    }
}

fn mariadb(database: &str, name: &str, change: &UserChange) -> String {
    let literal = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    let user = format!("{}@'%'", literal(name));
    // A grant takes `_` and `%` in a database's name for any letters.
    let database = format!(
        "`{}`",
        database
            .replace('`', "``")
            .replace('_', "\\_")
            .replace('%', "\\%")
    );
    let give = |rights: UserRights| {
        let given = match rights {
            UserRights::ReadOnly => "SELECT, SHOW VIEW",
            UserRights::ReadWrite => {
                "SELECT, SHOW VIEW, INSERT, UPDATE, DELETE, EXECUTE, LOCK TABLES, CREATE TEMPORARY TABLES"
            }
            UserRights::Owner | UserRights::Other => "ALL PRIVILEGES",
        };
        format!("GRANT {given} ON {database}.* TO {user};\n")
    };
    // Connections outlive their user, and keep the rights that they began with.
    let end = format!("KILL HARD USER {user};\n");
    match change {
        UserChange::Create { rights, password } => format!(
            "CREATE USER {user} IDENTIFIED BY {};\n{}",
            literal(password),
            give(*rights)
        ),
        UserChange::Rights(rights) => format!(
            "REVOKE ALL PRIVILEGES, GRANT OPTION FROM {user};\n{}{end}",
            give(*rights)
        ),
        UserChange::Remove => format!("DROP USER {user};\n{end}"),
    }
}
