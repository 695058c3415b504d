//! A PostgreSQL of the test's own: a socket in a folder that goes with it, no port, nothing kept.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection};

pub(crate) struct Server {
    /// `postgres://…/`, to which a database's name and `?…` are added.
    base: String,
    options: String,
    _private: Option<Private>,
}

struct Private {
    folder: tempfile::TempDir,
    server: Child,
}

impl Server {
    pub(crate) async fn start() -> Server {
        sqlx::any::install_default_drivers();
        if let Ok(url) = std::env::var("PLUVIO_TEST_POSTGRES") {
            let (url, options) = url.split_once('?').unwrap_or((&url, ""));
            let at = url.rfind('/').expect("a URL that ends in a database");
            return Server {
                base: url[..at].to_owned(),
                options: options.to_owned(),
                _private: None,
            };
        }
        let private = Private::start();
        let server = Server {
            base: "postgres://pluvio@localhost".to_owned(),
            options: format!("host={}", private.folder.path().display()),
            _private: Some(private),
        };
        server.wait().await;
        server
    }

    /// A new database; gives its URL.
    pub(crate) async fn database(&self, name: &str) -> String {
        // PostgreSQL cuts names at 63 bytes.
        let name = format!("t_{}", &name[..name.len().min(50)]);
        let mut connection = sqlx::AnyConnection::connect(&self.url("postgres"))
            .await
            .expect("PostgreSQL answers");
        for statement in [
            format!("DROP DATABASE IF EXISTS {name}"),
            format!("CREATE DATABASE {name}"),
        ] {
            sqlx::raw_sql(AssertSqlSafe(statement))
                .execute(&mut connection)
                .await
                .expect("a database can be made");
        }
        self.url(&name)
    }

    fn url(&self, database: &str) -> String {
        format!("{}/{database}?{}", self.base, self.options)
    }

    async fn wait(&self) {
        let begun = Instant::now();
        while let Err(error) = sqlx::AnyConnection::connect(&self.url("postgres")).await {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "PostgreSQL does not answer: {error}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Private {
    fn start() -> Private {
        let programs = programs();
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let as_user = AsUser::find(folder.path());
        let made = as_user
            .command(&programs.join("initdb"))
            .args([
                "--no-sync",
                "--auth=trust",
                "--username=pluvio",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "-D",
            ])
            .arg(&data)
            .stdout(Stdio::null())
            .status()
            .expect("initdb runs");
        assert!(made.success(), "initdb failed");
        let server = as_user
            .command(&programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .args([
                "-c",
                "listen_addresses=",
                "-c",
                "fsync=off",
                "-c",
                "max_connections=300",
            ])
            .args(["-c", "log_min_messages=fatal"])
            .stdout(Stdio::null())
            .spawn()
            .expect("postgres starts");
        Private { folder, server }
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // The postmaster takes its children with it when its data folder is gone or it is killed; asking is kinder.
        let pid = self.server.id().to_string();
        let _ = Command::new("kill").args(["-INT", &pid]).status();
        let _ = self.server.wait();
    }
}

/// PostgreSQL refuses to run as root, so it runs as the user its package made; and it ends with the test that started it.
struct AsUser {
    root: bool,
}

impl AsUser {
    fn find(folder: &Path) -> AsUser {
        let id = Command::new("id").arg("-u").output().expect("id runs");
        let root = String::from_utf8_lossy(&id.stdout).trim() == "0";
        if root {
            let own = Command::new("chown")
                .arg("postgres:postgres")
                .arg(folder)
                .status();
            assert!(
                own.is_ok_and(|status| status.success()),
                "there is a user postgres"
            );
        }
        AsUser { root }
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        if self.root {
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
        }
        command.arg("--pdeathsig=INT").arg("--").arg(program);
        command
    }
}

/// Where the server's programs are: Debian keeps them off the PATH, by version.
fn programs() -> PathBuf {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|bin| bin.join("postgres").exists())
        .collect();
    versions.sort();
    versions.pop().expect(
        "PostgreSQL's server programs are there (package postgresql), or PLUVIO_TEST_POSTGRES names a server",
    )
}
