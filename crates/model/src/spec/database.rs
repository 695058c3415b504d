//! `kind: database`: which engine and version, and what follows from it for those that use it.

use std::fmt;
use std::str::FromStr;

use indexmap::IndexMap;

use super::{AppSpec, EnvValue, Kind, SecretSpec};
use crate::name::{EnvName, Name};
use crate::text::text_newtype;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DatabaseEngine {
    Postgres,
    Redis,
    Mariadb,
}

/// `postgres@15`: an engine and a version that names at least its major.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Database {
    pub engine: DatabaseEngine,
    version: Box<str>,
}

/// What is wrong with a database's name, and what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause} {remedy}")]
pub struct InvalidDatabase {
    pub cause: String,
    pub remedy: String,
}

impl DatabaseEngine {
    pub const ALL: [DatabaseEngine; 3] = [
        DatabaseEngine::Postgres,
        DatabaseEngine::Mariadb,
        DatabaseEngine::Redis,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            DatabaseEngine::Postgres => "postgres",
            DatabaseEngine::Redis => "redis",
            DatabaseEngine::Mariadb => "mariadb",
        }
    }

    /// As people say it.
    pub const fn title(self) -> &'static str {
        match self {
            DatabaseEngine::Postgres => "PostgreSQL",
            DatabaseEngine::Redis => "Redis",
            DatabaseEngine::Mariadb => "MariaDB",
        }
    }

    pub const fn port(self) -> u16 {
        match self {
            DatabaseEngine::Postgres => 5432,
            DatabaseEngine::Redis => 6379,
            DatabaseEngine::Mariadb => 3306,
        }
    }

    /// The address that clients take. MariaDB's call themselves after MySQL.
    pub fn url(self, user: &str, password: &str, host: &str, database: &str) -> String {
        let scheme = match self {
            DatabaseEngine::Mariadb => "mysql",
            other => other.as_str(),
        };
        format!(
            "{scheme}://{user}:{password}@{host}:{}/{database}",
            self.port()
        )
    }

    /// What its exports begin with. Programs call both MySQL and MariaDB by the older name.
    const fn prefix(self) -> &'static str {
        match self {
            DatabaseEngine::Postgres => "POSTGRES",
            DatabaseEngine::Redis => "REDIS",
            DatabaseEngine::Mariadb => "MYSQL",
        }
    }

    /// A version that can be had where no registry is configured, for advice.
    const fn example(self) -> &'static str {
        match self {
            DatabaseEngine::Postgres => "postgres@17",
            DatabaseEngine::Redis => "redis@7",
            DatabaseEngine::Mariadb => "mariadb@11.8",
        }
    }

    /// How many numbers of a version tell two ways apart in which data lies on the disk.
    const fn major_parts(self) -> usize {
        match self {
            DatabaseEngine::Postgres | DatabaseEngine::Redis => 1,
            DatabaseEngine::Mariadb => 2,
        }
    }

    /// The variables that name its user and its database; they count at its first start only.
    pub const fn identity(self) -> &'static [&'static str] {
        match self {
            DatabaseEngine::Postgres => &["POSTGRES_USER", "POSTGRES_DB"],
            DatabaseEngine::Mariadb => &["MARIADB_USER", "MARIADB_DATABASE"],
            DatabaseEngine::Redis => &[],
        }
    }
}

impl Database {
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The part of the version over which data cannot be taken along: `15` of `15.4`, `10.11` of `10.11.6`.
    pub fn major(&self) -> String {
        let parts = self.version.split('.').take(self.engine.major_parts());
        parts.collect::<Vec<_>>().join(".")
    }

    /// Whether a server of `self` may be started over the data of `other`.
    pub fn reads_data_of(&self, other: &Database) -> bool {
        self.engine == other.engine && self.major() == other.major()
    }

    /// The name of an export that `${db.url}` means: `POSTGRES_URL`. `None` where it is none of the short ones.
    pub fn long_name(&self, short: &str) -> Option<EnvName> {
        const SHORT: [&str; 6] = ["url", "host", "port", "user", "password", "database"];
        if !SHORT.contains(&short) {
            return None;
        }
        format!("{}_{}", self.engine.prefix(), short.to_uppercase())
            .parse()
            .ok()
    }

    /// What it tells those that use it; `name` is the component's, whose own variables the values read.
    pub fn exports(&self, name: &Name) -> IndexMap<EnvName, EnvValue> {
        let password = format!("${{secrets.{}}}", password_secret(name));
        let port = self.engine.port();
        let (user, database) = match self.engine {
            DatabaseEngine::Postgres => ("${POSTGRES_USER}", "${POSTGRES_DB}"),
            DatabaseEngine::Mariadb => ("${MARIADB_USER}", "${MARIADB_DATABASE}"),
            DatabaseEngine::Redis => ("default", "0"),
        };
        let url = self.engine.url(user, &password, name.as_str(), database);
        [
            ("HOST", name.to_string()),
            ("PORT", port.to_string()),
            ("USER", user.to_owned()),
            ("PASSWORD", password),
            ("DATABASE", database.to_owned()),
            ("URL", url),
        ]
        .into_iter()
        .filter_map(|(key, value)| {
            let key = format!("{}_{key}", self.engine.prefix()).parse().ok()?;
            Some((key, EnvValue(value)))
        })
        .collect()
    }
}

