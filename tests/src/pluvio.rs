//! One Pluvio of a test's own: the real binary, its own data folder, ports and networks, gone at the end whatever happens.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::engine::Engine;
use crate::http::{self, Reply};
use crate::slot::Slot;
use crate::wait;

/// How long an operation may take before a test calls it hung.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// What a command answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The exit code; 128 and the signal's number for a process that was killed.
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    /// The one JSON document that `--json` promises.
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_str(&self.stdout) {
            Ok(value) => value,
            Err(error) => panic!("not one JSON document ({error}): {self:?}"),
        }
    }

    /// The document, of a command that must have succeeded.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.exit, 0, "{self:?}");
        if self.stdout.trim_start().starts_with(['{', '[']) {
            self.json()
        } else {
            Value::Null
        }
    }

    /// The problem, of a command that must have failed with this code.
    #[track_caller]
    pub fn problem(&self, exit: i32, code: &str) -> Value {
        let problem = self.json();
        assert_eq!(
            (self.exit, problem["code"].as_str()),
            (exit, Some(code)),
            "{self:?}"
        );
        for part in ["title", "cause", "remedy", "help"] {
            let text = problem[part].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{code} says no {part}: {problem}");
        }
        problem
    }
}

/// A running Pluvio.
#[derive(Debug)]
pub struct Pluvio {
    pub engine: Engine,
    slot: Slot,
    folder: tempfile::TempDir,
    data: PathBuf,
    /// Named by `io.pluvio.installation` on all it makes; known once it is up.
    installation: Option<String>,
    /// Beside the ones every command gets.
    extra: Vec<(String, String)>,
    gone: bool,
}

impl Pluvio {
    /// Starts one on an engine.
    #[track_caller]
    pub fn start(engine: Engine) -> Pluvio {
        let mut pluvio = Pluvio::prepare(engine);
        pluvio.up(&[]).ok();
        pluvio
    }

    /// A data folder and ports, nothing running yet.
    pub fn prepare(engine: Engine) -> Pluvio {
        let folder = tempfile::Builder::new()
            .prefix("pluvio-t-")
            .tempdir()
            .expect("a folder");
        Pluvio {
            engine,
            slot: Slot::take(),
            data: folder.path().join("data"),
            folder,
            installation: None,
            extra: Vec::new(),
            gone: false,
        }
    }

    /// Another data folder, such as one on a small disk.
    pub fn with_data(mut self, data: &Path) -> Pluvio {
        data.clone_into(&mut self.data);
        self
    }

