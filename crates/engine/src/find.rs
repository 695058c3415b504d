//! Where engines listen, and what each place answers.

use std::fmt;
use std::path::{Path, PathBuf};

use pluvio_model::facts::RuntimeKind;
use pluvio_model::problem::{self, Problem};
use pluvio_runtime::driver::DriverError;

use crate::connection::Engine;

/// One place where an engine may listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Who named it: `engine.host`, `DOCKER_HOST`, or the usual place of an engine.
    pub named_by: &'static str,
    pub socket: PathBuf,
    pub verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Answers {
        kind: RuntimeKind,
        version: String,
    },
    /// No such file.
    Absent,
    /// There, and this user may not use it.
    Forbidden,
    /// There, and nobody answers, or nobody understands.
    Silent(String),
    TooOld(String),
    /// Named in a way that is not a Unix socket of this machine.
    NotASocket,
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Verdict::Answers { kind, version } => write!(out, "{kind:?} {version} answers"),
            Verdict::Absent => out.write_str("no such socket"),
            Verdict::Forbidden => out.write_str("this user may not use it"),
            Verdict::Silent(why) => write!(out, "does not answer ({why})"),
            Verdict::TooOld(why) => out.write_str(why),
            Verdict::NotASocket => out.write_str("not a Unix socket (unix:///…) of this machine"),
        }
    }
}

/// Every place in the order they are tried. A configured one is the only one.
fn places(configured: Option<&str>) -> Vec<(&'static str, PathBuf)> {
    let path = |text: &str| PathBuf::from(text.strip_prefix("unix://").unwrap_or(text));
    if let Some(configured) = configured.filter(|text| !text.is_empty()) {
        return vec![("engine.host", path(configured))];
    }
    let mut places = Vec::new();
    if let Some(host) = std::env::var("DOCKER_HOST").ok().filter(|h| !h.is_empty()) {
        places.push(("DOCKER_HOST", path(&host)));
    }
    places.push(("Docker's usual place", "/var/run/docker.sock".into()));
    let runtime_dir = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    if let Some(dir) = &runtime_dir {
        places.push(("rootless Docker's usual place", dir.join("docker.sock")));
        places.push((
            "rootless Podman's usual place",
            dir.join("podman/podman.sock"),
        ));
    }
    places.push(("Podman's usual place", "/run/podman/podman.sock".into()));
    let mut seen = std::collections::HashSet::new();
    places.retain(|(_, socket)| seen.insert(socket.clone()));
    places
}

async fn look(socket: &Path) -> (Verdict, Option<Engine>) {
    if !socket.is_absolute() {
        return (Verdict::NotASocket, None);
    }
    match tokio::fs::metadata(socket).await {
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            return (Verdict::Forbidden, None);
        }
        Err(_) => return (Verdict::Absent, None),
        Ok(_) => {}
    }
    match Engine::connect(socket).await {
        Ok(engine) => {
            let verdict = Verdict::Answers {
                kind: engine.kind(),
                version: engine.version().to_owned(),
            };
            (verdict, Some(engine))
        }
        Err(DriverError::Unreachable(why)) if why.contains("ermission denied") => {
            (Verdict::Forbidden, None)
        }
        Err(DriverError::Refused { message, .. }) if message.contains("API version") => {
            (Verdict::TooOld(message), None)
        }
        Err(error) => (Verdict::Silent(error.to_string()), None),
    }
}

/// Looks at every place, for `pluvio doctor`.
pub async fn probe_engines(configured: Option<&str>) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for (named_by, socket) in places(configured) {
        let (verdict, _) = look(&socket).await;
        candidates.push(Candidate {
            named_by,
            socket,
            verdict,
        });
    }
    candidates
}

/// The first engine that answers; `configured` (`engine.host`) is the only one tried if given.
pub async fn find_engine(configured: Option<&str>) -> Result<Engine, Problem> {
    let mut tried = Vec::new();
    for (named_by, socket) in places(configured) {
        match look(&socket).await {
            (_, Some(engine)) => return Ok(engine),
            (verdict, None) => tried.push(Candidate {
                named_by,
                socket,
                verdict,
            }),
        }
    }
    Err(missing(&tried))
}

fn missing(tried: &[Candidate]) -> Problem {
    let evidence = tried.iter().map(|candidate| {
        format!(
            "{} ({}): {}",
            candidate.socket.display(),
            candidate.named_by,
            candidate.verdict
        )
    });
    if let Some(Verdict::TooOld(why)) = tried
        .iter()
        .map(|c| &c.verdict)
        .find(|v| matches!(v, Verdict::TooOld(_)))
    {
        return problem::ENGINE_TOO_OLD
            .problem(why.clone(), "Upgrade the engine.")
            .evidence(evidence);
    }
    let forbidden = tried.iter().find(|c| c.verdict == Verdict::Forbidden);
    let remedy = match forbidden {
        Some(candidate) => format!(
            "Add this user to the group that owns {} (`sudo usermod -aG docker $USER`, then sign in again), or run as root.",
            candidate.socket.display()
        ),
        None => "Install and start Docker or Podman (Debian: `apt install docker.io`; on a machine without systemd \
             `scripts/engine start docker`), or name its socket in `engine.host`. `pluvio doctor` looks again."
            .to_owned(),
    };
    problem::ENGINE_MISSING
        .problem(
            "No place where an engine may listen has one that answers.",
            remedy,
        )
        .evidence(evidence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_tried_is_told() {
        let problem = find_engine(Some("unix:///nowhere/engine.sock"))
            .await
            .unwrap_err();
        assert!(problem.is(problem::ENGINE_MISSING));
        assert_eq!(
            problem.evidence,
            ["/nowhere/engine.sock (engine.host): no such socket"]
        );
        let verdicts = probe_engines(Some("tcp://10.0.0.1:2375")).await;
        assert_eq!(verdicts[0].verdict, Verdict::NotASocket);
    }

    #[tokio::test]
    async fn a_socket_that_nobody_serves_is_silent() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("engine.sock");
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        let found = probe_engines(socket.to_str()).await;
        assert!(matches!(found[0].verdict, Verdict::Silent(_)), "{found:?}");
    }
}
