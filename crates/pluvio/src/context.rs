//! What every command needs: where the data is, which server, which application.

use std::path::{Path, PathBuf};

use pluvio_api::client::{Address, Client};
use pluvio_model::name::Name;
use pluvio_model::problem::{self, Problem};
use serde::{Deserialize, Serialize};

use crate::cli::Global;
use crate::output::Output;

#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) global: Global,
    pub(crate) data: PathBuf,
    pub(crate) out: Output,
}

/// Where `pluvio login` points, `$XDG_CONFIG_HOME/pluvio/login.json`, mode 0600.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Login {
    /// `host:port`
    pub(crate) address: String,
    pub(crate) token: String,
    #[serde(default)]
    pub(crate) tls: bool,
    /// The only authorities that are believed, in PEM; this system's without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<String>,
}

impl Context {
    pub(crate) fn new(global: Global) -> Context {
        let data = global.data.clone().unwrap_or_else(default_data);
        let out = Output::new(global.json, global.quiet, global.verbose);
        Context { global, data, out }
    }

    /// A client for the server in use: the one logged in to, else the one of this machine.
    pub(crate) fn client(&self) -> Result<Client, Problem> {
        if self.global.data.is_none()
            && let Some(login) = Login::read()?
        {
            return login.client();
        }
        let socket = self.data.join("control.sock");
        if !socket.exists() {
            return Err(problem::SERVER_UNREACHABLE.problem(
                format!(
                    "Pluvio does not run with the data folder {}.",
                    self.data.display()
                ),
                "Start it with `pluvio up`, or name another data folder with --data.",
            ));
        }
        Ok(Client::new(Address::Socket(socket), None))
    }

    /// `/api/v1/teams/main/environments/production`
    pub(crate) fn environment_path(&self) -> String {
        format!(
            "/api/v1/teams/{}/environments/{}",
            escape(&self.global.team),
            escape(&self.global.environment)
        )
    }

    /// The API path of the application in question.
    pub(crate) fn app_path(&self) -> Result<String, Problem> {
        Ok(format!(
            "{}/applications/{}",
            self.environment_path(),
            escape(&self.app_name()?)
        ))
    }

    /// `-a`, else the `name` of the app.yaml in this folder or above.
    pub(crate) fn app_name(&self) -> Result<String, Problem> {
        if let Some(app) = &self.global.app {
            return Ok(app.clone());
        }
        let here = std::env::current_dir().map_err(|e| {
            problem::REQUEST_INVALID.problem(
                format!("The current folder cannot be read: {e}."),
                "Change to a folder that exists.",
            )
        })?;
        for folder in here.ancestors() {
            let file = folder.join("app.yaml");
            if let Ok(text) = std::fs::read_to_string(&file)
                && let Some(name) = name_of(&text)
            {
                return Ok(name);
            }
        }
        // `pluvio deploy` in a folder without app.yaml names the application after the folder.
        here.file_name()
            .and_then(|f| Name::suggest(&f.to_string_lossy()))
            .map(|n| n.to_string())
            .ok_or_else(|| {
                problem::REQUEST_INVALID.problem(
                    "Which application is meant is not said, and there is no app.yaml here.",
                    "Name it with -a APP; `pluvio apps` lists them.",
                )
            })
    }
}

/// The top-level `name:` of an app.yaml, without reading the rest: a broken file must not hide which application it is.
fn name_of(text: &str) -> Option<String> {
    let line = text.lines().find_map(|l| l.strip_prefix("name:"))?;
    let name = line.split(" #").next()?.trim().trim_matches(['"', '\'']);
    name.parse::<Name>().ok().map(|n| n.to_string())
}

pub(crate) fn default_data() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return "/var/lib/pluvio".into();
    }
    std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|p| p.is_absolute())
        .unwrap_or_else(|| home().join(".local/share"))
        .join("pluvio")
}

fn home() -> PathBuf {
    std::env::var_os("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from)
}

impl Login {
    pub(crate) fn file() -> PathBuf {
        let config = std::env::var_os("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .filter(|p| p.is_absolute());
        config
            .unwrap_or_else(|| home().join(".config"))
            .join("pluvio/login.json")
    }

    pub(crate) fn read() -> Result<Option<Login>, Problem> {
        if let (Ok(address), Ok(token)) =
            (std::env::var("PLUVIO_URL"), std::env::var("PLUVIO_TOKEN"))
        {
            let ca = std::env::var_os("PLUVIO_CA").map(PathBuf::from);
            return Login::to(&address, token, ca.as_deref()).map(Some);
        }
        match std::fs::read(Login::file()) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|e| {
                problem::CONFIG_INVALID.problem(
                    format!("{} cannot be read: {e}.", Login::file().display()),
                    "Sign in again with `pluvio login URL`.",
                )
            }),
            Err(_) => Ok(None),
        }
    }

    /// A server by its address as people write it.
    pub(crate) fn to(url: &str, token: String, ca: Option<&Path>) -> Result<Login, Problem> {
        let invalid = |cause: String| {
            problem::REQUEST_INVALID.problem(
                cause,
                "Write https://HOST or, on a network you trust, http://HOST:7080.",
            )
        };
        let (tls, rest) = match url.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            Some((scheme, _)) => {
                return Err(invalid(format!(
                    "{scheme}:// is not spoken by this client."
                )));
            }
            None => (false, url),
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if host.is_empty() || host.contains('@') {
            return Err(invalid(format!("{url:?} names no server.")));
        }
        if !path.is_empty() {
            return Err(invalid(format!(
                "{url} is below a path, and Pluvio answers at a host of its own."
            )));
        }
        let has_port = host
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let address = match (has_port, tls) {
            (true, _) => host.to_owned(),
            (false, true) => format!("{host}:443"),
            (false, false) => format!("{host}:7080"),
        };
        if ca.is_some() && !tls {
            return Err(invalid(format!(
                "{url} is not spoken to over TLS, so there is no certificate to believe."
            )));
        }
        let read = |file: &Path| {
            std::fs::read_to_string(file).map_err(|e| {
                problem::REQUEST_INVALID.problem(
                    format!("{} cannot be read: {e}.", file.display()),
                    "Name a file of certificates in PEM.",
                )
            })
        };
        Ok(Login {
            address,
            token,
            tls,
            ca: ca.map(read).transpose()?,
        })
    }

    pub(crate) fn client(self) -> Result<Client, Problem> {
        if self.tls {
            return Client::new(Address::Tls(self.address), Some(self.token))
                .believing(self.ca.as_deref());
        }
        Ok(Client::new(Address::Tcp(self.address), Some(self.token)))
    }

    pub(crate) fn write(&self) -> std::io::Result<()> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let file = Login::file();
        std::fs::create_dir_all(file.parent().unwrap_or(Path::new("/")))?;
        let mut out = std::fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(file)?;
        out.write_all(&serde_json::to_vec(self).expect("a login serialises"))
    }
}

/// Percent-encodes what a path segment or a query value cannot hold.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
