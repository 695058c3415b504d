//! Certificate authorities that only this machine knows, for the RUN steps of a user's Dockerfile.
//!
//! Behind a proxy that opens TLS, `npm ci` in a Dockerfile fails unless the image trusts the proxy's authority, and an image
//! must not. So the bundle is mounted while a step runs: each `RUN` gets a `--mount` from a small image that holds nothing
//! else, and each stage `ARG`s that name it to programs with a bundle of their own. Neither stays in what is built. Where
//! the machine knows no authority of its own, a Dockerfile is sent as it is.

use std::path::PathBuf;

use pluvio_engine::{Engine, TarEntry, body_of_reader};
use pluvio_model::problem::Problem;
use sha2::{Digest, Sha256};

use crate::host::{BUNDLE, BUNDLE_VARIABLES};
use crate::job::engine;

/// The machine's bundle, where it holds more than its distribution put in.
fn own_bundle() -> Option<PathBuf> {
    let given = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let local = std::fs::read_dir("/usr/local/share/ca-certificates")
        .is_ok_and(|mut entries| entries.next().is_some());
    given
        .filter(|path| path.is_file())
        .or_else(|| local.then(|| PathBuf::from(BUNDLE)))
        .filter(|path| path.is_file())
}

/// The image that holds the bundle, made if it is not at hand; `None` where none is needed.
async fn image(client: &Engine) -> Result<Option<String>, Problem> {
    let Some(bundle) = own_bundle() else {
        return Ok(None);
    };
    let Ok(content) = tokio::fs::read(&bundle).await else {
        return Ok(None);
    };
    let hash = hex::encode(Sha256::digest(&content));
    let name = format!("localhost/pluvio/host-authorities:{}", &hash[..12]);
    if client.image_facts(&name).await.map_err(engine)?.is_none() {
        let entries = [TarEntry::File {
            path: "ca.crt",
            mode: 0o644,
            content: &content,
        }];
        let tar = TarEntry::archive(&entries, (0, 0)).expect("an archive in memory is written");
        let body = body_of_reader(std::io::Cursor::new(tar));
        client.import_body(body, &name, &[]).await.map_err(engine)?;
    }
    Ok(Some(name))
}

/// What each `RUN` begins with.
fn mount_of(image: &str) -> String {
    format!(" --mount=type=bind,from={image},source=/ca.crt,target={BUNDLE}")
}

/// The Dockerfile with the bundle mounted in each step.
fn mounted(text: &str, image: &str) -> String {
    let escape = escape_character(text);
    let mount = mount_of(image);
    let mut out = String::with_capacity(text.len() + 1024);
    let mut continued = false;
    let mut from = false;
    let mut heredoc: Option<String> = None;
    for line in text.lines() {
        let trimmed = line.trim_start();
        if let Some(end) = &heredoc {
            if trimmed.trim_end() == end {
                heredoc = None;
            }
            push(&mut out, line);
            continue;
        }
        let comment = trimmed.starts_with('#') || trimmed.is_empty();
        let begins = !continued && !comment;
        let word = trimmed.split_whitespace().next().unwrap_or("");
        if begins && word.eq_ignore_ascii_case("RUN") {
            push(&mut out, &format!("RUN{mount}{}", &trimmed[word.len()..]));
        } else {
            push(&mut out, line);
        }
        if begins {
            from = word.eq_ignore_ascii_case("FROM");
            heredoc = ["RUN", "COPY", "ADD"]
                .iter()
                .any(|name| word.eq_ignore_ascii_case(name))
                .then(|| heredoc_end(trimmed))
                .flatten();
        }
        if !comment {
            continued = line.trim_end().ends_with(escape);
            if from && !continued {
                for name in BUNDLE_VARIABLES {
                    push(&mut out, &format!("ARG {name}={BUNDLE}"));
                }
                from = false;
            }
        }
    }
    out
}

fn push(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

/// `# escape=` among the directives at the head.
pub(crate) fn escape_character(text: &str) -> char {
    text.lines()
        .map_while(|line| line.trim().strip_prefix('#'))
        .filter_map(|directive| directive.trim().strip_prefix("escape="))
        .find_map(|value| value.chars().next())
        .unwrap_or('\\')
}

/// `EOF` of `RUN <<EOF`, `<<-"EOF"`; not of `$((1<<n))`, in which a number or a bracket stands before it.
pub(crate) fn heredoc_end(line: &str) -> Option<String> {
    let mut all = line.match_indices("<<");
    let begins = |at: usize| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| c.is_whitespace() || c.is_ascii_digit() && is_descriptor(&line[..at]))
    };
    let (at, _) = all.find(|(at, _)| begins(*at))?;
    let word = line[at + 2..].trim_start_matches('-');
    let word: String = word
        .trim_start_matches(['"', '\''])
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect();
    let is_name = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    is_name.then_some(word)
}

/// `3` of `exec 3<<EOF`: a number that is a word.
fn is_descriptor(before: &str) -> bool {
    let word = before.rsplit(char::is_whitespace).next().unwrap_or("");
    word.chars().all(|c| c.is_ascii_digit())
}

/// A Dockerfile that is sent in place of the user's own.
pub(crate) struct Replaced {
    pub(crate) text: String,
    mount: String,
}

impl Replaced {
    /// A builder's words as they would be of the user's own Dockerfile.
    pub(crate) fn unmounted(&self, said: &str) -> String {
        said.replace(&self.mount, "")
    }
}

/// The Dockerfile to send instead, where this machine's authorities are needed.
pub(crate) async fn replaced(client: &Engine, text: &str) -> Result<Option<Replaced>, Problem> {
    let image = image(client).await?;
    Ok(image.map(|image| Replaced {
        text: mounted(text, &image),
        mount: mount_of(&image),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_has_the_mount_and_every_stage_the_names() {
        let text = "# escape=\\\nFROM a \\\n  AS b\n# RUN not this\nRUN one \\\n  # two\n  RUN=3\nrun [\"x\"]\nRUN <<EOF\nRUN inside\nFROM inside\nEOF\nCOPY a b\nFROM c\n";
        let out = mounted(text, "ca:1");
        let mount =
            "--mount=type=bind,from=ca:1,source=/ca.crt,target=/etc/ssl/certs/ca-certificates.crt";
        let lines: Vec<&str> = out
            .lines()
            .filter(|line| !line.starts_with("ARG "))
            .collect();
        let expected = text
            .replace("RUN one", &format!("RUN {mount} one"))
            .replace("run [", &format!("RUN {mount} ["))
            .replace("RUN <<", &format!("RUN {mount} <<"));
        assert_eq!(lines, expected.lines().collect::<Vec<_>>());
        assert_eq!(out.matches("ARG SSL_CERT_FILE=").count(), 2);
        let after_from = out.split("AS b\n").nth(1).unwrap();
        assert!(after_from.starts_with("ARG "), "{after_from}");
    }
}
