//! Git by the `git` program: it speaks every protocol, proxy and credential form that users have.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use pluvio_model::problem::{self, Problem};
use pluvio_model::revision::SourceRecord;
use pluvio_model::spec::GitSource;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

use super::{cannot_write, sub_folder};
use crate::builder::{GitCredential, Log, LogEntry, SshHosts};
use crate::ssh_agent::with_line_ends;

pub(super) struct Checkout {
    pub(super) folder: PathBuf,
    pub(super) whole: PathBuf,
    pub(super) record: SourceRecord,
    pub(super) note: String,
}

/// Fetches one commit, with submodules, into `scratch`.
pub(super) async fn check_out(
    source: &GitSource,
    credential: Option<&GitCredential>,
    hosts: &SshHosts,
    scratch: &Path,
    log: &Log,
) -> Result<Checkout, Problem> {
    check_url(&source.url)?;
    if let Some(reference) = source.reference.as_deref().filter(|r| r.starts_with('-')) {
        return Err(no_reference(source, reference));
    }
    let git = Git::new(source, credential, hosts, scratch)?;
    git.run(&["init", "--quiet", "."], log).await?;
    git.run(&["remote", "add", "origin", &source.url], log)
        .await?;
    let wanted = source.reference.as_deref().unwrap_or("HEAD");
    let fetch = |reference: &str, depth: bool| {
        let mut words = vec!["fetch".to_owned(), "--no-tags".to_owned()];
        if depth {
            words.push("--depth=1".to_owned());
        }
        words.extend(["origin".to_owned(), reference.to_owned()]);
        words
    };
    let words = |words: &[String]| words.to_vec();
    let first = git.run_words(&words(&fetch(wanted, true)), log).await;
    let checked_out = match first {
        Ok(_) => "FETCH_HEAD".to_owned(),
        // A server may serve commits only through branches, and never abbreviated ones: then all branches are fetched.
        Err(problem) if problem.is(problem::GIT_NO_REFERENCE) && looks_like_commit(wanted) => {
            git.run_words(
                &words(&fetch("+refs/heads/*:refs/remotes/origin/*", false)),
                log,
            )
            .await?;
            wanted.to_owned()
        }
        Err(problem) => return Err(problem),
    };
    git.run(
        &[
            "-c",
            "advice.detachedHead=false",
            "checkout",
            "--quiet",
            "--detach",
            &checked_out,
        ],
        log,
    )
    .await?;
    if git.folder.join(".gitmodules").exists() {
        log(LogEntry::line("submodules"));
        git.run(
            &["submodule", "update", "--init", "--recursive", "--depth=1"],
            log,
        )
        .await?;
    }
    let told = git
        .run(&["log", "-1", "--format=%H%x00%an <%ae>%x00%s"], log)
        .await?;
    let mut fields = told.trim_end().split('\0').map(str::to_owned);
    let (commit, author, message) = (fields.next(), fields.next(), fields.next());
    let branch = match &source.reference {
        Some(reference) if looks_like_commit(reference) => None,
        Some(reference) => Some(reference.clone()),
        None => git.default_branch(log).await,
    };
    let short = commit.as_deref().map_or("", |c| &c[..c.len().min(7)]);
    let note = match &branch {
        Some(branch) => format!("{branch} @ {short}"),
        None => short.to_owned(),
    };
    let folder = match &source.path {
        Some(path) => sub_folder(&git.folder, path).ok_or_else(|| {
            problem::GIT_NO_PATH.problem(
                format!("{} has no folder {path} at {note}.", source.url),
                "Check `path`: a folder in the repository, from its root.",
            )
        })?,
        None => git.folder.clone(),
    };
    Ok(Checkout {
        folder,
        whole: git.folder.clone(),
        note,
        record: SourceRecord {
            commit,
            message,
            author,
            branch,
            tree: None,
        },
    })
}

