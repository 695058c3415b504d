//! An SSH agent that holds one key for one build.
//!
//! OpenSSH's own `ssh-agent`: the key goes to it over a pipe and is on no disk. It runs behind a program that reads from this
//! process until there is nothing more, and ends when that one is gone: a Pluvio that is killed leaves no agent either.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use pluvio_model::name::EnvName;
use pluvio_model::problem::{self, Problem};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

/// In a folder of its own, which nobody else enters.
const SOCKET: &str = "agent";
/// Tells who the agent is, then waits for the end of its input.
const WAITS: &str = "echo \"$SSH_AGENT_PID\"; exec cat >/dev/null";
/// Longer than either program takes on a machine under load.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running agent. It ends, and its folder goes, when it is dropped.
pub(crate) struct Agent {
    folder: tempfile::TempDir,
    pid: Pid,
    _waiting: Child,
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Its number is nobody else's: who began it has not been waited for.
        let _ = kill_process(self.pid, Signal::TERM);
    }
}

impl Agent {
    /// Starts one and gives it the key, which it forgets after `life`.
    pub(crate) async fn start(
        secret: &EnvName,
        key: &str,
        life: Duration,
    ) -> Result<Agent, Problem> {
        // Sockets have short paths, and data folders may have long ones.
        let folder = tempfile::Builder::new()
            .prefix("pluvio-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .map_err(|e| failed(&format!("there is no folder for its socket: {e}")))?;
        let mut waiting = command("ssh-agent")
            .arg("-a")
            .arg(folder.path().join(SOCKET))
            .args(["-t", &life.as_secs().max(1).to_string()])
            .args(["sh", "-c", WAITS])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| failed(&e.to_string()))?;
        let told = waiting.stdout.take().expect("piped");
        let mut told = BufReader::new(told).lines();
        let line = tokio::time::timeout(PATIENCE, told.next_line()).await;
        let pid = line.ok().and_then(Result::ok).flatten();
        let pid = pid.and_then(|line| Pid::from_raw(line.trim().parse().ok()?));
        let agent = Agent {
            folder,
            pid: pid.ok_or_else(|| failed("it told no process"))?,
            _waiting: waiting,
        };
        agent.add(secret, key).await?;
        Ok(agent)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join(SOCKET)
    }

    async fn add(&self, secret: &EnvName, key: &str) -> Result<(), Problem> {
        let mut adding = command("ssh-add")
            .args(["-q", "-"])
            .env("SSH_AUTH_SOCK", self.socket())
            // Of a passphrase nobody is asked; an empty answer is the end of it.
            .env("SSH_ASKPASS", "false")
            .env("SSH_ASKPASS_REQUIRE", "force")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| failed(&e.to_string()))?;
        let mut input = adding.stdin.take().expect("piped");
        let key = with_line_ends(key);
        let added = async move {
            // One that ends before it has read all says why.
            let _ = input.write_all(key.as_bytes()).await;
            drop(input);
            adding.wait_with_output().await
        };
        let output = tokio::time::timeout(PATIENCE, added).await;
        let output = output.map_err(|_| failed("it takes no key"))?;
        let output = output.map_err(|e| failed(&e.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let problem = problem::SPEC_INVALID.problem(
            format!("The secret {secret} holds no private key that an SSH agent takes."),
            format!(
                "Set it to a private key in OpenSSH's or PEM form that has no passphrase (`ssh-keygen -p` takes one away): `pluvio secret set {secret} < KEYFILE`."
            ),
        );
        Err(problem.evidence((!said.is_empty()).then_some(said)))
    }
}

fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C").env_remove("SSH_AUTH_SOCK");
    command.kill_on_drop(true);
    command
}

fn failed(why: &str) -> Problem {
    problem::BUILD_FAILED.problem(
        format!("The SSH agent of the build cannot be started: {why}."),
        "Install OpenSSH's client on the machine that builds (Debian: `apt install openssh-client`).",
    )
}

/// A private key as OpenSSH reads it, whatever editors and consoles made of its line ends.
pub(crate) fn with_line_ends(key: &str) -> String {
    let mut key = key.replace("\r\n", "\n");
    if !key.ends_with('\n') {
        key.push('\n');
    }
    key
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    async fn run(command: &mut Command) -> String {
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    async fn make_key(file: &Path, passphrase: &str) -> String {
        let mut keygen = command("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", passphrase, "-f"]);
        run(keygen.arg(file)).await;
        std::fs::read_to_string(file).unwrap()
    }

    #[tokio::test]
    async fn it_signs_with_its_key_and_is_gone_with_the_build() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let key = make_key(&file, "").await;
        let secret: EnvName = "KEY".parse().unwrap();
        let life = Duration::from_secs(60);
        // As a console that trims it sends it.
        let key = key.trim_end().replace('\n', "\r\n");
        let agent = Agent::start(&secret, &key, life).await.unwrap();
        let mut list = command("ssh-add");
        list.arg("-L").env("SSH_AUTH_SOCK", agent.socket());
        let listed = run(&mut list).await;
        let public = std::fs::read_to_string(file.with_extension("pub")).unwrap();
        assert_eq!(listed.trim(), public.trim());

        let (socket, pid) = (agent.socket(), agent.pid);
        drop(agent);
        assert!(!socket.parent().unwrap().exists());
        let lives = || {
            let stat = format!("/proc/{}/stat", pid.as_raw_nonzero());
            let stat = std::fs::read_to_string(stat).unwrap_or_default();
            stat.contains("ssh-agent") && !stat.contains(") Z ")
        };
        for _ in 0..100 {
            if !lives() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the agent lives on");
    }

    #[tokio::test]
    async fn what_is_no_key_or_has_a_passphrase_names_its_secret() {
        let folder = tempfile::tempdir().unwrap();
        let locked = make_key(&folder.path().join("locked"), "word").await;
        let secret: EnvName = "DEPLOY_KEY".parse().unwrap();
        for key in [locked.as_str(), "nothing of the kind"] {
            let started = Agent::start(&secret, key, Duration::from_secs(60)).await;
            let problem = started.err().expect("it is refused");
            assert!(problem.is(problem::SPEC_INVALID), "{problem}");
            assert!(problem.cause.contains("DEPLOY_KEY"), "{problem}");
            assert!(!problem.to_string().contains("BEGIN"), "{problem}");
        }
    }
}