impl fmt::Display for Database {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{}@{}", self.engine.as_str(), self.version)
    }
}

impl FromStr for Database {
    type Err = InvalidDatabase;
    fn from_str(text: &str) -> Result<Self, InvalidDatabase> {
        let wrong = |cause: String, remedy: String| Err(InvalidDatabase { cause, remedy });
        let (engine, version) = text.split_once('@').unwrap_or((text, ""));
        let Some(known) = DatabaseEngine::ALL
            .into_iter()
            .find(|known| known.as_str() == engine)
        else {
            let remedy = match engine {
                "mysql" => "Write `mariadb@11.8`, which speaks MySQL's protocol, or run MySQL's image: `kind: stateful`, `image: mysql:8.4`.".to_owned(),
                "postgresql" | "pg" | "postgre" | "psql" => "Write `postgres@17`.".to_owned(),
                "valkey" => "Write `redis@7`, which speaks the same protocol.".to_owned(),
                "mongo" | "mongodb" => "Run its image with a volume: `kind: stateful`, `image: mongo:8`.".to_owned(),
                _ => "The engines are postgres, mariadb and redis; another one runs as `kind: stateful` with its image.".to_owned(),
            };
            return wrong(format!("`{engine}` is no database that is known."), remedy);
        };
        let numbers = version.split('.').filter(|part| {
            !part.is_empty() && part.len() <= 6 && part.bytes().all(|b| b.is_ascii_digit())
        });
        let numbers = numbers.count();
        if numbers == 0 || numbers != version.split('.').count() || numbers > 4 {
            return wrong(
                format!("`{text}` does not name an engine and its version."),
                format!("Write ENGINE@VERSION, such as {}.", known.example()),
            );
        }
        if numbers < known.major_parts() {
            return wrong(
                format!(
                    "`{text}` does not say which {} it is: its data differ from one {version}.x to the next.",
                    known.title()
                ),
                format!("Write two numbers, such as {}.", known.example()),
            );
        }
        Ok(Database {
            engine: known,
            version: version.into(),
        })
    }
}
text_newtype!(
    Database,
    Some("^(postgres|mariadb|redis)@[0-9]+(\\.[0-9]+)*$"),
    "a database's engine and version, such as postgres@17"
);

/// The secret that holds the password of the database component `name`: `DB_PASSWORD` for `db`.
pub fn password_secret(name: &Name) -> EnvName {
    let upper = name.as_str().replace('-', "_").to_uppercase();
    format!("{upper}_PASSWORD")
        .parse()
        .expect("a slug in capitals names a variable")
}

impl super::ComponentSpec {
    /// What a component of kind `database` is; `None` for others and for what cannot be read.
    pub fn database(&self) -> Option<Database> {
        match self.kind {
            Kind::Database => self.database.as_deref()?.parse().ok(),
            _ => None,
        }
    }
}

impl AppSpec {
    /// The secrets as declared, and those that databases bring along: a password each, made once.
    pub fn all_secrets(&self) -> IndexMap<EnvName, SecretSpec> {
        let mut all = self.secrets.clone();
        for (name, component) in &self.components {
            if component.database().is_some() {
                all.entry(password_secret(name))
                    .or_insert_with(|| SecretSpec {
                        generate: true,
                        ..SecretSpec::default()
                    });
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_names_its_engine_and_major_version() {
        for (text, major) in [
            ("postgres@15", "15"),
            ("postgres@17.2", "17"),
            ("redis@7.0", "7"),
            ("mariadb@10.11", "10.11"),
            ("mariadb@11.8.3", "11.8"),
        ] {
            let database: Database = text.parse().unwrap();
            assert_eq!(database.to_string(), text);
            assert_eq!(database.major(), major);
        }
    }

    #[test]
    fn what_cannot_be_had_says_what_can() {
        for (text, advice) in [
            ("mysql@8", "mariadb@11.8"),
            ("postgresql@15", "postgres@17"),
            ("postgres", "postgres@17"),
            ("postgres@", "postgres@17"),
            ("postgres@latest", "postgres@17"),
            ("mariadb@11", "mariadb@11.8"),
            ("oracle@23", "postgres, mariadb and redis"),
        ] {
            let wrong = text.parse::<Database>().unwrap_err();
            assert!(wrong.remedy.contains(advice), "{text}: {wrong}");
        }
    }

    #[test]
    fn data_go_from_one_minor_version_to_the_next_only() {
        let read = |text: &str| text.parse::<Database>().unwrap();
        assert!(read("postgres@15.4").reads_data_of(&read("postgres@15")));
        assert!(!read("postgres@17").reads_data_of(&read("postgres@15")));
        assert!(!read("mariadb@11.8").reads_data_of(&read("mariadb@10.11")));
        assert!(!read("redis@7").reads_data_of(&read("postgres@7")));
    }
}
