//! A private registry: Debian's docker-registry with a password.

use std::process::{Command, Stdio};

use super::{Server, free_port, run};
use crate::engine::Engine;

#[derive(Debug)]
pub struct Registry {
    pub port: u16,
    folder: tempfile::TempDir,
    server: Option<Server>,
}

impl Registry {
    pub const USER: &str = "ada";
    pub const PASSWORD: &str = "Registry-password-of-a-test";

    pub fn start() -> Registry {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        // bcrypt, which is all that it takes; with few rounds.
        let script = r#"print crypt($ARGV[0], "\$2y\$05\$saltsaltsaltsaltsaltsa")"#;
        let hash = run(Command::new("perl").args(["-e", script, Registry::PASSWORD]));
        std::fs::write(at("htpasswd"), format!("{}:{hash}\n", Registry::USER)).expect("a file");
        let port = free_port();
        let config = format!(
            "version: 0.1\nlog: {{ level: error, accesslog: {{ disabled: true }} }}\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\n\
             http: {{ addr: '127.0.0.1:{port}' }}\nauth: {{ htpasswd: {{ realm: test, path: {} }} }}\n",
            at("images"),
            at("htpasswd")
        );
        std::fs::write(at("config.yml"), config).expect("a file");
        let mut command = Command::new("docker-registry");
        command
            .args(["serve", &at("config.yml")])
            .stderr(Stdio::null());
        let server = Some(Server::start(&mut command, port));
        Registry {
            port,
            folder,
            server,
        }
    }

    /// The registry is gone, what it holds stays.
    pub fn stop(&mut self) {
        self.server = None;
        assert!(self.folder.path().exists());
    }

    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Pushes what the engine has under a name, as `name:tag` of this registry, and leaves that name in no engine.
    #[track_caller]
    pub fn push(&self, engine: &Engine, image: &str, name: &str, tag: &str) {
        let repository = format!("{}/{name}", self.host());
        let path = format!("/images/{image}/tag?repo={repository}&tag={tag}");
        assert_eq!(engine.request("POST", &path, None).0, 201, "{path}");
        let path = match engine.name {
            "podman" => format!("/v4.0.0/libpod/images/{repository}:{tag}/push?tlsVerify=false"),
            _ => format!("/images/{repository}/push?tag={tag}"),
        };
        let auth = format!(
            r#"{{"username":"{}","password":"{}","serveraddress":"{}"}}"#,
            Registry::USER,
            Registry::PASSWORD,
            self.host()
        );
        let mut pack = Command::new("base64");
        pack.arg("-w0").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut pack = pack.spawn().expect("base64 starts");
        let mut input = pack.stdin.take().expect("piped");
        std::io::Write::write_all(&mut input, auth.as_bytes()).expect("written");
        drop(input);
        let packed = pack.wait_with_output().expect("it ends").stdout;
        let packed = String::from_utf8(packed)
            .expect("base64")
            .replace('+', "-")
            .replace('/', "_");
        let said = run(Command::new("curl")
            .args(["-sS", "-g", "--max-time", "300", "-X", "POST", "-H"])
            .arg(format!("X-Registry-Auth: {packed}"))
            .arg("--unix-socket")
            .arg(&engine.socket)
            .arg(format!("http://engine{path}")));
        assert!(!said.contains("\"error\""), "{path}: {said}");
        self.forget(engine, name, tag);
    }

    /// Removes a name of this registry from the engine.
    pub fn forget(&self, engine: &Engine, name: &str, tag: &str) {
        let path = format!("/images/{}/{name}:{tag}", self.host());
        engine.request("DELETE", &path, None);
    }
}