fn looks_like_commit(text: &str) -> bool {
    (7..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The protocols that are offered. Others (`ext::`) run programs.
fn check_url(url: &str) -> Result<(), Problem> {
    let scheme_ok = ["https://", "http://", "ssh://", "git://", "file://"]
        .iter()
        .any(|scheme| url.starts_with(scheme));
    let scp_like = !url.contains("::")
        && !url.starts_with('-')
        && url.split_once(':').is_some_and(|(host, path)| {
            !host.contains('/') && !host.is_empty() && !path.is_empty()
        });
    if scheme_ok || scp_like {
        return Ok(());
    }
    Err(problem::GIT_NO_REPOSITORY.problem(
        format!("{url} is not the address of a Git repository."),
        "Write https://HOST/PATH, ssh://USER@HOST/PATH, git@HOST:PATH or file:///PATH.",
    ))
}

fn no_reference(source: &GitSource, reference: &str) -> Problem {
    problem::GIT_NO_REFERENCE.problem(
        format!("{} has no branch, tag or commit {reference}.", source.url),
        "Check `ref`; `git ls-remote URL` lists what there is.",
    )
}

struct Git<'a> {
    source: &'a GitSource,
    folder: PathBuf,
    environment: Vec<(String, String)>,
    with_credential: bool,
    /// Where host keys are kept; `None`: where `ssh` does.
    known_hosts: Option<PathBuf>,
    /// Never shown.
    hidden: Vec<String>,
}

impl<'a> Git<'a> {
    /// Puts the credential where git finds it, and nobody else: files that only this user reads, and the environment.
    fn new(
        source: &'a GitSource,
        credential: Option<&GitCredential>,
        hosts: &SshHosts,
        scratch: &Path,
    ) -> Result<Git<'a>, Problem> {
        let folder = scratch.join("source");
        std::fs::create_dir_all(&folder).map_err(|e| cannot_write(&folder, &e))?;
        let write = |name: &str, content: &str, mode: u32| -> Result<PathBuf, Problem> {
            use std::io::Write;
            use std::os::unix::fs::OpenOptionsExt;
            let path = scratch.join(name);
            std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(mode)
                .open(&path)
                .and_then(|mut file| file.write_all(content.as_bytes()))
                .map_err(|e| cannot_write(&path, &e))?;
            Ok(path)
        };
        let mut environment: Vec<(String, String)> = Vec::new();
        let mut hidden = Vec::new();
        let mut set = |name: &str, value: String| environment.push((name.to_owned(), value));
        let mut ssh = "ssh -o BatchMode=yes -o ConnectTimeout=20".to_owned();
        let known_hosts = match hosts {
            SshHosts::Mine => None,
            SshHosts::Pinned(file) => {
                let system = Path::new("/etc/ssh/ssh_config");
                let configuration = if system.exists() {
                    system
                } else {
                    Path::new("none")
                };
                ssh.push_str(&format!(
                    " -F {} -o IdentityAgent=none -o IdentitiesOnly=yes -o StrictHostKeyChecking=accept-new \
                     -o UserKnownHostsFile={} -o HashKnownHosts=no",
                    configuration.display(),
                    quoted(file)
                ));
                Some(file.clone())
            }
        };
        match credential {
            Some(GitCredential::Password { user, password }) => {
                let program = write("askpass", ASKPASS, 0o700)?;
                let (scheme, host) = whom(&source.url);
                set("GIT_ASKPASS", program.display().to_string());
                set("PLUVIO_GIT_SCHEME", scheme);
                set("PLUVIO_GIT_HOST", host);
                set("PLUVIO_GIT_USER", user.clone());
                set("PLUVIO_GIT_PASSWORD", password.clone());
                hidden.push(password.clone());
            }
            Some(GitCredential::SshKey { user, key }) => {
                let key = write("key", &with_line_ends(key), 0o600)?;
                ssh.push_str(&format!(" -i {} -o IdentitiesOnly=yes", quoted(&key)));
                let named = source
                    .url
                    .split_once("://")
                    .map_or(&*source.url, |(_, rest)| rest);
                if !named
                    .split('/')
                    .next()
                    .is_some_and(|host| host.contains('@'))
                {
                    let user = user.as_deref().unwrap_or("git");
                    ssh.push_str(&format!(" -l {}", quoted(Path::new(user))));
                }
                set("GIT_ASKPASS", "true".to_owned());
            }
            // `true` answers nothing: a host that asks is told nothing, and refuses.
            None => {
                if known_hosts.is_some() {
                    ssh.push_str(" -o IdentityFile=none");
                }
                set("GIT_ASKPASS", "true".to_owned());
            }
        }
        set("GIT_SSH_COMMAND", ssh);
        set("GIT_TERMINAL_PROMPT", "0".to_owned());
        set("LC_ALL", "C".to_owned());
        // A submodule must not lead from a host to this machine's own files.
        let protocols = match source.url.starts_with("file://") {
            true => "https:http:ssh:git:file",
            false => "https:http:ssh:git",
        };
        set("GIT_ALLOW_PROTOCOL", protocols.to_owned());
        set("GIT_LFS_SKIP_SMUDGE", "0".to_owned());
        Ok(Git {
            source,
            folder,
            environment,
            with_credential: credential.is_some(),
            known_hosts,
            hidden,
        })
    }

    async fn run(&self, words: &[&str], log: &Log) -> Result<String, Problem> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        self.run_words(&words, log).await
    }

    /// Runs git to its end; its standard output is the answer, its messages go to the log and, on failure, become the Problem.
    async fn run_words(&self, words: &[String], log: &Log) -> Result<String, Problem> {
        let mut command = Command::new("git");
        if self.known_hosts.is_some() {
            // The credentials of whoever runs the server are not for its users.
            command.args(["-c", "credential.helper="]);
        }
        let mut child = command
            // Submodules and file:// are served from this machine, too; hooks of a template are nobody's.
            .args([
                "-c",
                "protocol.file.allow=always",
                "-c",
                "core.hooksPath=/dev/null",
            ])
            .args(words)
            .current_dir(&self.folder)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .env_remove("GIT_INDEX_FILE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| {
                problem::GIT_FAILED.problem(
                    format!("git cannot be started: {e}"),
                    "Install git on the machine that builds (Debian: `apt install git`).",
                )
            })?;
        let (mut stdout, stderr) = (
            child.stdout.take().expect("piped"),
            child.stderr.take().expect("piped"),
        );
        let mut answer = String::new();
        let mut said: Vec<String> = Vec::new();
        let messages = async {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let line = self.masked(&line);
                log(LogEntry::line(&*line));
                said.push(line);
            }
        };
        let (_, read) = tokio::join!(messages, stdout.read_to_string(&mut answer));
        let status = child.wait().await;
        if read.is_ok() && status.is_ok_and(|status| status.success()) {
            return Ok(answer);
        }
        Err(self.failed(&said))
    }

    fn masked(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for secret in self.hidden.iter().filter(|secret| secret.len() > 3) {
            line = line.replace(secret, "•••");
        }
        line
    }

    async fn default_branch(&self, log: &Log) -> Option<String> {
        let told = self
            .run(&["ls-remote", "--symref", "origin", "HEAD"], log)
            .await;
        let told = told.ok()?;
        let line = told
            .lines()
            .find_map(|line| line.strip_prefix("ref: refs/heads/"))?;
        line.split_whitespace().next().map(str::to_owned)
    }

    fn failed(&self, said: &[String]) -> Problem {
        let found = sort(self.source, self.with_credential, said);
        match &self.known_hosts {
            Some(file) if found.is(problem::GIT_HOST_KEY) => Problem {
                remedy: format!(
                    "If the host's owners say that its key is new, forget the old one on the machine of Pluvio: \
                     `ssh-keygen -R '{}' -f {}`. If they do not, somebody may be between you and the host.",
                    known_as(&self.source.url),
                    file.display()
                ),
                ..found
            },
            _ => found,
        }
    }
}