    /// A variable for every command and, through `up`, for both processes.
    pub fn with(mut self, name: &str, value: &str) -> Pluvio {
        self.extra.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// A folder of this test's own beside the data folder.
    pub fn scratch(&self) -> &Path {
        self.folder.path()
    }

    pub fn port(&self) -> u16 {
        self.slot.port(0)
    }

    pub fn gateway_port(&self) -> u16 {
        self.slot.port(1)
    }

    /// One of seven ports that are this test's and that nothing of it listens on.
    pub fn free_port(&self, index: u16) -> u16 {
        self.slot.port(3 + index)
    }

    /// A name that no other test uses, so that two installations on one engine never speak of the same.
    pub fn name(&self, base: &str) -> String {
        format!("{base}-{}", self.slot.number)
    }

    /// The id that all it makes on the engine is labelled with.
    #[track_caller]
    pub fn installation(&self) -> &str {
        self.installation.as_deref().expect("it was up")
    }

    /// `pluvio up --json`, with variables for the processes it starts.
    pub fn up(&mut self, variables: &[(&str, &str)]) -> Answer {
        let mut command = self.command(&["up", "--json"]);
        command.envs(variables.iter().copied());
        let answer = finish(command, None, PATIENCE);
        if let Ok(value) = serde_json::from_str::<Value>(&answer.stdout)
            && let Some(cluster) = value["engine"]["cluster"].as_str()
        {
            self.installation = Some(cluster.to_owned());
        }
        answer
    }

    /// The binary with this installation's settings.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(words).current_dir(self.folder.path());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PLUVIO_")) {
            command.env_remove(name);
        }
        command
            .env("HOME", self.folder.path())
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("SSH_CONNECTION")
            .env("PLUVIO_DATA", &self.data)
            .env("PLUVIO_PORT", self.slot.port(0).to_string())
            .env("PLUVIO_GATEWAY_PORT", self.slot.port(1).to_string())
            .env("PLUVIO_OPERATIONS_PORT", self.slot.port(2).to_string())
            // Tests of one feature do not wait for, or fill the disk with, what others build on.
            .env("PLUVIO_BUILD_WARM_BASES", "false")
            .env("PLUVIO_ENGINE", self.engine.address())
            .env("PLUVIO_NETWORK_POOL", self.slot.pool())
            // Base images that no test asks for are not made beside it.
            .env("PLUVIO_BUILD_WARM_BASES", "false")
            .envs(self.extra.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end.
    pub fn cli(&self, words: &[&str]) -> Answer {
        finish(self.command(words), None, PATIENCE)
    }

    /// Runs a command to its end with a text as its input.
    pub fn cli_with_input(&self, words: &[&str], input: &str) -> Answer {
        finish(self.command(words), Some(input), PATIENCE)
    }

    /// A command that may take longer, such as a build.
    pub fn cli_within(&self, words: &[&str], patience: Duration) -> Answer {
        finish(self.command(words), None, patience)
    }

    /// Starts a command and goes on; [`Pluvio::end_of`] waits for it.
    pub fn spawn(&self, words: &[&str]) -> Child {
        let mut command = self.command(words);
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the binary starts")
    }

    pub fn end_of(&self, child: Child) -> Answer {
        answer_of(child, PATIENCE)
    }

    /// Writes a file into the test's folder; answers with its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    }

    /// Deploys an app.yaml given as text.
    pub fn deploy(&self, yaml: &str) -> Answer {
        let file = self.write("app.yaml", yaml);
        self.cli(&["deploy", &file, "--json"])
    }

    /// `status --json` of an application.
    #[track_caller]
    pub fn status(&self, app: &str) -> Value {
        self.cli(&["status", "-a", app, "--json"]).ok()
    }

    /// Waits until an application's status satisfies a condition.
    #[track_caller]
    pub fn until_status(
        &self,
        app: &str,
        what: &str,
        mut good: impl FnMut(&Value) -> bool,
    ) -> Value {
        let mut last = Value::Null;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let answer = self.cli(&["status", "-a", app, "--json"]);
            if answer.exit == 0 {
                last = answer.json();
                if good(&last) {
                    return last;
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{app} never was {what}; last: {last:#}");
    }

    /// Tells one of the console's stories (`console/tests`) to this installation in a real browser. It must be told well.
    #[track_caller]
    pub fn story(&self, name: &str, variables: &[(&str, &Path)]) {
        let link = self.cli(&["signin-link", "--json"]).ok();
        let link = link["url"].as_str().expect("a link").to_owned();
        let (_, token) = link.split_once("token=").expect("a token");
        let console = Path::new(env!("CARGO_MANIFEST_DIR")).join("../console");
        let story = Command::new("node")
            .args(["tests/run.mjs", name])
            .current_dir(console)
            .env("PLUVIO_URL", format!("http://localhost:{}", self.port()))
            .env("PLUVIO_TOKEN", token)
            .envs(variables.iter().copied())
            .output()
            .expect("Node.js");
        let said = [story.stdout, story.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(story.status.success(), "{said}");
        // The other one is that every request was as the API's document says.
        assert!(
            said.contains("2 passed, 0 failed"),
            "the story was told: {said}"
        );
    }

    /// The newest operation of an application.
    #[track_caller]
    pub fn operation(&self, app: &str) -> Value {
        self.operations(app)[0].clone()
    }

    /// All operations of an application, the newest first.
    #[track_caller]
    pub fn operations(&self, app: &str) -> Value {
        self.cli(&["operations", "-a", app, "--json"]).ok()
    }

    /// What an operation's log says, as the API keeps it.
    #[track_caller]
    pub fn operation_log(&self, id: &str) -> String {
        let output = Command::new("curl")
            .args(["-sS", "--unix-socket"])
            .arg(self.data.join("control.sock"))
            .arg(format!("http://localhost/api/v1/operations/{id}/log"))
            .output()
            .expect("curl runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A request through the gateway.
    pub fn get(&self, app: &str, path: &str) -> Result<Reply, String> {
        http::get(self.gateway_port(), &format!("{app}.localhost"), path)
    }

    /// The body of an answer that must be 200.
    #[track_caller]
    pub fn body(&self, app: &str, path: &str) -> String {
        let reply = self.get(app, path).expect("an answer");
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        reply.body
    }

    /// Waits until the gateway answers with 200 and this text in it.
    #[track_caller]
    pub fn until_serves(&self, app: &str, path: &str, text: &str, within: Duration) {
        let mut last = None;
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            let reply = self.get(app, path);
            if matches!(&reply, Ok(reply) if reply.status == 200 && reply.body.contains(text)) {
                return;
            }
            last = Some(reply);
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{app}{path} did not answer {text:?} within {within:?}; last: {last:?}");
    }

    fn pid_file(&self, role: &str) -> PathBuf {
        if role == "node" {
            self.data.join("node/node.pid")
        } else {
            self.data.join(format!("{role}.pid"))
        }
    }

    /// The process that runs a role, if it runs.
    pub fn pid(&self, role: &str) -> Option<u32> {
        let pid: u32 = std::fs::read_to_string(self.pid_file(role))
            .ok()?
            .trim()
            .parse()
            .ok()?;
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).into_owned();
        let ours = command.contains(&*self.data.to_string_lossy()) && command.contains(role);
        ours.then_some(pid)
    }

    /// `kill -9` of a role, and waits until it is gone.
    #[track_caller]
    pub fn kill(&self, role: &str) {
        let pid = self
            .pid(role)
            .unwrap_or_else(|| panic!("{role} does not run"));
        signal(pid, "KILL");
        self.until_dead(role);
        // The kernel closes what a killed process had open a moment after it has forgotten its command.
        let port = self.slot.port(if role == "node" { 1 } else { 0 });
        let free = || std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
        wait::until_true(&format!("port {port} is free"), PATIENCE, free);
    }

    /// Waits until a role's process is gone.
    #[track_caller]
    pub fn until_dead(&self, role: &str) {
        let what = format!("{role} has ended");
        wait::until_true(&what, PATIENCE, || self.pid(role).is_none());
    }

    /// Starts one role alone, as systemd would; `Background` ends it when dropped.
    pub fn serve(&self, role: &str, variables: &[(&str, &str)]) -> Background {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.data.join(format!("logs/{role}.log")))
            .expect("a log");
        let mut command = self.command(&["server", "--roles", role, "--data"]);
        command.arg(&self.data).envs(variables.iter().copied());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        Background(command.spawn().expect("the binary starts"))
    }

    /// A second control in a data folder beside the first one's, on ports counted from `index`.
    pub fn serve_beside(&self, data: &Path, index: u16) -> Background {
        let log = std::fs::File::create(data.join("logs/control.log")).expect("a log");
        let mut command = self.command(&["server", "--roles", "control", "--data"]);
        command
            .arg(data)
            .env("PLUVIO_PORT", self.slot.port(index).to_string())
            .env(
                "PLUVIO_OPERATIONS_PORT",
                self.slot.port(index + 1).to_string(),
            );
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        Background(command.spawn().expect("the binary starts"))
    }

    /// What is there by its labels and by the names of builds.
    pub fn made(&self) -> Vec<String> {
        self.engine.made_by(self.installation())
    }

    /// Ends it in good order, and checks that nothing is left but the volumes it lists.
    #[track_caller]
    pub fn end(mut self) {
        let answer = self.cli(&["uninstall", "--keep-bases", "--yes", "--json"]);
        let kept = answer.ok()["volumes_kept"].as_array().map_or(0, Vec::len);
        let left = self.made();
        let (volumes, others): (Vec<_>, Vec<_>) =
            left.iter().partition(|thing| thing.starts_with("volume "));
        assert_eq!(others, Vec::<&String>::new(), "left after uninstall");
        assert_eq!(volumes.len(), kept, "left after uninstall: {volumes:?}");
        assert!(!self.data.exists(), "the data folder is left");
        assert_eq!(
            self.slot.addresses(),
            Vec::<String>::new(),
            "addresses are left"
        );
        self.engine.sweep(self.installation());
        self.gone = true;
    }
}

impl Drop for Pluvio {
    fn drop(&mut self) {
        if self.gone {
            return;
        }
        if std::thread::panicking() {
            for role in ["control", "node"] {
                let log = std::fs::read_to_string(self.data.join(format!("logs/{role}.log")));
                let log = log.unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                eprintln!("--- {role}.log, its end");
                for line in &lines[lines.len().saturating_sub(25)..] {
                    eprintln!("{line}");
                }
            }
        }
        for role in ["control", "node"] {
            if let Some(pid) = self.pid(role) {
                signal(pid, "KILL");
            }
        }
        if let Some(installation) = &self.installation
            && self.engine.answers()
        {
            self.engine.sweep(installation);
        }
        self.slot.give_back();
    }
}

/// A process that ends with the test.
#[derive(Debug)]
pub struct Background(Child);

impl Background {
    /// `kill -9`.
    pub fn kill(mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `PLUVIO_BIN`, else what `cargo build -p pluvio` left.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("PLUVIO_BIN") {
        return path.into();
    }
    // Tests lie in TARGET/debug/deps.
    let here = std::env::current_exe().expect("a test has a path");
    let debug = here.parent().and_then(Path::parent).expect("TARGET/debug");
    let path = debug.join("pluvio");
    assert!(
        path.exists(),
        "{} is missing: run `cargo build -p pluvio`, or set PLUVIO_BIN",
        path.display()
    );
    path
}

/// Sends a signal, named without `SIG`.
pub fn signal(pid: u32, name: &str) {
    let _ = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .stderr(Stdio::null())
        .status();
}

/// Runs a command to its end, or kills it when it is not over in time (exit 137).
pub fn finish(mut command: Command, input: Option<&str>, patience: Duration) -> Answer {
    command.stdin(if input.is_some() {
        Stdio::piped()
    } else {
        Stdio::null()
    });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
        let _ = pipe.write_all(input.as_bytes());
    }
    answer_of(child, patience)
}

fn answer_of(mut child: Child, patience: Duration) -> Answer {
    use std::os::unix::process::ExitStatusExt;
    let (mut out, mut err) = (
        child.stdout.take().expect("piped"),
        child.stderr.take().expect("piped"),
    );
    let stdout = std::thread::spawn(move || read_all(&mut out));
    let stderr = std::thread::spawn(move || read_all(&mut err));
    let deadline = Instant::now() + patience;
    let status = loop {
        match child.try_wait().expect("a child is waited for") {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                let _ = child.kill();
                break child.wait().expect("a child is waited for");
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    Answer {
        exit: status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
        stdout: stdout.join().expect("read"),
        stderr: stderr.join().expect("read"),
    }
}

fn read_all(from: &mut impl std::io::Read) -> String {
    let mut bytes = Vec::new();
    let _ = from.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}
