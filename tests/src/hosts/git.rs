//! A repository, and the two ways to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Server, free_port, run};

/// A bare repository `ROOT/NAME.git` and a working copy of it.
#[derive(Debug)]
pub struct Repository {
    folder: tempfile::TempDir,
    name: String,
}

impl Repository {
    pub fn new(name: &str) -> Repository {
        let repository = Repository {
            folder: tempfile::tempdir().expect("a folder"),
            name: name.to_owned(),
        };
        let bare = repository.bare();
        run(Command::new("git")
            .args(["init", "--quiet", "--bare", "--initial-branch=main"])
            .arg(&bare));
        run(Command::new("git")
            .args(["clone", "--quiet"])
            .arg(&bare)
            .arg(repository.work())
            .stderr(Stdio::null()));
        repository
    }

    /// What a host serves.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    pub fn bare(&self) -> PathBuf {
        self.root().join(format!("{}.git", self.name))
    }

    /// The working copy, whose changes [`Repository::commit`] takes along.
    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    #[track_caller]
    pub fn git(&self, words: &[&str]) -> String {
        run(Command::new("git")
            .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"])
            .args(words)
            .current_dir(self.work()))
    }

    /// Writes files, commits them and pushes the branch; answers with the commit.
    #[track_caller]
    pub fn commit(&self, branch: &str, files: &[(&str, &str)], message: &str) -> String {
        self.git(&["checkout", "--quiet", "-B", branch]);
        for (file, content) in files {
            let path = self.work().join(file);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, content).expect("a file");
        }
        self.git(&["add", "."]);
        self.git(&["commit", "--quiet", "-m", message]);
        self.git(&["push", "--quiet", "--force", "--tags", "origin", branch]);
        self.git(&["rev-parse", "HEAD"])
    }
}

/// `git http-backend` behind basic authentication.
#[derive(Debug)]
pub struct HttpHost {
    pub port: u16,
}

impl HttpHost {
    /// Serves `root` to `user` with `password`, and to nobody else, until the test ends.
    pub fn start(root: &Path, user: &str, password: &str) -> HttpHost {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (root, known) = (
            root.to_owned(),
            format!("Basic {}", base64(&format!("{user}:{password}"))),
        );
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (root, known) = (root.clone(), known.clone());
                std::thread::spawn(move || answer(stream, &root, &known));
            }
        });
        HttpHost { port }
    }

    pub fn url(&self, repository: &str) -> String {
        format!("http://127.0.0.1:{}/{repository}", self.port)
    }
}

fn answer(mut stream: TcpStream, root: &Path, known: &str) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let header = |name: &str| {
        let found = headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    };
    if header("authorization") != known {
        let _ = stream.write_all(
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
        return None;
    }
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut backend = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .env("REMOTE_USER", "ada")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut input = backend.stdin.take()?;
    std::thread::spawn(move || input.write_all(&body));
    let output = backend.wait_with_output().ok()?.stdout;
    let split = output.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&output[..split]).into_owned();
    let status = head.lines().find_map(|line| line.strip_prefix("Status: "));
    let fields: Vec<&str> = head
        .lines()
        .filter(|line| !line.starts_with("Status: "))
        .collect();
    let body = &output[split + 4..];
    let head = format!(
        "HTTP/1.1 {}\r\n{}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        status.unwrap_or("200 OK"),
        fields.join("\r\n"),
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body).ok()
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for part in text.as_bytes().chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| {
            bits << 8 | u32::from(*part.get(at).unwrap_or(&0))
        });
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= part.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    out
}

/// A real sshd that lets one key in, as whoever runs the test.
#[derive(Debug)]
pub struct SshHost {
    pub port: u16,
    folder: tempfile::TempDir,
    server: Option<Server>,
}

impl SshHost {
    pub fn start() -> SshHost {
        let folder = tempfile::tempdir().expect("a folder");
        let mut host = SshHost {
            port: free_port(),
            folder,
            server: None,
        };
        host.key_pair("user");
        host.key_pair("stranger");
        host.serve();
        host
    }

    fn key_pair(&self, name: &str) {
        run(Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
            .arg(self.folder.path().join(name)));
    }

    /// Begins to serve with a host key that nobody has seen, also in place of the one before.
    pub fn serve(&mut self) {
        self.server = None;
        let _ = std::fs::remove_file(self.folder.path().join("host"));
        let _ = std::fs::remove_file(self.folder.path().join("host.pub"));
        self.key_pair("host");
        // sshd wants it, and a machine on which no sshd was started has it not.
        let _ = std::fs::create_dir_all("/run/sshd");
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let config = format!(
            "Port {}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nPermitRootLogin yes\nPidFile none\nPrintMotd no\n",
            self.port,
            at("host"),
            at("user.pub")
        );
        std::fs::write(at("config"), config).expect("a file");
        let mut sshd = Command::new("/usr/sbin/sshd");
        sshd.args(["-D", "-e", "-f", &at("config")])
            .stderr(Stdio::null());
        self.server = Some(Server::start(&mut sshd, self.port));
    }

    /// A private key: `user`'s, which is let in, or `stranger`'s, which is not.
    pub fn key(&self, whose: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(whose)).expect("a key")
    }

    pub fn url(&self, repository: &Path) -> String {
        let user = run(Command::new("id").arg("-un"));
        format!(
            "ssh://{user}@127.0.0.1:{}{}",
            self.port,
            repository.display()
        )
    }
}