/// Answers git's questions about one host, and no other's: neither a submodule nor a redirection learns the password.
const ASKPASS: &str = r#"#!/bin/sh
case "$1" in
"Username for '$PLUVIO_GIT_SCHEME://$PLUVIO_GIT_HOST': "*) printf '%s\n' "$PLUVIO_GIT_USER" ;;
"Password for '$PLUVIO_GIT_SCHEME://"*"@$PLUVIO_GIT_HOST': "*) printf '%s\n' "$PLUVIO_GIT_PASSWORD" ;;
*) exit 1 ;;
esac
"#;

/// Scheme and host of an address, as git names them when it asks.
fn whom(url: &str) -> (String, String) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("ssh", url));
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    (scheme.to_owned(), host.to_owned())
}

/// The name that `ssh` keeps a host's key under: `host`, `[host]:2222`.
fn known_as(url: &str) -> String {
    let (_, host) = whom(url);
    if !url.contains("://") {
        return host.split(':').next().unwrap_or_default().to_owned();
    }
    match host.rsplit_once(':') {
        Some((host, "22")) => host.to_owned(),
        Some((name, port)) if !host.ends_with(']') => {
            format!("[{}]:{port}", name.trim_matches(['[', ']']))
        }
        _ => host.trim_matches(['[', ']']).to_owned(),
    }
}

