//! Source from Git, by the real `git` over repositories on disk and hosts that do not exist.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use pluvio_build::fetch::{Fetched, fetch};
use pluvio_build::{BuildSource, GitCredential, Log, LogEntry, SshHosts};
use pluvio_model::problem::{self, Problem};
use pluvio_model::spec::GitSource;

struct Repository {
    folder: tempfile::TempDir,
}

impl Repository {
    /// `main` with two commits, a tag at the first, a branch with a slash, a folder `web`.
    fn new() -> Repository {
        let repository = Repository {
            folder: tempfile::tempdir().unwrap(),
        };
        repository.git(&["init", "--quiet", "--initial-branch=main", "."]);
        repository.commit("index.html", "one", "First: say one");
        repository.git(&["tag", "v1"]);
        repository.commit("web/page.html", "two", "Second");
        repository.git(&["checkout", "--quiet", "-b", "feature/three"]);
        repository.commit("index.html", "three", "Third");
        repository.git(&["checkout", "--quiet", "main"]);
        repository
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn git(&self, words: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"])
            .args(["-c", "protocol.file.allow=always"])
            .args(words)
            .current_dir(self.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{words:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn commit(&self, file: &str, content: &str, message: &str) {
        let path = self.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self.git(&["add", "."]);
        self.git(&["commit", "--quiet", "-m", message]);
    }

    fn source(&self) -> GitSource {
        of_url(&format!("file://{}", self.path().display()))
    }
}

fn of_url(url: &str) -> GitSource {
    GitSource {
        url: url.to_owned(),
        reference: None,
        path: None,
        credential: None,
    }
}

async fn fetched(git: GitSource) -> Result<Fetched, Problem> {
    with_credential(git, None).await.0
}

async fn with_credential(
    git: GitSource,
    credential: Option<GitCredential>,
) -> (Result<Fetched, Problem>, Vec<String>) {
    let work = std::env::temp_dir().join("pluvio-git-tests");
    let said: Arc<Mutex<Vec<String>>> = Arc::default();
    let lines = said.clone();
    let log: Log = Arc::new(move |entry| {
        if let LogEntry::Line { text, .. } = entry {
            lines.lock().unwrap().push(text);
        }
    });
    std::fs::create_dir_all(&work).unwrap();
    let source = BuildSource::Git {
        git,
        credential,
        hosts: SshHosts::Pinned(work.join("known_hosts")),
    };
    let fetched = fetch(&source, &work, &log).await;
    let said = said.lock().unwrap().clone();
    (fetched, said)
}

fn read(fetched: &Fetched, file: &str) -> String {
    std::fs::read_to_string(fetched.folder.join(file)).unwrap()
}

#[tokio::test]
async fn branch_tag_commit_and_folder_are_found() {
    let repository = Repository::new();
    let main = fetched(repository.source()).await.unwrap();
    assert_eq!(main.record.branch.as_deref(), Some("main"));
    assert_eq!(main.record.message.as_deref(), Some("Second"));
    assert_eq!(main.record.author.as_deref(), Some("Ada <ada@example.org>"));
    assert_eq!(
        main.record.commit,
        Some(repository.git(&["rev-parse", "main"]))
    );
    assert!(main.note.starts_with("main @ "), "{}", main.note);

    let of = |reference: &str| GitSource {
        reference: Some(reference.to_owned()),
        ..repository.source()
    };
    let first = repository.git(&["rev-parse", "v1"]);
    for (reference, content) in [
        ("main", "one"),
        ("v1", "one"),
        ("feature/three", "three"),
        (first.as_str(), "one"),
        (&first[..9], "one"),
    ] {
        let fetched = fetched(of(reference)).await;
        assert_eq!(
            read(&fetched.unwrap(), "index.html"),
            content,
            "{reference}"
        );
    }
    let folder = fetched(GitSource {
        path: Some("web".to_owned()),
        ..repository.source()
    });
    assert_eq!(read(&folder.await.unwrap(), "page.html"), "two");
}

#[tokio::test]
async fn submodules_come_along() {
    let (library, application) = (Repository::new(), Repository::new());
    let url = format!("file://{}", library.path().display());
    application.git(&["submodule", "--quiet", "add", &url, "lib"]);
    application.git(&["commit", "--quiet", "-m", "With a library"]);
    let fetched = fetched(application.source()).await.unwrap();
    assert_eq!(read(&fetched, "lib/web/page.html"), "two");
}

/// C11: each kind of bad input is told apart.
#[tokio::test]
async fn bad_input_is_told_apart() {
    let repository = Repository::new();
    let is = |outcome: Result<Fetched, Problem>, code: problem::Code| {
        let problem = outcome.map(|f| f.note).unwrap_err();
        assert!(
            problem.is(code),
            "{} {problem} {:?}",
            problem.code,
            problem.evidence
        );
    };
    is(
        fetched(of_url("https://no-such-host.invalid/a/b")).await,
        problem::GIT_HOST_NOT_FOUND,
    );
    is(
        fetched(of_url("ssh://git@127.0.0.1:1/a/b")).await,
        problem::GIT_HOST_NOT_FOUND,
    );
    is(
        fetched(of_url("file:///nowhere/at/all")).await,
        problem::GIT_NO_REPOSITORY,
    );
    is(
        fetched(of_url("ext::sh -c true")).await,
        problem::GIT_NO_REPOSITORY,
    );
    for reference in ["nope", "deadbeefdeadbeef", "--upload-pack=true"] {
        let source = GitSource {
            reference: Some(reference.to_owned()),
            ..repository.source()
        };
        is(fetched(source).await, problem::GIT_NO_REFERENCE);
    }
    for path in ["nope", "../..", "/etc", "index.html"] {
        let source = GitSource {
            path: Some(path.to_owned()),
            ..repository.source()
        };
        is(fetched(source).await, problem::GIT_NO_PATH);
    }
}

/// A Git host over HTTP that wants a password: `git http-backend` behind the smallest server.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_given_to_who_asks_and_shown_to_nobody() {
    let repository = Repository::new();
    let port = http::serve(repository.path().to_owned()).await;
    let source = || of_url(&format!("http://127.0.0.1:{port}/.git"));
    let password = |password: &str| {
        Some(GitCredential::Password {
            user: "ada".to_owned(),
            password: password.to_owned(),
        })
    };
    for wrong in [None, password("wrong-password")] {
        let (outcome, _) = with_credential(source(), wrong).await;
        let problem = outcome.map(|f| f.note).unwrap_err();
        assert!(
            problem.is(problem::GIT_UNAUTHORIZED),
            "{problem} {:?}",
            problem.evidence
        );
        assert!(!format!("{problem:?}").contains("wrong-password"));
    }
    let (outcome, said) = with_credential(source(), password("right")).await;
    assert_eq!(read(&outcome.unwrap(), "index.html"), "one");
    assert!(!said.join("\n").contains("right"));
}

mod http {
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

    pub(super) async fn serve(root: std::path::PathBuf) -> u16 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, root.clone()));
            }
        });
        port
    }

    async fn answer(stream: tokio::net::TcpStream, root: std::path::PathBuf) -> Option<()> {
        let mut stream = BufReader::new(stream);
        let mut request = String::new();
        stream.read_line(&mut request).await.ok()?;
        let (mut length, mut kind, mut known) = (0, String::new(), false);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok()?;
            let Some((name, value)) = line.trim().split_once(": ") else {
                break;
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().ok()?,
                "content-type" => kind = value.to_owned(),
                // ada:right
                "authorization" => known = value == "Basic YWRhOnJpZ2h0",
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        if !known {
            let answer = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            return stream.write_all(answer.as_bytes()).await.ok();
        }
        let mut words = request.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut child = tokio::process::Command::new("git")
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", &root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("PATH_INFO", path)
            .env("QUERY_STRING", query)
            .env("REQUEST_METHOD", method)
            .env("CONTENT_TYPE", kind)
            .env("CONTENT_LENGTH", length.to_string())
            .env("REMOTE_USER", "ada")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .ok()?;
        child.stdin.take()?.write_all(&body).await.ok()?;
        let output = child.wait_with_output().await.ok()?.stdout;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n")
            .await
            .ok()?;
        stream.write_all(&output).await.ok()?;
        stream.shutdown().await.ok()
    }
}