/// For the shell that git runs `ssh` by.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// What git says in the locale `C`, sorted into what a user can do about it.
fn sort(source: &GitSource, with_credential: bool, said: &[String]) -> Problem {
    let text = said.join("\n");
    let lower = text.to_ascii_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    let url = &source.url;
    let found = if says(&["no space left on device"]) {
        problem::DISK_FULL.problem(
            "The source does not fit on the disk of the data folder.",
            "Free space, then deploy again.",
        )
    } else if says(&[
        "could not resolve host",
        "could not resolve hostname",
        "name or service not known",
        "unable to look up",
        "connection refused",
        "connection timed out",
        "failed to connect",
        "couldn't connect",
        "network is unreachable",
        "no route to host",
        "operation timed out",
    ]) {
        problem::GIT_HOST_NOT_FOUND.problem(
            format!("The host of {url} cannot be reached from this machine."),
            "Check the address, name resolution and proxy of the machine that builds.",
        )
    } else if says(&[
        "host identification has changed",
        "host key verification failed",
    ]) {
        problem::GIT_HOST_KEY.problem(
            format!("The host of {url} shows another key than the one it is known by."),
            "Look at its line in your known_hosts, and ask the host's owners.",
        )
    } else if says(&[
        "couldn't find remote ref",
        "remote branch",
        "not our ref",
        "pathspec",
        "unadvertised object",
        "did not match any",
        "reference is not a tree",
        "does not take a path argument",
    ]) {
        no_reference(source, source.reference.as_deref().unwrap_or("HEAD"))
    } else if says(&[
        "authentication failed",
        "could not read username",
        "could not read password",
        "permission denied",
        "returned error: 401",
        "returned error: 403",
        "access denied",
        "load key",
    ]) && !says(&["repository not found"])
    {
        problem::GIT_UNAUTHORIZED.problem(
            format!("{url} asks who you are, and does not accept the answer."),
            if with_credential {
                "Check the stored credential: user, token or key, and that it may read this repository."
            } else {
                "Store a credential (user and token for HTTPS, a key for SSH) and name it in `credential`."
            },
        )
    } else if says(&[
        "repository not found",
        "returned error: 404",
        "not found",
        "does not appear to be a git repository",
        "does not exist",
        "no such file or directory",
        "not a git repository",
        "could not read from remote repository",
    ]) {
        problem::GIT_NO_REPOSITORY.problem(
            format!("There is no repository at {url}, or not for everyone."),
            "Check the address. Hosts say the same of a private repository: then name a credential.",
        )
    } else {
        problem::GIT_FAILED.problem(
            format!("git could not fetch {url}."),
            "Read git's words below.",
        )
    };
    let last = said.len().saturating_sub(5);
    found.evidence(said[last..].iter().cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(url: &str) -> GitSource {
        GitSource {
            url: url.to_owned(),
            reference: Some("main".to_owned()),
            path: None,
            credential: None,
        }
    }

    #[test]
    fn hosts_words_become_distinct_problems() {
        for (said, code) in [
            (
                "fatal: unable to access 'https://nohost.invalid/a/': Could not resolve host: nohost.invalid",
                problem::GIT_HOST_NOT_FOUND,
            ),
            (
                "ssh: Could not resolve hostname nohost.invalid: Name or service not known",
                problem::GIT_HOST_NOT_FOUND,
            ),
            (
                "fatal: Authentication failed for 'https://host/a/b/'",
                problem::GIT_UNAUTHORIZED,
            ),
            (
                "fatal: could not read Username for 'https://github.com': terminal prompts disabled",
                problem::GIT_UNAUTHORIZED,
            ),
            (
                "git@github.com: Permission denied (publickey).\nfatal: Could not read from remote repository.",
                problem::GIT_UNAUTHORIZED,
            ),
            (
                "remote: Repository not found.\nfatal: repository 'https://github.com/a/b/' not found",
                problem::GIT_NO_REPOSITORY,
            ),
            (
                "fatal: '/srv/x.git' does not appear to be a git repository\nfatal: Could not read from remote repository.",
                problem::GIT_NO_REPOSITORY,
            ),
            (
                "fatal: couldn't find remote ref nope",
                problem::GIT_NO_REFERENCE,
            ),
            (
                "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.\nfatal: Could not read from remote repository.",
                problem::GIT_HOST_KEY,
            ),
            ("fatal: early EOF", problem::GIT_FAILED),
        ] {
            let lines: Vec<String> = said.lines().map(str::to_owned).collect();
            let problem = sort(&source("https://host/a/b"), false, &lines);
            assert!(problem.is(code), "{said:?} became {}", problem.code);
        }
    }

    #[test]
    fn a_host_is_named_as_ssh_names_it() {
        for (url, name) in [
            ("ssh://git@host/a", "host"),
            ("ssh://git@host:22/a", "host"),
            ("ssh://git@host:2222/a", "[host]:2222"),
            ("ssh://git@[::1]:2222/a", "[::1]:2222"),
            ("git@host:a/b.git", "host"),
        ] {
            assert_eq!(known_as(url), name);
        }
    }

    #[test]
    fn addresses_that_run_programs_are_refused() {
        for good in ["https://h/a", "git@h:a/b", "ssh://git@h/a", "file:///srv/a"] {
            assert!(check_url(good).is_ok(), "{good}");
        }
        for bad in ["ext::sh -c x", "--upload-pack=x", "/srv/a", "a", ""] {
            assert!(check_url(bad).is_err(), "{bad}");
        }
    }
}
